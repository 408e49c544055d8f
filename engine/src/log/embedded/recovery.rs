//! Opening: reads the journal and every segment, cuts torn tails, and ends the transactions that a dead process left open:
//! with a commit when the journal knows one, otherwise with an abort.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::core::{Core, Synced};
use super::entry::{Entry, PartitionId};
use super::failure::{corrupt, failed};
use super::frame::Kind;
use super::groups::GroupOffset;
use super::partition::{Partition, State};
use super::segment::Segment;
use crate::log::{LogError, LogErrorKind, Offset};

/// What the journal says.
#[derive(Default)]
struct Told {
    topics: BTreeMap<u32, (Uuid, String, u32, BTreeMap<String, String>)>,
    commits: BTreeSet<u64>,
    offsets: Vec<(String, PartitionId, Offset, String)>,
    starts: HashMap<PartitionId, Offset>,
    synced: HashMap<PartitionId, (Offset, u64)>,
    next_transaction: u64,
}

impl Told {
    fn of(entries: Vec<Entry>) -> Self {
        let mut told = Self { next_transaction: 1, ..Self::default() };
        for entry in entries {
            match entry {
                Entry::Topic { number, id, name, partitions, config } => {
                    told.topics.insert(number, (id, name, partitions, config));
                }
                Entry::Commit { transaction } => {
                    told.commits.insert(transaction);
                    told.next_transaction = told.next_transaction.max(transaction + 1);
                }
                Entry::Offset { group, partition, offset, metadata } => told.offsets.push((group, partition, offset, metadata)),
                Entry::Start { partition, offset } => {
                    let start = told.starts.entry(partition).or_default();
                    *start = offset.max(*start);
                }
                Entry::Synced { partition, base, length } => {
                    told.synced.insert(partition, (base, length));
                }
                Entry::NextTransaction { number } => told.next_transaction = told.next_transaction.max(number),
            }
        }
        told
    }
}

impl Core {
    /// Brings everything back that the journal's `entries` and the partitions' files hold.
    pub(super) fn recover(&self, entries: Vec<Entry>) -> Result<(), LogError> {
        let told = Told::of(entries);
        self.next_transaction.store(told.next_transaction, Ordering::Relaxed);
        for (number, (id, name, partitions, config)) in &told.topics {
            if *number as usize != self.topics.read().in_order.len() {
                return Err(LogError::new(
                    LogErrorKind::Corrupt,
                    format!("the journal tells of topic {number} ({name}) before those that come first"),
                ));
            }
            let topic = self.new_topic(*number, *id, &Arc::from(name.as_str()), *partitions, config)?;
            self.topics.write().add(Arc::clone(&topic));
            for partition in &topic.partitions {
                self.recover_partition(partition, &told)?;
            }
        }
        *self.synced.lock() = Synced { positions: told.synced, untold: BTreeSet::new() };
        let offsets: Result<Vec<GroupOffset>, LogError> = told.offsets.into_iter().map(|offset| self.restored(offset)).collect();
        self.groups.store(&offsets?);
        self.sync_partitions()
    }

    fn restored(&self, (group, id, offset, metadata): (String, PartitionId, Offset, String)) -> Result<GroupOffset, LogError> {
        let topics = self.topics.read();
        let missing = || LogError::new(LogErrorKind::Corrupt, format!("the journal tells of an offset of group {group} in a topic it does not know"));
        let partition = topics.at(id).ok_or_else(missing)?;
        Ok(GroupOffset { group: Arc::from(group.as_str()), id, partition: partition.name.clone(), offset, metadata })
    }

