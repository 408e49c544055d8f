//! Committed offsets of groups, and which of them an open transaction is about to change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::entry::{Entry, PartitionId};
use crate::log::{CommittedOffset, GroupMembership, LogError, LogErrorKind, Offset, TopicPartition};

/// An offset on its way to be committed for a group.
#[derive(Clone, Debug)]
pub(super) struct GroupOffset {
    pub(super) group: Arc<str>,
    pub(super) id: PartitionId,
    pub(super) partition: TopicPartition,
    pub(super) offset: Offset,
    pub(super) metadata: String,
}

impl GroupOffset {
    pub(super) fn entry(&self) -> Entry {
        Entry::Offset { group: self.group.to_string(), partition: self.id, offset: self.offset, metadata: self.metadata.clone() }
    }
}

/// All groups.
#[derive(Default)]
pub(super) struct Groups {
    groups: Mutex<HashMap<Arc<str>, Group>>,
    changed: Condvar,
}

#[derive(Default)]
struct Group {
    offsets: BTreeMap<TopicPartition, Stored>,
    /// How many offsets of open transactions wait for each partition.
    pending: HashMap<TopicPartition, usize>,
    /// The latest membership epoch seen.
    epoch: Option<i32>,
}

struct Stored {
    id: PartitionId,
    offset: Offset,
    metadata: String,
}

impl Groups {
    /// Refuses a membership older than the latest seen, with an error of `kind`, and remembers a newer one.
    pub(super) fn admit(&self, membership: &GroupMembership, kind: LogErrorKind) -> Result<(), LogError> {
        let Some((_, epoch)) = &membership.member else { return Ok(()) };
        let mut groups = self.groups.lock();
        let group = groups.entry(Arc::from(membership.group.as_str())).or_default();
        match group.epoch {
            Some(latest) if *epoch < latest => {
                let message = format!("member epoch {epoch} of group {} is stale, the latest is {latest}", membership.group);
                Err(LogError::new(kind, message))
            }
            _ => {
                group.epoch = Some(*epoch);
                Ok(())
            }
        }
    }

    /// Commits offsets at once.
    pub(super) fn store(&self, offsets: &[GroupOffset]) {
        let mut groups = self.groups.lock();
        for offset in offsets {
            put(&mut groups, offset);
        }
    }

    /// Notes that an open transaction holds these.
    pub(super) fn expect(&self, offsets: &[GroupOffset]) {
        let mut groups = self.groups.lock();
        for offset in offsets {
            let group = groups.entry(Arc::clone(&offset.group)).or_default();
            *group.pending.entry(offset.partition.clone()).or_default() += 1;
        }
    }

    /// The transaction that held these has ended.
    pub(super) fn resolve(&self, offsets: &[GroupOffset], committed: bool) {
        let mut groups = self.groups.lock();
        for offset in offsets {
            if committed {
                put(&mut groups, offset);
            }
            let Some(group) = groups.get_mut(&offset.group) else { continue };
            if let Some(pending) = group.pending.get_mut(&offset.partition) {
                *pending -= 1;
                if *pending == 0 {
                    group.pending.remove(&offset.partition);
                }
            }
        }
        self.changed.notify_all();
    }

    /// What is committed, once no open transaction is about to change it.
    pub(super) fn committed(&self, group: &str, partitions: &[TopicPartition], deadline: Instant) -> Result<Vec<Option<CommittedOffset>>, LogError> {
        let mut groups = self.groups.lock();
        loop {
            let Some(found) = groups.get(group) else { return Ok(vec![None; partitions.len()]) };
            let Some(pending) = partitions.iter().find(|partition| found.pending.contains_key(partition)) else {
                return Ok(partitions.iter().map(|partition| found.get(partition)).collect());
            };
            if Instant::now() >= deadline {
                let message = format!("a pending transaction is about to change the offset of group {group}");
                return Err(LogError::new(LogErrorKind::Retriable, message).at(pending));
            }
            self.changed.wait_until(&mut groups, deadline);
        }
    }

    /// All that is committed, by group and partition.
    pub(super) fn all(&self) -> BTreeMap<String, Vec<CommittedOffset>> {
        let groups = self.groups.lock();
        let listed = groups.iter().filter(|(_, group)| !group.offsets.is_empty());
        listed.map(|(name, group)| (name.to_string(), group.offsets.keys().filter_map(|partition| group.get(partition)).collect())).collect()
    }

    /// All that is committed, as statements.
    pub(super) fn entries(&self, out: &mut Vec<Entry>) {
        for (name, group) in self.groups.lock().iter() {
            out.extend(group.offsets.values().map(|stored| Entry::Offset {
                group: name.to_string(),
                partition: stored.id,
                offset: stored.offset,
                metadata: stored.metadata.clone(),
            }));
        }
    }
}

impl Group {
    fn get(&self, partition: &TopicPartition) -> Option<CommittedOffset> {
        self.offsets.get(partition).map(|stored| CommittedOffset {
            partition: partition.clone(),
            offset: stored.offset,
            metadata: stored.metadata.clone(),
        })
    }
}

fn put(groups: &mut HashMap<Arc<str>, Group>, offset: &GroupOffset) {
    let group = groups.entry(Arc::clone(&offset.group)).or_default();
    group.offsets.insert(offset.partition.clone(), Stored { id: offset.id, offset: offset.offset, metadata: offset.metadata.clone() });
}
