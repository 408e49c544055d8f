//! The application's streams group: members of stream threads, and offsets committed in their name.

use std::fmt;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::group::member::MemberSettings;
use crate::group::{ClientSettings, GroupClient, GroupError, GroupErrorKind, MemberHandle};
use crate::log::{CommittedOffset, GroupMembership, LogError, LogErrorKind};

use super::options::KafkaOptions;

/// The group's client, and the runtime its members live on: heartbeats go on whatever the stream threads do.
pub(super) struct Group {
    client: GroupClient,
    runtime: Option<Runtime>,
    timeout: Duration,
}

impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Group")
    }
}

impl Group {
    pub(super) fn new(options: &KafkaOptions) -> Result<Self, LogError> {
        let settings = client_settings(options)?;
        let timeout = settings.default_api_timeout;
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("straum-group").enable_all().build();
        let runtime = runtime.map_err(|error| LogError::new(LogErrorKind::Io, "cannot start a thread").with_source(error))?;
        let client = GroupClient::new(runtime.handle().clone(), settings, options.application_id.as_str());
        Ok(Self { client, runtime: Some(runtime), timeout })
    }

    pub(super) fn join(&self, member: MemberSettings) -> MemberHandle {
        self.client.join(member)
    }

    /// Commits in a member's name, waiting for the answer.
    pub(super) fn commit(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        let unanswered = || LogError::new(LogErrorKind::Retriable, "committing offsets was not answered in time");
        let outcome = self.client.commit_offsets(membership, offsets).wait(self.timeout + Duration::from_secs(5)).ok_or_else(unanswered)?;
        outcome.map_err(|error| of_group("committing offsets", error))
    }
}

/// How the group's own connection reaches the brokers.
pub(super) fn client_settings(options: &KafkaOptions) -> Result<ClientSettings, LogError> {
    let mut settings = options.settings.clone();
    settings.insert("bootstrap.servers".to_owned(), options.bootstrap_servers.clone());
    settings.entry("client.id".to_owned()).or_insert_with(|| options.application_id.clone());
    let invalid = |error| LogError::new(LogErrorKind::Invalid, "cannot reach the group with these settings").with_source(error);
    ClientSettings::from_settings(&settings).map_err(invalid)
}

impl Drop for Group {
    fn drop(&mut self) {
        // Not waited for: the log may be dropped where nobody may wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(super) fn of_group(doing: &str, error: GroupError) -> LogError {
    let kind = match error.kind() {
        GroupErrorKind::Retriable => LogErrorKind::Retriable,
        GroupErrorKind::Fenced => LogErrorKind::Fenced,
        GroupErrorKind::StaleEpoch => LogErrorKind::Abortable,
        GroupErrorKind::Unauthorized => LogErrorKind::Unauthorized,
        GroupErrorKind::Unsupported | GroupErrorKind::Fatal => LogErrorKind::Invalid,
    };
    LogError::new(kind, format!("{doing} failed")).with_source(error)
}
