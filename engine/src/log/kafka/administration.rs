//! What an operator does to a cluster on an application's behalf, while it does not run or from beside it.

use std::fmt;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::group::wire::DescribedGroup;
use crate::group::{ErrorCode, GroupClient, GroupError, Inspection, Pending};
use crate::log::{LogError, LogErrorKind};

use super::admin::Admin;
use super::group::{client_settings, of_group};
use super::options::KafkaOptions;

/// An operator's access to a cluster and one application's group. Kafka: `Admin`.
pub struct KafkaAdmin {
    admin: Admin,
    group: GroupClient,
    runtime: Option<Runtime>,
    timeout: Duration,
}

/// What the members of a group speak. Kafka: `group.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberProtocol {
    /// Tasks are the broker's to assign, and it keeps the topology: this library's, and Kafka Streams' with `streams`.
    Streams,
    /// Its members assign tasks among themselves: Kafka Streams' with `classic`.
    Classic,
}

impl MemberProtocol {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Classic => "classic",
        }
    }
}

/// How a group stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStanding {
    /// What its members speak, or spoke.
    pub protocol: MemberProtocol,
    /// Kafka's name of its state: `Empty` when it has no members.
    pub state: String,
    /// How many members it has.
    pub members: usize,
}

impl fmt::Debug for KafkaAdmin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KafkaAdmin")
    }
}

impl KafkaAdmin {
    /// Access for the application of these options. Connects when it is asked.
    ///
    /// # Errors
    /// [`LogErrorKind::Invalid`] for settings that cannot be used.
    pub fn new(options: &KafkaOptions) -> Result<Self, LogError> {
        let mut settings = client_settings(options)?;
        settings.default_api_timeout = options.request_timeout;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("straum-admin").enable_all().build();
        let runtime = runtime.map_err(|error| LogError::new(LogErrorKind::Io, "cannot start a thread").with_source(error))?;
        let group = GroupClient::new(runtime.handle().clone(), settings, options.application_id.as_str());
        Ok(Self { admin: Admin::new(options)?, group, runtime: Some(runtime), timeout: options.request_timeout })
    }

    /// The group as its coordinator sees it; `None` when there is no streams group of this name. Kafka:
    /// `describeStreamsGroups`.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub fn group(&self) -> Result<Option<DescribedGroup>, LogError> {
        let group = self.inspect(&[])?.group;
        let Some(described) = group else { return Ok(None) };
        match ErrorCode::from_code(described.error_code) {
            None => Ok(Some(described)),
            Some(ErrorCode::GroupIdNotFound) => Ok(None),
            Some(code) => {
                let doing = "describing the group";
                Err(of_group(doing, GroupError::of_code(doing, code, described.error_message.as_deref())))
            }
        }
    }

    /// How the application's group stands, whichever protocol its members speak; `None` when there is no such group.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub fn standing(&self) -> Result<Option<GroupStanding>, LogError> {
        if let Some(group) = self.group()? {
            return Ok(Some(GroupStanding { protocol: MemberProtocol::Streams, state: group.group_state, members: group.members.len() }));
        }
        let group = self.answer("describing the group", &self.group.describe_classic())?;
        let members = group.members.len();
        Ok((group.group_state != "Dead").then_some(GroupStanding { protocol: MemberProtocol::Classic, state: group.group_state, members }))
    }

    /// What the cluster says of itself, of these topics and of the group.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub fn inspect(&self, topics: &[String]) -> Result<Inspection, LogError> {
        self.answer("asking about the cluster", &self.group.inspect(topics))
    }

    /// Forgets the group: its offsets, and the topology its members must have. Kafka: `deleteStreamsGroups`.
    ///
    /// # Errors
    /// While it has members, or when there is no such group.
    pub fn delete_group(&self) -> Result<(), LogError> {
        self.answer("deleting the group", &self.group.delete())
    }

    /// Deletes topics; those that are not there are passed over.
    ///
    /// # Errors
    /// The first that is refused, by name.
    pub fn delete_topics(&self, topics: &[&str]) -> Result<(), LogError> {
        self.admin.delete_topics(topics)
    }

    fn answer<T>(&self, doing: &str, pending: &Pending<T>) -> Result<T, LogError> {
        let late = || LogError::new(LogErrorKind::Retriable, format!("{doing} was not answered within {} s", self.timeout.as_secs()));
        pending.wait(self.timeout + Duration::from_secs(5)).ok_or_else(late)?.map_err(|error| of_group(doing, error))
    }
}

impl Drop for KafkaAdmin {
    fn drop(&mut self) {
        // Not waited for: it may be dropped where nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
