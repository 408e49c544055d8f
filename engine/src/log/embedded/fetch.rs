//! Reads a partition: one read of the file gives one [`RecordBatch`] over its bytes.
//!
//! What is to be read is decided under the partition's lock, the reading is done without it: bytes that are published
//! never change, and a file that is deleted meanwhile stays readable.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::core::Core;
use super::failure::{corrupt, failed};
use super::frame::{self, Frame, HEADER, Kind};
use super::partition::Partition;
use super::storage::StorageFile;
use crate::log::{Isolation, LogError, LogErrorKind, Offset, RecordBatch, RecordBatchBuilder};

/// What a fetch found.
pub(super) struct Fetched {
    /// Records, or nothing but a new position; `None` when the position is at the end.
    pub(super) batch: Option<RecordBatch>,
    /// The end that this reader can reach.
    pub(super) limit: Offset,
}

/// How much at once.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) records: usize,
}

/// Read beyond what is likely needed, rather than twice.
const SPARE: usize = 16 << 10;

/// Where to read, decided under the lock.
struct Plan {
    file: Arc<dyn StorageFile>,
    path: String,
    at: u64,
    end: u64,
    /// How much of the file holds the records that may be delivered, by the average so far.
    likely: usize,
    /// The offset after the segment.
    after: Offset,
    limit: Offset,
    aborted: Option<Arc<BTreeMap<u64, Offset>>>,
}

impl Partition {
    /// The records from `position` on.
    pub(super) fn fetch(&self, core: &Core, position: Offset, isolation: Isolation, bounds: Bounds) -> Result<Fetched, LogError> {
        let plan = match self.plan(core, position, isolation, bounds)? {
            Ok(plan) => plan,
            Err(limit) => return Ok(Fetched { batch: None, limit }),
        };
        let batch = self.read(&plan, position, bounds)?;
        let limit = plan.limit;
        Ok(Fetched { batch: (batch.next_offset() > position).then_some(batch), limit })
    }

    /// Where to read; the limit alone when there is nothing to read.
    fn plan(&self, core: &Core, position: Offset, isolation: Isolation, bounds: Bounds) -> Result<Result<Plan, Offset>, LogError> {
        let mut state = self.lock();
        if state.owes() && state.settle(core, self) {
            core.signal.raise();
        }
        if position < state.start || position > state.end {
            let message = format!("offset {position} is out of range, expected {} to {}", state.start, state.end);
            return Err(LogError::new(LogErrorKind::OffsetOutOfRange, message).at(&self.name).at_offset(position));
        }
        let limit = state.limit(isolation);
        let index = state.segments.partition_point(|segment| segment.next <= position);
        let Some(segment) = state.segments.get(index).filter(|_| position < limit) else { return Ok(Err(limit)) };
        let aborted = (isolation == Isolation::ReadCommitted).then(|| Arc::clone(&state.aborted));
        let (file, path) = (Arc::clone(&segment.file), segment.path.clone());
        let likely =
            usize::try_from(segment.size / segment.records.max(1)).unwrap_or(usize::MAX).saturating_mul(bounds.records).saturating_add(SPARE);
        Ok(Ok(Plan { file, path, at: segment.position_of(position), end: segment.size, likely, after: segment.next, limit, aborted }))
    }

    fn read(&self, plan: &Plan, position: Offset, bounds: Bounds) -> Result<RecordBatch, LogError> {
        let mut at = plan.at;
        let mut wanted = bounds.bytes.min(plan.likely).max(HEADER);
        loop {
            let left = usize::try_from(plan.end.saturating_sub(at)).unwrap_or(usize::MAX);
            let chunk = plan.file.read(at, wanted.min(left)).map_err(|error| failed("read", &plan.path, error).at(&self.name))?;
            if chunk.is_empty() {
                return Ok(RecordBatchBuilder::new(self.name.clone()).build(plan.after.min(plan.limit).max(position)));
            }
            let mut walk = Walk {
                partition: self,
                plan,
                chunk: chunk.clone(),
                at,
                position,
                next: position,
                most: bounds.records,
                left: bounds.records,
                used: 0,
            };
            let mut builder = RecordBatchBuilder::over(self.name.clone(), chunk);
            let stop = walk.run(&mut builder)?;
            match stop {
                Stop::More(needed) if walk.used == 0 => wanted = needed,
                // Nothing in the chunk concerned the reader: go on behind it.
                Stop::More(_) if walk.next == position => {
                    at += walk.used as u64;
                    wanted = bounds.bytes.min(plan.likely).max(HEADER);
                }
                Stop::SegmentEnd => return Ok(builder.build(walk.next.max(plan.after.min(plan.limit)))),
                Stop::More(_) | Stop::Reached => return Ok(builder.build(walk.next)),
            }
        }
    }
}

enum Stop {
    /// The chunk ends before the frame does; that takes so many bytes from its start.
    More(usize),
    SegmentEnd,
    Reached,
}

/// Walks over the frames of a chunk and picks the records for the reader.
struct Walk<'a> {
    partition: &'a Partition,
    plan: &'a Plan,
    chunk: Bytes,
    at: u64,
    position: Offset,
    next: Offset,
    most: usize,
    left: usize,
    used: usize,
}

impl Walk<'_> {
    fn run(&mut self, builder: &mut RecordBatchBuilder) -> Result<Stop, LogError> {
        loop {
            let rest = self.chunk.get(self.used..).unwrap_or_default();
            let here = self.at + self.used as u64;
            if rest.len() < HEADER {
                return Ok(if here >= self.plan.end { Stop::SegmentEnd } else { Stop::More(HEADER) });
            }
            let damaged = || corrupt(&self.plan.path, here, "a frame's checksum does not match").at(&self.partition.name);
            let frame = Frame::parse(rest).ok_or_else(damaged)?;
            if frame.base >= self.plan.limit {
                return Ok(Stop::Reached);
            }
            if frame.next() > self.position {
                let Some(body) = rest.get(HEADER..frame.length()) else { return Ok(Stop::More(frame.length())) };
                if self.visible(&frame) {
                    // What does not fit whole is left for the next fetch, so that its checksum is not computed twice.
                    if self.left < self.most && frame.records as usize > self.left {
                        return Ok(Stop::Reached);
                    }
                    if !frame.holds(body) {
                        return Err(damaged());
                    }
                    if !self.take(&frame, builder) {
                        return Ok(Stop::Reached);
                    }
                }
                self.next = frame.next();
            } else if rest.len() < frame.length() {
                return Ok(Stop::More(frame.length()));
            }
            self.used += frame.length();
        }
    }

    fn visible(&self, frame: &Frame) -> bool {
        let aborted = || self.plan.aborted.as_ref().is_some_and(|aborted| aborted.contains_key(&frame.transaction));
        frame.kind == Kind::Records && (frame.transaction == 0 || !aborted())
    }

    /// Adds the frame's records from the position on; false when the bound is reached.
    fn take(&mut self, frame: &Frame, builder: &mut RecordBatchBuilder) -> bool {
        let start = self.used + HEADER;
        for record in frame::records(&self.chunk, start, start + frame.body) {
            let offset = frame.base + i64::from(record.delta);
            if offset < self.position {
                continue;
            }
            if self.left == 0 {
                self.next = offset;
                return false;
            }
            self.left -= 1;
            builder.index(offset, record.timestamp, record.key, record.value, record.headers);
        }
        true
    }
}
