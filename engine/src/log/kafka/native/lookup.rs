//! Questions about topics, offsets and groups.

use std::ffi::{CStr, CString};
use std::ptr;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaErrorCode;
use uuid::Uuid;

use super::client::Client;
use super::milliseconds;
use super::outcome::{CallError, by_code, bytes, code};

/// librdkafka's offset for "none".
pub(in crate::log::kafka) const INVALID_OFFSET: i64 = sys::RD_KAFKA_OFFSET_INVALID as i64;

/// What the cluster says about one topic.
#[derive(Debug)]
pub(in crate::log::kafka) struct TopicDescription {
    pub(in crate::log::kafka) name: String,
    pub(in crate::log::kafka) code: RDKafkaErrorCode,
    pub(in crate::log::kafka) partitions: u32,
    /// Every partition has a leader.
    pub(in crate::log::kafka) ready: bool,
}

impl Client {
    /// Asks the cluster about one topic, or about all. Through a consumer it never creates one.
    pub(in crate::log::kafka) fn describe(&self, topic: Option<&str>, timeout: Duration) -> Result<Vec<TopicDescription>, CallError> {
        let handle = match topic {
            Some(name) => Some(LocalTopic::new(self, name)?),
            None => None,
        };
        let only = handle.as_ref().map_or(ptr::null_mut(), |local| local.0);
        let mut answer: *const sys::rd_kafka_metadata = ptr::null();
        // SAFETY: live handle, a live topic or null, and a place for the answer.
        by_code(unsafe { sys::rd_kafka_metadata(self.pointer(), i32::from(topic.is_none()), only, &raw mut answer, milliseconds(timeout)) })?;
        // SAFETY: on success the answer is live until it is destroyed below; it is only copied from.
        let topics = unsafe {
            let topics = std::slice::from_raw_parts((*answer).topics, usize::try_from((*answer).topic_cnt).unwrap_or(0));
            topics.iter().map(|described| description(described)).collect()
        };
        // SAFETY: ours to free, and no reference to it remains.
        unsafe { sys::rd_kafka_metadata_destroy(answer) };
        Ok(topics)
    }

    /// The oldest and the end offset of a partition, as the client's isolation level sees it.
    pub(in crate::log::kafka) fn query_watermarks(&self, topic: &str, partition: u32, timeout: Duration) -> Result<(i64, i64), CallError> {
        let name = c_string(topic)?;
        let (mut low, mut high) = (INVALID_OFFSET, INVALID_OFFSET);
        let timeout = milliseconds(timeout);
        // SAFETY: live handle, zero-terminated name, places for both offsets.
        by_code(unsafe {
            sys::rd_kafka_query_watermark_offsets(self.pointer(), name.as_ptr(), partition.cast_signed(), &raw mut low, &raw mut high, timeout)
        })?;
        Ok((low, high))
    }

    /// The high watermark as of the last fetch, without asking; `None` before the first.
    pub(in crate::log::kafka) fn cached_high_watermark(&self, topic: &CStr, partition: u32) -> Option<i64> {
        let (mut low, mut high) = (INVALID_OFFSET, INVALID_OFFSET);
        // SAFETY: live handle, zero-terminated name, places for both offsets.
        let result =
            unsafe { sys::rd_kafka_get_watermark_offsets(self.pointer(), topic.as_ptr(), partition.cast_signed(), &raw mut low, &raw mut high) };
        by_code(result).ok().and((high >= 0).then_some(high))
    }

    /// The id the cluster has given a topic; nil where it gives none.
    pub(in crate::log::kafka) fn topic_id(&self, topic: &str, timeout: Duration) -> Result<Option<Uuid>, CallError> {
        let question = Question::ask(self, topic, timeout)?;
        // SAFETY: live queue; the event is ours until it is destroyed when it is dropped. A question has one answer, also when
        // its time is over, so waiting for more than that is waiting for librdkafka alone.
        let event = Event(unsafe { sys::rd_kafka_queue_poll(question.queue, milliseconds(timeout.saturating_add(Duration::from_secs(1)))) });
        if event.0.is_null() {
            return Err(CallError::of(RDKafkaErrorCode::OperationTimedOut));
        }
        // SAFETY: live event; the answer and what it points to live as long as the event does.
        unsafe {
            by_code(sys::rd_kafka_event_error(event.0))?;
            let answer = sys::rd_kafka_event_DescribeTopics_result(event.0);
            let mut count = 0;
            let topics = if answer.is_null() { ptr::null_mut() } else { sys::rd_kafka_DescribeTopics_result_topics(answer, &raw mut count) };
            if topics.is_null() || count == 0 {
                return Ok(None);
            }
            let described = *topics;
            // The error belongs to the description, which frees it.
            by_code(sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(described)))?;
            let id = sys::rd_kafka_TopicDescription_topic_id(described);
            let (most, least) = (sys::rd_kafka_Uuid_most_significant_bits(id), sys::rd_kafka_Uuid_least_significant_bits(id));
            Ok(Some(Uuid::from_u64_pair(most.cast_unsigned(), least.cast_unsigned())))
        }
    }

    /// Fills in the offsets committed for the client's group; see [`elements`].
    pub(in crate::log::kafka) fn committed(&self, partitions: &TopicPartitionList, timeout: Duration) -> Result<(), CallError> {
        // SAFETY: live handle and list.
        by_code(unsafe { sys::rd_kafka_committed(self.pointer(), partitions.ptr(), milliseconds(timeout)) })
    }

    /// Commits offsets for the client's group in the name of the member that it is, or in nobody's for a group without
    /// members, and waits for the answer.
    pub(in crate::log::kafka) fn commit_offsets(&self, offsets: &TopicPartitionList) -> Result<(), CallError> {
        // SAFETY: live handle and list.
        by_code(unsafe { sys::rd_kafka_commit(self.pointer(), offsets.ptr(), 0) })
    }
}

