//! The log on Kafka, shared by all threads of a process.

use std::sync::Arc;

use uuid::Uuid;

use crate::group::MemberHandle;
use crate::group::member::MemberSettings;

use crate::log::{
    CommittedOffset, Consumer, ConsumerOptions, GroupMembership, GroupProtocol, Log, LogError, LogErrorKind, Offset, Producer, ProducerOptions,
    TopicPartition, TopicSpec,
};

use super::admin::Admin;
use super::classic::ClassicGroup;
use super::consumer::KafkaConsumer;
use super::group::Group;
use super::native::{Client, Role};
use super::offsets::Offsets;
use super::options::KafkaOptions;
use super::producer::KafkaProducer;
use super::settings;
use super::statistics::{ClientStatistics, StatisticsBoard};
use super::topics::Topics;

/// Who hands out the tasks.
#[derive(Debug)]
enum Coordination {
    Streams(Group),
    Classic(ClassicGroup),
    Fixed,
}

/// A cluster of Apache Kafka as a [`Log`].
#[derive(Debug)]
pub struct KafkaLog {
    group: Coordination,
    options: KafkaOptions,
    topics: Arc<Topics>,
    offsets: Offsets,
    admin: Admin,
    statistics: StatisticsBoard,
}

impl KafkaLog {
    /// The way to a cluster, which need not be up yet: [`Log::topics`] asks it a first question. An application waits for
    /// it.
    ///
    /// # Errors
    /// [`LogErrorKind::Invalid`] for a setting that librdkafka or the engine refuses.
    pub fn connect(options: KafkaOptions) -> Result<Self, LogError> {
        settings::check(&options)?;
        let client = Client::new(Role::Consumer, &settings::of_inquirer(&options))
            .map_err(|reason| LogError::new(LogErrorKind::Invalid, format!("making the client failed: {reason}")))?;
        let topics = Arc::new(Topics::new(client, options.request_timeout));
        let group = match options.group_protocol {
            GroupProtocol::Streams => Coordination::Streams(Group::new(&options)?),
            GroupProtocol::Classic => Coordination::Classic(ClassicGroup::new(&options)),
            GroupProtocol::Fixed => Coordination::Fixed,
        };
        Ok(Self {
            group,
            admin: Admin::new(&options)?,
            offsets: Offsets::new(options.clone()),
            topics,
            options,
            statistics: StatisticsBoard::default(),
        })
    }

    /// What the clients that read and write here last said about themselves. Empty unless `statistics.interval.ms` (librdkafka;
    /// milliseconds between two reports) is given.
    pub fn client_statistics(&self) -> Vec<ClientStatistics> {
        self.statistics.all()
    }
}

impl Log for KafkaLog {
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.topics.partitions(topic)
    }

    fn group_protocol(&self) -> GroupProtocol {
        self.options.group_protocol
    }

    fn join(&self, member: MemberSettings) -> Result<MemberHandle, LogError> {
        match &self.group {
            Coordination::Streams(group) => Ok(group.join(member)),
            Coordination::Classic(group) => group.join(member),
            Coordination::Fixed => Err(LogError::new(LogErrorKind::Invalid, "group.protocol is fixed, expected streams or classic to join a group")),
        }
    }

    fn topic_id(&self, topic: &str) -> Result<Option<Uuid>, LogError> {
        self.topics.id(topic)
    }

    fn topics(&self) -> Result<Vec<String>, LogError> {
        self.topics.names()
    }

    fn create_topic(&self, topic: &TopicSpec) -> Result<(), LogError> {
        let created = self.admin.create_topic(topic)?;
        self.topics.await_leaders(&topic.name)?;
        match self.topics.partitions(&topic.name)? {
            Some(count) if !created && count != topic.partitions => Err(LogError::new(
                LogErrorKind::Invalid,
                format!("topic {:?} exists with {count} partitions, expected {}", topic.name, topic.partitions),
            )),
            _ => Ok(()),
        }
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(KafkaConsumer::new(&self.options, options, Arc::clone(&self.topics), self.statistics.place())?))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn Producer>, LogError> {
        Ok(Box::new(KafkaProducer::new(&self.options, options, Arc::clone(&self.topics), self.statistics.place())?))
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, LogError> {
        self.offsets.committed(group, partitions)
    }

    fn commit_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        match &self.group {
            Coordination::Streams(group) if membership.member.is_some() => group.commit(membership, offsets),
            Coordination::Classic(group) if membership.member.is_some() => group.commit(membership, offsets),
            _ => self.offsets.commit(membership, offsets),
        }
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        self.topics.offsets(partition)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        self.admin.delete_records(before)
    }
}
