//! A source topic that is a table's changelog, on its way into the table's store: read no further than the group has
//! processed it. What lies beyond has still to be processed, and a row that is there before its record would count twice.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::error::Error;
use crate::log::{Offset, RecordBatch};
use crate::processor::source_changelog::{SourceRow, SourceRows};
use crate::serde::avro::registry_is_away;

/// What the reading of a source topic keeps beside what any changelog's does.
pub(super) struct SourceReading {
    rows: Arc<dyn SourceRows>,
    /// The largest time read, for extractors that go by it.
    partition_time: i64,
    /// What was read and lies beyond what is processed. A standby's waits for the group; an active task's is of no use.
    held: VecDeque<RecordBatch>,
    /// The consumer was told to bring no more.
    pub(super) is_paused: bool,
}

impl SourceReading {
    pub(super) fn new(rows: &Arc<dyn SourceRows>) -> Self {
        Self { rows: Arc::clone(rows), partition_time: -1, held: VecDeque::new(), is_paused: false }
    }

    pub(super) fn hold(&mut self, batch: RecordBatch) {
        self.held.push_back(batch);
    }

    /// The next batch from `position` on, taken out when all of it lies before `end`; none when there is none before `end`.
    pub(super) fn next(&mut self, position: Offset, end: Offset) -> Option<RecordBatch> {
        while self.held.front().is_some_and(|batch| batch.next_offset() <= position) {
            self.held.pop_front();
        }
        if position >= end {
            return None;
        }
        match self.held.front() {
            Some(batch) if batch.next_offset() > end => Some(batch.clone()),
            _ => self.held.pop_front(),
        }
    }

    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// The consumer brings it again.
    pub(super) fn forget(&mut self) {
        self.held.clear();
    }

    /// The rows of the records from `from` on and before `to`. Those that processing left out are left out.
    ///
    /// # Errors
    /// When a schema registry does not answer: that says nothing of the records.
    pub(super) fn rows<'b>(&mut self, batch: &'b RecordBatch, from: Offset, to: Offset) -> Result<Vec<SourceRow<'b>>, Error> {
        let mut rows = Vec::with_capacity(batch.len());
        let mut left_out = 0_u64;
        for (index, record) in batch.iter().enumerate() {
            if record.offset < from || record.offset >= to {
                continue;
            }
            let made = catch_unwind(AssertUnwindSafe(|| self.rows.row(batch, index, &mut self.partition_time)));
            match made.unwrap_or_else(|panic| Err(Error::panicked(&*panic))) {
                Ok(row) => rows.extend(row),
                Err(error) if registry_is_away(&error) => return Err(error.at(batch.partition(), record.offset)),
                Err(_) => left_out += 1,
            }
        }
        if left_out > 0 {
            tracing::warn!(partition = %batch.partition(), from, to, left_out, "records of a source topic cannot be read and are no rows of its table");
        }
        Ok(rows)
    }
}
