//! One run of a case on the driver.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use straum::log::{CommittedOffset, GroupMembership, Log, TopicPartition};
use straum::processor::Headers;
use straum::runtime::StreamsConfig;
use straum::serde::{RawBytes, SerdeExt};
use straum::testing::{TestOutput, TopologyTestDriver};

use super::crash::{Crashes, Plan};
use super::expectations::{self, Asking, Problem, with_causes};
use super::failure::Failure;
use super::file::{Advance, Crash, Expect, ExpectCount, Http, Scenario, Send, SendFile, Step, StoreRow};
use super::matching::Came;
use super::payload;
use crate::registry::{self, Behind, HttpService, StoreDefinition, Stores, TopologyDefinition};

/// How long a process is there before what it does at its start is due.
pub(super) const STARTING: Duration = Duration::from_millis(1);

/// Runs a case.
///
/// # Errors
/// The first step that does not come out as the file says.
pub fn check(scenario: &Scenario) -> Result<(), Failure> {
    run(scenario, Plan::None).map(|_| ())
}

/// Runs a case with the crashes of a plan, and says which there were.
pub(super) fn run(scenario: &Scenario, plan: Plan) -> Result<Crashes, Failure> {
    let mut run = Run::start(scenario, plan).map_err(|problem| problem.in_step(scenario, 0, plan.place()))?;
    for index in 0..scenario.case.steps.len() {
        run.step(index).map_err(|problem| problem.in_step(scenario, index, plan.place()))?;
    }
    Ok(run.crashes)
}

/// What has come out of a topic and is not consumed.
struct Output {
    reader: TestOutput<Option<Bytes>, Option<Bytes>>,
    pending: Vec<Came>,
}

struct Run<'a> {
    scenario: &'a Scenario,
    plan: Plan,
    definition: Box<dyn TopologyDefinition>,
    driver: TopologyTestDriver,
    /// The topics it reads.
    sources: Vec<Arc<str>>,
    /// Where they ended when it was started, and when that was.
    ends: Vec<(TopicPartition, i64)>,
    started: i64,
    stores: Vec<StoreDefinition>,
    service: Option<Box<dyn HttpService>>,
    outputs: HashMap<String, Output>,
    crashes: Crashes,
}

impl<'a> Run<'a> {
    fn start(scenario: &'a Scenario, plan: Plan) -> Result<Self, Problem> {
        let case = &scenario.case;
        let definition = registry::find(&case.topology).map_err(|error| Problem::new(error.to_string()))?;
        let topology = definition.build(&case.config).map_err(|error| Problem::new(with_causes(&*error)))?;
        let service = definition.http(&case.config).map_err(|error| Problem::new(with_causes(&*error)))?;
        let mut builder = TopologyTestDriver::builder(&topology).now(case.now.as_millisecond()).handlers(definition.handlers()).configure(|config| {
            let named = StreamsConfig::new(definition.application_id());
            config.application_id = named.application_id;
            config.dead_letter_topic = named.dead_letter_topic;
            definition.configure(config);
        });
        for topic in definition.topics() {
            builder = builder.topic(topic.name, topic.partitions);
        }
        for (topic, partitions) in &case.partitions {
            builder = builder.topic(topic.as_str(), *partitions);
        }
        let driver = builder.start()?;
        let (stores, started) = (definition.stores(), driver.now());
        let (outputs, crashes) = (HashMap::new(), Crashes::default());
        let mut run = Self {
            scenario,
            plan,
            definition,
            driver,
            sources: topology.source_topics(),
            ends: Vec::new(),
            started,
            stores,
            service,
            outputs,
            crashes,
        };
        for send in &case.before {
            let (topic, lines, key) = run.file(send)?;
            for line in lines {
                run.driver.write(&topic, send.partition, key.as_deref(), Some(&line), run.driver.now(), &Headers::new())?;
            }
        }
        run.ends = run.positions()?.into_iter().map(|(partition, _, end)| (partition, end)).collect();
        Ok(run)
    }

    /// The partitions that its tasks read, with the offset that is committed and the end.
    fn positions(&self) -> Result<Vec<(TopicPartition, i64, i64)>, Problem> {
        let log = self.driver.log();
        let mut positions = Vec::new();
        for topic in self.definition.topics() {
            let read = self.sources.iter().any(|source| **source == *topic.name) && !self.definition.global_topics().contains(&topic.name);
            if !read {
                continue;
            }
            for number in 0..log.partitions(topic.name)?.unwrap_or(0) {
                let partition = TopicPartition::new(topic.name, number);
                let (start, end) = log.offsets(&partition)?;
                let committed = log.committed(self.definition.application_id(), std::slice::from_ref(&partition))?;
                let position = committed.into_iter().flatten().next().map_or(start, |committed| committed.offset);
                positions.push((partition, position, end));
            }
        }
        Ok(positions)
    }

