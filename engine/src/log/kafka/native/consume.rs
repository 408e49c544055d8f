//! Reading: a whole batch in one call, and the assignment.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaErrorCode;

use crate::log::encode_header;
use crate::log::kafka::statistics::Latest;

use super::client::{Client, FREED_BY_LIBRDKAFKA, Reports, Role};
use super::milliseconds;
use super::outcome::{CallError, by_code, by_object, bytes, code};

/// A client with the queue that its records arrive on. One thread reads it.
#[derive(Debug)]
pub(in crate::log::kafka) struct Reader {
    // Dropped before the client: the queue belongs to it.
    queue: Queue,
    client: Client,
    // Dropped after the client, which is given its address.
    _statistics: Arc<Latest>,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: the messages are only kept between two lines of `read`; everything else may move between threads.
unsafe impl Send for Reader {}

#[derive(Debug)]
pub(super) struct Queue(NonNull<sys::rd_kafka_queue_t>);

impl Queue {
    /// The queue that a consumer's records and events arrive on. It must not outlive the client.
    pub(super) fn of_consumer(client: &Client) -> Result<Self, String> {
        // SAFETY: the handle is live; the reference to the queue is ours to free.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(client.pointer()) };
        Ok(NonNull::new(queue).map(Self).ok_or("a consumer without group.id has no queue")?)
    }

    pub(super) fn pointer(&self) -> *mut sys::rd_kafka_queue_t {
        self.0.as_ptr()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: our own reference to the queue, freed once.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

impl Reader {
    /// A reader with these settings, among them a `group.id`, which librdkafka asks for even where nothing joins.
    pub(in crate::log::kafka) fn new(settings: &[(String, String)], limit: usize, statistics: Arc<Latest>) -> Result<Self, String> {
        let opaque = Arc::as_ptr(&statistics).cast_mut().cast::<c_void>();
        let reports = Reports { opaque, on_delivery: None, on_error: None, on_statistics };
        // SAFETY: the callback expects this type at this address, and what is counted outlives the client.
        let client = unsafe { Client::with_reports(Role::Consumer, settings, Some(reports)) }?;
        Ok(Self { queue: Queue::of_consumer(&client)?, client, _statistics: statistics, messages: vec![ptr::null_mut(); limit] })
    }

    pub(in crate::log::kafka) fn client(&self) -> &Client {
        &self.client
    }

    /// What is there now; when nothing is, waits at most `timeout` for the first message and takes what came with it.
    pub(in crate::log::kafka) fn read(&mut self, timeout: Duration) -> Messages<'_> {
        // librdkafka waits until the batch is full or the time is over, so only the first message is waited for.
        let mut count = self.fill(0, self.messages.len(), Duration::ZERO);
        if count == 0 && !timeout.is_zero() {
            count = self.fill(0, 1, timeout);
            if count == 1 {
                count += self.fill(1, self.messages.len(), Duration::ZERO);
            }
        }
        Messages { messages: self.messages.get(..count).unwrap_or_default() }
    }

    fn fill(&mut self, start: usize, end: usize, timeout: Duration) -> usize {
        let Some(room) = self.messages.get_mut(start..end) else { return 0 };
        // SAFETY: the queue is live and the slice writable for its whole length.
        let count = unsafe { sys::rd_kafka_consume_batch_queue(self.queue.pointer(), milliseconds(timeout), room.as_mut_ptr(), room.len()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// Adds partitions, each at its offset. They must not be assigned.
    pub(in crate::log::kafka) fn assign(&self, added: &TopicPartitionList) -> Result<(), CallError> {
        // SAFETY: live handle and list; the error object is ours.
        unsafe { by_object(sys::rd_kafka_incremental_assign(self.client.pointer(), added.ptr())) }
    }

    /// Takes partitions away; what was fetched of them is dropped.
    pub(in crate::log::kafka) fn unassign(&self, removed: &TopicPartitionList) -> Result<(), CallError> {
        // SAFETY: live handle and list; the error object is ours.
        unsafe { by_object(sys::rd_kafka_incremental_unassign(self.client.pointer(), removed.ptr())) }
    }

    /// Fills in the next offset of each partition, past transaction markers; `INVALID_OFFSET` where nothing was read.
    pub(in crate::log::kafka) fn positions(&self, partitions: &TopicPartitionList) {
        // SAFETY: live handle and list. The call fails for no partition list.
        unsafe { sys::rd_kafka_position(self.client.pointer(), partitions.ptr()) };
    }
}

unsafe extern "C" fn on_statistics(_client: *mut sys::rd_kafka_t, document: *mut c_char, length: usize, opaque: *mut c_void) -> c_int {
    // SAFETY: the address given with this callback, alive as long as the client; see `Reader::new`.
    let statistics = unsafe { &*opaque.cast::<Latest>() };
    // SAFETY: librdkafka hands over a text of this length that lives through the callback.
    statistics.put(unsafe { bytes(document.cast(), length) }.unwrap_or_default());
    FREED_BY_LIBRDKAFKA
}

/// The messages of one read, freed when dropped.
#[derive(Debug)]
pub(in crate::log::kafka) struct Messages<'a> {
    messages: &'a [*mut sys::rd_kafka_message_t],
}

impl Messages<'_> {
    pub(in crate::log::kafka) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.messages.iter().map(|message| Message { message: *message, batch: PhantomData })
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        for message in self.messages {
            // SAFETY: each was filled in by librdkafka for us to free, and is freed once; no view of it remains.
            unsafe { sys::rd_kafka_message_destroy(*message) };
        }
    }
}

/// A record, or an event of a partition that came in its place.
#[derive(Clone, Copy, Debug)]
pub(in crate::log::kafka) struct Message<'a> {
    message: *mut sys::rd_kafka_message_t,
    batch: PhantomData<&'a ()>,
}

impl<'a> Message<'a> {
    fn fields(&self) -> &'a sys::rd_kafka_message_t {
        // SAFETY: filled in by librdkafka and alive as long as its batch, which `'a` borrows.
        unsafe { &*self.message }
    }