    fn recover_partition(&self, partition: &Partition, told: &Told) -> Result<(), LogError> {
        let mut state = partition.lock();
        let start = told.starts.get(&partition.id).copied().unwrap_or(0);
        let synced = told.synced.get(&partition.id).copied();
        state.segments = self.find_segments(partition)?;
        self.check_synced(partition, &state, synced)?;
        self.read_segments(partition, &mut state, synced)?;
        let first = state.segments.first().map_or(0, |segment| segment.base);
        state.start = start.max(first);
        state.end = state.segments.last().map_or(state.start, |segment| segment.next).max(state.start);
        while state.segments.len() > 1 && state.segments.first().is_some_and(|segment| segment.next <= start) {
            let gone = state.segments.remove(0);
            self.storage().delete(&gone.path).map_err(|error| failed("delete", &gone.path, error))?;
        }
        let open: Vec<u64> = state.open.keys().copied().collect();
        for transaction in open {
            let kind = if told.commits.contains(&transaction) { Kind::Commit } else { Kind::Abort };
            state.end_transaction(self, partition, transaction, kind);
        }
        state.forget_aborted();
        // What a killed process wrote may not be durable yet.
        if !state.segments.is_empty() {
            self.mark_dirty(partition, &mut state);
        }
        Ok(())
    }

    /// Opens the segment files, and deletes those that others stand in for.
    fn find_segments(&self, partition: &Partition) -> Result<Vec<Segment>, LogError> {
        let folder = partition.folder();
        let names = self.storage().list(&folder).map_err(|error| failed("list", &folder, error))?;
        let mut segments: Vec<Segment> = Vec::new();
        let last = names.iter().rfind(|name| name.ends_with(".segment")).cloned();
        for name in names {
            let path = format!("{folder}/{name}");
            let covered = segments.last().map_or(0, |segment| segment.covers);
            let found = if name.ends_with(".segment") { Segment::open(self.storage(), &path)? } else { None };
            match found {
                Some(segment) if segment.base >= covered => segments.push(segment),
                None if name.ends_with(".segment") && Some(&name) != last.as_ref() => {
                    return Err(corrupt(&path, 0, "no segment header").at(&partition.name));
                }
                // Replaced, a draft of the cleaner, or a new segment that a crash left without a header.
                _ => self.storage().delete(&path).map_err(|error| failed("delete", &path, error))?,
            }
        }
        Ok(segments)
    }

    fn check_synced(&self, partition: &Partition, state: &State, synced: Option<(Offset, u64)>) -> Result<(), LogError> {
        let Some((base, _)) = synced else { return Ok(()) };
        if state.segments.last().is_none_or(|active| active.base < base) {
            return Err(corrupt(&partition.segment_path(base), 0, "the file is missing").at(&partition.name));
        }
        Ok(())
    }

    /// Reads all frames. Only the last file may end in garbage, and only behind what is known to be durable.
    fn read_segments(&self, partition: &Partition, state: &mut State, synced: Option<(Offset, u64)>) -> Result<(), LogError> {
        let mut segments = std::mem::take(&mut state.segments);
        let count = segments.len();
        let mut expected = None;
        for (index, segment) in segments.iter_mut().enumerate() {
            if expected.is_some_and(|expected| expected != segment.base) {
                return Err(corrupt(&segment.path, 0, "the offsets before it are missing").at(&partition.name));
            }
            let mut newest = 0;
            let good = segment.scan(|frame| {
                newest = newest.max(frame.transaction);
                state.follow(frame);
            })?;
            self.next_transaction.fetch_max(newest + 1, Ordering::Relaxed);
            let durable = synced.filter(|(base, _)| *base == segment.base && segment.covers == 0).map_or(0, |(_, length)| length);
            if segment.size < durable || (!good && index + 1 < count) {
                return Err(corrupt(&segment.path, segment.size, "a frame's checksum does not match or frames are missing").at(&partition.name));
            }
            if !good {
                tracing::warn!(path = segment.path, position = segment.size, "torn tail is cut");
                segment.file.truncate(segment.size).map_err(|error| failed("truncate", &segment.path, error))?;
            }
            expected = Some(segment.next);
        }
        state.segments = segments;
        Ok(())
    }
}
