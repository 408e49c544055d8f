//! Many cases on one cluster: what one calls `words` or `counts-changelog` has a prefix of its own there, and so have its group
//! and its transactions. The application sees the names that its topology has.
//!
//! The same place holds the switch that cuts an application off: from then on nothing it sends arrives, as if its process had been
//! killed.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use straum::group::MemberHandle;
use straum::group::member::MemberSettings;
use straum::log::kafka::KafkaLog;
use straum::log::{
    CommittedOffset, Consumer, ConsumerOptions, GroupMembership, GroupProtocol, Log, LogError, LogErrorKind, Offset, OutputBatch, Producer,
    ProducerOptions, RecordBatch, RecordBatchBuilder, StartOffset, TopicPartition, TopicSpec,
};
use uuid::Uuid;

/// Cuts an application off its log.
#[derive(Debug, Default)]
pub(super) struct Switch {
    cut: AtomicBool,
    armed: AtomicBool,
}

impl Switch {
    /// From now on nothing arrives.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// Cuts at the next commit, before it is made.
    pub(super) fn arm(&self, armed: bool) {
        self.armed.store(armed, Ordering::Release);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    fn pass(&self) -> Result<(), LogError> {
        // A process that is gone is told nothing; its threads are, so that they end.
        if self.is_cut() { Err(LogError::new(LogErrorKind::Io, "the application was cut off")) } else { Ok(()) }
    }

    fn pass_commit(&self) -> Result<(), LogError> {
        if self.armed.swap(false, Ordering::AcqRel) {
            self.cut();
        }
        self.pass()
    }
}

/// How far the consumer of the global stores had applied its topics when it last asked for more.
pub(super) type Applied = Arc<Mutex<HashMap<TopicPartition, Offset>>>;

/// A cluster under names of one's own.
#[derive(Clone)]
pub(super) struct Namespace {
    log: Arc<KafkaLog>,
    names: Names,
    pub(super) switch: Arc<Switch>,
    pub(super) applied: Applied,
}

/// The names of a namespace: `inner` ones are the topology's, `outer` ones the cluster's.
#[derive(Clone)]
struct Names(Arc<str>);

impl Names {
    fn outer(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    fn inner<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&*self.0)
    }

    fn outward(&self, partition: &TopicPartition) -> TopicPartition {
        TopicPartition::new(self.outer(&partition.topic), partition.partition)
    }

    fn inward(&self, partition: &TopicPartition) -> TopicPartition {
        self.inner(&partition.topic).map_or_else(|| partition.clone(), |topic| TopicPartition::new(topic, partition.partition))
    }

    fn all(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        partitions.iter().map(|partition| self.outward(partition)).collect()
    }

    fn membership(&self, membership: &GroupMembership) -> GroupMembership {
        GroupMembership { group: self.outer(&membership.group), member: membership.member.clone() }
    }

    fn offsets(&self, offsets: &[CommittedOffset]) -> Vec<CommittedOffset> {
        offsets.iter().map(|offset| CommittedOffset { partition: self.outward(&offset.partition), ..offset.clone() }).collect()
    }

    fn error(&self, error: LogError) -> LogError {
        let Some(partition) = error.partition().map(|partition| self.inward(partition)) else { return error };
        let (kind, offset) = (error.kind(), error.offset());
        let told = LogError::new(kind, "the cluster refuses").at(&partition);
        offset.into_iter().fold(told, LogError::at_offset).with_source(error)
    }
}

impl Namespace {
    /// Names on the cluster begin with `prefix`.
    pub(super) fn new(log: Arc<KafkaLog>, prefix: &str) -> Self {
        Self { log, names: Names(prefix.into()), switch: Arc::default(), applied: Applied::default() }
    }
}

