//! A topology on the embedded log of a data folder: opened to run, or only to be looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use parking_lot::RwLock;
use straum::Topology;
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{Log, TopicPartition, TopicSpec};
use straum::runtime::{Clock, State, Streams, StreamsConfig, StreamsOptions};
use straum_topologies::registry::{Behind, HttpService, StoreDefinition, TopologyDefinition};

use super::data_folder::{DataFolder, Occupant};
use super::output;

/// A topology on a log.
pub(super) struct Application {
    pub(super) definition: Box<dyn TopologyDefinition>,
    pub(super) topology: Topology,
    pub(super) log: EmbeddedLog,
    pub(super) streams: RwLock<Streams>,
    pub(super) stores: Vec<StoreDefinition>,
    pub(super) service: Option<Box<dyn HttpService>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) group: Arc<str>,
    /// Where the topics it reads ended at the start.
    ends: Vec<(TopicPartition, i64)>,
    /// When everything was last seen to be read.
    caught_up: AtomicI64,
}

/// Where it is in a partition.
struct Position {
    partition: TopicPartition,
    start: i64,
    position: i64,
    end: i64,
}

/// How an application is opened.
pub(super) struct Opening {
    /// Who tells the time.
    pub(super) clock: Arc<dyn Clock>,
    /// How many stream threads.
    pub(super) threads: usize,
    /// Only to be looked into: nothing is processed.
    pub(super) paused: bool,
}

impl Application {
    /// Opens the folder, makes missing topics, starts and waits until the stores are restored.
    pub(super) fn open(folder: &DataFolder, occupant: &Occupant, opening: Opening) -> Result<Self> {
        let definition = super::find(&occupant.topology)?;
        if let Some(other) = folder.occupant()?
            && other.topology != occupant.topology
        {
            let place = folder.path().display();
            bail!("{place} is the folder of topology {}, expected {}; choose another with --data DIR", other.topology, occupant.topology);
        }
        let topology = definition.build(&occupant.settings).map_err(anyhow::Error::from_boxed)?;
        folder.occupy(occupant)?;
        let log = open_log(folder)?;
        for topic in definition.topics() {
            if log.partitions(topic.name)?.is_none() {
                let config: BTreeMap<String, String> = topic.config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                log.create_topic(&TopicSpec { name: topic.name.to_owned(), partitions: topic.partitions, config })?;
            }
        }
        let mut config = StreamsConfig::new(definition.application_id());
        definition.configure(&mut config);
        config.state_dir = folder.state();
        config.num_stream_threads = opening.threads.max(1);
        let group = Arc::clone(&config.application_id);
        let service = definition.http(&occupant.settings).map_err(anyhow::Error::from_boxed)?;
        let options = StreamsOptions::default().handlers(definition.handlers()).clock(Arc::clone(&opening.clock));
        let mut streams = Streams::new(&topology, config, Arc::new(log.clone()), options);
        if opening.paused {
            streams.pause();
        }
        streams.start()?;
        let stores = definition.stores();
        let caught_up = AtomicI64::new(opening.clock.now());
        let streams = RwLock::new(streams);
        let mut application = Self { definition, topology, log, streams, stores, service, clock: opening.clock, group, ends: Vec::new(), caught_up };
        application.ends = application.positions()?.into_iter().map(|position| (position.partition, position.end)).collect();
        application.wait_until_restored()?;
        Ok(application)
    }

    /// Waits as long as it takes, since a large state takes a while, and shows that it does.
    fn wait_until_restored(&self) -> Result<()> {
        let spinner = output::spinner();
        let restored = self.restored(&spinner);
        spinner.finish_and_clear();
        restored
    }

    fn restored(&self, spinner: &ProgressBar) -> Result<()> {
        let mut said = BTreeSet::new();
        loop {
            let streams = self.streams.read();
            let (state, notices) = (streams.state(), streams.notices());
            match state {
                State::Running => return Ok(()),
                State::Rebalancing => spinner.set_message("Rebalancing: opens its tasks and restores their stores"),
                ended => {
                    let causes = [streams.errors(), streams.troubles(), notices].concat().join("; ");
                    let causes = if causes.is_empty() { "no cause is known, RUST_LOG=straum=info shows more".to_owned() } else { causes };
                    bail!("the application is {ended:?}, expected Running: {causes}; mend the cause and start it again, what is committed is kept");
                }
            }
            drop(streams);
            for notice in notices {
                if !said.contains(&notice) {
                    spinner.suspend(|| eprintln!("waits: {notice}"));
                    said.insert(notice);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where it is in the topics that its tasks read. Topics of global stores are read by every process and have no position.
    fn positions(&self) -> Result<Vec<Position>> {
        let mut positions = Vec::new();
        for topic in self.definition.topics().into_iter().filter(|topic| self.reads(topic.name)) {
            for partition in 0..self.log.partitions(topic.name)?.unwrap_or(0) {
                let partition = TopicPartition::new(topic.name, partition);
                let (start, _) = self.log.offsets(&partition)?;
                let end = self.log.last_stable_offset(&partition)?;
                let committed = self.log.committed(&self.group, std::slice::from_ref(&partition))?;
                let position = committed.into_iter().flatten().next().map_or(start, |committed| committed.offset);
                positions.push(Position { partition, start, position, end });
            }
        }
        Ok(positions)
    }

    fn reads(&self, topic: &str) -> bool {
        self.topology.source_topics().iter().any(|source| &**source == topic) && !self.definition.global_topics().contains(&topic)
    }

    /// How many records of the topics it reads are committed as processed, and how many there are.
    pub(super) fn progress(&self) -> Result<(u64, u64)> {
        let positions = self.positions()?;
        let done = positions.iter().map(|at| u64::try_from(at.position.min(at.end) - at.start).unwrap_or(0)).sum();
        let all = positions.iter().map(|at| u64::try_from(at.end - at.start).unwrap_or(0)).sum();
        Ok((done, all))
    }

    /// How far it is behind.
    pub(super) fn behind(&self) -> Result<Behind> {
        let positions = self.positions()?;
        let records = positions.iter().map(|at| u64::try_from(at.end - at.position).unwrap_or(0)).sum();
        let reached = |(partition, end): &(TopicPartition, i64)| positions.iter().any(|at| at.partition == *partition && at.position >= *end);
        let now = self.clock.now();
        if records == 0 {
            self.caught_up.store(now, Ordering::Relaxed);
        }
        let milliseconds = u64::try_from(now - self.caught_up.load(Ordering::Relaxed)).unwrap_or(0);
        // An end that is not reached by a position may be a marker, which nothing reads.
        Ok(Behind { records, milliseconds, complete: records == 0 || self.ends.iter().all(reached) })
    }

    /// Commits and stops.
    pub(super) fn close(&self) -> Result<()> {
        Ok(self.streams.write().close()?)
    }
}

/// Opens the log of a folder.
pub(super) fn open_log(folder: &DataFolder) -> Result<EmbeddedLog> {
    EmbeddedLog::open(folder.log(), EmbeddedOptions::new()).with_context(|| {
        let folder = folder.path().display();
        format!("cannot open the log in {folder}; if another straum runs there, stop it or name another folder with --data")
    })
}
