//! One partition: its segments, where it starts and ends, and which transactions are open in it.
//!
//! A write is *staged* (its bytes are appended to the file), then *published* (readers see it) or *undone* (the file is cut
//! back). So a batch over several partitions is taken by all or none. Never syncs but when a segment is full; that is the
//! journal's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::config::TopicConfig;
use super::core::Core;
use super::failure::failed;
use super::frame::{self, Frame, Kind};
use super::segment::Segment;
use crate::log::{Isolation, LogError, Offset, TopicPartition};

/// A partition and what its topic says of it.
pub(super) struct Partition {
    /// Partitions are locked in this order: topic, then partition.
    pub(super) id: (u32, u32),
    pub(super) name: TopicPartition,
    pub(super) config: Arc<TopicConfig>,
    state: Mutex<State>,
}

/// What changes.
#[derive(Default)]
pub(super) struct State {
    /// In order; the last is written to. None before the first write.
    pub(super) segments: Vec<Segment>,
    /// The oldest offset there.
    pub(super) start: Offset,
    /// The high watermark: the end of everything.
    pub(super) end: Offset,
    /// Transactions without an end, and their first offset.
    pub(super) open: BTreeMap<u64, Offset>,
    /// Aborted transactions, and the offset of the marker.
    pub(super) aborted: Arc<BTreeMap<u64, Offset>>,
    /// Decided transactions whose marker could not be written yet.
    owed: Vec<(u64, Kind)>,
    /// In the list of those to be synced.
    pub(super) dirty: bool,
    /// Being compacted.
    pub(super) cleaning: bool,
}

impl Partition {
    pub(super) fn new(id: (u32, u32), name: TopicPartition, config: Arc<TopicConfig>, state: State) -> Self {
        Self { id, name, config, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The folder of its files.
    pub(super) fn folder(&self) -> String {
        format!("topics/{}/{}", self.name.topic, self.name.partition)
    }

    pub(super) fn segment_path(&self, base: Offset) -> String {
        format!("{}/{base:020}.segment", self.folder())
    }
}

impl State {
    /// The end of what is decided.
    pub(super) fn last_stable(&self) -> Offset {
        self.open.values().min().copied().unwrap_or(self.end)
    }

    /// How far a reader may go.
    pub(super) fn limit(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::ReadUncommitted => self.end,
            Isolation::ReadCommitted => self.last_stable(),
        }
    }

    /// Appends frames to the file of the last segment, rolling it before when it is full. Gives whether it rolled.
    /// Nothing is visible before [`State::publish`]; after an error nothing has changed.
    pub(super) fn stage(&mut self, core: &Core, partition: &Partition, frames: &mut [u8], transaction: u64) -> Result<bool, LogError> {
        core.check()?;
        let rolled = self.make_room(core, partition, frames)?;
        let (mut base, mut at) = (self.end, 0);
        while let Some(rest) = frames.get_mut(at..)
            && !rest.is_empty()
            && let Some(sealed) = frame::seal(rest, base, transaction)
        {
            base = sealed.next();
            at += sealed.length();
        }
        let Some(active) = self.segments.last() else { return Ok(rolled) };
        if let Err(error) = active.file.append(active.size, frames) {
            self.undo(core);
            return Err(failed("append to", &self.active_path(), error).at(&partition.name));
        }
        Ok(rolled)
    }

    fn active_path(&self) -> String {
        self.segments.last().map(|active| active.path.clone()).unwrap_or_default()
    }

    /// Takes staged frames back out of the file.
    pub(super) fn undo(&mut self, core: &Core) {
        if let Some(active) = self.segments.last()
            && let Err(error) = active.file.truncate(active.size)
        {
            core.poison(&format!("cannot take a failed write back out of {}: {error}", active.path));
        }
    }

    /// Makes staged frames visible.
    pub(super) fn publish(&mut self, frames: &[u8]) {
        let mut rest = frames;
        while let Some(frame) = Frame::parse(rest) {
            self.note(&frame);
            rest = rest.get(frame.length()..).unwrap_or_default();
        }
    }

    /// Takes in a frame that stands at the end of the last segment.
    fn note(&mut self, frame: &Frame) {
        self.follow(frame);
        if let Some(active) = self.segments.last_mut() {
            active.note(frame);
        }
        self.end = frame.next();
    }

    /// Follows what a frame does to transactions; at open, for every frame in order.
    pub(super) fn follow(&mut self, frame: &Frame) {
        match frame.kind {
            Kind::Records if frame.transaction != 0 => {
                self.open.entry(frame.transaction).or_insert(frame.base);
            }
            Kind::Records => {}
            Kind::Commit => {
                self.open.remove(&frame.transaction);
            }
            Kind::Abort => {
                if self.open.remove(&frame.transaction).is_some() {
                    Arc::make_mut(&mut self.aborted).insert(frame.transaction, frame.base);
                }
            }
        }
    }

    /// Ends a transaction here, now or, when the disk does not let us, before anything else is written.
    pub(super) fn end_transaction(&mut self, core: &Core, partition: &Partition, transaction: u64, kind: Kind) {
        if self.open.contains_key(&transaction) {
            self.owed.push((transaction, kind));
            self.settle(core, partition);
        }
    }

    /// Writes the markers that are owed, as far as the disk lets us.
    pub(super) fn settle(&mut self, core: &Core, partition: &Partition) -> bool {
        while let Some(&(transaction, kind)) = self.owed.first() {
            let mut marker = frame::marker(kind, core.now());
            if let Err(error) = self.stage_marker(core, partition, &mut marker, transaction) {
                tracing::warn!(partition = %partition.name, transaction, %error, "transaction marker is owed");
                return false;
            }
            self.publish(&marker);
            self.owed.remove(0);
            core.mark_dirty(partition, self);
        }
        true
    }

    fn stage_marker(&mut self, core: &Core, partition: &Partition, marker: &mut [u8], transaction: u64) -> Result<(), LogError> {
        core.check()?;
        frame::seal(marker, self.end, transaction);
        let Some(active) = self.segments.last() else { return Ok(()) };
        if let Err(error) = active.file.append(active.size, marker) {
            self.undo(core);
            return Err(failed("append to", &self.active_path(), error).at(&partition.name));
        }
        Ok(())
    }

    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The transactions whose end is decided but not written.
    pub(super) fn owed(&self) -> impl Iterator<Item = u64> + '_ {
        self.owed.iter().filter(|(_, kind)| *kind == Kind::Commit).map(|(transaction, _)| *transaction)
    }

