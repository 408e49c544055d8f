//! The key-value store against a map, under every order of writes, scans, undoings, commits and crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;
use straum_state::{CacheSizing, CommitBatch, RecordCache, RowFormat, StateStore, StoreIterator, StoreSupplier, StoreView, Unforwarded};

use crate::support::{Disk, Log, LogRecord, Origin, Task, TextBuilder, TextStore, builder, specs, text};

#[derive(Clone, Debug)]
pub enum Step {
    Get(usize),
    Put(usize, u16),
    /// Written without a look at what is there.
    PutBlind(usize, u16),
    PutIfAbsent(usize, u16),
    Delete(usize),
    PutCached(usize, Option<u16>),
    /// Forwards so many entries, as an eviction might.
    Forward(usize),
    Range(Option<usize>, Option<usize>, bool),
    Prefix(usize),
    OpenIterator(bool),
    ReadOn(usize),
    EndRecord,
    Revert,
    Rollback,
    Commit,
    /// Commits, and applies the batch only later.
    CommitDeferred,
    ApplyDeferred,
    Evict,
    Flush,
    Restart,
    Crash(CrashPoint),
}

/// Where in a commit the process dies.
#[derive(Clone, Copy, Debug)]
pub enum CrashPoint {
    BeforePrepare,
    BeforeCommit,
    BeforeApply,
    AfterApply,
}

/// A mistake that the runtime must not make, for proving that the model would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The batch reaches the disk before the transaction has committed.
    ApplyBeforeCommit,
    /// The offset reaches the disk before its rows.
    OffsetBeforeRows,
    /// A record that failed is accepted all the same.
    RevertForgotten,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub format: RowFormat,
    pub persistent: bool,
    pub caching: bool,
    /// Whether the whole store is scanned after each step; if not, it has no ordered index until a step asks for one.
    pub scans: bool,
    pub steps: Vec<Step>,
}

type Rows = BTreeMap<String, (String, i64)>;
type Row = (String, String, i64);
/// Key, what downstream saw last, context.
type Due = (String, Option<(String, i64)>, Origin);
/// An open iterator, and what it has yet to give.
type Open = (StoreIterator<String, String>, std::vec::IntoIter<Row>);

#[derive(Clone, Debug, Default)]
struct Model {
    rows: Rows,
    written: BTreeSet<String>,
    /// What downstream has not seen, in order.
    dues: Vec<Due>,
}

struct Run<'c> {
    case: &'c Case,
    fault: Fault,
    supplier: TextBuilder,
    disk: Disk,
    log: Log,
    task: Option<Task<TextStore>>,
    committed: Rows,
    model: Model,
    before_record: Model,
    deferred: Option<CommitBatch>,
    iterators: Vec<Open>,
    now: i64,
}

const LONG: &str = "a key that is longer than thirty-eight bytes, so that it is shared";
const KEYS: [&str; 12] = ["", "a", "aa", "ab", "abc", "b", "b\u{0}", "b\u{7f}", "ø", "øæ", LONG, "z"];

/// Runs a case; tells what the store did that the map did not.
pub fn run(case: &Case, disk: Disk, fault: Fault) -> Result<(), String> {
    let supplier = builder(case.format).persistent(case.persistent).with_caching(case.caching);
    let mut run = Run {
        case,
        fault,
        supplier,
        disk,
        log: Log::default(),
        task: None,
        committed: Rows::new(),
        model: Model::default(),
        before_record: Model::default(),
        deferred: None,
        iterators: Vec::new(),
        now: 0,
    };
    run.start()?;
    for (number, step) in case.steps.iter().enumerate() {
        run.step(step).map_err(|problem| format!("step {number}, {step:?}: {problem}"))?;
    }
    run.finish_iterators()
}

