//! Random operations on the embedded log and on a model of a few lines, with restarts and crashes in between: after each
//! step every reader sees the same in both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

mod embedded_log;

use std::collections::BTreeMap;
use std::sync::Arc;

use embedded_log::*;
use proptest::prelude::*;
use straum::log::embedded::fault::{FaultyStorage, Loss};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{Isolation, Log, Producer, StartOffset};

const PARTITIONS: usize = 2;
const PRODUCERS: usize = 2;

#[derive(Clone, Debug)]
enum Step {
    /// A batch outside transactions: how many records for each partition.
    Plain([u8; PARTITIONS]),
    Begin(usize),
    Send(usize, [u8; PARTITIONS]),
    Offsets(usize, i64),
    Commit(usize),
    Abort(usize),
    /// A new producer of the same id.
    TakeOver(usize),
    /// Deletes so many tenths of a partition.
    Delete(usize, u8),
    Clean,
    /// Closes the log and opens it again.
    Restart,
    /// Kills the process; the operating system writes everything.
    Kill,
    /// Syncs, then cuts the power.
    FlushAndPowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    let counts = || prop::array::uniform2(0_u8..4);
    prop_oneof![
        4 => counts().prop_map(Step::Plain),
        4 => (0..PRODUCERS).prop_map(Step::Begin),
        6 => (0..PRODUCERS, counts()).prop_map(|(producer, counts)| Step::Send(producer, counts)),
        2 => (0..PRODUCERS, 0..100_i64).prop_map(|(producer, offset)| Step::Offsets(producer, offset)),
        4 => (0..PRODUCERS).prop_map(Step::Commit),
        2 => (0..PRODUCERS).prop_map(Step::Abort),
        1 => (0..PRODUCERS).prop_map(Step::TakeOver),
        1 => (0..PARTITIONS, 0_u8..=10).prop_map(|(partition, tenths)| Step::Delete(partition, tenths)),
        1 => Just(Step::Clean),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => Just(Step::FlushAndPowerCut),
    ]
}

/// What the log should be.
#[derive(Default)]
struct Model {
    /// For each offset: the record and its transaction, or a marker.
    partitions: [Vec<Option<(String, usize)>>; PARTITIONS],
    starts: [usize; PARTITIONS],
    /// For each transaction whether it is committed; `None` while open. Transaction 0 are plain records.
    transactions: Vec<Option<bool>>,
    begun: [Option<usize>; PRODUCERS],
    pending: BTreeMap<usize, i64>,
    offset: Option<i64>,
    records: usize,
}

impl Model {
    fn append(&mut self, transaction: usize, counts: [u8; PARTITIONS]) -> Vec<String> {
        let mut sent = Vec::new();
        for (partition, count) in counts.iter().enumerate() {
            for _ in 0..*count {
                self.records += 1;
                let text = format!("k{}={}", self.records % 5, self.records);
                self.partitions[partition].push(Some((text.clone(), transaction)));
                sent.push(format!("{partition}:{text}"));
            }
        }
        sent
    }

    fn end(&mut self, producer: usize, commit: bool) {
        let Some(transaction) = self.begun[producer].take() else { return };
        self.transactions[transaction] = Some(commit);
        for partition in &mut self.partitions {
            if partition.iter().flatten().any(|(_, of)| *of == transaction) {
                partition.push(None);
            }
        }
        if let Some(offset) = self.pending.remove(&transaction).filter(|_| commit) {
            self.offset = Some(offset);
        }
    }

    fn stable(&self, partition: usize) -> usize {
        let open = |entry: &Option<(String, usize)>| entry.as_ref().is_some_and(|(_, transaction)| self.transactions[*transaction].is_none());
        self.partitions[partition].iter().position(open).unwrap_or(self.partitions[partition].len())
    }

    fn seen(&self, partition: usize, isolation: Isolation) -> Vec<String> {
        let (end, committed) = match isolation {
            Isolation::ReadCommitted => (self.stable(partition), true),
            Isolation::ReadUncommitted => (self.partitions[partition].len(), false),
        };
        let entries = self.partitions[partition].iter().enumerate().take(end).skip(self.starts[partition]);
        let visible = entries.filter_map(|(offset, entry)| entry.as_ref().map(|(text, transaction)| (offset, text, self.transactions[*transaction])));
        visible.filter(|(_, _, state)| !committed || *state == Some(true)).map(|(offset, text, _)| format!("{offset}:{text}")).collect()
    }
}

struct Run {
    storage: FaultyStorage,
    log: EmbeddedLog,
    producers: Vec<Box<dyn Producer>>,
    plain: Box<dyn Producer>,
    model: Model,
}

