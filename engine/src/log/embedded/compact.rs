//! Compaction: of the segments that are full and decided, the newest record of each key stays. Aborted records and
//! markers go; a tombstone stays until `delete.retention.ms` after it was first compacted.
//!
//! Several segments become one file, written under another name without holding the partition, then renamed over the
//! first of them; its header says which ones it stands in for. Offsets stay as they were.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::core::Core;
use super::failure::failed;
use super::frame::{self, FULL_BYTES, Frame, FrameWriter, Kind, part};
use super::partition::{Partition, State};
use super::segment::{Frames, Segment};
use crate::log::{HeaderView, LogError, LogRecord, Offset};

/// The newest offset of each key.
type Newest = HashMap<Vec<u8>, Offset, foldhash::fast::RandomState>;

/// A segment to be compacted.
struct Source {
    path: String,
    made: i64,
    base: Offset,
    next: Offset,
    size: u64,
    frames: Frames,
}

/// What is decided under the lock.
struct Job {
    sources: Vec<Source>,
    aborted: Arc<BTreeMap<u64, Offset>>,
    start: Offset,
}

impl Core {
    /// Compacts a partition.
    pub(super) fn compact(&self, partition: &Partition, asked: bool) -> Result<(), LogError> {
        let Some(job) = self.plan_compaction(partition, asked) else { return Ok(()) };
        let done = self.run_compaction(partition, job);
        partition.lock().cleaning = false;
        done
    }

    fn plan_compaction(&self, partition: &Partition, asked: bool) -> Option<Job> {
        let mut state = partition.lock();
        let (stable, newest) = (state.last_stable(), self.now().saturating_sub(partition.config.min_compaction_lag_ms));
        let full = state.segments.len().saturating_sub(1);
        let lag = partition.config.min_compaction_lag_ms > 0;
        let ready = |segment: &&Segment| segment.next <= stable && !(lag && segment.records > 0 && segment.max_timestamp > newest);
        let chosen: Vec<&Segment> = state.segments.iter().take(full).take_while(ready).collect();
        let size = |segments: &mut dyn Iterator<Item = &&Segment>| segments.map(|segment| segment.size).sum::<u64>();
        let (all, new) = (size(&mut chosen.iter()), size(&mut chosen.iter().filter(|segment| segment.covers == 0)));
        let worth_it = asked || new as f64 >= partition.config.min_cleanable_dirty_ratio * all as f64;
        if chosen.is_empty() || state.cleaning || !worth_it {
            return None;
        }
        let source = |segment: &&Segment| Source {
            path: segment.path.clone(),
            made: segment.made,
            base: segment.base,
            next: segment.next,
            size: segment.size,
            frames: segment.frames(),
        };
        let sources = chosen.iter().map(source).collect();
        let job = Job { sources, aborted: Arc::clone(&state.aborted), start: state.start };
        state.cleaning = true;
        Some(job)
    }

    fn run_compaction(&self, partition: &Partition, mut job: Job) -> Result<(), LogError> {
        let newest = Self::newest(&job)?;
        let mut sources = mem::take(&mut job.sources).into_iter().peekable();
        while let Some(first) = sources.next() {
            let mut group = vec![first];
            let mut bytes = group.iter().map(|source| source.size).sum::<u64>();
            while let Some(source) = sources.next_if(|source| bytes + source.size <= partition.config.segment_bytes) {
                bytes += source.size;
                group.push(source);
            }
            self.compact_group(partition, &job, &newest, group)?;
        }
        Ok(())
    }

    fn newest(job: &Job) -> Result<Newest, LogError> {
        let mut newest = Newest::default();
        for source in &job.sources {
            let mut frames = source.frames.clone();
            while let Some((frame, body)) = frames.checked(&source.path)? {
                if !survives(&frame, &job.aborted) {
                    continue;
                }
                for record in frame::records(&body, 0, body.len()) {
                    let Some(key) = record.key.as_ref().and_then(|key| body.get(part(&body, key))) else { continue };
                    let offset = frame.base + i64::from(record.delta);
                    match newest.get_mut(key) {
                        Some(latest) => *latest = offset,
                        None => {
                            newest.insert(key.to_vec(), offset);
                        }
                    }
                }
            }
        }
        Ok(newest)
    }

    fn compact_group(&self, partition: &Partition, job: &Job, newest: &Newest, group: Vec<Source>) -> Result<(), LogError> {
        let (Some(base), Some(covers)) = (group.first().map(|first| first.base), group.last().map(|last| last.next)) else { return Ok(()) };
        let draft = format!("{}/{base:020}.draft", partition.folder());
        let written = self.write_compacted(partition, job, newest, group, &draft, (base, covers));
        let outcome = written.and_then(|segment| self.swap(partition, &mut partition.lock(), segment, &draft));
        if outcome.is_err() {
            // A draft that cannot be deleted now is at the next start.
            let _ = self.storage().delete(&draft);
        }
        outcome
    }

