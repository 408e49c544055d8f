//! Membership of a classic consumer group: rebalances come as events, and librdkafka goes on when each is answered. Nothing is
//! ever read here: the partitions of an assignment are not taken, only told.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaErrorCode;

use crate::log::TopicPartition;

use super::client::{Client, Role};
use super::consume::Queue;
use super::lookup::Event;
use super::milliseconds;
use super::outcome::{CallError, by_code, text};
use super::transaction::GroupMetadata;

/// What a group tells its member.
#[derive(Debug)]
pub(in crate::log::kafka) enum GroupEvent {
    /// The member has these partitions. Answered by [`Subscriber::accept`].
    Assigned(Vec<TopicPartition>),
    /// The member is to give up what it has. Answered by [`Subscriber::release`], and until then the group waits.
    Revoked {
        /// It is given to others already.
        lost: bool,
    },
    /// Something failed; the member tries on.
    Failed(CallError),
}

/// A client that is a member of a group. One thread polls it.
#[derive(Debug)]
pub(in crate::log::kafka) struct Subscriber {
    // Dropped before the client: the queue belongs to it.
    queue: Queue,
    client: Arc<Client>,
}

// SAFETY: handles of librdkafka may move between threads.
unsafe impl Send for Subscriber {}

impl Subscriber {
    pub(in crate::log::kafka) fn new(settings: &[(String, String)]) -> Result<Self, String> {
        let client = Client::new(Role::Member, settings)?;
        Ok(Self { queue: Queue::of_consumer(&client)?, client: Arc::new(client) })
    }

    /// For commits, which carry the member's id and generation. Any thread may make them.
    pub(in crate::log::kafka) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Joins the group.
    pub(in crate::log::kafka) fn subscribe<'a>(&self, topics: impl IntoIterator<Item = &'a str>) -> Result<(), CallError> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            list.add_topic_unassigned(topic);
        }
        // SAFETY: live handle and list, which is copied.
        by_code(unsafe { sys::rd_kafka_subscribe(self.client.pointer(), list.ptr()) })
    }

    /// What the group has to say, waiting at most `timeout` for it.
    pub(in crate::log::kafka) fn poll(&mut self, timeout: Duration) -> Option<GroupEvent> {
        // SAFETY: the queue is live; the event is ours until it is dropped.
        let event = Event(unsafe { sys::rd_kafka_queue_poll(self.queue.pointer(), milliseconds(timeout)) });
        if event.0.is_null() {
            return None;
        }
        // SAFETY: a live event.
        let (kind, code) = unsafe { (sys::rd_kafka_event_type(event.0), RDKafkaErrorCode::from(sys::rd_kafka_event_error(event.0))) };
        match kind {
            sys::RD_KAFKA_EVENT_REBALANCE if code == RDKafkaErrorCode::AssignPartitions => Some(GroupEvent::Assigned(partitions(&event))),
            sys::RD_KAFKA_EVENT_REBALANCE => {
                // SAFETY: the handle is live.
                let lost = unsafe { sys::rd_kafka_assignment_lost(self.client.pointer()) } != 0;
                Some(GroupEvent::Revoked { lost })
            }
            sys::RD_KAFKA_EVENT_ERROR => {
                // SAFETY: a live event, and its text lives as long.
                let (message, fatal) = unsafe { (text(sys::rd_kafka_event_error_string(event.0)), sys::rd_kafka_event_error_is_fatal(event.0) != 0) };
                Some(GroupEvent::Failed(CallError { code, message, fatal, retriable: false, must_abort: false }))
            }
            _ => None,
        }
    }

    /// The member's id and the group's generation; `None` out of the group.
    pub(in crate::log::kafka) fn identity(&self) -> Option<(String, i32)> {
        // SAFETY: the handle is live; what it gives is ours to free.
        let metadata = GroupMetadata(NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata(self.client.pointer()) })?);
        // SAFETY: live metadata, whose text lives as long.
        let (member, generation) = unsafe {
            let member = sys::rd_kafka_consumer_group_metadata_member_id(metadata.0.as_ptr());
            (text(member), sys::rd_kafka_consumer_group_metadata_generation_id(metadata.0.as_ptr()))
        };
        (generation >= 0 && !member.is_empty()).then_some((member, generation))
    }

    /// The assignment is known. None of it is taken, so nothing is fetched.
    pub(in crate::log::kafka) fn accept(&self) -> Result<(), CallError> {
        let nothing = TopicPartitionList::new();
        // SAFETY: live handle and list.
        by_code(unsafe { sys::rd_kafka_assign(self.client.pointer(), nothing.ptr()) })
    }

    /// What was revoked is given up; who is subscribed joins again.
    pub(in crate::log::kafka) fn release(&self) -> Result<(), CallError> {
        // SAFETY: live handle; no list is how to give everything up.
        by_code(unsafe { sys::rd_kafka_assign(self.client.pointer(), ptr::null()) })
    }

    /// Leaves the group; [`Subscriber::subscribe`] joins again.
    pub(in crate::log::kafka) fn leave(&self) -> Result<(), CallError> {
        // SAFETY: live handle.
        by_code(unsafe { sys::rd_kafka_unsubscribe(self.client.pointer()) })?;
        self.release()
    }

    /// Leaves for good, and waits until the group has heard it, within librdkafka's few seconds.
    pub(in crate::log::kafka) fn close(self) -> Result<(), CallError> {
        // SAFETY: live handle; what still comes through the queue librdkafka answers itself.
        by_code(unsafe { sys::rd_kafka_consumer_close(self.client.pointer()) })
    }
}

fn partitions(event: &Event) -> Vec<TopicPartition> {
    // SAFETY: a live rebalance event, whose list lives as long and holds as many elements as it counts.
    let elements = unsafe {
        let list = sys::rd_kafka_event_topic_partition_list(event.0);
        match if list.is_null() { Ok(0) } else { usize::try_from((*list).cnt) } {
            Ok(count) if count > 0 => std::slice::from_raw_parts((*list).elems, count),
            _ => &[],
        }
    };
    let known = elements.iter().filter_map(|element| Some((element, u32::try_from(element.partition).ok()?)));
    // SAFETY: a zero-terminated name that lives as long as the list.
    known.map(|(element, partition)| TopicPartition::new(unsafe { text(element.topic) }, partition)).collect()
}
