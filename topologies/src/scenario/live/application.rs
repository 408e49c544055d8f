//! The application of a case: opened on the cluster, cut off and opened again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use straum::group::heartbeat_topology;
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{Log, TopicPartition};
use straum::runtime::{Clock, ManualClock, State, Streams, StreamsConfig, StreamsOptions};
use straum::{ErrorKind, Topology};

use super::super::expectations::Problem;
use super::namespace::Namespace;
use crate::registry::TopologyDefinition;

/// How long the cluster may take for what it does at once. A slow machine is not a failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// How long nothing is asked of the cluster while the application works.
const LOOK: Duration = Duration::from_millis(2);

/// What applications of a case have in common.
pub(super) struct Place {
    pub(super) definition: Box<dyn TopologyDefinition>,
    pub(super) options: KafkaOptions,
    pub(super) prefix: String,
    pub(super) state: PathBuf,
    pub(super) clock: Arc<ManualClock>,
}

/// A running application.
pub(super) struct Application {
    pub(super) streams: Streams,
    pub(super) log: Namespace,
    states: Receiver<State>,
    application_id: Arc<str>,
    /// What it reads and commits.
    read: Vec<TopicPartition>,
    /// What its global stores are filled from.
    global: Vec<TopicPartition>,
}

impl Application {
    /// Opens it, and waits until the group has given it its tasks.
    pub(super) fn open(place: &Place, topology: &Topology, paused: bool) -> Result<Self, Problem> {
        let log = Namespace::new(Arc::new(KafkaLog::connect(place.options.clone())?), &place.prefix);
        let (changed, states) = channel();
        let options = StreamsOptions::default().handlers(place.definition.handlers()).clock(Arc::<ManualClock>::clone(&place.clock)).state_listener(
            move |new, _| {
                // Nobody listens any more once it is dropped.
                let _ = changed.send(new);
            },
        );
        let config = config(place);
        let application_id = Arc::clone(&config.application_id);
        let mut streams = Streams::new(topology, config, Arc::new(log.clone()), options);
        if paused {
            streams.pause();
        }
        streams.start()?;
        let mut application = Self { streams, log, states, application_id, read: Vec::new(), global: Vec::new() };
        application.wait_for_tasks()?;
        application.look_up(place, topology)?;
        Ok(application)
    }

    fn wait_for_tasks(&self) -> Result<(), Problem> {
        let deadline = Instant::now() + PATIENCE;
        while self.streams.state() != State::Running {
            // Woken by a change of state; what the group waits for is looked at in between.
            let _ = self.states.recv_timeout(Duration::from_millis(100));
            if self.streams.state() == State::Error || Instant::now() > deadline {
                return Err(self.problem("the application has no tasks"));
            }
        }
        Ok(())
    }

    fn look_up(&mut self, place: &Place, topology: &Topology) -> Result<(), Problem> {
        let described = heartbeat_topology(topology, &self.application_id);
        let global = place.definition.global_topics();
        let mut read: Vec<String> = Vec::new();
        for subtopology in described.subtopologies {
            read.extend(subtopology.source_topics);
            read.extend(subtopology.repartition_source_topics.into_iter().map(|topic| topic.name));
        }
        read.sort();
        read.dedup();
        self.read = self.partitions(read.iter().map(String::as_str).filter(|topic| !global.contains(topic)))?;
        self.global = self.partitions(global.iter().copied())?;
        Ok(())
    }