fn open(storage: &FaultyStorage) -> (EmbeddedLog, Vec<Box<dyn Producer>>, Box<dyn Producer>) {
    let options = EmbeddedOptions::new().clock(|| 0).journal_bytes(500).fetch(300, 7);
    let log = EmbeddedLog::with_storage(Arc::new(storage.clone()), options).unwrap();
    topic(&log, "t", u32::try_from(PARTITIONS).unwrap(), &[("segment.bytes", "600")]);
    let producers = (0..PRODUCERS).map(|number| producer(&log, Some(&format!("id{number}")))).collect();
    let plain = producer(&log, None);
    (log, producers, plain)
}

impl Run {
    fn new(seed: u64) -> Self {
        let storage = FaultyStorage::new(seed);
        let (log, producers, plain) = open(&storage);
        Self { storage, log, producers, plain, model: Model { transactions: vec![Some(true)], ..Model::default() } }
    }

    fn send(producer: &mut dyn Producer, records: &[String]) {
        send(producer, "t", &records.iter().map(String::as_str).collect::<Vec<&str>>()).unwrap();
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Plain(counts) => Self::send(&mut *self.plain, &self.model.append(0, counts)),
            Step::Begin(producer) if self.model.begun[producer].is_none() => {
                self.producers[producer].begin().unwrap();
                self.model.begun[producer] = Some(self.model.transactions.len());
                self.model.transactions.push(None);
            }
            Step::Send(producer, counts) => {
                if let Some(transaction) = self.model.begun[producer] {
                    Self::send(&mut *self.producers[producer], &self.model.append(transaction, counts));
                }
            }
            Step::Offsets(producer, to) => {
                if let Some(transaction) = self.model.begun[producer] {
                    self.producers[producer].send_offsets(&group("g"), &[offset(&at("t", 0), to)]).unwrap();
                    self.model.pending.insert(transaction, to);
                }
            }
            Step::Commit(producer) if self.model.begun[producer].is_some() => {
                self.producers[producer].commit().unwrap();
                self.model.end(producer, true);
            }
            Step::Abort(producer) if self.model.begun[producer].is_some() => {
                self.producers[producer].abort().unwrap();
                self.model.end(producer, false);
            }
            Step::TakeOver(producer) => {
                self.producers[producer] = embedded_log::producer(&self.log, Some(&format!("id{producer}")));
                self.model.end(producer, false);
            }
            Step::Delete(partition, tenths) => {
                let before = self.model.partitions[partition].len() * usize::from(tenths) / 10;
                self.log.delete_records(&[(at("t", u32::try_from(partition).unwrap()), i64::try_from(before).unwrap())]).unwrap();
                self.model.starts[partition] = self.model.starts[partition].max(before);
            }
            Step::Clean => self.log.clean().unwrap(),
            Step::Restart | Step::Kill => self.restart(Loss::Nothing, matches!(step, Step::Kill)),
            Step::FlushAndPowerCut => {
                self.plain.flush().unwrap();
                self.restart(Loss::Everything, true);
            }
            Step::Begin(_) | Step::Commit(_) | Step::Abort(_) => {}
        }
    }

    fn restart(&mut self, loss: Loss, crash: bool) {
        if crash {
            self.storage.crash();
        }
        self.producers.clear();
        // The log is closed when its last handle goes, which must find the disk that it had.
        self.plain = producer(&EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap(), None);
        self.log = EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap();
        self.storage = self.storage.survivor(loss);
        (self.log, self.producers, self.plain) = open(&self.storage);
        // In the order of their beginning; each ends in all partitions.
        (0..PRODUCERS).for_each(|producer| self.model.end(producer, false));
    }

    fn compare(&self, step: &Step) {
        for partition in 0..PARTITIONS {
            let place = at("t", u32::try_from(partition).unwrap());
            let (start, end) = self.log.offsets(&place).unwrap();
            let expected = (self.model.starts[partition], self.model.partitions[partition].len(), self.model.stable(partition));
            let stable = self.log.last_stable_offset(&place).unwrap();
            assert_eq!((start, end, stable), (expected.0 as i64, expected.1 as i64, expected.2 as i64), "offsets of {place} after {step:?}");
            for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
                let (seen, _) = read_from(&self.log, isolation, &place, StartOffset::Beginning);
                assert_eq!(seen, self.model.seen(partition, isolation), "{isolation:?} of {place} after {step:?}");
            }
        }
        let stored = self.log.groups().get("g").map(|offsets| offsets[0].offset);
        assert_eq!(stored, self.model.offset, "group offset after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_what_the_model_says(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..60)) {
        let mut run = Run::new(seed);
        for step in &steps {
            run.step(step);
            run.compare(step);
        }
    }
}
