//! The settings of an application: Kafka Streams' names and meanings, each one checked, none ignored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

mod clients;
mod environment;
mod sources;

pub use sources::ConfigSources;

/// What a failure may leave behind. Kafka Streams: `processing.guarantee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProcessingGuarantee {
    /// Every record's effects happen once: outputs, state and offsets commit together.
    #[default]
    ExactlyOnce,
    /// No record is lost; after a failure some are processed again.
    AtLeastOnce,
}

/// Where a source is read from when the group has committed no offset for it, or one whose record has been deleted.
/// Kafka: `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// The oldest record there is.
    #[default]
    Earliest,
    /// What comes from now on.
    Latest,
    /// Nowhere: the task pauses and says so.
    None,
}

/// What may be made otherwise than a topology is declared, with the same results. Kafka Streams: `topology.optimization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TopologyOptimization {
    /// `none`: every store that is logged has a changelog topic of its own.
    #[default]
    None,
    /// `reuse.ktable.source.topics`: the store of a table that is read from a topic has that topic for its changelog. See
    /// [`StreamsBuilder::table`](crate::dsl::StreamsBuilder::table).
    ReuseSourceTopics,
}

impl TopologyOptimization {
    /// As Kafka Streams writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ReuseSourceTopics => "reuse.ktable.source.topics",
        }
    }
}

impl std::str::FromStr for TopologyOptimization {
    type Err = Error;

    /// Reads `none` or `reuse.ktable.source.topics`. Those that Kafka Streams has besides, `all` among them, are refused: they would
    /// give an application other internal topics than are asked for.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "none" => Ok(Self::None),
            "reuse.ktable.source.topics" => Ok(Self::ReuseSourceTopics),
            other => {
                let expected =
                    "none or reuse.ktable.source.topics (merge.repartition.topics and single.store.self.join, and so all, are not supported)";
                Err(invalid("topology.optimization", other, expected))
            }
        }
    }
}

/// The settings of an application. Kafka Streams: `StreamsConfig`.
///
/// ```
/// use straum::runtime::StreamsConfig;
///
/// let config = StreamsConfig::from_settings([("application.id", "orders"), ("num.stream.threads", "2")])?;
/// assert_eq!(config.num_stream_threads, 2);
/// let wrong = StreamsConfig::from_settings([("application.id", "orders"), ("num.stream.thread", "2")]).unwrap_err();
/// assert!(wrong.to_string().contains("num.stream.threads"));
/// # Ok::<(), straum::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StreamsConfig {
    /// `application.id`: the group, and the prefix of internal topics. Required.
    pub application_id: Arc<str>,
    /// `auto.offset.reset`: `earliest` (the default, as in Kafka Streams), `latest` or `none`. Repartition topics are
    /// always read from the beginning.
    pub auto_offset_reset: OffsetReset,
    /// `num.stream.threads`, 1.
    pub num_stream_threads: usize,
    /// `processing.guarantee`: `exactly_once_v2` (the default here; Kafka Streams' is `at_least_once`) or `at_least_once`.
    pub processing_guarantee: ProcessingGuarantee,
    /// `commit.interval.ms`: 100 ms, and 30 s where [`StreamsConfig::from_settings`] reads at-least-once. Whoever changes the
    /// guarantee as a field changes this too.
    pub commit_interval: Duration,
    /// `statestore.cache.max.bytes`, 10 MiB, shared by the threads: updates of tables wait there for the commit. 0 sends every
    /// update downstream at once.
    pub statestore_cache_max_bytes: usize,
    /// `max.task.idle.ms`, 0: how long a task waits for an empty partition that is known to be at its end; `None` (−1): a
    /// task never waits for one.
    pub max_task_idle: Option<Duration>,
    /// `buffered.records.per.partition`, 1000: a partition is not fetched while more wait.
    pub buffered_records_per_partition: usize,
    /// `poll.ms`, 100 ms: how long a thread with nothing to do waits for records.
    pub poll: Duration,
    /// `state.dir`: the folder of the state stores, `<temporary folder>/straum`. Each application has a folder of its own in it.
    pub state_dir: PathBuf,
    /// `errors.dead.letter.queue.topic.name`: `<application>-dead-letter-queue`; empty for none.
    pub dead_letter_topic: Option<Arc<str>>,
    /// `state.cleanup.delay.ms`, 10 min: how long the state of a task that is not here any more is kept for its return.
    pub state_cleanup_delay: Duration,
    /// `task.timeout.ms`, 5 min: how long a failing task retries before it pauses.
    pub task_timeout: Duration,
    /// `repartition.purge.interval.ms`, 30 s: how often, at a commit, records of repartition topics that are processed are
    /// deleted.
    pub repartition_purge_interval: Duration,
    /// `retry.backoff.ms`, 100 ms: before the first retry; each further one waits twice as long.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`, 1 s: the longest wait before a retry.
    pub retry_backoff_max: Duration,
    /// `topology.optimization`, `none`. It is [`StreamsBuilder::build_for`](crate::dsl::StreamsBuilder::build_for) that reads it, and an
    /// application whose topology was built with another does not start.
    pub topology_optimization: TopologyOptimization,
    /// `transaction.timeout.ms`, 10 s: a transaction commits in good time before it.
    pub transaction_timeout: Duration,
    /// `max.poll.interval.ms`, 5 min: a stream thread that is not back for so long, a closure that hangs say, loses its tasks to
    /// others until it is. Where a group hands out the tasks.
    pub max_poll_interval: Duration,
    /// `max.request.size`, 1 MiB: a larger output record is a production error.
    pub max_request_size: usize,
    /// `memory.max.bytes`, 512 MiB: what the process spends on block cache, write buffers, uncommitted state and queues.
    /// Straum's own; Kafka Streams has no such bound.
    pub memory_max_bytes: u64,
}

