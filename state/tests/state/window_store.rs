//! A store of one's own: windows in segments, made of an overlay and a column, with nothing new in the runtime's traits.
//!
//! Local keys are segment (8) + key + window start (8) + sequence (4); changelog keys are the same without the segment, as
//! in Kafka Streams. A segment behind the retention goes as a whole; rows behind it are hidden before that.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use straum_state::{
    BuiltStore, CacheSizing, ChangelogRecord, ChangelogRestorer, ChangelogWriter, Column, CommitBatch, Direction, KeyRange, Overlay, RecordCache,
    RowFormat, RowSink, Savepoint, StateError, StateStore, StoreContext, StoreSpec, StoreSupplier, ValueCodec,
};

use crate::support::{Disk, Log, Task, text};

const SUFFIX: usize = 12;

#[derive(Clone, Copy)]
struct Segments {
    interval: i64,
    retention: i64,
}

impl Segments {
    fn of(self, start: i64) -> [u8; 8] {
        start.div_euclid(self.interval).to_be_bytes()
    }

    /// The first segment that still holds a row that is not hidden.
    fn first_live(self, observed: i64) -> [u8; 8] {
        self.of((observed - self.retention + 1).max(0))
    }
}

struct WindowStore {
    name: Arc<str>,
    column: Column,
    rows: Overlay<String>,
    segments: Segments,
    savepoint: Savepoint,
    /// The largest window start seen: now, when the record in progress began, and when the last transaction ended.
    observed: i64,
    observed_before_record: (u64, i64),
    observed_committed: i64,
    dropped: u64,
}

impl WindowStore {
    fn put(&mut self, key: &str, start: i64, value: Option<&str>) {
        if self.observed_before_record.0 != self.savepoint.current() {
            self.observed_before_record = (self.savepoint.current(), self.observed);
        }
        self.observed = self.observed.max(start);
        if self.segments.of(start) < self.segments.first_live(self.observed) {
            self.dropped += 1;
            return;
        }
        let local = [&self.segments.of(start), key.as_bytes(), &start.to_be_bytes(), &[0; 4]].concat();
        self.rows.put(&local, value.map(str::to_owned), start);
    }

    /// The windows of a key that start between two times, both included, in order.
    fn fetch(&mut self, key: &str, from: i64, to: i64) -> String {
        let from = from.max(self.observed - self.segments.retention + 1).max(0);
        let mut found = Vec::new();
        for segment in from.div_euclid(self.segments.interval)..=to.div_euclid(self.segments.interval) {
            let prefix = [&segment.to_be_bytes(), key.as_bytes()].concat();
            let range =
                KeyRange::inclusive(Some(&[&prefix[..], &from.to_be_bytes()].concat()), Some(&[&prefix[..], &to.to_be_bytes(), &[0xff; 4]].concat()));
            let mut rows = self.rows.scan(&range, Direction::Forward);
            while let Some(row) = rows.next_with(|local, value, _| (local.len(), local[prefix.len()..].to_vec(), value)) {
                let (length, suffix, value) = row.unwrap();
                if length == prefix.len() + SUFFIX {
                    found.push(format!("{}:{value}", i64::from_be_bytes(*suffix.first_chunk().unwrap())));
                }
            }
        }
        found.join(" ")
    }
}

impl StateStore for WindowStore {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn prepare(&mut self, batch: &mut CommitBatch, changelog: &mut ChangelogWriter<'_>) -> Result<(), StateError> {
        self.rows.prepare(batch, &mut |record| changelog(ChangelogRecord { key: &record.key[8..], ..record }))?;
        batch.delete_range(&self.column, &0_i64.to_be_bytes(), &self.segments.first_live(self.observed));
        Ok(())
    }

    fn committed(&mut self) {
        self.observed_committed = self.observed;
        self.rows.committed();
    }

    fn rollback(&mut self) {
        self.observed = self.observed_committed;
        self.rows.rollback();
    }

    fn revert(&mut self) {
        if self.observed_before_record.0 == self.savepoint.current() {
            self.observed = self.observed_before_record.1;
        }
        self.rows.revert();
    }

    fn dirty_bytes(&self) -> u64 {
        self.rows.dirty_bytes()
    }

    fn memory_bytes(&self) -> u64 {
        self.rows.memory_bytes()
    }

