//! A topology on the embedded log of a data folder, opened to run or only to be looked into, or on a Kafka cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use parking_lot::{Mutex, RwLock};
use straum::Topology;
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::kafka::KafkaLog;
use straum::log::{LogErrorKind, TopicPartition, TopicSpec};
use straum::runtime::{ChangelogProgress, Clock, ConfigSources, State, Streams, StreamsConfig, StreamsOptions, TaskRole};
use straum_topologies::registry::{Behind, HttpService, StoreDefinition, TopologyDefinition};

use super::configuration::application_id;
use super::data_folder::{DataFolder, Occupant};
use super::first_reading::{FirstReading, Position};
use super::output;
use super::place::Place;

/// A topology on a log.
pub(super) struct Application {
    pub(super) definition: Box<dyn TopologyDefinition>,
    pub(super) topology: Topology,
    pub(super) place: Place,
    pub(super) streams: RwLock<Streams>,
    pub(super) stores: Vec<StoreDefinition>,
    pub(super) service: Option<Box<dyn HttpService>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) group: Arc<str>,
    started: AtomicBool,
    /// `None` before it is known where the topics it reads ended at the start.
    first_reading: Mutex<Option<FirstReading>>,
    /// When everything was last seen to be read.
    caught_up: AtomicI64,
}

/// How an application is opened.
pub(super) struct Opening {
    /// Who tells the time.
    pub(super) clock: Arc<dyn Clock>,
    /// Settings of the application over those of its topology.
    pub(super) settings: ConfigSources,
    /// Only to be looked into: nothing is processed.
    pub(super) paused: bool,
}

impl Application {
    /// Opens the folder, makes missing topics, starts and waits until the stores are restored.
    pub(super) fn open(folder: &DataFolder, occupant: &Occupant, opening: Opening) -> Result<Self> {
        let application = Self::prepare(folder, occupant, &opening, None)?;
        for topic in application.definition.topics() {
            if application.place.log().partitions(topic.name)?.is_none() {
                let config: BTreeMap<String, String> = topic.config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
                application.place.log().create_topic(&TopicSpec { name: topic.name.to_owned(), partitions: topic.partitions, config })?;
            }
        }
        application.start()?;
        application.note_ends()?;
        application.wait_until_restored()?;
        Ok(application)
    }

    /// Makes it, ready to be started: on a cluster, or without one on the folder's own log.
    pub(super) fn prepare(folder: &DataFolder, occupant: &Occupant, opening: &Opening, cluster: Option<Arc<KafkaLog>>) -> Result<Self> {
        let definition = super::find(&occupant.topology)?;
        if let Some(other) = folder.occupant()? {
            let place = folder.path().display();
            if other.topology != occupant.topology {
                bail!("{place} is the folder of topology {}, expected {}; choose another with --data DIR", other.topology, occupant.topology);
            }
            if other.brokers.is_some() != occupant.brokers.is_some() {
                let on = |brokers: &Option<String>| brokers.as_ref().map_or("the log in it".to_owned(), |brokers| format!("Kafka ({brokers})"));
                bail!("{place} is of a topology on {}, expected on {}; choose another with --data DIR", on(&other.brokers), on(&occupant.brokers));
            }
        }
        let topology = definition.build(&occupant.settings).map_err(anyhow::Error::from_boxed)?;
        let mut config = StreamsConfig::new(match cluster {
            Some(_) => application_id(&opening.settings, &*definition)?,
            None => definition.application_id().to_owned(),
        });
        definition.configure(&mut config);
        config.state_dir = folder.state();
        opening.settings.apply_to(&mut config)?;
        let service = definition.http(&occupant.settings).map_err(anyhow::Error::from_boxed)?;
        folder.occupy(occupant)?;
        let place = match cluster {
            Some(log) => Place::Kafka(log),
            None => Place::Embedded(open_log(folder)?),
        };
        let group = Arc::clone(&config.application_id);
        let options = StreamsOptions::default().handlers(definition.handlers()).clock(Arc::clone(&opening.clock));
        let streams = Streams::new(&topology, config, place.shared(), options);
        if opening.paused {
            streams.pause();
        }
        let (stores, clock) = (definition.stores(), Arc::clone(&opening.clock));
        let (streams, caught_up) = (RwLock::new(streams), AtomicI64::new(clock.now()));
        Ok(Self {
            definition,
            topology,
            place,
            streams,
            stores,
            service,
            clock,
            group,
            started: AtomicBool::new(false),
            first_reading: Mutex::new(None),
            caught_up,
        })
    }

