//! The physical node that writes records to a topic.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use straum_state::{Part, SerdeContext, SharedSerde};

use crate::error::{BoxError, Error, ErrorKind};
use crate::processor::Record;
use crate::processor::edge::Receiver;
use crate::processor::nullable::Nullable;
use crate::processor::task_context::TaskContext;
use crate::runtime::collector::Target;

/// Chooses partitions for a record: `None` leaves it to the default, an empty list drops it. Kafka Streams:
/// `StreamPartitioner`.
pub type Partitioner<K, V> = Arc<dyn Fn(&K, &V, u32) -> Option<Vec<u32>> + Send + Sync>;

/// Chooses the topic of a record. Kafka Streams: `TopicNameExtractor`.
pub(crate) type TopicExtractor<K, V> = Arc<dyn Fn(&K, &V) -> Result<String, BoxError> + Send + Sync>;

pub(crate) enum SinkTopic<K, V> {
    Fixed(Arc<str>),
    Extracted(TopicExtractor<K, V>),
}

pub(crate) struct SinkNode<K, V, KT, VT, MK, MV> {
    pub(crate) name: Arc<str>,
    pub(crate) topic: SinkTopic<K, V>,
    pub(crate) key_serde: SharedSerde<KT>,
    pub(crate) value_serde: SharedSerde<VT>,
    pub(crate) partitioner: Option<Partitioner<K, V>>,
    pub(crate) task: Rc<TaskContext>,
    /// The fixed topic's index and partitions, resolved with the first record.
    pub(crate) target: Cell<Option<Target>>,
    pub(crate) marker: PhantomData<fn(MK, MV)>,
}

impl<K, V, KT, VT, MK, MV> SinkNode<K, V, KT, VT, MK, MV>
where
    K: Nullable<KT, MK>,
    V: Nullable<VT, MV>,
    KT: 'static,
    VT: 'static,
{
    fn write(&self, topic: &Arc<str>, target: Target, record: &Record<K, V>) -> Result<(), Error> {
        if record.timestamp < 0 {
            return Err(Error::new(
                ErrorKind::Production,
                format!("timestamp {} is negative, expected milliseconds since the epoch", record.timestamp),
            ));
        }
        self.task.collector.burn_fuse();
        let mut output = self.task.collector.output();
        let chosen = self.partitioner.as_ref().and_then(|partitioner| partitioner(&record.key, &record.value, target.partitions));
        let mut emit = |partition: Option<u32>| {
            let before = output.bytes();
            output.push_with(
                target.topic,
                record.timestamp,
                record.headers.view(),
                |buffer| match record.key.as_option() {
                    Some(key) => self.key_serde.serialize(key, SerdeContext::new(topic, Part::Key), buffer),
                    None => Ok(straum_state::Serialized::Null),
                },
                |buffer| match record.value.as_option() {
                    Some(value) => self.value_serde.serialize(value, SerdeContext::new(topic, Part::Value), buffer),
                    None => Ok(straum_state::Serialized::Null),
                },
                |key| Some(partition.unwrap_or_else(|| self.task.collector.partition(key, target.partitions))),
            )?;
            self.task.collector.check_size(output.bytes() - before, topic)
        };
        match chosen {
            None => emit(None)?,
            Some(partitions) if partitions.is_empty() => self.task.drop_record(),
            Some(partitions) => {
                if let Some(wrong) = partitions.iter().find(|partition| **partition >= target.partitions) {
                    let count = target.partitions;
                    return Err(Error::new(
                        ErrorKind::Production,
                        format!("partitioner chose partition {wrong} of {topic}, expected less than {count}"),
                    ));
                }
                for partition in partitions {
                    emit(Some(partition))?;
                }
            }
        }
        Ok(())
    }

    fn send(&self, record: &Record<K, V>) -> Result<(), Error> {
        match &self.topic {
            SinkTopic::Fixed(topic) => {
                let target = match self.target.get() {
                    Some(target) => target,
                    None => {
                        let target = self.task.collector.target(topic)?;
                        self.target.set(Some(target));
                        target
                    }
                };
                self.write(topic, target, record)
            }
            SinkTopic::Extracted(extract) => {
                let topic: Arc<str> = extract(&record.key, &record.value).map_err(Error::processing)?.into();
                self.write(&topic, self.task.collector.target(&topic)?, record)
            }
        }
    }
}

impl<K, V, KT, VT, MK, MV> Receiver<K, V> for SinkNode<K, V, KT, VT, MK, MV>
where
    K: Nullable<KT, MK>,
    V: Nullable<VT, MV>,
    KT: 'static,
    VT: 'static,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        self.send(&record).map_err(|error| error.in_node(&self.name))
    }
}