    /// How far the stores are behind.
    fn behind(&self) -> Result<Behind, Problem> {
        let positions = self.positions()?;
        let records = positions.iter().map(|(_, position, end)| u64::try_from(end - position).unwrap_or(0)).sum();
        let milliseconds = if records == 0 { 0 } else { u64::try_from(self.driver.now() - self.started).unwrap_or(0) };
        let reached = |(partition, end): &(TopicPartition, i64)| positions.iter().any(|(other, position, _)| other == partition && position >= end);
        Ok(Behind { records, milliseconds, complete: self.ends.iter().all(reached) })
    }

    fn step(&mut self, index: usize) -> Result<(), Problem> {
        let scenario = self.scenario;
        let Some(step) = scenario.case.steps.get(index) else { return Ok(()) };
        match &step.value {
            Step::Send(send) => self.send(send),
            Step::SendFile(send) => self.send_file(send),
            Step::Advance(advance) => self.advance(*advance),
            Step::Crash(crash) => self.crash(crash),
            Step::Expect(expect) => return self.expect(expect),
            Step::ExpectCount(count) => return self.expect_count(count),
            Step::Store(row) => return self.store(row),
            Step::Http(http) => return self.http(http),
        }?;
        self.settle()?;
        if self.plan == Plan::AfterStep {
            self.driver.crash()?;
            self.crashes.count += 1;
            self.settle()?;
        }
        if let Some((task, error)) = self.driver.failing().next() {
            return Err(Problem::new(format!("task {task} fails: {}", with_causes(error))));
        }
        Ok(())
    }

    fn crash(&mut self, crash: &Crash) -> Result<(), Problem> {
        if let Some(topic) = &crash.reread {
            self.known(topic)?;
            let membership = GroupMembership { group: self.definition.application_id().to_owned(), member: None };
            let read = self.positions()?.into_iter().filter(|(partition, ..)| *partition.topic == **topic);
            let offsets: Vec<_> = read.map(|(partition, ..)| CommittedOffset { partition, offset: 0, metadata: String::new() }).collect();
            self.driver.log().commit_offsets(&membership, &offsets)?;
        }
        let topology = match &crash.config {
            Some(settings) => {
                let failed = |error: straum::BoxError| Problem::new(with_causes(&*error));
                self.service = self.definition.http(settings).map_err(failed)?;
                Some(self.definition.build(settings).map_err(failed)?)
            }
            None => None,
        };
        match (topology, crash.until) {
            (Some(topology), _) => self.driver.crash_into(&topology)?,
            // What is done at the start is done a moment after it, and that moment is the one asked for.
            (None, Some(until)) => self.driver.crash_for(self.until(until)?.saturating_sub(STARTING))?,
            (None, None) => return Ok(self.driver.crash()?),
        }
        Ok(self.driver.advance_wall_clock(STARTING)?)
    }

    /// Commits everything, with the crash that may be armed or planned in it.
    fn settle(&mut self) -> Result<(), Problem> {
        self.driver.settle()?;
        // A crash in a commit looks like nothing left to commit.
        Ok(self.driver.settle()?)
    }

    /// Processes what a step of one record or one move of the clock does, with the planned crash inside or after it.
    fn disturbed(&mut self, work: impl FnOnce(&mut TopologyTestDriver) -> Result<(), Problem>) -> Result<(), Problem> {
        let output = self.plan.output_of_step();
        if let Some(output) = output {
            self.driver.crash_at_output(output);
        }
        work(&mut self.driver)?;
        self.crash_before_commit()?;
        if output.is_some() {
            self.settle()?;
            if !self.driver.is_armed() {
                self.started_again()?;
                self.crashes.inside_single = true;
            }
        }
        Ok(())
    }

    fn crash_before_commit(&mut self) -> Result<(), Problem> {
        if self.plan == Plan::BeforeCommit {
            self.driver.crash()?;
            self.started_again()?;
        }
        Ok(())
    }

    /// Counts a crash, and lets what is done at the start be done: a moment after it.
    fn started_again(&mut self) -> Result<(), Problem> {
        self.driver.advance_wall_clock(STARTING)?;
        self.crashes.count += 1;
        Ok(())
    }

