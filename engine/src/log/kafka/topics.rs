//! Which topics exist, and how many partitions they have.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::types::RDKafkaErrorCode as Code;
use uuid::Uuid;

use crate::log::{LogError, LogErrorKind, Offset, TopicPartition};

use super::errors;
use super::native::{CallError, Client};

/// Kafka's own topics, which are nobody's input.
const INTERNAL: &[&str] = &["__cluster_metadata", "__consumer_offsets", "__share_group_state", "__transaction_state"];

/// The cluster's topics. Asks through a consuming client, which never creates one, and remembers partition counts: they
/// only grow, so a partition once seen need not be asked for again.
#[derive(Debug)]
pub(super) struct Topics {
    client: Client,
    timeout: Duration,
    known: Mutex<HashMap<String, u32>>,
}

impl Topics {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, known: Mutex::new(HashMap::new()) }
    }

    /// The number of partitions as of now, `None` without such a topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let count = match self.ask(topic)? {
            Some((count, _)) => {
                self.known.lock().insert(topic.to_owned(), count);
                Some(count)
            }
            None => {
                self.known.lock().remove(topic);
                None
            }
        };
        Ok(count)
    }

    /// The number of partitions of a topic that has `partition`.
    ///
    /// Fails with `UnknownTopic` when it has not.
    pub(super) fn require(&self, partition: &TopicPartition) -> Result<u32, LogError> {
        let remembered = self.known.lock().get(&*partition.topic).copied();
        match remembered {
            Some(count) if partition.partition < count => Ok(count),
            _ => match self.partitions(&partition.topic)? {
                Some(count) if partition.partition < count => Ok(count),
                Some(count) => Err(unknown(format!("there is no such partition: the topic has {count}"), partition)),
                None => Err(unknown("there is no such topic".to_owned(), partition)),
            },
        }
    }

    /// The id of a topic as of now.
    pub(super) fn id(&self, topic: &str) -> Result<Option<Uuid>, LogError> {
        match self.client.topic_id(topic, self.timeout) {
            Ok(id) => Ok(id.filter(|id| !id.is_nil())),
            Err(error) if is_absent(error.code) => Ok(None),
            Err(error) => Err(errors::of_call(&format!("asking for the id of topic {topic:?}"), error)),
        }
    }

    /// The names of all topics but Kafka's own, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, LogError> {
        let topics = self.client.describe(None, self.timeout).map_err(|error| errors::of_call("asking for all topics", error))?;
        let mut names: Vec<String> = topics.into_iter().map(|topic| topic.name).filter(|name| !INTERNAL.contains(&name.as_str())).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Waits until every partition of a topic has a leader.
    pub(super) fn await_leaders(&self, topic: &str) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            if let Some((_, true)) = self.ask(topic)? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(LogError::new(LogErrorKind::Retriable, format!("topic {topic:?} was made but has no leaders yet")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The oldest offset and the high watermark.
    pub(super) fn offsets(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        self.offsets_seen_by(&self.client, partition)
    }

    /// The oldest offset and the end as `client` may see it. A client that has not heard of a partition yet, or of its new
    /// leader, is asked again as long as the partition exists.
    pub(super) fn offsets_seen_by(&self, client: &Client, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        self.require(partition)?;
        let deadline = Instant::now() + self.timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match client.query_watermarks(&partition.topic, partition.partition, left) {
                Ok(offsets) => return Ok(offsets),
                Err(error) => error,
            };
            let leader_unknown = is_absent(error.code) || matches!(error.code, Code::LeaderNotAvailable | Code::NotLeaderForPartition);
            if !leader_unknown {
                return Err(errors::of_call("asking for the offsets", error).at(partition));
            }
            self.known.lock().remove(&*partition.topic);
            self.require(partition)?;
            if Instant::now() >= deadline {
                let failure = errors::of_call("asking for the offsets", error);
                return Err(LogError::new(LogErrorKind::Retriable, "the partition has no leader yet").at(partition).with_source(failure));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The number of partitions, and whether all have leaders.
    fn ask(&self, topic: &str) -> Result<Option<(u32, bool)>, LogError> {
        let failed = |error| errors::of_call(&format!("asking for topic {topic:?}"), error);
        let answer = match self.client.describe(Some(topic), self.timeout) {
            Ok(topics) => topics.into_iter().find(|description| description.name == topic),
            Err(error) if is_absent(error.code) => None,
            Err(error) => return Err(failed(error)),
        };
        match answer {
            Some(found) if found.code == Code::NoError => Ok(Some((found.partitions, found.ready))),
            // Made a moment ago: it exists, and its leaders are being chosen.
            Some(found) if found.code == Code::LeaderNotAvailable && found.partitions > 0 => Ok(Some((found.partitions, false))),
            Some(found) if !is_absent(found.code) => Err(failed(CallError::of(found.code))),
            _ => Ok(None),
        }
    }
}

fn is_absent(code: Code) -> bool {
    matches!(code, Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition | Code::UnknownTopicId | Code::InvalidTopic)
}

fn unknown(message: String, partition: &TopicPartition) -> LogError {
    LogError::new(LogErrorKind::UnknownTopic, message).at(partition)
}