impl Log for Namespace {
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.log.partitions(&self.names.outer(topic))
    }

    fn topic_id(&self, topic: &str) -> Result<Option<Uuid>, LogError> {
        self.log.topic_id(&self.names.outer(topic))
    }

    fn topics(&self) -> Result<Vec<String>, LogError> {
        Ok(self.log.topics()?.iter().filter_map(|topic| self.names.inner(topic)).map(str::to_owned).collect())
    }

    fn create_topic(&self, topic: &TopicSpec) -> Result<(), LogError> {
        self.log.create_topic(&TopicSpec { name: self.names.outer(&topic.name), ..topic.clone() })
    }

    fn group_protocol(&self) -> GroupProtocol {
        self.log.group_protocol()
    }

    fn join(&self, mut member: MemberSettings) -> Result<MemberHandle, LogError> {
        self.switch.pass()?;
        member.group_id = self.names.outer(&member.group_id);
        for topic in member.lead_topics.0.values_mut() {
            *topic = self.names.outer(topic);
        }
        for subtopology in &mut member.topology.subtopologies {
            for topic in subtopology.source_topics.iter_mut().chain(&mut subtopology.repartition_sink_topics) {
                *topic = self.names.outer(topic);
            }
            for topic in subtopology.state_changelog_topics.iter_mut().chain(&mut subtopology.repartition_source_topics) {
                topic.name = self.names.outer(&topic.name);
            }
        }
        self.log.join(member)
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn Consumer>, LogError> {
        self.switch.pass()?;
        let applied = options.client_id.ends_with("-global-consumer").then(|| Arc::clone(&self.applied));
        let consumer = self.log.consumer(options)?;
        Ok(Box::new(NamespaceConsumer { consumer, names: self.names.clone(), switch: Arc::clone(&self.switch), applied, assigned: Vec::new() }))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn Producer>, LogError> {
        self.switch.pass()?;
        let transactional_id = options.transactional_id.as_ref().map(|id| self.names.outer(id));
        let producer = self.log.producer(&ProducerOptions { transactional_id, ..options.clone() })?;
        Ok(Box::new(NamespaceProducer { producer, names: self.names.clone(), switch: Arc::clone(&self.switch) }))
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, LogError> {
        self.switch.pass()?;
        let committed = self.log.committed(&self.names.outer(group), &self.names.all(partitions)).map_err(|error| self.names.error(error))?;
        let inward = |offset: CommittedOffset| CommittedOffset { partition: self.names.inward(&offset.partition), ..offset };
        Ok(committed.into_iter().map(|offset| offset.map(inward)).collect())
    }

    fn commit_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        self.switch.pass_commit()?;
        self.log.commit_offsets(&self.names.membership(membership), &self.names.offsets(offsets)).map_err(|error| self.names.error(error))
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        self.log.offsets(&self.names.outward(partition)).map_err(|error| self.names.error(error))
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        self.switch.pass()?;
        let before: Vec<_> = before.iter().map(|(partition, offset)| (self.names.outward(partition), *offset)).collect();
        self.log.delete_records(&before).map_err(|error| self.names.error(error))
    }
}

struct NamespaceConsumer {
    consumer: Box<dyn Consumer>,
    names: Names,
    switch: Arc<Switch>,
    /// Where it is told how far the global stores are, when it is theirs.
    applied: Option<Applied>,
    assigned: Vec<TopicPartition>,
}

impl Consumer for NamespaceConsumer {
    fn assign(&mut self, partitions: &[(TopicPartition, StartOffset)]) -> Result<(), LogError> {
        let outer: Vec<_> = partitions.iter().map(|(partition, start)| (self.names.outward(partition), *start)).collect();
        self.consumer.assign(&outer).map_err(|error| self.names.error(error))?;
        self.assigned = partitions.iter().map(|(partition, _)| partition.clone()).collect();
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.consumer.pause(&self.names.all(partitions))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.consumer.resume(&self.names.all(partitions))
    }

    fn poll(&mut self, timeout: Duration, batches: &mut Vec<RecordBatch>) -> Result<(), LogError> {
        self.switch.pass()?;
        if let Some(applied) = &self.applied {
            // Who asks for more has applied what there was.
            let reached = self.assigned.iter().filter_map(|partition| Some((partition.clone(), self.position(partition)?)));
            applied.lock().extend(reached);
        }
        let mut outer = Vec::new();
        self.consumer.poll(timeout, &mut outer).map_err(|error| self.names.error(error))?;
        batches.extend(outer.iter().map(|batch| {
            let partition = self.names.inward(batch.partition());
            let mut inner = RecordBatchBuilder::with_capacity(partition, batch.len(), batch.bytes());
            for record in batch.iter() {
                inner.push(record.offset, record.timestamp, record.key, record.value, record.headers.encoded());
            }
            inner.build(batch.next_offset())
        }));
        Ok(())
    }

    fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.consumer.position(&self.names.outward(partition))
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<Offset> {
        self.consumer.end_offset(&self.names.outward(partition))
    }
}

struct NamespaceProducer {
    producer: Box<dyn Producer>,
    names: Names,
    switch: Arc<Switch>,
}

impl Producer for NamespaceProducer {
    fn begin(&mut self) -> Result<(), LogError> {
        self.switch.pass()?;
        self.producer.begin()
    }

    fn send(&mut self, batch: &OutputBatch) -> Result<(), LogError> {
        self.switch.pass()?;
        let mut outer = OutputBatch::new();
        let topics: Vec<u32> = batch.topics().iter().map(|topic| outer.topic(&self.names.outer(topic).into())).collect();
        for record in batch.iter() {
            let topic = usize::try_from(record.topic).ok().and_then(|index| topics.get(index)).copied().unwrap_or_default();
            outer.push(topic, record.partition, record.timestamp, record.key, record.value, record.headers);
        }
        self.producer.send(&outer)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.switch.pass()?;
        self.producer.flush()
    }

    fn serve(&mut self) {
        self.producer.serve();
    }

    fn acknowledged(&self, partition: &TopicPartition) -> Option<Offset> {
        self.producer.acknowledged(&self.names.outward(partition))
    }

    fn send_offsets(&mut self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        self.switch.pass()?;
        self.producer.send_offsets(&self.names.membership(membership), &self.names.offsets(offsets))
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.switch.pass_commit()?;
        self.producer.commit()
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.switch.pass()?;
        self.producer.abort()
    }
}