impl Run<'_> {
    fn start(&mut self) -> Result<(), String> {
        let cache = RecordCache::new(10 << 20, CacheSizing::Exact);
        self.task = Some(Task::start(&self.disk, &self.supplier, &self.log, cache));
        self.model = Model { rows: self.committed.clone(), ..Model::default() };
        self.before_record = self.model.clone();
        self.check_committed()
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        self.now += 1;
        let now = self.now;
        let shared = Rc::clone(&self.task()?.store);
        let mut store = shared.borrow_mut();
        match step {
            Step::Get(key) => {
                let got = store.get_with_timestamp(&name(*key)).unwrap().map(|found| (found.value, found.timestamp));
                same("value", &got, &self.seen(*key))?;
            }
            Step::Put(key, value) => {
                let entry = store.entry(&name(*key)).unwrap();
                let got = entry.value_and_timestamp().map(|(value, timestamp)| (value.clone(), timestamp));
                same("value before", &got, &self.seen(*key))?;
                entry.put(Some(content(*value)), now);
                self.model.write(*key, Some(content(*value)), now);
            }
            Step::PutBlind(key, value) => {
                store.put(&name(*key), Some(content(*value)), now).unwrap();
                self.model.write(*key, Some(content(*value)), now);
            }
            Step::PutIfAbsent(key, value) => {
                let got = store.put_if_absent(&name(*key), content(*value), now).unwrap();
                same("value before", &got, &self.seen(*key).map(|(value, _)| value))?;
                if got.is_none() {
                    self.model.write(*key, Some(content(*value)), now);
                }
            }
            Step::Delete(key) => {
                let got = store.delete(&name(*key), now).unwrap();
                same("deleted value", &got, &self.seen(*key).map(|(value, _)| value))?;
                self.model.write(*key, None, now);
            }
            Step::PutCached(key, value) if self.case.caching => {
                let value = value.map(content);
                let origin = Origin(now.unsigned_abs());
                let base = self.seen(*key);
                store.put_cached(&name(*key), value.clone(), now, origin).unwrap();
                self.model.write(*key, value, now);
                self.model.owe(*key, base, origin);
            }
            Step::Forward(count) => {
                for _ in 0..*count {
                    self.forward_one(&mut store)?;
                }
            }
            Step::Range(from, to, reverse) => {
                let (from, to) = (from.map(name), to.map(name));
                let rows = if *reverse {
                    store.reverse_range(from.as_ref(), to.as_ref()).unwrap()
                } else {
                    store.range(from.as_ref(), to.as_ref()).unwrap()
                };
                let inside = |key: &String| from.as_ref().is_none_or(|from| from <= key) && to.as_ref().is_none_or(|to| key <= to);
                let mut expected: Vec<_> = self.all().into_iter().filter(|(key, ..)| inside(key)).collect();
                if *reverse {
                    expected.reverse();
                }
                same("range", &rows.map(Result::unwrap).collect::<Vec<_>>(), &expected)?;
            }
            Step::Prefix(key) => {
                let prefix = name(*key);
                let rows = store.prefix_scan(&prefix, &text()).unwrap();
                let expected: Vec<_> = self.all().into_iter().filter(|(key, ..)| key.starts_with(&prefix)).collect();
                same("prefix scan", &rows.map(Result::unwrap).collect::<Vec<_>>(), &expected)?;
            }
            Step::OpenIterator(reverse) => {
                let rows = if *reverse { store.reverse_all().unwrap() } else { store.all().unwrap() };
                let mut expected = self.all();
                if *reverse {
                    expected.reverse();
                }
                self.iterators.push((rows, expected.into_iter()));
            }
            Step::ReadOn(count) => self.step_iterators(*count)?,
            Step::EndRecord => self.end_record(),
            Step::Revert => {
                if self.fault == Fault::RevertForgotten {
                    self.model = self.before_record.clone();
                } else {
                    store.revert();
                    self.model = self.before_record.clone();
                }
                self.end_record();
            }
            Step::Rollback => {
                store.rollback();
                self.model = Model { rows: self.committed.clone(), ..Model::default() };
                self.end_record();
            }
            Step::Commit => {
                self.apply_deferred()?;
                let batch = self.commit(&mut store)?;
                self.task()?.state.apply(batch).unwrap();
            }
            Step::CommitDeferred => {
                self.apply_deferred()?;
                self.deferred = Some(self.commit(&mut store)?);
            }
            Step::ApplyDeferred => self.apply_deferred()?,
            Step::Evict => drop(store.evict_clean(200)),
            Step::Flush => self.task()?.state.flush().unwrap(),
            Step::Restart => {
                drop(store);
                drop(shared);
                self.apply_deferred()?;
                self.stop()?;
                return self.start();
            }
            Step::Crash(point) => {
                self.die(*point, &mut store)?;
                drop(store);
                drop(shared);
                self.deferred = None;
                self.disk.crash();
                self.stop()?;
                return self.start();
            }
            Step::PutCached(..) => {}
        }
        self.check_dirty(&mut store)?;
        if self.case.scans {
            let rows: Vec<_> = store.all().unwrap().map(Result::unwrap).collect();
            same("rows", &rows, &self.all())?;
        }
        Ok(())
    }

    /// Ends the store's transaction as far as the process gets before it dies.
    fn die(&mut self, point: CrashPoint, store: &mut TextStore) -> Result<(), String> {
        match point {
            CrashPoint::BeforePrepare => {}
            CrashPoint::BeforeCommit => {
                self.forward_all(store)?;
                let from = self.log.end;
                let mut batch = self.task()?.state.batch();
                store
                    .prepare(&mut batch, &mut |record| {
                        self.log.append(record);
                        Ok(())
                    })
                    .unwrap();
                self.log.end_transaction(from, false);
                if self.fault == Fault::ApplyBeforeCommit {
                    self.task()?.state.apply(batch).unwrap();
                    self.task()?.state.flush().unwrap();
                }
            }
            CrashPoint::BeforeApply => {
                self.commit(store)?;
                if self.fault == Fault::OffsetBeforeRows {
                    let state = &self.task()?.state;
                    let mut alone = state.batch();
                    alone.set_offset("store", self.log.end).unwrap();
                    state.apply(alone).unwrap();
                    state.flush().unwrap();
                }
            }
            CrashPoint::AfterApply => {
                self.apply_deferred()?;
                let batch = self.commit(store)?;
                self.task()?.state.apply(batch).unwrap();
            }
        }
        Ok(())
    }

    /// Forwards, writes out, commits the log and tells the store; the batch is the caller's to apply.
    fn commit(&mut self, store: &mut TextStore) -> Result<CommitBatch, String> {
        self.forward_all(store)?;
        let from = self.log.end;
        let mut batch = self.task()?.state.batch();
        store
            .prepare(&mut batch, &mut |record| {
                self.log.append(record);
                Ok(())
            })
            .unwrap();
        self.check_changelog(from)?;
        self.log.end_transaction(from, true);
        batch.set_offset("store", self.log.end).unwrap();
        store.committed();
        self.committed = self.model.rows.clone();
        self.model.written.clear();
        self.end_record();
        Ok(batch)
    }

    /// One record a key written, sorted; a key that neither was nor is may be missing.
    fn check_changelog(&self, from: i64) -> Result<(), String> {
        let sent: Vec<&LogRecord> = self.log.records.iter().filter(|record| record.offset >= from).collect();
        let needless = |record: &&LogRecord| record.value.is_none() && !self.committed.contains_key(std::str::from_utf8(&record.key).unwrap());
        let sent: Vec<(Vec<u8>, Option<Vec<u8>>)> =
            sent.into_iter().filter(|record| !needless(record)).map(|record| (record.key.clone(), record.value.clone())).collect();
        let expected: Vec<(Vec<u8>, Option<Vec<u8>>)> = self
            .model
            .written
            .iter()
            .filter(|key| self.model.rows.contains_key(*key) || self.committed.contains_key(*key))
            .map(|key| (key.clone().into_bytes(), self.model.rows.get(key).map(|(value, _)| value.clone().into_bytes())))
            .collect();
        same("changelog", &sent, &expected)
    }

    fn forward_all(&mut self, store: &mut TextStore) -> Result<(), String> {
        while self.forward_one(store)? {}
        Ok(())
    }

    fn forward_one(&mut self, store: &mut TextStore) -> Result<bool, String> {
        let forwarded = store.drain_unforwarded().unwrap().map(|due: Unforwarded<String, String, Origin>| {
            let old = due.old.map(|old| (old.value, old.timestamp));
            (due.key, old, due.new, due.context)
        });
        let expected = loop {
            if self.model.dues.is_empty() {
                break None;
            }
            let (key, old, context) = self.model.dues.remove(0);
            let new = self.model.rows.get(&key).map(|(value, _)| value.clone());
            if old.is_some() || new.is_some() {
                break Some((key, old, new, context));
            }
        };
        same("forwarded", &forwarded, &expected)?;
        Ok(forwarded.is_some())
    }

    fn apply_deferred(&mut self) -> Result<(), String> {
        if let Some(batch) = self.deferred.take() {
            self.task()?.state.apply(batch).unwrap();
        }
        Ok(())
    }

    fn end_record(&mut self) {
        self.before_record = self.model.clone();
        if let Some(task) = &self.task {
            task.savepoint.advance();
        }
    }

    fn stop(&mut self) -> Result<(), String> {
        self.finish_iterators()?;
        self.task = None;
        Ok(())
    }

    fn step_iterators(&mut self, count: usize) -> Result<(), String> {
        for (rows, expected) in &mut self.iterators {
            for _ in 0..count {
                same("iterator", &rows.next().map(Result::unwrap), &expected.next())?;
            }
        }
        Ok(())
    }

    fn finish_iterators(&mut self) -> Result<(), String> {
        for (rows, expected) in self.iterators.drain(..) {
            same("rest of an iterator", &rows.map(Result::unwrap).collect::<Vec<_>>(), &expected.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// What is on disk after a start is what was committed, however the last run ended; and reads do not disturb it.
    fn check_committed(&self) -> Result<(), String> {
        let state = &self.task()?.state;
        let view = StoreView::new(state.column("store").unwrap(), "topic".into(), text(), text(), self.case.format);
        let rows: Vec<_> = view.range(None, None).unwrap().map(Result::unwrap).collect();
        same("restored rows", &rows, &list(&self.committed, self.case.format, |_| true))?;
        let replayed = state.offset(self.supplier.name()).unwrap_or(0);
        let missed = self.log.records.iter().filter(|record| record.committed && record.offset >= replayed).count();
        same("records left to restore", &missed, &0)
    }

    fn check_dirty(&self, store: &mut TextStore) -> Result<(), String> {
        if self.model.written.is_empty() && self.fault == Fault::None {
            same("dirty bytes", &store.dirty_bytes(), &0)?;
        }
        Ok(())
    }

    fn seen(&self, key: usize) -> Option<(String, i64)> {
        let found = self.model.rows.get(KEYS[key]).cloned();
        found.map(|(value, timestamp)| if self.case.format == RowFormat::Plain { (value, -1) } else { (value, timestamp) })
    }

    fn all(&self) -> Vec<Row> {
        list(&self.model.rows, self.case.format, |_| true)
    }

    fn task(&self) -> Result<&Task<TextStore>, String> {
        self.task.as_ref().ok_or_else(|| "no task".to_owned())
    }
}

impl Model {
    fn write(&mut self, key: usize, value: Option<String>, timestamp: i64) {
        let key = name(key);
        self.written.insert(key.clone());
        match value {
            Some(value) => drop(self.rows.insert(key, (value, timestamp))),
            None => drop(self.rows.remove(&key)),
        }
    }

    fn owe(&mut self, key: usize, base: Option<(String, i64)>, origin: Origin) {
        let key = name(key);
        let at = self.dues.iter().position(|(owed, ..)| *owed == key);
        let base = at.map_or(base, |at| self.dues.remove(at).1);
        self.dues.push((key, base, origin));
    }
}

fn list(rows: &Rows, format: RowFormat, keep: impl Fn(&str) -> bool) -> Vec<Row> {
    let timestamp = |timestamp: i64| if format == RowFormat::Plain { -1 } else { timestamp };
    rows.iter().filter(|(key, _)| keep(key)).map(|(key, (value, at))| (key.clone(), value.clone(), timestamp(*at))).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, found {found:?}")) }
}

fn name(key: usize) -> String {
    KEYS[key].to_owned()
}

fn content(value: u16) -> String {
    "v".repeat(usize::from(value % 7)) + &value.to_string()
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..KEYS.len();
    let end = || proptest::option::of(0..KEYS.len());
    let point =
        prop_oneof![Just(CrashPoint::BeforePrepare), Just(CrashPoint::BeforeCommit), Just(CrashPoint::BeforeApply), Just(CrashPoint::AfterApply),];
    prop_oneof![
        4 => key().prop_map(Step::Get),
        8 => (key(), any::<u16>()).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (key(), any::<u16>()).prop_map(|(key, value)| Step::PutBlind(key, value)),
        2 => (key(), any::<u16>()).prop_map(|(key, value)| Step::PutIfAbsent(key, value)),
        5 => key().prop_map(Step::Delete),
        8 => (key(), proptest::option::weighted(0.7, any::<u16>())).prop_map(|(key, value)| Step::PutCached(key, value)),
        2 => (0_usize..4).prop_map(Step::Forward),
        2 => (end(), end(), any::<bool>()).prop_map(|(from, to, reverse)| Step::Range(from, to, reverse)),
        1 => key().prop_map(Step::Prefix),
        2 => any::<bool>().prop_map(Step::OpenIterator),
        3 => (1_usize..4).prop_map(Step::ReadOn),
        6 => Just(Step::EndRecord),
        4 => Just(Step::Revert),
        1 => Just(Step::Rollback),
        3 => Just(Step::Commit),
        2 => Just(Step::CommitDeferred),
        2 => Just(Step::ApplyDeferred),
        2 => Just(Step::Evict),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
        1 => point.prop_map(Step::Crash),
    ]
}

pub fn case(persistent: impl Strategy<Value = bool>, steps: usize) -> impl Strategy<Value = Case> {
    let format = prop_oneof![Just(RowFormat::Timestamped), Just(RowFormat::Plain)];
    (format, persistent, any::<bool>(), any::<bool>(), proptest::collection::vec(step(), 0..steps))
        .prop_map(|(format, persistent, caching, scans, steps)| Case { format, persistent, caching, scans, steps })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn a_store_in_memory_behaves_as_a_map(case in case(Just(true), 120)) {
        prop_assert_eq!(run(&case, Disk::memory(&specs()), Fault::None), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_store_on_disk_behaves_as_a_map(case in case(any::<bool>(), 80)) {
        prop_assert_eq!(run(&case, Disk::folder(), Fault::None), Ok(()));
    }
}
