//! How to reach a cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::log::GroupProtocol;

/// How to reach a cluster, and in whose name.
#[derive(Clone)]
pub struct KafkaOptions {
    /// `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// The application id. Group names used here begin with it, as access rules demand.
    pub application_id: String,
    /// Any setting of librdkafka by its name. A name that begins with `admin.`, `consumer.` or `producer.` is for these
    /// clients alone, as in Kafka Streams. Those that the engine relies on (`enable.auto.commit`, `isolation.level`, …) are refused.
    pub settings: BTreeMap<String, String>,
    /// Who hands out the tasks.
    pub group_protocol: GroupProtocol,
    /// Replicas of the topics made here; `None` is the broker's default.
    pub replication_factor: Option<u16>,
    /// How long a question to the cluster may take.
    pub request_timeout: Duration,
    /// How long the outcome of a commit or an abort is asked for before the producer is given up. Longer than a
    /// restart of a broker.
    pub outcome_timeout: Duration,
    /// A mistake on purpose: committed offsets are asked for without waiting for open transactions.
    #[cfg(feature = "faults")]
    #[doc(hidden)]
    pub unstable_offsets: bool,
}

impl KafkaOptions {
    /// The defaults: no settings, the broker's replication, 30 s for a question, 60 s for an outcome.
    #[must_use]
    pub fn new(bootstrap_servers: impl Into<String>, application_id: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            application_id: application_id.into(),
            settings: BTreeMap::new(),
            group_protocol: GroupProtocol::Streams,
            replication_factor: None,
            request_timeout: Duration::from_secs(30),
            outcome_timeout: Duration::from_secs(60),
            #[cfg(feature = "faults")]
            unstable_offsets: false,
        }
    }

    /// Sets who hands out the tasks.
    #[must_use]
    pub const fn group_protocol(mut self, protocol: GroupProtocol) -> Self {
        self.group_protocol = protocol;
        self
    }

    /// Adds a setting of librdkafka.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }
}

/// Names the settings without their values, among which are passwords and keys.
impl fmt::Debug for KafkaOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KafkaOptions")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("application_id", &self.application_id)
            .field("settings", &self.settings.keys())
            .field("group_protocol", &self.group_protocol)
            .field("replication_factor", &self.replication_factor)
            .field("request_timeout", &self.request_timeout)
            .field("outcome_timeout", &self.outcome_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::KafkaOptions;

    #[test]
    fn secrets_are_not_printed() {
        let options = KafkaOptions::new("broker:9092", "shop").with("ssl.key.password", "hunter2");
        let printed = format!("{options:?}");
        assert!(printed.contains("ssl.key.password"), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