    fn write_compacted(
        &self,
        partition: &Partition,
        job: &Job,
        newest: &Newest,
        group: Vec<Source>,
        draft: &str,
        (base, covers): (Offset, Offset),
    ) -> Result<Segment, LogError> {
        let made = group.first().map_or(0, |first| first.made);
        let mut output = Output {
            segment: Segment::create(self.storage(), draft.to_owned(), base, covers, made)?,
            frames: FrameWriter::default(),
            bases: Vec::new(),
        };
        let now = self.now();
        let first_horizon = now.saturating_add(partition.config.delete_retention_ms);
        for mut source in group {
            while let Some((frame, body)) = source.frames.checked(&source.path)? {
                if !survives(&frame, &job.aborted) {
                    continue;
                }
                let horizon = if frame.horizon < 0 { first_horizon } else { frame.horizon };
                for record in records_of(&frame, &body) {
                    let current = record.key.is_none_or(|key| newest.get(key) == Some(&record.offset));
                    let tombstone = record.key.is_some() && record.value.is_none();
                    let expired = tombstone && frame.horizon >= 0 && horizon <= now;
                    if record.offset >= job.start && current && !expired {
                        output.add(&record, tombstone.then_some(horizon))?;
                    }
                }
            }
        }
        output.frames.close();
        output.write()?;
        self.sync_file(output.segment.file.as_ref(), draft)?;
        Ok(output.segment)
    }

    /// Puts the compacted file where the segments are that it stands in for, if they still are.
    fn swap(&self, partition: &Partition, state: &mut State, mut segment: Segment, draft: &str) -> Result<(), LogError> {
        let Some(first) = state.segments.iter().position(|old| old.base == segment.base) else {
            // Retention was faster.
            return self.storage().delete(draft).map_err(|error| failed("delete", draft, error));
        };
        self.check()?;
        let path = partition.segment_path(segment.base);
        self.storage().rename(draft, &path).map_err(|error| failed("rename", draft, error))?;
        segment.path = path;
        let end = state.segments.partition_point(|old| old.next <= segment.covers);
        let replaced: Vec<Segment> = state.segments.splice(first..end.max(first + 1), [segment]).skip(1).collect();
        // Those that are left until the name is durable, or for good, are deleted when the log is opened.
        self.sync_folder(&partition.folder())?;
        for old in replaced {
            self.storage().delete(&old.path).map_err(|error| failed("delete", &old.path, error))?;
        }
        Ok(())
    }
}

fn survives(frame: &Frame, aborted: &BTreeMap<u64, Offset>) -> bool {
    frame.kind == Kind::Records && !(frame.transaction != 0 && aborted.contains_key(&frame.transaction))
}

fn records_of<'a>(frame: &Frame, body: &'a Bytes) -> impl Iterator<Item = LogRecord<'a>> {
    let base = frame.base;
    frame::records(body, 0, body.len()).map(move |record| LogRecord {
        offset: base + i64::from(record.delta),
        timestamp: record.timestamp,
        key: record.key.as_ref().and_then(|key| body.get(part(body, key))),
        value: record.value.as_ref().and_then(|value| body.get(part(body, value))),
        headers: HeaderView::new(body.get(part(body, &record.headers)).unwrap_or_default()),
    })
}

/// The compacted file while it is written.
struct Output {
    segment: Segment,
    frames: FrameWriter,
    /// The base offset of each frame in `frames`.
    bases: Vec<Offset>,
}

impl Output {
    fn add(&mut self, record: &LogRecord<'_>, horizon: Option<i64>) -> Result<(), LogError> {
        if horizon.is_some_and(|horizon| self.frames.horizon() >= 0 && self.frames.horizon() != horizon) {
            self.frames.close();
        }
        let open = self.frames.open_span().zip(self.bases.last().copied());
        let gap = open.and_then(|(span, base)| u32::try_from(record.offset - base).ok()?.checked_sub(span));
        let gap = gap.unwrap_or_else(|| {
            self.frames.close();
            self.bases.push(record.offset);
            0
        });
        self.frames.push(gap, record, horizon);
        if self.frames.buffer.len() >= 8 * FULL_BYTES && self.frames.open_span().is_none() {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), LogError> {
        let mut at = 0;
        let mut sealed = Vec::with_capacity(self.bases.len());
        for base in self.bases.drain(..) {
            let Some(frame) = self.frames.buffer.get_mut(at..).and_then(|rest| frame::seal(rest, base, 0)) else { break };
            at += frame.length();
            sealed.push(frame);
        }
        self.segment.file.append(self.segment.size, &self.frames.buffer).map_err(|error| failed("append to", &self.segment.path, error))?;
        sealed.iter().for_each(|frame| self.segment.note(frame));
        self.frames.clear();
        Ok(())
    }
}