    fn make_room(&mut self, core: &Core, partition: &Partition, frames: &[u8]) -> Result<bool, LogError> {
        if self.owes() && !self.settle(core, partition) {
            return Err(LogError::new(crate::log::LogErrorKind::DiskFull, "a transaction marker has to be written first").at(&partition.name));
        }
        let config = &partition.config;
        let full = self.segments.last().is_some_and(|active| {
            let old = core.now().saturating_sub(active.made) > config.segment_ms;
            active.records > 0 && (old || active.size + frames.len() as u64 > config.segment_bytes)
        });
        if self.segments.is_empty() || full {
            self.roll(core, partition)?;
        }
        Ok(full)
    }

    /// Starts a new segment. What is in the old one becomes durable first: only the last segment may have a torn tail.
    pub(super) fn roll(&mut self, core: &Core, partition: &Partition) -> Result<(), LogError> {
        if let Some(active) = self.segments.last() {
            core.sync_file(active.file.as_ref(), &active.path)?;
        }
        let segment = Segment::create(core.storage(), partition.segment_path(self.end), self.end, 0, core.now())?;
        core.sync_file(segment.file.as_ref(), &segment.path)?;
        core.sync_folder(&partition.folder())?;
        self.segments.push(segment);
        Ok(())
    }

    /// Forgets aborted transactions of which nothing is left.
    pub(super) fn forget_aborted(&mut self) {
        let start = self.start;
        if self.aborted.values().any(|marker| *marker < start) {
            Arc::make_mut(&mut self.aborted).retain(|_, marker| *marker >= start);
        }
    }
}
