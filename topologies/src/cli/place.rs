//! The log an application runs on: the one of its data folder, or a Kafka cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use straum::log::embedded::{EmbeddedLog, PartitionDescription};
use straum::log::kafka::{ClientStatistics, KafkaLog};
use straum::log::{ConsumerOptions, Isolation, Log, LogError, Offset, RecordBatch, StartOffset, TopicPartition};

/// How long the last records of a topic on Kafka are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The log.
pub(super) enum Place {
    /// Of the data folder.
    Embedded(EmbeddedLog),
    /// A cluster.
    Kafka(Arc<KafkaLog>),
}

impl Place {
    pub(super) fn log(&self) -> &dyn Log {
        match self {
            Self::Embedded(log) => log,
            Self::Kafka(log) => &**log,
        }
    }

    pub(super) fn shared(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::new(log.clone()),
            Self::Kafka(log) => Arc::<KafkaLog>::clone(log),
        }
    }

    /// What its clients last said about themselves; the embedded log has none.
    pub(super) fn client_statistics(&self) -> Vec<ClientStatistics> {
        match self {
            Self::Embedded(_) => Vec::new(),
            Self::Kafka(log) => log.client_statistics(),
        }
    }

    /// The oldest offset of a partition, and the end that an application can reach.
    pub(super) fn reach(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        let (start, end) = self.log().offsets(partition)?;
        match self {
            Self::Embedded(log) => Ok((start, log.last_stable_offset(partition)?)),
            Self::Kafka(_) => Ok((start, end)),
        }
    }

    /// Its topics as rows; of a cluster's only those that `of_application` takes.
    pub(super) fn topics(&self, of_application: impl Fn(&str) -> bool) -> Result<Value> {
        match self {
            Self::Embedded(log) => {
                let topics = log.describe()?.into_iter().map(|topic| {
                    let sum = |of: fn(&PartitionDescription) -> u64| topic.partitions.iter().map(of).sum::<u64>();
                    json!({ "topic": topic.name, "partitions": topic.partitions.len(), "records": sum(|p| p.records), "bytes": sum(|p| p.bytes), "config": topic.config })
                });
                Ok(Value::Array(topics.collect()))
            }
            Self::Kafka(log) => {
                let mut rows = Vec::new();
                for topic in log.topics()?.into_iter().filter(|topic| of_application(topic)) {
                    let partitions = log.partitions(&topic)?.unwrap_or(0);
                    let mut offsets = 0;
                    for partition in 0..partitions {
                        let (start, end) = log.offsets(&TopicPartition::new(topic.as_str(), partition))?;
                        offsets += end - start;
                    }
                    // Markers and compaction leave gaps: how many records there are is not known without reading them.
                    rows.push(json!({ "topic": topic, "partitions": partitions, "records": format!("at most {offsets}") }));
                }
                Ok(Value::Array(rows))
            }
        }
    }

    /// The last committed records of a partition, at most so many.
    pub(super) fn tail(&self, partition: &TopicPartition, records: usize) -> Result<Vec<RecordBatch>> {
        let log = match self {
            Self::Embedded(log) => return Ok(log.tail(partition, records)?),
            Self::Kafka(log) => log,
        };
        let (start, end) = log.offsets(partition)?;
        let mut consumer = log.consumer(&ConsumerOptions { client_id: "straum-tail".to_owned(), isolation: Isolation::ReadCommitted })?;
        // Twice as far back, since markers take offsets too.
        let back = i64::try_from(records).unwrap_or(i64::MAX).saturating_mul(2);
        consumer.assign(&[(partition.clone(), StartOffset::At(end.saturating_sub(back).max(start)))])?;
        let (deadline, mut batches) = (Instant::now() + PATIENCE, Vec::new());
        while consumer.position(partition).is_none_or(|position| position < consumer.end_offset(partition).unwrap_or(end).min(end)) {
            if Instant::now() > deadline {
                bail!("{partition} does not answer within {} s", PATIENCE.as_secs());
            }
            consumer.poll(Duration::from_millis(100), &mut batches)?;
        }
        Ok(batches)
    }
}
