//! Reads what is committed to the output, and keeps when it came.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use straum::log::kafka::KafkaLog;
use straum::log::{ConsumerOptions, Isolation, Log, StartOffset, TopicPartition};

use super::{PARTITIONS, output};
use crate::going::{Going, lock};

/// Of one partition.
#[derive(Clone, Copy, Debug)]
struct Arrivals {
    last: Instant,
    longest_gap: Duration,
    records: u64,
}

/// A reader of the output.
#[derive(Debug)]
pub struct Watcher {
    arrivals: Arc<Mutex<Vec<Arrivals>>>,
    /// Reads until this is dropped.
    _going: Going,
}

impl Watcher {
    /// Begins at the end of the output.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn start(log: Arc<KafkaLog>, application: &str) -> anyhow::Result<Self> {
        let mut consumer = log.consumer(&ConsumerOptions { client_id: "watcher".to_owned(), isolation: Isolation::ReadCommitted })?;
        let topic = output(application);
        let end = |partition| (TopicPartition::new(topic.as_str(), partition), StartOffset::End);
        consumer.assign(&(0..PARTITIONS).map(end).collect::<Vec<_>>())?;
        let nothing = Arrivals { last: Instant::now(), longest_gap: Duration::ZERO, records: 0 };
        let arrivals = Arc::new(Mutex::new(vec![nothing; PARTITIONS as usize]));
        let notes = Arc::clone(&arrivals);
        let going = Going::start("watcher", move |stop| {
            let mut batches = Vec::new();
            while !stop.load(Ordering::Acquire) {
                // What disturbs reading is over at the next read.
                let _ = consumer.poll(Duration::from_millis(20), &mut batches);
                let now = Instant::now();
                let mut notes = lock(&notes);
                // A transaction that was aborted leaves a batch without records.
                for batch in batches.drain(..).filter(|batch| !batch.is_empty()) {
                    if let Some(of) = notes.get_mut(batch.partition().partition as usize) {
                        of.longest_gap = of.longest_gap.max(now - of.last);
                        of.last = now;
                        of.records += batch.len() as u64;
                    }
                }
            }
            drop(log);
            Ok(())
        })?;
        Ok(Self { arrivals, _going: going })
    }

    /// How many records have come.
    #[must_use]
    pub fn records(&self) -> u64 {
        lock(&self.arrivals).iter().map(|of| of.records).sum()
    }

    /// Whether every partition has had output since.
    #[must_use]
    pub fn all_since(&self, since: Instant) -> bool {
        lock(&self.arrivals).iter().all(|of| of.last > since)
    }

    /// Forgets the gaps so far.
    pub fn forget(&self) {
        for of in lock(&self.arrivals).iter_mut() {
            (of.last, of.longest_gap) = (Instant::now(), Duration::ZERO);
        }
    }

    /// The longest time for which a partition had no output.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let now = Instant::now();
        lock(&self.arrivals).iter().map(|of| of.longest_gap.max(now - of.last)).max().unwrap_or_default()
    }
}
