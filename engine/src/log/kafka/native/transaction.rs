//! The transaction calls. Each may answer "retriable": the caller repeats it with the same arguments.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaErrorCode;

use super::milliseconds;
use super::outcome::{CallError, by_object};
use super::produce::Sender;

impl Sender {
    /// Fences earlier producers of the transactional id and ends what they had open.
    pub(in crate::log::kafka) fn init_transactions(&mut self, timeout: Duration) -> Result<(), CallError> {
        // SAFETY: live handle; the error object is ours.
        unsafe { by_object(sys::rd_kafka_init_transactions(self.client().pointer(), milliseconds(timeout))) }
    }

    pub(in crate::log::kafka) fn begin_transaction(&mut self) -> Result<(), CallError> {
        // SAFETY: live handle; the error object is ours.
        unsafe { by_object(sys::rd_kafka_begin_transaction(self.client().pointer())) }
    }

    pub(in crate::log::kafka) fn send_offsets(
        &mut self,
        offsets: &TopicPartitionList,
        group: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), CallError> {
        // SAFETY: live handle, list and group metadata; the error object is ours.
        unsafe {
            by_object(sys::rd_kafka_send_offsets_to_transaction(self.client().pointer(), offsets.ptr(), group.0.as_ptr(), milliseconds(timeout)))
        }
    }

    pub(in crate::log::kafka) fn commit_transaction(&mut self, timeout: Duration) -> Result<(), CallError> {
        // SAFETY: live handle; reports that are left go to this sender, on this thread; the error object is ours.
        unsafe { by_object(sys::rd_kafka_commit_transaction(self.client().pointer(), milliseconds(timeout))) }
    }

    pub(in crate::log::kafka) fn abort_transaction(&mut self, timeout: Duration) -> Result<(), CallError> {
        // SAFETY: live handle; reports that are left go to this sender, on this thread; the error object is ours.
        unsafe { by_object(sys::rd_kafka_abort_transaction(self.client().pointer(), milliseconds(timeout))) }
    }
}

/// In whose name a transaction's offsets are sent. Always made by the long constructor: the short one says "nobody",
/// which a broker takes without any check.
#[derive(Debug)]
pub(in crate::log::kafka) struct GroupMetadata(pub(super) NonNull<sys::rd_kafka_consumer_group_metadata_t>);

impl GroupMetadata {
    /// A member under its epoch: a stale one is refused.
    pub(in crate::log::kafka) fn of_member(group: &str, member: &str, epoch: i32) -> Result<Self, CallError> {
        Self::new(group, member, epoch)
    }

    /// A group without members, whose assignment is fixed. The broker checks nothing: only the transactional id fences.
    pub(in crate::log::kafka) fn without_fencing(group: &str) -> Result<Self, CallError> {
        Self::new(group, "", -1)
    }

    fn new(group: &str, member: &str, epoch: i32) -> Result<Self, CallError> {
        let invalid = || CallError::of(RDKafkaErrorCode::InvalidArgument);
        let group = CString::new(group).map_err(|_| invalid())?;
        let member = CString::new(member).map_err(|_| invalid())?;
        // SAFETY: zero-terminated strings, copied; the instance id may be null.
        let metadata = unsafe { sys::rd_kafka_consumer_group_metadata_new_with_genid(group.as_ptr(), epoch, member.as_ptr(), ptr::null()) };
        NonNull::new(metadata).map(Self).ok_or_else(invalid)
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) };
    }
}
