//! Names of tasks and topics.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A task: one sub-topology on one partition. Kafka Streams: `TaskId`, written `<subtopology>_<partition>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The sub-topology's number.
    pub subtopology: u32,
    /// The partition of all its topics.
    pub partition: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.subtopology, self.partition)
    }
}

impl FromStr for TaskId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('_')
            .and_then(|(subtopology, partition)| Some(Self { subtopology: subtopology.parse().ok()?, partition: partition.parse().ok()? }));
        parsed.ok_or_else(|| format!("expected a task id such as 0_1, found {text}"))
    }
}

/// A topic as the topology names it: the user's own, or an internal one whose name gets the application id in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TopicRef {
    /// A topic of the user's.
    External(Arc<str>),
    /// `<application>-<name>-repartition`.
    Repartition(Arc<str>),
}

impl TopicRef {
    pub(crate) fn resolve(&self, application: &str) -> Arc<str> {
        match self {
            Self::External(name) => Arc::clone(name),
            Self::Repartition(name) => format!("{application}-{name}-repartition").into(),
        }
    }

    /// The name without the application id, as `describe()` prints it.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::External(name) => name.to_string(),
            Self::Repartition(name) => format!("{name}-repartition"),
        }
    }
}

/// The changelog topic of a store: `<application>-<store>-changelog`.
pub(crate) fn changelog_topic(application: &str, store: &str) -> Arc<str> {
    format!("{application}-{store}-changelog").into()
}
