//! Making topics and deleting records.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::log::{LogError, LogErrorKind, Offset, TopicPartition, TopicSpec};

use super::block_on::block_on;
use super::errors;
use super::native::{CallError, elements};
use super::options::KafkaOptions;
use super::settings;
use super::slots;

/// rdkafka's admin client, waited for.
pub(super) struct Admin {
    client: AdminClient<DefaultClientContext>,
    options: AdminOptions,
    replication: i32,
}

impl fmt::Debug for Admin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Admin").field("replication", &self.replication).finish_non_exhaustive()
    }
}

impl Admin {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, LogError> {
        let mut config = ClientConfig::new();
        for (name, value) in settings::of_admin(options) {
            config.set(name, value);
        }
        let client = config.create().map_err(|error| of_kafka("making the admin client", error))?;
        let timeout = Some(options.request_timeout);
        Ok(Self {
            client,
            options: AdminOptions::new().request_timeout(timeout).operation_timeout(timeout),
            // −1 is the broker's default.
            replication: options.replication_factor.map_or(-1, i32::from),
        })
    }

    /// True when the topic is new, false when there is one of this name already.
    pub(super) fn create_topic(&self, topic: &TopicSpec) -> Result<bool, LogError> {
        let doing = || format!("making topic {:?}", topic.name);
        let invalid = |message: String| LogError::new(LogErrorKind::Invalid, message);
        let partitions = i32::try_from(topic.partitions).ok().filter(|count| *count > 0);
        let partitions =
            partitions.ok_or_else(|| invalid(format!("topic {:?} has {} partitions, expected at least 1", topic.name, topic.partitions)))?;
        if topic.name.contains('\0') {
            return Err(invalid(format!("topic {:?} has a zero byte in its name", topic.name)));
        }
        let new = NewTopic::new(&topic.name, partitions, TopicReplication::Fixed(self.replication));
        let new = topic.config.iter().fold(new, |new, (name, value)| new.set(name, value));
        let results = block_on(self.client.create_topics([&new], &self.options)).map_err(|error| of_kafka(&doing(), error))?;
        match results.into_iter().next() {
            Some(Ok(_)) => Ok(true),
            Some(Err((_, Code::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(errors::of_call(&doing(), CallError::of(code))),
            None => Err(LogError::new(LogErrorKind::Io, format!("{} was not answered", doing()))),
        }
    }

    /// Deletes topics; those that are not there are passed over.
    pub(super) fn delete_topics(&self, topics: &[&str]) -> Result<(), LogError> {
        if topics.is_empty() {
            return Ok(());
        }
        let doing = "deleting topics";
        let results = block_on(self.client.delete_topics(topics, &self.options)).map_err(|error| of_kafka(doing, error))?;
        let refused = results.into_iter().filter_map(Result::err).find(|(_, code)| *code != Code::UnknownTopicOrPartition);
        refused.map_or(Ok(()), |(topic, code)| Err(errors::of_call(&format!("{doing}: {topic:?}"), CallError::of(code))))
    }

    pub(super) fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        let doing = "deleting records";
        if before.is_empty() {
            return Ok(());
        }
        // One entry a partition: a list that names one twice is refused as a whole.
        let furthest = before.iter().fold(BTreeMap::new(), |mut furthest, (partition, offset)| {
            let highest = furthest.entry(partition).or_insert(*offset);
            *highest = (*highest).max(*offset);
            furthest
        });
        let list = slots::list(furthest.iter().map(|(partition, offset)| (*partition, Some(*offset))))?;
        let answer = block_on(self.client.delete_records(&list, &self.options)).map_err(|error| of_kafka(doing, error))?;
        // The answer is in librdkafka's order, not ours.
        let answers = answer.elements();
        let refused = answers.iter().zip(elements(&answer)).find(|(_, result)| result.code != Code::NoError);
        refused.map_or(Ok(()), |(entry, result)| {
            let partition = TopicPartition::new(entry.topic(), u32::try_from(entry.partition()).unwrap_or_default());
            Err(errors::of_call(doing, CallError::of(result.code)).at(&partition))
        })
    }
}

fn of_kafka(doing: &str, error: KafkaError) -> LogError {
    let kind = error.rdkafka_error_code().map_or(LogErrorKind::Invalid, errors::kind);
    LogError::new(kind, format!("{doing} failed")).with_source(error)
}
