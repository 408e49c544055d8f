//! One run of a case on a cluster.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use straum::log::kafka::{KafkaAdmin, KafkaLog};
use straum::log::partitioner::partition_for_key;
use straum::log::{
    CommittedOffset, GroupMembership, HeaderView, Log, OutputBatch, Producer, ProducerOptions, TopicPartition, TopicSpec, encode_header,
};
use straum::runtime::ManualClock;

use super::super::expectations::{self, Asking, Problem};
use super::super::failure::Failure;
use super::super::file::{Advance, Crash, Scenario, Send, SendFile, Step};
use super::super::payload;
use super::super::runner::STARTING;
use super::Cluster;
use super::application::{Application, Place};
use super::namespace::Namespace;
use super::outputs::Outputs;
use crate::registry::{self, Behind, HttpService, StoreDefinition, Stores};

/// Where crashes are put in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crashing {
    /// Nowhere but where the file says.
    Never,
    /// After every step, everything committed.
    AfterStep,
    /// At the first commit of every step, before it is made.
    BeforeCommit,
}

impl Crashing {
    fn place(self) -> Option<String> {
        match self {
            Self::Never => None,
            Self::AfterStep => Some("after every step".to_owned()),
            Self::BeforeCommit => Some("before the first commit of every step".to_owned()),
        }
    }
}

/// A run of a case.
pub(super) struct Run<'a> {
    scenario: &'a Scenario,
    crashing: Crashing,
    place: Place,
    /// The cluster as the case's own hand sees it.
    log: Namespace,
    producer: Box<dyn Producer>,
    outputs: Outputs,
    topology: straum::Topology,
    settings: registry::Settings,
    application: Option<Application>,
    stores: Vec<StoreDefinition>,
    service: Option<Box<dyn HttpService>>,
    ends: Vec<(TopicPartition, i64)>,
    started: i64,
    /// Nothing is read until the first step that is not a call of the query API.
    waiting: bool,
    crashes: u64,
}

impl<'a> Run<'a> {
    /// Runs a case, and says how many crashes were put in it.
    pub(super) fn of(cluster: &Cluster, scenario: &'a Scenario, crashing: Crashing) -> Result<u64, Failure> {
        let failed = |problem: Problem, index: usize| problem.in_step(scenario, index, crashing.place());
        let prefix = cluster.prefix();
        let state = tempfile::tempdir().map_err(|error| failed(Problem::new(format!("no folder for its state: {error}")), 0))?;
        let outcome = Self::start(cluster, scenario, crashing, &prefix, state.path()).map_err(|problem| (problem, 0)).and_then(|mut run| {
            let steps = (0..scenario.case.steps.len()).try_for_each(|index| run.step(index).map_err(|problem| (problem, index)));
            if let Some(application) = run.application.take() {
                // What has failed has been told.
                let _ = application.leave();
            }
            steps.map(|()| run.crashes)
        });
        clean_up(cluster, scenario, &prefix);
        outcome.map_err(|(problem, index)| failed(problem, index))
    }

    fn start(cluster: &Cluster, scenario: &'a Scenario, crashing: Crashing, prefix: &str, state: &Path) -> Result<Self, Problem> {
        let case = &scenario.case;
        let definition = registry::find(&case.topology).map_err(|error| Problem::new(error.to_string()))?;
        let options = cluster.options(format!("{prefix}{}", definition.application_id()));
        let log = Namespace::new(Arc::new(KafkaLog::connect(options.clone())?), prefix);
        let clock = Arc::new(ManualClock::new(case.now.as_millisecond()));
        let (stores, service) = (definition.stores(), service(&*definition, &case.config)?);
        let place = Place { definition, options, prefix: prefix.to_owned(), state: state.to_owned(), clock };
        let topology = place.build(&case.config)?;
        create_topics(&log, &place, &topology, &case.partitions)?;
        let options = ProducerOptions { client_id: "straum-check".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(60) };
        let (producer, outputs, started) = (log.producer(&options)?, Outputs::new(&log)?, place.now());
        let mut run = Self {
            scenario,
            crashing,
            place,
            log,
            producer,
            outputs,
            topology,
            settings: case.config.clone(),
            application: None,
            stores,
            service,
            ends: Vec::new(),
            started,
            waiting: !case.before.is_empty(),
            crashes: 0,
        };
        for send in &case.before {
            run.write_file(send)?;
        }
        run.ends = run.positions()?.into_iter().map(|(partition, _, end)| (partition, end)).collect();
        run.open()?;
        Ok(run)
    }

    fn open(&mut self) -> Result<(), Problem> {
        self.application = Some(Application::open(&self.place, &self.topology, self.waiting)?);
        Ok(())
    }