    /// `NoError` for a record.
    pub(in crate::log::kafka) fn code(&self) -> RDKafkaErrorCode {
        // SAFETY: read as the number it is, since a broker may send one that the enumeration does not have.
        code(unsafe { (&raw const (*self.message).err).cast::<i32>().read() })
    }

    /// librdkafka's text about an event.
    pub(in crate::log::kafka) fn text(&self) -> String {
        // SAFETY: for an event the payload is its text, alive as long as the batch.
        unsafe { bytes(self.fields().payload, self.fields().len) }.map(String::from_utf8_lossy).unwrap_or_default().into_owned()
    }

    /// A number that stands for the topic as long as it is assigned; 0 for an event of the whole client.
    pub(in crate::log::kafka) fn topic_number(&self) -> usize {
        self.fields().rkt.addr()
    }

    pub(in crate::log::kafka) fn topic(&self) -> &'a str {
        if self.fields().rkt.is_null() {
            return "";
        }
        // SAFETY: the message holds its topic; the name is zero-terminated and lives as long as the topic.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.fields().rkt)) }.to_str().unwrap_or_default()
    }

    pub(in crate::log::kafka) fn partition(&self) -> i32 {
        self.fields().partition
    }

    pub(in crate::log::kafka) fn offset(&self) -> i64 {
        self.fields().offset
    }

    pub(in crate::log::kafka) fn timestamp(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a live message, and a place for the kind.
        unsafe { sys::rd_kafka_message_timestamp(self.message, &raw mut kind) }
    }

    pub(in crate::log::kafka) fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: key and length belong together and live as long as the batch.
        unsafe { bytes(self.fields().key, self.fields().key_len) }
    }

    pub(in crate::log::kafka) fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: payload and length belong together and live as long as the batch.
        unsafe { bytes(self.fields().payload, self.fields().len) }
    }

    /// Appends the headers in their encoded form.
    pub(in crate::log::kafka) fn headers(&self, encoded: &mut Vec<u8>) {
        let mut headers = ptr::null_mut();
        // SAFETY: a live message and a place for the headers, which stay the message's.
        if by_code(unsafe { sys::rd_kafka_message_headers(self.message, &raw mut headers) }).is_err() {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null::<c_void>(), 0);
            // SAFETY: live headers and places for what they hold; an index past the end answers with an error.
            if by_code(unsafe { sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length) }).is_err() {
                return;
            }
            // SAFETY: the name is zero-terminated; the value is null or has that length; both live as the message does.
            let (name, value) = unsafe { (CStr::from_ptr(name).to_string_lossy(), bytes(value, length)) };
            encode_header(&name, value, encoded);
        }
    }
}