const KEYS: [&str; 21] = [
    "application.id",
    "auto.offset.reset",
    "buffered.records.per.partition",
    "commit.interval.ms",
    "errors.dead.letter.queue.topic.name",
    "max.poll.interval.ms",
    "max.request.size",
    "max.task.idle.ms",
    "memory.max.bytes",
    "num.stream.threads",
    "poll.ms",
    "processing.guarantee",
    "repartition.purge.interval.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "state.cleanup.delay.ms",
    "state.dir",
    "statestore.cache.max.bytes",
    "task.timeout.ms",
    "topology.optimization",
    "transaction.timeout.ms",
];

impl StreamsConfig {
    /// The defaults, for this application id.
    #[must_use]
    pub fn new(application_id: impl Into<Arc<str>>) -> Self {
        let application_id = application_id.into();
        Self {
            dead_letter_topic: Some(format!("{application_id}-dead-letter-queue").into()),
            application_id,
            auto_offset_reset: OffsetReset::Earliest,
            num_stream_threads: 1,
            processing_guarantee: ProcessingGuarantee::ExactlyOnce,
            commit_interval: Duration::from_millis(100),
            statestore_cache_max_bytes: 10 * 1024 * 1024,
            max_task_idle: Some(Duration::ZERO),
            buffered_records_per_partition: 1000,
            poll: Duration::from_millis(100),
            state_dir: std::env::temp_dir().join("straum"),
            state_cleanup_delay: Duration::from_secs(600),
            task_timeout: Duration::from_secs(300),
            repartition_purge_interval: Duration::from_secs(30),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            topology_optimization: TopologyOptimization::None,
            transaction_timeout: Duration::from_secs(10),
            max_poll_interval: Duration::from_secs(300),
            max_request_size: 1024 * 1024,
            memory_max_bytes: 512 * 1024 * 1024,
        }
    }

