//! The input, which never stops until it is told to, and the outputs, which are checked as they come.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use straum::log::kafka::KafkaLog;
use straum::log::{ConsumerOptions, HeaderView, Isolation, Log, LogErrorKind, Offset, OutputBatch, ProducerOptions, StartOffset, TopicPartition};

use crate::going::{Going, lock};
use crate::soak::instance::Guarantee;
use crate::soak::ledger::{Produced, Rows, Seen};
use crate::soak::topology::{ARRIVALS, COUNTS, IN, OUT, PARTITIONS, TOTALS, topic};

/// Keys a partition.
const KEYS: u64 = 10;
/// How often input is sent. Shorter than a commit interval by far, so that transactions are open all the time.
const BEAT: Duration = Duration::from_millis(20);

/// Sends input and keeps book of what was acknowledged.
#[derive(Debug)]
pub struct Feeder {
    produced: Arc<Mutex<Produced>>,
    going: Going,
}

impl Feeder {
    /// Begins to send so many records a second.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn start(log: Arc<KafkaLog>, application: &str, rate: u64) -> anyhow::Result<Self> {
        let produced = Arc::new(Mutex::new(Produced::new()));
        let (books, topic_name) = (Arc::clone(&produced), topic(application, IN));
        let a_beat = (rate * u64::try_from(BEAT.as_millis())? / 1000).max(1);
        let going = Going::start("feeder", move |stop| {
            let options = ProducerOptions {
                client_id: "feeder".to_owned(),
                transactional_id: None,
                // A record is sent again for as long as a broker may be away: one that fails may or may not be there.
                transaction_timeout: Duration::from_secs(600),
            };
            let mut producer = log.producer(&options)?;
            let mut batch = OutputBatch::new();
            let topic_number = batch.topic(&topic_name.into());
            let mut sent = Produced::new();
            for beat in 0.. {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let begun = Instant::now();
                let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
                for index in beat * a_beat..(beat + 1) * a_beat {
                    let partition = u32::try_from(index % u64::from(PARTITIONS))?;
                    // A multiplicative hash: keys come in no order.
                    let mixed = (index / u64::from(PARTITIONS) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
                    let key = format!("{partition}-{}", mixed % KEYS);
                    let number = sent.entry(key.clone()).or_default();
                    *number += 1;
                    batch.push(topic_number, partition, now, Some(key.as_bytes()), Some(number.to_string().as_bytes()), HeaderView::new(&[]));
                }
                producer.send(&batch)?;
                producer.flush().context("the input was not acknowledged: nothing can be said of it")?;
                batch.clear();
                lock(&books).clone_from(&sent);
                std::thread::sleep(BEAT.saturating_sub(begun.elapsed()));
            }
            Ok(())
        })?;
        Ok(Self { produced, going })
    }

    /// Stops, and tells what was sent.
    ///
    /// # Errors
    /// When the input failed.
    pub fn stop(mut self) -> anyhow::Result<Produced> {
        self.going.stop()?;
        Ok(lock(&self.produced).clone())
    }

    /// How many records are acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        lock(&self.produced).values().sum()
    }
}

/// What the watcher has seen.
#[derive(Debug)]
struct View {
    seen: Seen,
    last: Instant,
    longest_gap: Duration,
    positions: BTreeMap<TopicPartition, Offset>,
}

/// Reads the outputs as they are committed.
#[derive(Debug)]
pub struct Watcher {
    view: Arc<Mutex<View>>,
    going: Going,
}