/// One entry of a partition list.
#[derive(Debug)]
pub(in crate::log::kafka) struct Element {
    pub(in crate::log::kafka) code: RDKafkaErrorCode,
    pub(in crate::log::kafka) offset: i64,
    pub(in crate::log::kafka) metadata: String,
}

/// The entries of a list in its order, with whatever bytes a foreign client has left as metadata.
pub(in crate::log::kafka) fn elements(list: &TopicPartitionList) -> impl Iterator<Item = Element> + use<'_> {
    // SAFETY: the list is live and borrowed, and holds as many elements as it counts.
    let elements = unsafe {
        let list = list.ptr();
        match usize::try_from((*list).cnt) {
            Ok(count) if count > 0 => std::slice::from_raw_parts((*list).elems, count),
            _ => &[],
        }
    };
    elements.iter().map(|element| Element {
        // SAFETY: read as the number it is, since a broker may send one that the enumeration does not have.
        code: code(unsafe { (&raw const element.err).cast::<i32>().read() }),
        offset: element.offset,
        // SAFETY: metadata and its length belong together and live as long as the list.
        metadata: unsafe { bytes(element.metadata, element.metadata_size) }
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default(),
    })
}

/// # Safety
/// The topic is part of a live answer.
unsafe fn description(topic: &sys::rd_kafka_metadata_topic) -> TopicDescription {
    let count = u32::try_from(topic.partition_cnt).unwrap_or(0);
    let partitions: &[sys::rd_kafka_metadata_partition] = match count {
        0 => &[],
        // SAFETY: part of a live answer by this function's contract, with as many partitions as it counts.
        some => unsafe { std::slice::from_raw_parts(topic.partitions, some as usize) },
    };
    TopicDescription {
        // SAFETY: a zero-terminated name in a live answer.
        name: unsafe { super::outcome::text(topic.topic) },
        // SAFETY: read as the number it is, since a broker may send one that the enumeration does not have.
        code: code(unsafe { (&raw const topic.err).cast::<i32>().read() }),
        partitions: count,
        ready: partitions.iter().all(|partition| partition.leader >= 0),
    }
}

fn c_string(topic: &str) -> Result<CString, CallError> {
    CString::new(topic).map_err(|_| CallError::of(RDKafkaErrorCode::UnknownTopic))
}

/// A question about a topic that has been asked, and the queue that its answer comes through.
struct Question {
    topics: *mut sys::rd_kafka_TopicCollection_t,
    options: *mut sys::rd_kafka_AdminOptions_t,
    queue: *mut sys::rd_kafka_queue_t,
}

impl Question {
    fn ask(client: &Client, topic: &str, timeout: Duration) -> Result<Self, CallError> {
        let name = c_string(topic)?;
        let mut names = [name.as_ptr()];
        let mut reason = [0; 128];
        // SAFETY: one zero-terminated name, which the collection copies; live handle; the buffer is writable for its length;
        // what is made here is freed when the question is dropped.
        unsafe {
            let question = Self {
                topics: sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1),
                options: sys::rd_kafka_AdminOptions_new(client.pointer(), sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS),
                queue: sys::rd_kafka_queue_new(client.pointer()),
            };
            by_code(sys::rd_kafka_AdminOptions_set_request_timeout(question.options, milliseconds(timeout), reason.as_mut_ptr(), reason.len()))?;
            sys::rd_kafka_DescribeTopics(client.pointer(), question.topics, question.options, question.queue);
            Ok(question)
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // SAFETY: our own, freed once.
        unsafe {
            sys::rd_kafka_TopicCollection_destroy(self.topics);
            sys::rd_kafka_AdminOptions_destroy(self.options);
            sys::rd_kafka_queue_destroy(self.queue);
        }
    }
}

/// What came through a queue, or null.
pub(super) struct Event(pub(super) *mut sys::rd_kafka_event_t);

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: our own or null, freed once.
        unsafe { sys::rd_kafka_event_destroy(self.0) };
    }
}

/// A topic object for the length of one question.
struct LocalTopic(*mut sys::rd_kafka_topic_t);

impl LocalTopic {
    fn new(client: &Client, name: &str) -> Result<Self, CallError> {
        let name = c_string(name)?;
        // SAFETY: live handle, zero-terminated name, default configuration.
        let topic = unsafe { sys::rd_kafka_topic_new(client.pointer(), name.as_ptr(), ptr::null_mut()) };
        if topic.is_null() {
            return Err(CallError::of(RDKafkaErrorCode::InvalidTopic));
        }
        Ok(Self(topic))
    }
}

impl Drop for LocalTopic {
    fn drop(&mut self) {
        // SAFETY: our own reference, freed once.
        unsafe { sys::rd_kafka_topic_destroy(self.0) };
    }
}
