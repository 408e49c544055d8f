//! What has come out of topics and is not consumed by an expectation: committed records, read by one consumer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use straum::log::{Consumer, ConsumerOptions, Isolation, Log, StartOffset, TopicPartition};

use super::super::expectations::Problem;
use super::super::matching::Came;
use super::application::PATIENCE;
use super::namespace::Namespace;

/// The topics that were asked about, each from its beginning.
pub(super) struct Outputs {
    consumer: Box<dyn Consumer>,
    topics: BTreeMap<String, Topic>,
}

#[derive(Default)]
struct Topic {
    partitions: Vec<TopicPartition>,
    pending: Vec<Came>,
    /// Read while another topic was asked about.
    unsorted: Vec<(u32, Came)>,
}

impl Outputs {
    pub(super) fn new(log: &Namespace) -> Result<Self, Problem> {
        let consumer = log.consumer(&ConsumerOptions { client_id: "straum-check-reader".to_owned(), isolation: Isolation::ReadCommitted })?;
        Ok(Self { consumer, topics: BTreeMap::new() })
    }

    /// What has come out of a topic up to its end, partitions one after the other.
    pub(super) fn came(&mut self, log: &Namespace, name: &str) -> Result<&mut Vec<Came>, Problem> {
        if !self.topics.contains_key(name) {
            self.follow(log, name)?;
        }
        let partitions = self.topics.get(name).map(|topic| topic.partitions.clone()).unwrap_or_default();
        let mut ends = Vec::new();
        for partition in partitions {
            let (_, end) = log.offsets(&partition)?;
            ends.push((partition, end));
        }
        let deadline = Instant::now() + PATIENCE;
        while let Some((partition, end)) =
            ends.iter().find(|(partition, end)| self.consumer.position(partition).is_none_or(|position| position < *end))
        {
            if Instant::now() > deadline {
                return Err(Problem::new(format!("{partition} cannot be read up to {end}: a transaction is open")));
            }
            let mut batches = Vec::new();
            self.consumer.poll(Duration::from_millis(20), &mut batches)?;
            for batch in &batches {
                let Some(topic) = self.topics.get_mut(&*batch.partition().topic) else { continue };
                let number = batch.partition().partition;
                topic
                    .unsorted
                    .extend(batch.iter().map(|record| (number, Came::of(record.key, record.value, record.headers.iter(), record.timestamp))));
            }
        }
        let topic = self.topics.entry(name.to_owned()).or_default();
        topic.unsorted.sort_by_key(|(partition, _)| *partition);
        topic.pending.extend(topic.unsorted.drain(..).map(|(_, came)| came));
        Ok(&mut topic.pending)
    }

    /// Reads one more topic.
    fn follow(&mut self, log: &Namespace, name: &str) -> Result<(), Problem> {
        let numbers = 0..log.partitions(name)?.unwrap_or(0);
        let partitions: Vec<_> = numbers.map(|number| TopicPartition::new(name, number)).collect();
        self.topics.insert(name.to_owned(), Topic { partitions, ..Topic::default() });
        let start = |partition: &TopicPartition| self.consumer.position(partition).map_or(StartOffset::Beginning, StartOffset::At);
        let all: Vec<_> = self.topics.values().flat_map(|topic| &topic.partitions).map(|partition| (partition.clone(), start(partition))).collect();
        Ok(self.consumer.assign(&all)?)
    }
}