    fn application(&self) -> Result<&Application, Problem> {
        self.application.as_ref().ok_or_else(|| Problem::new("the application does not run"))
    }

    fn step(&mut self, index: usize) -> Result<(), Problem> {
        let scenario = self.scenario;
        let Some(step) = scenario.case.steps.get(index) else { return Ok(()) };
        if let Step::Http(http) = &step.value {
            let asking = Asking { topology: &scenario.case.topology, now: self.place.now(), behind: self.behind()? };
            return expectations::http(self.service.as_deref(), Stores::Application(&self.application()?.streams), asking, http);
        }
        if std::mem::take(&mut self.waiting) {
            self.application()?.streams.resume();
        }
        let acts = matches!(step.value, Step::Send(_) | Step::SendFile(_) | Step::Advance(_));
        if acts && self.crashing == Crashing::BeforeCommit {
            self.application()?.log.switch.arm(true);
        }
        match &step.value {
            Step::Send(send) => self.send(send)?,
            Step::SendFile(send) => self.write_file(send)?,
            Step::Advance(advance) => self.advance(*advance)?,
            Step::Crash(crash) => self.crash(crash)?,
            Step::Expect(expect) => {
                expectations::known(&self.log, &expect.topic)?;
                return expectations::expect(self.outputs.came(&self.log, &expect.topic)?, expect);
            }
            Step::ExpectCount(count) => {
                expectations::known(&self.log, &count.topic)?;
                return expectations::expect_count(self.outputs.came(&self.log, &count.topic)?, count);
            }
            Step::Store(row) => return expectations::store(&self.stores, Stores::Application(&self.application()?.streams), row),
            Step::Http(_) => return Ok(()),
        }
        self.settle()?;
        if self.crashing == Crashing::AfterStep {
            self.come_back(None)?;
            self.crashes += 1;
            self.settle()?;
        }
        Ok(())
    }

    /// Waits until everything is committed; an application that was cut off at a commit is opened again first.
    fn settle(&mut self) -> Result<(), Problem> {
        while !self.application()?.settle()? {
            self.come_back(None)?;
            self.place.clock.advance(milliseconds(STARTING));
            self.application()?.pass_a_round()?;
            self.crashes += 1;
        }
        // A step without a commit leaves the switch armed.
        self.application()?.log.switch.arm(false);
        Ok(())
    }

    /// Cuts the application off, and opens it again when this time has passed.
    fn come_back(&mut self, after: Option<Duration>) -> Result<(), Problem> {
        if let Some(application) = self.application.take() {
            application.crash();
        }
        // The query API is a part of the process; it has its own hold on the stores.
        self.service = service(&*self.place.definition, &self.settings)?;
        self.place.clock.advance(after.map_or(0, milliseconds));
        self.open()
    }

    fn crash(&mut self, crash: &Crash) -> Result<(), Problem> {
        if let Some(topic) = &crash.reread {
            expectations::known(&self.log, topic)?;
            // Offsets of a group can only be set while nobody is in it.
            if let Some(application) = self.application.take() {
                application.leave()?;
            }
            let membership = GroupMembership { group: self.place.definition.application_id().to_owned(), member: None };
            let read = self.positions()?.into_iter().filter(|(partition, ..)| *partition.topic == **topic);
            let offsets: Vec<_> = read.map(|(partition, ..)| CommittedOffset { partition, offset: 0, metadata: String::new() }).collect();
            self.log.commit_offsets(&membership, &offsets)?;
        }
        if let Some(settings) = &crash.config {
            self.topology = self.place.build(settings)?;
            self.settings.clone_from(settings);
        }
        let time = crash.until.map(|until| expectations::until(self.place.now(), until)).transpose()?;
        self.come_back(time.map(|time| time.saturating_sub(STARTING)))?;
        if crash.config.is_some() || time.is_some() {
            // What is done at the start is done a moment after it.
            self.place.clock.advance(milliseconds(STARTING));
            self.application()?.pass_a_round()?;
        }
        Ok(())
    }

    fn advance(&mut self, advance: Advance) -> Result<(), Problem> {
        let by = match advance {
            Advance::By(by) => expectations::forward(by)?,
            Advance::To(to) => expectations::until(self.place.now(), to)?,
        };
        self.place.clock.advance(milliseconds(by));
        self.application()?.pass_a_round()
    }

    fn send(&mut self, send: &Send) -> Result<(), Problem> {
        let key = payload::bytes(&send.key, true).map_err(Problem::new)?;
        let value = payload::bytes(&send.value, false).map_err(Problem::new)?;
        let mut headers = Vec::new();
        for (name, value) in &send.headers {
            encode_header(name, payload::bytes(value, true).map_err(Problem::new)?.as_deref(), &mut headers);
        }
        let timestamp = send.timestamp.map_or_else(|| self.place.now(), jiff::Timestamp::as_millisecond);
        self.write(&send.topic, send.partition, key.as_deref(), &[value.as_deref()], timestamp, &headers)
    }

