//! What became of the records sent: the highest offset acknowledged in each partition, and the first failure.

use rdkafka::types::RDKafkaErrorCode;

use crate::log::{Offset, TopicPartition};

/// Filled in by delivery reports, one call a record, without allocating.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    topics: Vec<Topic>,
    failure: Option<Failure>,
    dropped: bool,
}

#[derive(Debug)]
struct Topic {
    name: String,
    /// By partition; negative for none yet.
    acknowledged: Vec<Offset>,
}

/// A record that was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    topic: usize,
    partition: i32,
    pub(super) code: RDKafkaErrorCode,
}

impl Deliveries {
    /// Room for the reports of the next topic, numbered in the order of these calls.
    pub(super) fn add_topic(&mut self, name: &str, partitions: u32) {
        self.topics.push(Topic { name: name.to_owned(), acknowledged: vec![-1; partitions as usize] });
    }

    /// One record's outcome.
    pub(super) fn report(&mut self, topic: usize, partition: i32, offset: Offset, outcome: RDKafkaErrorCode) {
        match outcome {
            RDKafkaErrorCode::NoError => self.acknowledge(topic, partition, offset),
            // We dropped it ourselves, on the way to an abort.
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => self.dropped = true,
            code => {
                self.failure.get_or_insert(Failure { topic, partition, code });
            }
        }
    }

    fn acknowledge(&mut self, topic: usize, partition: i32, offset: Offset) {
        let Some(topic) = self.topics.get_mut(topic) else { return };
        let Ok(index) = usize::try_from(partition) else { return };
        if index >= topic.acknowledged.len() {
            topic.acknowledged.resize(index + 1, -1);
        }
        if let Some(highest) = topic.acknowledged.get_mut(index) {
            *highest = offset.max(*highest);
        }
    }

    /// The highest offset acknowledged.
    pub(super) fn acknowledged(&self, partition: &TopicPartition) -> Option<Offset> {
        let topic = self.topics.iter().find(|topic| *topic.name == *partition.topic)?;
        topic.acknowledged.get(partition.partition as usize).copied().filter(|offset| *offset >= 0)
    }

    /// The first failure since the last [`Deliveries::forget_failure`].
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Where the failure was.
    pub(super) fn place(&self, failure: Failure) -> Option<TopicPartition> {
        let topic = self.topics.get(failure.topic)?;
        Some(TopicPartition::new(topic.name.as_str(), u32::try_from(failure.partition).ok()?))
    }

    /// Whether a record was dropped on the way to an abort since the last [`Deliveries::forget_failure`]. The broker may have it.
    pub(super) fn has_dropped(&self) -> bool {
        self.dropped
    }

    /// A new transaction begins with a clean sheet.
    pub(super) fn forget_failure(&mut self) {
        (self.failure, self.dropped) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_in_any_order_and_the_first_failure_stays() {
        use RDKafkaErrorCode::{MessageSizeTooLarge, MessageTimedOut, NoError, PurgeQueue};
        let mut deliveries = Deliveries::default();
        deliveries.add_topic("orders", 2);
        deliveries.add_topic("items", 1);
        for (topic, partition, offset, outcome) in [
            (0, 0, 7, NoError),
            (0, 0, 5, NoError),
            (1, 0, -1001, PurgeQueue),
            (0, 1, -1001, MessageTimedOut),
            (1, 0, -1001, MessageSizeTooLarge),
            (1, 3, 9, NoError),
        ] {
            deliveries.report(topic, partition, offset, outcome);
        }
        for (topic, partition, expected) in [("orders", 0, Some(7)), ("orders", 1, None), ("items", 0, None), ("items", 3, Some(9)), ("x", 0, None)] {
            assert_eq!(deliveries.acknowledged(&TopicPartition::new(topic, partition)), expected, "{topic}-{partition}");
        }
        let failure = deliveries.failure();
        assert_eq!(failure.map(|failure| failure.code), Some(MessageTimedOut));
        assert_eq!(failure.and_then(|failure| deliveries.place(failure)), Some(TopicPartition::new("orders", 1)));
        assert!(deliveries.has_dropped());
        deliveries.forget_failure();
        assert_eq!((deliveries.failure(), deliveries.has_dropped()), (None, false));
    }
}