    /// Reads settings by Kafka Streams' names.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a key that is not known, with the nearest that is; for a value out of its range; for a
    /// missing `application.id`.
    pub fn from_settings<K: AsRef<str>, V: AsRef<str>>(settings: impl IntoIterator<Item = (K, V)>) -> Result<Self, Error> {
        let settings: BTreeMap<String, String> =
            settings.into_iter().map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().to_owned())).collect();
        let application_id = settings.get("application.id").filter(|id| !id.is_empty());
        if application_id.is_none() {
            settings.keys().try_for_each(|key| known(key))?;
        }
        let application_id = application_id.ok_or_else(|| Error::new(ErrorKind::Config, "application.id is missing, expected a name"))?;
        let mut config = Self::new(application_id.as_str());
        config.apply(&settings)?;
        Ok(config)
    }

    /// Sets settings by Kafka Streams' names over those there are: what a file or an operator says over what code says. A new
    /// `processing.guarantee` brings its own `commit.interval.ms` unless that is among them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] as [`StreamsConfig::from_settings`], and for another `application.id`: names have been made with
    /// the one there is.
    ///
    /// ```
    /// use straum::runtime::{ProcessingGuarantee, StreamsConfig};
    ///
    /// let mut config = StreamsConfig::new("orders");
    /// config.apply([("processing.guarantee", "at_least_once"), ("max.task.idle.ms", "50")])?;
    /// assert_eq!(config.processing_guarantee, ProcessingGuarantee::AtLeastOnce);
    /// assert_eq!(config.commit_interval.as_secs(), 30);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn apply<K: AsRef<str>, V: AsRef<str>>(&mut self, settings: impl IntoIterator<Item = (K, V)>) -> Result<(), Error> {
        let settings: BTreeMap<String, String> =
            settings.into_iter().map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().to_owned())).collect();
        settings.keys().try_for_each(|key| known(key))?;
        if let Some(other) = settings.get("application.id").filter(|id| **id != *self.application_id) {
            return Err(invalid("application.id", other, &format!("{}, which the application has", self.application_id)));
        }
        // Read first, since it decides a default of another.
        if let Some(guarantee) = settings.get("processing.guarantee") {
            self.guarantee(guarantee)?;
        }
        settings.iter().try_for_each(|(key, value)| self.set(key, value))
    }

    fn guarantee(&mut self, value: &str) -> Result<(), Error> {
        let guarantee = match value {
            "exactly_once_v2" => ProcessingGuarantee::ExactlyOnce,
            "at_least_once" => ProcessingGuarantee::AtLeastOnce,
            other => return Err(invalid("processing.guarantee", other, "exactly_once_v2 or at_least_once")),
        };
        if guarantee != self.processing_guarantee {
            self.processing_guarantee = guarantee;
            self.commit_interval = match guarantee {
                ProcessingGuarantee::ExactlyOnce => Duration::from_millis(100),
                ProcessingGuarantee::AtLeastOnce => Duration::from_secs(30),
            };
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "auto.offset.reset" => {
                self.auto_offset_reset = match value {
                    "earliest" => OffsetReset::Earliest,
                    "latest" => OffsetReset::Latest,
                    "none" => OffsetReset::None,
                    other => return Err(invalid(key, other, "earliest, latest or none")),
                }
            }
            "num.stream.threads" => self.num_stream_threads = number(key, value, 1)?,
            "commit.interval.ms" => self.commit_interval = Duration::from_millis(number(key, value, 0)?),
            "statestore.cache.max.bytes" => self.statestore_cache_max_bytes = number(key, value, 0)?,
            "max.task.idle.ms" => {
                let idle: i64 = number(key, value, -1)?;
                self.max_task_idle = u64::try_from(idle).ok().map(Duration::from_millis);
            }
            "buffered.records.per.partition" => self.buffered_records_per_partition = number(key, value, 1)?,
            "poll.ms" => self.poll = Duration::from_millis(number(key, value, 0)?),
            "state.cleanup.delay.ms" => self.state_cleanup_delay = Duration::from_millis(number(key, value, 0)?),
            "state.dir" => self.state_dir = value.into(),
            "errors.dead.letter.queue.topic.name" => self.dead_letter_topic = (!value.is_empty()).then(|| value.into()),
            "task.timeout.ms" => self.task_timeout = Duration::from_millis(number(key, value, 0)?),
            "repartition.purge.interval.ms" => self.repartition_purge_interval = Duration::from_millis(number(key, value, 1)?),
            "retry.backoff.ms" => self.retry_backoff = Duration::from_millis(number(key, value, 0)?),
            "retry.backoff.max.ms" => self.retry_backoff_max = Duration::from_millis(number(key, value, 0)?),
            "topology.optimization" => self.topology_optimization = value.parse()?,
            "transaction.timeout.ms" => self.transaction_timeout = Duration::from_millis(number(key, value, 1000)?),
            "max.poll.interval.ms" => self.max_poll_interval = Duration::from_millis(number(key, value, 1)?),
            "max.request.size" => self.max_request_size = number(key, value, 1)?,
            "memory.max.bytes" => self.memory_max_bytes = number(key, value, 16 * 1024 * 1024)?,
            "application.id" | "processing.guarantee" => {}
            other => return Err(unknown_key(other)),
        }
        Ok(())
    }

    pub(crate) fn is_exactly_once(&self) -> bool {
        self.processing_guarantee == ProcessingGuarantee::ExactlyOnce
    }
}

fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(key: &str, value: &str, least: T) -> Result<T, Error> {
    match value.trim().parse::<T>() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(invalid(key, value, &format!("a whole number of at least {least}"))),
    }
}

fn invalid(key: &str, value: &str, expected: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{key} is {value}, expected {expected}"))
}

fn known(key: &str) -> Result<(), Error> {
    if KEYS.contains(&key) { Ok(()) } else { Err(unknown_key(key)) }
}

fn unknown_key(key: &str) -> Error {
    unknown_among(key, KEYS.iter())
}

/// Refuses a key by the nearest of those there are.
fn unknown_among<'a>(key: &str, keys: impl Iterator<Item = &'a &'static str>) -> Error {
    let nearest = keys.max_by(|left, right| strsim::jaro_winkler(key, left).total_cmp(&strsim::jaro_winkler(key, right)));
    let nearest = nearest.copied().unwrap_or_default();
    Error::new(ErrorKind::Config, format!("{key} is not a setting, did you mean {nearest}"))
}