    fn partitions<'a>(&self, topics: impl Iterator<Item = &'a str>) -> Result<Vec<TopicPartition>, Problem> {
        let mut partitions = Vec::new();
        for topic in topics {
            partitions.extend((0..self.log.partitions(topic)?.unwrap_or(0)).map(|number| TopicPartition::new(topic, number)));
        }
        Ok(partitions)
    }

    /// Waits until what was written is processed and committed, through all repartition topics. False when it was cut off.
    pub(super) fn settle(&self) -> Result<bool, Problem> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.log.switch.is_cut() {
                return Ok(false);
            }
            if let Some(task) = self.streams.tasks().into_iter().find(|task| task.failing.is_some()) {
                return Err(Problem::new(format!("task {} fails: {}", task.id, task.failing.unwrap_or_default())));
            }
            if self.streams.state() == State::Error {
                return Err(self.problem("the application has ended"));
            }
            let behind = if self.streams.is_idle() { self.behind()? } else { Some("the application works".to_owned()) };
            match behind {
                None => return Ok(true),
                Some(behind) if Instant::now() > deadline => return Err(self.problem(&behind)),
                Some(_) => std::thread::sleep(LOOK),
            }
        }
    }

    /// What is not processed yet. What is committed is asked for first: whatever is written for it later was written by what is
    /// not committed.
    fn behind(&self) -> Result<Option<String>, Problem> {
        let committed = match self.log.committed(&self.application_id, &self.read) {
            Ok(committed) => committed,
            Err(_) if self.log.switch.is_cut() => return Ok(Some("it was cut off".to_owned())),
            Err(error) => return Err(error.into()),
        };
        for (partition, committed) in self.read.iter().zip(committed) {
            let (start, end) = self.log.offsets(partition)?;
            let position = committed.map_or(start, |committed| committed.offset);
            if position < end {
                return Ok(Some(format!("{partition} is processed up to {position} of {end}")));
            }
        }
        for partition in &self.global {
            let (start, end) = self.log.offsets(partition)?;
            let applied = self.log.applied.lock().get(partition).copied().unwrap_or(start);
            if applied < end {
                return Ok(Some(format!("global topic {partition} is read up to {applied} of {end}")));
            }
        }
        Ok(None)
    }

    /// Waits until a round has begun and ended: what is due by the clock is done.
    pub(super) fn pass_a_round(&self) -> Result<(), Problem> {
        let (deadline, rounds) = (Instant::now() + PATIENCE, self.streams.rounds());
        while self.streams.rounds() < rounds + 2 && !self.log.switch.is_cut() {
            if self.streams.state() == State::Error || Instant::now() > deadline {
                return Err(self.problem("the application does not go on"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// As kill -9: nothing uncommitted arrives any more.
    pub(super) fn crash(mut self) {
        self.log.switch.cut();
        // It says that it could not commit.
        let _ = self.streams.close();
    }

    /// Commits, stops and leaves the group.
    pub(super) fn leave(mut self) -> Result<(), Problem> {
        Ok(self.streams.close_and_leave()?)
    }

    fn problem(&self, what: &str) -> Problem {
        let causes = [self.streams.errors(), self.streams.troubles(), self.streams.notices()].concat().join("; ");
        let state = self.streams.state();
        Problem::new(if causes.is_empty() { format!("{what}, it is {state:?}") } else { format!("{what}, it is {state:?}: {causes}") })
    }
}

/// The settings of the driver, as far as a broker lets them be: caching is off, and a commit comes as soon as there is something to
/// commit.
fn config(place: &Place) -> StreamsConfig {
    let mut config = StreamsConfig::new(place.definition.application_id());
    place.definition.configure(&mut config);
    config.statestore_cache_max_bytes = 0;
    config.commit_interval = Duration::ZERO;
    config.poll = Duration::from_millis(5);
    config.memory_max_bytes = 64 * 1024 * 1024;
    config.state_dir.clone_from(&place.state);
    config
}

impl Place {
    /// The topology with these settings.
    pub(super) fn build(&self, settings: &crate::registry::Settings) -> Result<Topology, Problem> {
        let failed = |error: straum::BoxError| straum::Error::new(ErrorKind::Config, "the settings do not fit").with_source(error);
        Ok(self.definition.build(settings).map_err(failed)?)
    }

    /// The clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now()
    }
}
