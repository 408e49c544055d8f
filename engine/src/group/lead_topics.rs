//! Lead topics: members of a classic group are given partitions and no tasks, so one source topic of each sub-topology stands
//! for it, and the members subscribe to no other. What a task reads beside its lead partition is the task's affair.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::TopicPartition;
use crate::topology::TaskId;

/// By sub-topology, the source topic that has a partition for each of its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadTopics(pub BTreeMap<u32, String>);

impl LeadTopics {
    /// What a member subscribes to.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.values().map(String::as_str).collect()
    }

    /// The tasks that these partitions stand for.
    pub(crate) fn tasks(&self, assigned: &[TopicPartition]) -> BTreeSet<TaskId> {
        let mut tasks = BTreeSet::new();
        for TopicPartition { topic, partition } in assigned {
            let led = self.0.iter().filter(|(_, lead)| lead.as_str() == &**topic);
            tasks.extend(led.map(|(subtopology, _)| TaskId { subtopology: *subtopology, partition: *partition }));
        }
        tasks
    }
}
