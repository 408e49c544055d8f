//! A store of one's own: windows in segments, made of an overlay and a column, with nothing new in the runtime's traits.
//!
//! Local keys are segment (8) + key + window start (8) + sequence (4); changelog keys are the same without the segment, as
//! in Kafka Streams. A segment behind the retention goes as a whole; rows behind it are hidden before that.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use straum_state::{
    BuiltStore, ChangelogRecord, ChangelogRestorer, ChangelogWriter, Column, CommitBatch, Direction, KeyRange, Overlay, RowFormat, RowSink,
    Savepoint, SharedSerde, StateError, StateStore, StoreContext, StoreSpec, StoreSupplier, ValueCodec,
};

const SUFFIX: usize = 12;

#[derive(Clone, Copy)]
pub struct Segments {
    pub interval: i64,
    pub retention: i64,
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

pub struct WindowStore {
    name: Arc<str>,
    column: Column,
    rows: Overlay<String>,
    segments: Segments,
    savepoint: Savepoint,
    /// The largest window start seen: now, when the record in progress began, and when the last transaction ended.
    pub observed: i64,
    observed_before_record: (u64, i64),
    observed_committed: i64,
    /// Rows that came too late.
    pub dropped: u64,
}

impl WindowStore {
    pub fn put(&mut self, key: &str, start: i64, value: Option<&str>) {
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
    pub fn fetch(&mut self, key: &str, from: i64, to: i64) -> String {
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

pub struct WindowSupplier {
    pub name: Arc<str>,
    pub segments: Segments,
    pub values: SharedSerde<String>,
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
        let codec = ValueCodec::new(Arc::clone(&self.name), context.changelog_topic, Arc::clone(&self.values), RowFormat::Plain);
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
