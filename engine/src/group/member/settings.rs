//! What a member is and what it brings along.

use std::time::Duration;

use crate::group::LeadTopics;
use crate::group::wire::{Endpoint, HeartbeatTopology, KeyValue};

/// The settings of a member.
#[derive(Clone, Debug)]
pub struct MemberSettings {
    /// The group: the application id.
    pub group_id: String,
    /// Its own id. Kept across restarts, it brings its tasks back at once.
    pub member_id: String,
    /// The process: one a state directory. Its members never have one task in two roles.
    pub process_id: String,
    /// `group.instance.id`. Brokers before 4.4 refuse it.
    pub instance_id: Option<String>,
    /// `client.rack`.
    pub rack_id: Option<String>,
    /// `application.server`: where the process answers queries.
    pub user_endpoint: Option<Endpoint>,
    /// `client.tag.*`.
    pub client_tags: Vec<KeyValue>,
    /// `max.poll.interval.ms`: a thread that is silent for longer loses its tasks; also how long the group waits for a
    /// revocation.
    pub max_poll_interval: Duration,
    /// `retry.backoff.ms`: before the first retry; each further one waits twice as long.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: the longest wait before a retry.
    pub retry_backoff_max: Duration,
    /// How often the member compares its tasks with the group's own account of them. Straum's own.
    pub verify_interval: Duration,
    /// What the group is to run: [`heartbeat_topology`](crate::group::heartbeat_topology).
    pub topology: HeartbeatTopology,
    /// What the member of a classic group subscribes to; a streams group has no use for it.
    pub lead_topics: LeadTopics,
    /// A mistake on purpose: join again before the thread has aborted.
    #[cfg(feature = "faults")]
    #[doc(hidden)]
    pub rejoin_before_abort: bool,
}

impl MemberSettings {
    /// Kafka Streams' defaults for this member.
    #[must_use]
    pub fn new(group_id: impl Into<String>, process_id: impl Into<String>, member_id: impl Into<String>, topology: HeartbeatTopology) -> Self {
        Self {
            group_id: group_id.into(),
            member_id: member_id.into(),
            process_id: process_id.into(),
            instance_id: None,
            rack_id: None,
            user_endpoint: None,
            client_tags: Vec::new(),
            max_poll_interval: Duration::from_secs(300),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            verify_interval: Duration::from_secs(60),
            topology,
            lead_topics: LeadTopics::default(),
            #[cfg(feature = "faults")]
            rejoin_before_abort: false,
        }
    }

    pub(super) fn source_topics(&self) -> Vec<String> {
        self.topology.subtopologies.iter().flat_map(|subtopology| &subtopology.source_topics).cloned().collect()
    }
}
