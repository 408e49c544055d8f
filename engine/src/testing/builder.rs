//! What a driver is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::TopologyTestDriver;
use super::states::States;
use crate::error::Error;
use crate::log::embedded::{Acknowledgement, EmbeddedLog, EmbeddedOptions};
use crate::log::{Log, TopicSpec};
use crate::runtime::{Clock, ExceptionHandlers, ManualClock, StreamsConfig};
use crate::topology::Topology;

/// Settings of a driver before it starts.
pub struct DriverBuilder {
    topology: Topology,
    config: StreamsConfig,
    handlers: ExceptionHandlers,
    partitions: BTreeMap<String, u32>,
    default_partitions: u32,
    threads: usize,
    state_folder: Option<PathBuf>,
    now: i64,
    acknowledgement: Acknowledgement,
}

impl DriverBuilder {
    pub(super) fn new(topology: &Topology, config: StreamsConfig) -> Self {
        Self {
            topology: topology.clone(),
            config,
            handlers: ExceptionHandlers::default(),
            partitions: BTreeMap::new(),
            default_partitions: 1,
            threads: 1,
            state_folder: None,
            now: 0,
            acknowledgement: Acknowledgement::Immediate,
        }
    }

    /// Changes settings. By default caching is off and commits happen only by [`TopologyTestDriver::commit`].
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut StreamsConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Replaces the exception handlers.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use straum::{dsl::*, runtime::{Decision, ExceptionHandlers}, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, Utf8)).try_map_values(|text| text.parse::<i64>()).to("out", Produced::with(Utf8, I64));
    /// let handlers = ExceptionHandlers { processing: Arc::new(|_| Decision::Fail), ..ExceptionHandlers::default() };
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).handlers(handlers).start()?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1"), ("b", "x"), ("c", "3")])?;
    /// // The task stands at the record it cannot process.
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// assert_eq!(driver.failing().count(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn handlers(mut self, handlers: ExceptionHandlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// Gives every source and sink topic this many partitions; 1 by default.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::builder(&topology).partitions(2).threads(2).start()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("b", 6), ("c", 7), ("d", 8)])?;
    /// let mut partitions: Vec<_> = driver.output("out", Utf8, I64).read(&driver)?.iter().map(|record| record.partition).collect();
    /// partitions.dedup();
    /// assert_eq!(partitions, [Some(0), Some(1)]);
    /// assert_eq!(driver.store::<String, i64>("counts")?.all()?.len(), 4);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.default_partitions = partitions;
        self
    }

    /// Gives one topic this many partitions, and makes it if the topology does not name it.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>, partitions: u32) -> Self {
        self.partitions.insert(topic.into(), partitions);
        self
    }

    /// Spreads the tasks over this many stream threads, which take turns.
    #[must_use]
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Keeps state on RocksDB in this folder. By default it is kept in memory that outlives a [`TopologyTestDriver::crash`].
    #[must_use]
    pub fn state_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_folder = Some(folder.into());
        self
    }

    /// When the log acknowledges what is sent: at once, or at the next flush or commit, where it can also
    /// [fail](EmbeddedLog::fail_delivery).
    #[must_use]
    pub const fn acknowledgement(mut self, acknowledgement: Acknowledgement) -> Self {
        self.acknowledgement = acknowledgement;
        self
    }

    /// The wall clock at the start, in milliseconds since the epoch; 0 by default.
    #[must_use]
    pub const fn now(mut self, now: i64) -> Self {
        self.now = now;
        self
    }

    /// Makes the topics and starts.
    ///
    /// # Errors
    /// As an application's start.
    pub fn start(self) -> Result<TopologyTestDriver, Error> {
        let clock = Arc::new(ManualClock::new(self.now));
        let of_log = Arc::clone(&clock);
        let log = EmbeddedLog::in_memory(EmbeddedOptions::new().acknowledgement(self.acknowledgement).clock(move || of_log.now()))?;
        let mut topics = self.partitions.clone();
        for topic in self.topology.source_topics().iter().chain(&self.topology.sink_topics()) {
            topics.entry(topic.to_string()).or_insert(self.default_partitions);
        }
        for (name, partitions) in topics {
            log.create_topic(&TopicSpec { name, partitions, config: BTreeMap::new() })?;
        }
        let states = States::in_folder(self.state_folder);
        TopologyTestDriver::on(self.topology, self.config, self.handlers, clock, Arc::new(log), states, self.threads.max(1))
    }
}
