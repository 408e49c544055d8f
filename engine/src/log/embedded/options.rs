//! The settings of an embedded log.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since the epoch: transaction time-outs and retention follow it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// When bytes are made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before a commit or a flush returns. Commits at the same time share the syncs.
    AtCommit,
    /// Never: a process that dies loses nothing, a power cut may lose anything or leave the folder unreadable. For
    /// demos and tests.
    Never,
}

/// Where bytes are that have not been synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// With the operating system, which keeps them when the process dies.
    WrittenThrough,
    /// In the memory of this process, so that `kill -9` loses them as a power cut would. For crash tests.
    HeldInMemory,
}

/// When a producer's records get into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Before `send` returns.
    Immediate,
    /// Later: at `flush`, `commit`, or when the test says so
    /// ([`EmbeddedLog::deliver`](super::EmbeddedLog::deliver)). Until then they wait in the producer.
    Late,
}

/// The settings of an embedded log.
#[derive(Clone)]
pub struct EmbeddedOptions {
    pub(super) clock: Clock,
    pub(super) sync: SyncPolicy,
    pub(super) unsynced: Unsynced,
    pub(super) acknowledgement: Acknowledgement,
    pub(super) topic_defaults: BTreeMap<String, String>,
    pub(super) fetch_bytes: usize,
    pub(super) fetch_records: usize,
    pub(super) stable_wait: Duration,
    pub(super) journal_bytes: u64,
    pub(super) clean_at_roll: bool,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(system_time),
            sync: SyncPolicy::AtCommit,
            unsynced: Unsynced::WrittenThrough,
            acknowledgement: Acknowledgement::Immediate,
            topic_defaults: BTreeMap::new(),
            fetch_bytes: 1 << 20,
            fetch_records: 1000,
            stable_wait: Duration::from_secs(1),
            journal_bytes: 1 << 20,
            clean_at_roll: true,
        }
    }
}

impl EmbeddedOptions {
    /// The system's clock; syncs at commits; acknowledges at once; keeps records for ever unless a topic says otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// When bytes are made durable. Default: [`SyncPolicy::AtCommit`].
    #[must_use]
    pub fn sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }

    /// Where unsynced bytes are. Default: [`Unsynced::WrittenThrough`].
    #[must_use]
    pub fn unsynced(mut self, unsynced: Unsynced) -> Self {
        self.unsynced = unsynced;
        self
    }

    /// When records get into the log. Default: [`Acknowledgement::Immediate`].
    #[must_use]
    pub fn acknowledgement(mut self, acknowledgement: Acknowledgement) -> Self {
        self.acknowledgement = acknowledgement;
        self
    }

    /// A topic setting for topics that do not set it themselves, as a broker's defaults are.
    #[must_use]
    pub fn topic_default(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.topic_defaults.insert(name.into(), value.into());
        self
    }

    /// The most bytes and records of one partition that a poll delivers at once; one record is always delivered.
    /// Default: 1 MiB, 1000 records.
    #[must_use]
    pub fn fetch(mut self, bytes: usize, records: usize) -> Self {
        self.fetch_bytes = bytes.max(1);
        self.fetch_records = records.max(1);
        self
    }

    /// How long `committed` waits for a pending transaction before it says
    /// [`Retriable`](crate::log::LogErrorKind::Retriable). Default: 1 s.
    #[must_use]
    pub fn stable_wait(mut self, wait: Duration) -> Self {
        self.stable_wait = wait;
        self
    }

    /// The journal is written anew, without what is over, past this many bytes. Default: 1 MiB.
    #[must_use]
    pub fn journal_bytes(mut self, bytes: u64) -> Self {
        self.journal_bytes = bytes;
        self
    }

    /// Whether retention and compaction also run when a segment is full, in the thread that filled it. Default: yes.
    #[must_use]
    pub fn clean_at_roll(mut self, clean: bool) -> Self {
        self.clean_at_roll = clean;
        self
    }
}

impl fmt::Debug for EmbeddedOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EmbeddedOptions")
            .field("sync", &self.sync)
            .field("unsynced", &self.unsynced)
            .field("acknowledgement", &self.acknowledgement)
            .field("topic_defaults", &self.topic_defaults)
            .finish_non_exhaustive()
    }
}

fn system_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