    fn evict_clean(&mut self, bytes: u64) -> u64 {
        self.rows.evict_clean(bytes)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

struct SegmentRestorer(Segments);

impl ChangelogRestorer for SegmentRestorer {
    fn restore(&self, record: ChangelogRecord<'_>, rows: &mut dyn RowSink) -> Result<(), StateError> {
        let start = i64::from_be_bytes(*record.key[record.key.len() - SUFFIX..].first_chunk().unwrap());
        let segment = self.0.of(start);
        match record.value {
            Some(value) => rows.put(&[&segment, record.key], &[value]),
            None => rows.delete(&[&segment, record.key]),
        }
        Ok(())
    }
}

struct WindowSupplier {
    name: Arc<str>,
    segments: Segments,
}

impl StoreSupplier for WindowSupplier {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn spec(&self) -> StoreSpec {
        StoreSpec::persistent(Arc::clone(&self.name))
    }

    fn changelog_config(&self) -> Option<BTreeMap<String, String>> {
        let retention = self.segments.retention + 24 * 3_600_000;
        Some(BTreeMap::from([("cleanup.policy".to_owned(), "compact,delete".to_owned()), ("retention.ms".to_owned(), retention.to_string())]))
    }

    fn restorer(&self) -> Arc<dyn ChangelogRestorer> {
        Arc::new(SegmentRestorer(self.segments))
    }

    fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError> {
        // The largest start is in the last segment.
        let last = column.scan(&KeyRange::all(), Direction::Reverse).current().map(|(local, _)| local[..8].to_vec());
        let mut observed = -1;
        if let Some(segment) = last {
            let mut rows = column.scan(&KeyRange::prefix(&segment), Direction::Forward);
            while let Some((local, _)) = rows.current() {
                observed = observed.max(i64::from_be_bytes(*local[local.len() - SUFFIX..].first_chunk().unwrap()));
                rows.advance();
            }
        }
        let codec = ValueCodec::new(Arc::clone(&self.name), context.changelog_topic, text(), RowFormat::Plain);
        let rows = Overlay::new(column.clone(), Arc::new(codec), context.savepoint.clone(), &context.budget);
        Ok(BuiltStore::new(WindowStore {
            name: Arc::clone(&self.name),
            column,
            rows,
            segments: self.segments,
            savepoint: context.savepoint,
            observed,
            observed_before_record: (0, -1),
            observed_committed: observed,
            dropped: 0,
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Segments of 10, rows visible for 30.
fn supplier() -> WindowSupplier {
    WindowSupplier { name: "windows".into(), segments: Segments { interval: 10, retention: 30 } }
}

fn start(disk: &Disk, log: &Log) -> Task<WindowStore> {
    Task::start(disk, &supplier(), log, RecordCache::new(0, CacheSizing::Estimated))
}

fn disks() -> [Disk; 2] {
    [Disk::memory(&[supplier().spec()]), Disk::folder()]
}

fn local_rows(task: &Task<WindowStore>) -> usize {
    let mut rows = task.state.column("windows").unwrap().scan(&KeyRange::all(), Direction::Forward);
    std::iter::from_fn(|| rows.current().is_some().then(|| rows.advance())).count()
}

#[test]
fn windows_are_found_hidden_and_dropped_by_the_segment() {
    for disk in disks() {
        let mut log = Log::default();
        let task = start(&disk, &log);
        let fetch = |key: &str, from, to| task.store.borrow_mut().fetch(key, from, to);
        let put = |key: &str, start, value| task.store.borrow_mut().put(key, start, Some(value));

        put("a", 0, "zero");
        put("a", 5, "five");
        put("ab", 5, "other");
        put("a", 25, "later");
        assert_eq!(fetch("a", 0, 100), "0:zero 5:five 25:later", "uncommitted, across segments, and no other key");
        task.commit(&mut log);
        assert_eq!((fetch("a", 1, 24), local_rows(&task)), ("5:five".to_owned(), 4));

        put("b", 32, "now");
        assert_eq!(fetch("a", 0, 100), "5:five 25:later", "hidden, though its segment lives");
        put("a", 3, "late but in time");
        put("b", 45, "now");
        put("a", 9, "too late");
        assert_eq!(task.store.borrow().dropped, 1);
        task.commit(&mut log);
        assert_eq!((fetch("a", 0, 100), local_rows(&task)), ("25:later".to_owned(), 3), "the first segment is gone as a whole");
        assert!(log.records.iter().all(|record| record.value.is_some()), "a dropped segment leaves no tombstones");
        drop(task);
    }
}

#[test]
fn a_record_and_a_transaction_take_the_observed_time_back_with_them() {
    let log = Log::default();
    let task = start(&Disk::memory(&[supplier().spec()]), &log);
    let mut store = task.store.borrow_mut();
    store.put("a", 5, Some("kept"));
    task.savepoint.advance();
    store.put("a", 1000, Some("failed"));
    store.revert();
    task.savepoint.advance();
    assert_eq!(store.fetch("a", 0, 2000), "5:kept");
    store.rollback();
    assert_eq!((store.fetch("a", 0, 2000).as_str(), store.observed), ("", -1));
}

#[test]
fn restored_from_its_changelog_it_is_the_same() {
    let mut log = Log::default();
    let task = start(&Disk::memory(&[supplier().spec()]), &log);
    for time in 0..20 {
        task.store.borrow_mut().put("a", time * 3, Some(&time.to_string()));
        task.store.borrow_mut().put("b", time * 3, (time % 3 != 0).then_some("b"));
        if time % 4 == 3 {
            task.commit(&mut log);
        }
    }
    let mut disk = Disk::folder();
    let restored = start(&disk, &log);
    restored.state.flush().unwrap();
    disk.crash();
    let again = start(&disk, &log);
    for (key, windows) in [("a", 10), ("b", 7)] {
        let expected = task.store.borrow_mut().fetch(key, 0, 1000);
        assert_eq!(expected.split(' ').count(), windows);
        assert_eq!(restored.store.borrow_mut().fetch(key, 0, 1000), expected);
        assert_eq!(again.store.borrow_mut().fetch(key, 0, 1000), expected);
    }
    assert_eq!(log.records[0].key, [b"a", &[0; 8][..], &[0; 4]].concat(), "changelog keys have no segment");
}
