//! A log with a seeded fault, which the contract must notice.

use straum::group::MemberHandle;
use straum::group::member::MemberSettings;
use straum::log::{
    CommittedOffset, Consumer, ConsumerOptions, GroupMembership, GroupProtocol, Isolation, Log, LogError, Offset, Producer, ProducerOptions,
    TopicPartition, TopicSpec,
};

/// Shows everything to readers that asked for what is committed.
pub struct Careless<'a>(pub &'a dyn Log);

impl Log for Careless<'_> {
    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn Consumer>, LogError> {
        self.0.consumer(&ConsumerOptions { isolation: Isolation::ReadUncommitted, ..options.clone() })
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn Producer>, LogError> {
        self.0.producer(options)
    }

    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.0.partitions(topic)
    }

    fn topic_id(&self, topic: &str) -> Result<Option<uuid::Uuid>, LogError> {
        self.0.topic_id(topic)
    }

    fn group_protocol(&self) -> GroupProtocol {
        self.0.group_protocol()
    }

    fn join(&self, member: MemberSettings) -> Result<MemberHandle, LogError> {
        self.0.join(member)
    }

    fn topics(&self) -> Result<Vec<String>, LogError> {
        self.0.topics()
    }

    fn create_topic(&self, topic: &TopicSpec) -> Result<(), LogError> {
        self.0.create_topic(topic)
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, LogError> {
        self.0.committed(group, partitions)
    }

    fn commit_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        self.0.commit_offsets(membership, offsets)
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        self.0.offsets(partition)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        self.0.delete_records(before)
    }
}