    /// Processes and commits one line of a file, with a crash inside it, at this output. A line without any output crashes when
    /// it is processed and not committed.
    fn disturbed_line(&mut self, output: u32, write: impl FnOnce(&TopologyTestDriver) -> Result<(), straum::Error>) -> Result<(), Problem> {
        self.driver.crash_at_output(output);
        write(&self.driver)?;
        self.driver.run()?;
        let mut crashed = !self.driver.is_armed();
        if !crashed && output == 0 {
            self.driver.crash()?;
            crashed = true;
        }
        self.settle()?;
        // Armed still, it may have happened in the commit.
        if crashed || !self.driver.is_armed() {
            self.crashes.count += 1;
            self.crashes.lines += 1;
        }
        Ok(())
    }

    fn send(&mut self, send: &Send) -> Result<(), Problem> {
        let key = payload::bytes(&send.key, true).map_err(Problem::new)?;
        let value = payload::bytes(&send.value, false).map_err(Problem::new)?;
        let mut headers = Headers::new();
        for (name, value) in &send.headers {
            headers.add(name, payload::bytes(value, true).map_err(Problem::new)?.as_deref());
        }
        let timestamp = send.timestamp.map_or_else(|| self.driver.now(), jiff::Timestamp::as_millisecond);
        let topic = self.input(&send.topic)?;
        self.disturbed(|driver| {
            driver.write(&topic, send.partition, key.as_deref(), value.as_deref(), timestamp, &headers)?;
            Ok(driver.run()?)
        })
    }

    /// The topic, the lines and the key that a file gives.
    fn file(&self, send: &SendFile) -> Result<(Arc<str>, Vec<Vec<u8>>, Option<Vec<u8>>), Problem> {
        let key = payload::bytes(&send.key, true).map_err(Problem::new)?;
        Ok((self.input(&send.topic)?, expectations::lines(self.scenario, send)?, key))
    }

    fn send_file(&mut self, send: &SendFile) -> Result<(), Problem> {
        let (topic, lines, key) = self.file(send)?;
        let timestamp = self.driver.now();
        let write =
            |driver: &TopologyTestDriver, line: &[u8]| driver.write(&topic, send.partition, key.as_deref(), Some(line), timestamp, &Headers::new());
        let Some(output) = self.plan.output_of_line() else {
            for line in &lines {
                write(&self.driver, line)?;
            }
            self.driver.run()?;
            return self.crash_before_commit();
        };
        for line in &lines {
            self.disturbed_line(output, |driver| write(driver, line))?;
        }
        // What is done at the start is done a moment after it; once, for all the starts.
        Ok(self.driver.advance_wall_clock(STARTING)?)
    }

    fn advance(&mut self, advance: Advance) -> Result<(), Problem> {
        let by = match advance {
            Advance::By(by) => expectations::forward(by)?,
            Advance::To(to) => self.until(to)?,
        };
        self.disturbed(|driver| Ok(driver.advance_wall_clock(by)?))
    }

    fn until(&self, to: jiff::Timestamp) -> Result<Duration, Problem> {
        expectations::until(self.driver.now(), to)
    }

    fn input(&self, topic: &str) -> Result<Arc<str>, Problem> {
        self.known(topic)?;
        Ok(topic.into())
    }

    fn known(&self, topic: &str) -> Result<(), Problem> {
        expectations::known(self.driver.log(), topic)
    }

    /// What has come out of a topic and is not consumed.
    fn came(&mut self, topic: &str) -> Result<&mut Vec<Came>, Problem> {
        self.known(topic)?;
        let driver = &self.driver;
        let output = self.outputs.entry(topic.to_owned()).or_insert_with(|| {
            let reader = driver.output(topic, RawBytes.nullable(), RawBytes.nullable()).committed();
            Output { reader, pending: Vec::new() }
        });
        for record in output.reader.read(driver)? {
            output.pending.push(Came::of(record.key.as_deref(), record.value.as_deref(), record.headers.iter(), record.timestamp));
        }
        Ok(&mut output.pending)
    }

    fn expect(&mut self, expect: &Expect) -> Result<(), Problem> {
        expectations::expect(self.came(&expect.topic)?, expect)
    }

    fn expect_count(&mut self, count: &ExpectCount) -> Result<(), Problem> {
        expectations::expect_count(self.came(&count.topic)?, count)
    }

    fn store(&self, asked: &StoreRow) -> Result<(), Problem> {
        expectations::store(&self.stores, Stores::Driver(&self.driver), asked)
    }

    fn http(&self, asked: &Http) -> Result<(), Problem> {
        let asking = Asking { topology: &self.scenario.case.topology, now: self.driver.now(), behind: self.behind()? };
        expectations::http(self.service.as_deref(), Stores::Driver(&self.driver), asking, asked)
    }
}