    fn write_file(&mut self, send: &SendFile) -> Result<(), Problem> {
        let lines = expectations::lines(self.scenario, send)?;
        let key = payload::bytes(&send.key, true).map_err(Problem::new)?;
        let lines: Vec<_> = lines.iter().map(|line| Some(line.as_slice())).collect();
        self.write(&send.topic, send.partition, key.as_deref(), &lines, self.place.now(), &[])
    }

    fn write(
        &mut self,
        topic: &str,
        partition: Option<u32>,
        key: Option<&[u8]>,
        values: &[Option<&[u8]>],
        timestamp: i64,
        headers: &[u8],
    ) -> Result<(), Problem> {
        expectations::known(&self.log, topic)?;
        let partitions = self.log.partitions(topic)?.unwrap_or(1);
        let partition = partition.unwrap_or_else(|| key.map_or(0, |key| partition_for_key(key, partitions)));
        let mut batch = OutputBatch::new();
        let index = batch.topic(&topic.into());
        for value in values {
            batch.push(index, partition, timestamp, key, *value, HeaderView::new(headers));
        }
        self.producer.send(&batch)?;
        Ok(self.producer.flush()?)
    }

    /// The partitions of the declared topics that its tasks read, with the offset that is committed and the end.
    fn positions(&self) -> Result<Vec<(TopicPartition, i64, i64)>, Problem> {
        let (definition, sources) = (&self.place.definition, self.topology.source_topics());
        let mut partitions = Vec::new();
        for topic in definition.topics() {
            if sources.iter().any(|source| **source == *topic.name) && !definition.global_topics().contains(&topic.name) {
                partitions.extend((0..self.log.partitions(topic.name)?.unwrap_or(0)).map(|number| TopicPartition::new(topic.name, number)));
            }
        }
        let committed = self.log.committed(definition.application_id(), &partitions)?;
        let mut positions = Vec::new();
        for (partition, committed) in partitions.into_iter().zip(committed) {
            let (start, end) = self.log.offsets(&partition)?;
            positions.push((partition, committed.map_or(start, |committed| committed.offset), end));
        }
        Ok(positions)
    }

    /// How far the stores are behind.
    fn behind(&self) -> Result<Behind, Problem> {
        let positions = self.positions()?;
        let records = positions.iter().map(|(_, position, end)| u64::try_from(end - position).unwrap_or(0)).sum();
        let milliseconds = if records == 0 { 0 } else { u64::try_from(self.place.now() - self.started).unwrap_or(0) };
        let reached = |(partition, end): &(TopicPartition, i64)| positions.iter().any(|(other, position, _)| other == partition && position >= end);
        Ok(Behind { records, milliseconds, complete: self.ends.iter().all(reached) })
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn service(definition: &dyn registry::TopologyDefinition, settings: &registry::Settings) -> Result<Option<Box<dyn HttpService>>, Problem> {
    definition.http(settings).map_err(|error| Problem::new(expectations::with_causes(&*error)))
}

/// The topics of the case, as the driver has them. Nothing is deleted for its age: a case plays at any time.
fn create_topics(log: &Namespace, place: &Place, topology: &straum::Topology, fixed: &BTreeMap<String, u32>) -> Result<(), Problem> {
    let mut topics: BTreeMap<String, u32> = place.definition.topics().iter().map(|topic| (topic.name.to_owned(), topic.partitions)).collect();
    topics.extend(fixed.clone());
    for topic in topology.source_topics().iter().chain(&topology.sink_topics()) {
        topics.entry(topic.to_string()).or_insert(1);
    }
    for (name, partitions) in topics {
        let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        log.create_topic(&TopicSpec { name, partitions, config })?;
    }
    Ok(())
}

/// Deletes what the run has left on the cluster. What cannot be deleted is told and left.
fn clean_up(cluster: &Cluster, scenario: &Scenario, prefix: &str) {
    let Ok(definition) = registry::find(&scenario.case.topology) else { return };
    let options = cluster.options(format!("{prefix}{}", definition.application_id()));
    let cleaned = || -> Result<(), straum::log::LogError> {
        let admin = KafkaAdmin::new(&options)?;
        let topics = KafkaLog::connect(options.clone())?.topics()?;
        let topics: Vec<&str> = topics.iter().map(String::as_str).filter(|topic| topic.starts_with(prefix)).collect();
        admin.delete_topics(&topics)?;
        if admin.group()?.is_some() {
            admin.delete_group()?;
        }
        Ok(())
    };
    if let Err(error) = cleaned() {
        tracing::warn!(prefix, %error, "topics or group of a case are left behind");
    }
}
