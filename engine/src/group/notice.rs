//! What a group has to say while all is well on the wire: why a member has no tasks yet, in words an operator can act on.

use std::fmt;

use super::wire::HeartbeatStatus;

/// What a [`Notice`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoticeKind {
    /// The group runs a newer epoch of the topology than this member.
    StaleTopology,
    /// Source topics do not exist.
    MissingSourceTopics,
    /// Topics that are joined differ in their partitions, or an internal topic has another number of them.
    IncorrectlyPartitionedTopics,
    /// The broker is making the internal topics, or cannot.
    MissingInternalTopics,
    /// A member asked the whole application to stop.
    ShutdownApplication,
    /// The group waits for more members before it hands out tasks.
    AssignmentDelayed,
    /// A status of a newer broker: information only.
    Unknown(i8),
    /// The coordinator cannot be reached, or does not answer well; the member keeps trying.
    Trouble,
}

impl NoticeKind {
    /// The kind of a status code.
    #[must_use]
    pub fn of_status(code: i8) -> Self {
        match code {
            0 => Self::StaleTopology,
            1 => Self::MissingSourceTopics,
            2 => Self::IncorrectlyPartitionedTopics,
            3 => Self::MissingInternalTopics,
            4 => Self::ShutdownApplication,
            5 => Self::AssignmentDelayed,
            other => Self::Unknown(other),
        }
    }

    /// Whether the group hands out no tasks for this reason. An empty assignment means nothing then.
    #[must_use]
    pub fn holds_tasks_back(self) -> bool {
        match self {
            Self::MissingSourceTopics | Self::IncorrectlyPartitionedTopics | Self::MissingInternalTopics | Self::AssignmentDelayed => true,
            Self::StaleTopology | Self::ShutdownApplication | Self::Unknown(_) | Self::Trouble => false,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::StaleTopology => "the group runs a newer topology than this instance: deploy the same version everywhere",
            Self::MissingSourceTopics => "waiting for source topics to be made",
            Self::IncorrectlyPartitionedTopics => "waiting for topics to have the right number of partitions",
            Self::MissingInternalTopics => "waiting for the broker to make the internal topics",
            Self::ShutdownApplication => "an instance asked the whole application to stop",
            Self::AssignmentDelayed => "waiting for the group to hand out tasks",
            Self::Unknown(_) => "the group has a status that this version does not know",
            Self::Trouble => "trouble with the coordinator",
        }
    }
}

/// Something an operator should be able to read about a member. Kafka: the `Status` of a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    kind: NoticeKind,
    detail: String,
}

impl Notice {
    /// A notice, with what the broker or the client says about it.
    #[must_use]
    pub fn new(kind: NoticeKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        self.kind
    }

    /// What the broker or the client says.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<&HeartbeatStatus> for Notice {
    fn from(status: &HeartbeatStatus) -> Self {
        Self::new(NoticeKind::of_status(status.status_code), status.status_detail.clone())
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.text())?;
        match self.detail.trim_end_matches('.') {
            "" => Ok(()),
            detail => write!(formatter, " ({detail})"),
        }
    }
}
