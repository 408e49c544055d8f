//! The tasks of a member by their role, and how they look on the wire.

use std::collections::{BTreeMap, BTreeSet};

use super::wire::TaskIds;
use crate::topology::TaskId;

/// Tasks by role. A process never has one task in two roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tasks {
    /// Those that process.
    pub active: BTreeSet<TaskId>,
    /// Those that keep a copy of the state up to date.
    pub standby: BTreeSet<TaskId>,
    /// Those that catch up in order to become active here.
    pub warmup: BTreeSet<TaskId>,
}

impl Tasks {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.active.extend(&other.active);
        self.standby.extend(&other.standby);
        self.warmup.extend(&other.warmup);
    }
}

/// In the order of sub-topology and partition, so that equal sets are equal bytes.
pub(super) fn to_wire(tasks: &BTreeSet<TaskId>) -> Vec<TaskIds> {
    let mut grouped: BTreeMap<u32, Vec<i32>> = BTreeMap::new();
    for task in tasks {
        grouped.entry(task.subtopology).or_default().push(i32::try_from(task.partition).unwrap_or(i32::MAX));
    }
    grouped.into_iter().map(|(subtopology, partitions)| TaskIds { subtopology_id: subtopology.to_string(), partitions }).collect()
}

/// `None` when a sub-topology is no number or a partition is negative, which a topology of ours never has.
pub(super) fn from_wire(tasks: &[TaskIds]) -> Option<BTreeSet<TaskId>> {
    let mut read = BTreeSet::new();
    for of_one in tasks {
        let subtopology = of_one.subtopology_id.parse().ok()?;
        for partition in &of_one.partitions {
            read.insert(TaskId { subtopology, partition: u32::try_from(*partition).ok()? });
        }
    }
    Some(read)
}