    /// Notes where the topics it reads end now: what is there at the start.
    pub(super) fn note_ends(&self) -> Result<()> {
        let first = FirstReading::of(&self.positions()?, self.topology.repartition_topics(&self.group).len());
        // The first note holds.
        self.first_reading.lock().get_or_insert(first);
        Ok(())
    }

    /// Whether a topic of a cluster is this application's.
    pub(super) fn has_topic(&self, topic: &str) -> bool {
        let own = topic.strip_prefix(&*self.group).is_some_and(|rest| rest.starts_with('-'));
        own || self.definition.topics().iter().any(|declared| declared.name == topic)
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
                State::Rebalancing => spinner.set_message(restoring(&streams.changelogs())),
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
        let topics = self.definition.topics();
        self.positions_in(topics.iter().map(|topic| topic.name).filter(|topic| self.reads(topic)))
    }

    fn positions_in<'a>(&self, topics: impl Iterator<Item = &'a str>) -> Result<Vec<Position>> {
        let mut partitions = Vec::new();
        for topic in topics {
            let numbers = 0..self.place.log().partitions(topic)?.unwrap_or(0);
            partitions.extend(numbers.map(|number| TopicPartition::new(topic, number)));
        }
        // What is committed is looked up before the ends: see `FirstReading::is_over`.
        let committed = self.place.log().committed(&self.group, &partitions)?;
        let mut positions = Vec::new();
        for (partition, committed) in partitions.into_iter().zip(committed) {
            let (start, end) = self.place.reach(&partition)?;
            positions.push(Position { partition, start, position: committed.map_or(start, |committed| committed.offset), end });
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
        let repartitions = || self.positions_in(self.topology.repartition_topics(&self.group).iter().map(|topic| &**topic));
        let complete = self.first_reading.lock().as_mut().map_or(Ok(false), |first| first.is_over(&positions, repartitions))?;
        let now = self.clock.now();
        if records == 0 {
            self.caught_up.store(now, Ordering::Relaxed);
        }
        let milliseconds = u64::try_from(now - self.caught_up.load(Ordering::Relaxed)).unwrap_or(0);
        Ok(Behind { records, milliseconds, complete })
    }

    /// Starts it: fills its global stores, then restores and processes.
    pub(super) fn start(&self) -> Result<()> {
        self.streams.write().start()?;
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether it has started; before that it may be waited for long.
    pub(super) fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Commits and stops.
    pub(super) fn close(&self) -> Result<()> {
        Ok(self.streams.write().close()?)
    }
}

/// Opens the log of a folder.
pub(super) fn open_log(folder: &DataFolder) -> Result<EmbeddedLog> {
    EmbeddedLog::open(folder.log(), EmbeddedOptions::new()).map_err(|error| {
        let remedy = match error.kind() {
            LogErrorKind::Locked => "; stop what runs there, or name another folder with --data",
            LogErrorKind::Version => "; name another folder with --data, or delete this one",
            _ => "",
        };
        anyhow::Error::new(error).context(format!("cannot open the log in {}{remedy}", folder.path().display()))
    })
}

/// What an application does that does not run yet.
fn restoring(changelogs: &[ChangelogProgress]) -> String {
    let active: Vec<&ChangelogProgress> = changelogs.iter().filter(|changelog| changelog.role == TaskRole::Active).collect();
    let sum = |of: fn(&ChangelogProgress) -> i64| active.iter().map(|changelog| of(changelog)).sum::<i64>();
    let (read, all) = (sum(|changelog| changelog.position - changelog.start), sum(|changelog| changelog.end - changelog.start));
    let mebibytes = active.iter().map(|changelog| changelog.bytes).sum::<u64>() >> 20;
    match (100 * read).checked_div(all) {
        Some(percent) => format!("Rebalancing: {percent} % of {} changelogs read, {read} of {all} records, {mebibytes} MiB", active.len()),
        None => "Rebalancing: opens its tasks".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_restored_is_told_without_the_copies() {
        let changelog = |role, position, end| ChangelogProgress {
            task: straum::topology::TaskId { subtopology: 0, partition: 0 },
            role,
            store: "counts".into(),
            start: 100,
            position,
            end,
            bytes: 3 << 20,
        };
        assert_eq!(restoring(&[changelog(TaskRole::Standby, 100, 900)]), "Rebalancing: opens its tasks");
        let all = [changelog(TaskRole::Active, 150, 300), changelog(TaskRole::Active, 300, 300), changelog(TaskRole::Standby, 100, 900)];
        assert_eq!(restoring(&all), "Rebalancing: 62 % of 2 changelogs read, 250 of 400 records, 6 MiB");
    }
}
