//! Whether a task may go on while one of its partitions is empty: `max.task.idle.ms`.

use std::time::Duration;

use crate::log::TopicPartition;
use crate::processor::source::PartitionQueue;

/// How far a partition's end is from what was delivered; `None` while that is not known.
pub(crate) trait Lags {
    fn lag(&self, partition: &TopicPartition) -> Option<i64>;
}

/// Since when each partition has been at its end with nothing buffered, in wall-clock milliseconds.
pub(crate) struct Idle {
    since: Vec<Option<i64>>,
}

impl Idle {
    pub(crate) fn new(partitions: usize) -> Self {
        Self { since: vec![None; partitions] }
    }

    pub(crate) fn filled(&mut self, index: usize) {
        if let Some(since) = self.since.get_mut(index) {
            *since = None;
        }
    }

    /// Waits while an empty partition has records to come or its lag is unknown, and at lag 0 for as long as is set.
    /// `None` never waits.
    pub(crate) fn may_go_on(&mut self, queues: &[Box<dyn PartitionQueue>], lags: &dyn Lags, wait: Option<Duration>, now: i64) -> bool {
        let Some(wait) = wait else { return true };
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let mut may = true;
        for (queue, since) in queues.iter().zip(&mut self.since) {
            if queue.buffered() > 0 {
                continue;
            }
            match lags.lag(queue.partition()) {
                Some(lag) if lag <= 0 => {
                    // A clock that was set back begins the wait anew.
                    let since = since.insert(since.map_or(now, |since| since.min(now)));
                    may &= now >= since.saturating_add(wait);
                }
                _ => {
                    *since = None;
                    may = false;
                }
            }
        }
        may
    }
}