impl Watcher {
    /// Begins to read.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn start(log: Arc<KafkaLog>, application: &str, guarantee: Guarantee) -> anyhow::Result<Self> {
        let view = View { seen: Seen::new(guarantee), last: Instant::now(), longest_gap: Duration::ZERO, positions: BTreeMap::new() };
        let view = Arc::new(Mutex::new(view));
        let (shared, out, totals) = (Arc::clone(&view), topic(application, OUT), topic(application, TOTALS));
        let going = Going::start("watcher", move |stop| {
            let mut consumer = log.consumer(&ConsumerOptions { client_id: "watcher".to_owned(), isolation: Isolation::ReadCommitted })?;
            let partitions: Vec<TopicPartition> = [&out, &totals].into_iter().flat_map(|topic| partitions(topic)).collect();
            consumer.assign(&partitions.iter().map(|partition| (partition.clone(), StartOffset::Beginning)).collect::<Vec<_>>())?;
            let mut batches = Vec::new();
            while !stop.load(Ordering::Acquire) {
                match consumer.poll(Duration::from_millis(50), &mut batches) {
                    Err(error) if error.kind() != LogErrorKind::Retriable => return Err(error.into()),
                    _ => {}
                }
                let mut view = lock(&shared);
                for batch in batches.drain(..) {
                    let counts = *batch.partition().topic == *out;
                    if counts && !batch.is_empty() {
                        view.longest_gap = view.longest_gap.max(view.last.elapsed());
                        view.last = Instant::now();
                    }
                    for record in batch.iter() {
                        let (key, value) =
                            (std::str::from_utf8(record.key.unwrap_or_default())?, std::str::from_utf8(record.value.unwrap_or_default())?);
                        if counts { view.seen.output(key, value) } else { view.seen.total(key.trim_start_matches('#'), value) }
                    }
                }
                view.positions = partitions.iter().filter_map(|partition| Some((partition.clone(), consumer.position(partition)?))).collect();
            }
            Ok(())
        })?;
        Ok(Self { view, going })
    }

    /// What has come out so far.
    pub fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&lock(&self.view).seen)
    }

    /// The longest time without an output between two.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        lock(&self.view).longest_gap
    }

    /// Why it does not read on.
    ///
    /// # Errors
    /// That.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if self.going.has_ended() { self.going.stop() } else { Ok(()) }
    }

    /// The partitions of which not all that is written now has been read, with how far they are: transactions are open.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn unread(&self, log: &dyn Log, application: &str) -> anyhow::Result<Vec<String>> {
        let mut unread = Vec::new();
        for partition in [OUT, TOTALS].into_iter().flat_map(|name| partitions(&topic(application, name))) {
            let (_, end) = log.offsets(&partition)?;
            let position = lock(&self.view).positions.get(&partition).copied();
            if position.is_none_or(|position| position < end) {
                unread.push(format!("{partition} at {position:?} of {end}"));
            }
        }
        Ok(unread)
    }

    /// Stops, and gives what was seen.
    ///
    /// # Errors
    /// When reading failed.
    pub fn stop(mut self) -> anyhow::Result<Seen> {
        self.going.stop()?;
        Ok(lock(&self.view).seen.clone())
    }
}

/// All partitions of a topic.
#[must_use]
pub fn partitions(topic: &str) -> Vec<TopicPartition> {
    (0..PARTITIONS).map(|partition| TopicPartition::new(topic, partition)).collect()
}

/// The last committed value of each key in the stores' changelogs: compacted by hand.
///
/// # Errors
/// When they cannot be read.
pub fn changelogs(log: &dyn Log, application: &str) -> anyhow::Result<Rows> {
    let mut stores = Rows::new();
    for store in [COUNTS, ARRIVALS] {
        let rows = stores.entry(store.to_owned()).or_default();
        read(log, &format!("{application}-{store}-changelog"), Isolation::ReadCommitted, |key, value| {
            rows.insert(key.to_owned(), value.map(str::to_owned).into_iter().collect());
        })?;
    }
    Ok(stores)
}

/// How many records of the outputs were written and never committed.
///
/// # Errors
/// When they cannot be read.
pub fn aborted_outputs(log: &dyn Log, application: &str) -> anyhow::Result<u64> {
    let count = |isolation| {
        let mut records = 0;
        read(log, &topic(application, OUT), isolation, |_, _| records += 1)?;
        anyhow::Ok(records)
    };
    let (written, committed): (u64, u64) = (count(Isolation::ReadUncommitted)?, count(Isolation::ReadCommitted)?);
    Ok(written - committed)
}

fn read(log: &dyn Log, topic: &str, isolation: Isolation, mut visit: impl FnMut(&str, Option<&str>)) -> anyhow::Result<()> {
    let mut consumer = log.consumer(&ConsumerOptions { client_id: "checker".to_owned(), isolation })?;
    let mut ends = Vec::new();
    for partition in partitions(topic) {
        let (_, end) = log.offsets(&partition)?;
        ends.push((partition, end));
    }
    consumer.assign(&ends.iter().map(|(partition, _)| (partition.clone(), StartOffset::Beginning)).collect::<Vec<_>>())?;
    let (deadline, mut batches) = (Instant::now() + Duration::from_secs(120), Vec::new());
    while !ends.iter().all(|(partition, end)| consumer.position(partition).is_some_and(|position| position >= *end)) {
        anyhow::ensure!(Instant::now() < deadline, "{topic} was not read to its end in 120 s");
        consumer.poll(Duration::from_millis(50), &mut batches)?;
        for batch in batches.drain(..) {
            for record in batch.iter() {
                visit(std::str::from_utf8(record.key.unwrap_or_default())?, record.value.map(std::str::from_utf8).transpose()?);
            }
        }
    }
    Ok(())
}
