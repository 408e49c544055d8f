//! One run of a case on the driver.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use straum::log::{CommittedOffset, GroupMembership, Log, TopicPartition};
use straum::processor::Headers;
use straum::runtime::StreamsConfig;
use straum::serde::{RawBytes, SerdeExt};
use straum::testing::{TestOutput, TopologyTestDriver};

use super::crash::{Crashes, Plan};
use super::failure::{Failure, difference};
use super::file::{Advance, Crash, Expect, ExpectCount, Http, Scenario, Send, SendFile, Step, StoreRow};
use super::lists;
use super::matching::{Came, came_shown, consumed, contains, expected_shown, focus};
use super::payload;
use crate::registry::{self, Behind, Call, HttpService, Selection, StoreDefinition, Stores, TopologyDefinition};

/// How many rows that are there are named when the expected one is not.
const ROWS_NAMED: usize = 20;

/// How long a process is there before what it does at its start is due.
const STARTING: Duration = Duration::from_millis(1);

/// Runs a case.
///
/// # Errors
/// The first step that does not come out as the file says.
pub fn check(scenario: &Scenario) -> Result<(), Failure> {
    run(scenario, Plan::None).map(|_| ())
}

/// Runs a case with the crashes of a plan, and says which there were.
pub(super) fn run(scenario: &Scenario, plan: Plan) -> Result<Crashes, Failure> {
    let mut run = Run::start(scenario, plan).map_err(|problem| problem.in_step(scenario, 0, plan))?;
    for index in 0..scenario.case.steps.len() {
        run.step(index).map_err(|problem| problem.in_step(scenario, index, plan))?;
    }
    Ok(run.crashes)
}

/// What is wrong with a step, before it is known which.
struct Problem {
    message: String,
    difference: String,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), difference: String::new() }
    }

    fn in_step(self, scenario: &Scenario, index: usize, plan: Plan) -> Failure {
        let line = scenario.case.steps.get(index).map_or(0, |step| step.referenced.line());
        let (path, crash) = (scenario.path.clone(), plan.place());
        Failure { path, step: index + 1, line, crash, message: self.message, difference: self.difference }
    }
}

impl From<straum::Error> for Problem {
    fn from(error: straum::Error) -> Self {
        Self::new(with_causes(&error))
    }
}

impl From<straum::log::LogError> for Problem {
    fn from(error: straum::log::LogError) -> Self {
        Self::new(with_causes(&error))
    }
}

/// An error in a line, with what is behind it.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
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
        let path = self.scenario.beside(&send.file);
        let text = std::fs::read(&path).map_err(|error| Problem::new(format!("{} cannot be read: {error}", path.display())))?;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
        if let Some(asked) = send.lines {
            let there = lines.len();
            lines = lines
                .get(asked.first - 1..asked.last)
                .map(<[_]>::to_vec)
                .ok_or_else(|| Problem::new(format!("lines {}-{}, expected within the {there} of {}", asked.first, asked.last, path.display())))?;
        }
        let key = payload::bytes(&send.key, true).map_err(Problem::new)?;
        Ok((self.input(&send.topic)?, lines.into_iter().map(<[u8]>::to_vec).collect(), key))
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
            Advance::By(by) => Duration::try_from(by).map_err(|_| Problem::new(format!("advance by {by}, expected forward")))?,
            Advance::To(to) => self.until(to)?,
        };
        self.disturbed(|driver| Ok(driver.advance_wall_clock(by)?))
    }

    fn until(&self, to: jiff::Timestamp) -> Result<Duration, Problem> {
        let now = self.driver.now();
        let by = u64::try_from(to.as_millisecond() - now);
        by.map(Duration::from_millis).map_err(|_| {
            let now = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
            Problem::new(format!("{to} is before the clock's {now}, expected later"))
        })
    }

    fn input(&self, topic: &str) -> Result<Arc<str>, Problem> {
        self.known(topic)?;
        Ok(topic.into())
    }

    fn known(&self, topic: &str) -> Result<(), Problem> {
        if self.driver.log().partitions(topic)?.is_none() {
            let topics = self.driver.log().topics()?.join(", ");
            return Err(Problem::new(format!("no topic {topic:?}, expected one of [{topics}]")));
        }
        Ok(())
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
            let headers: BTreeMap<String, Value> =
                record.headers.iter().map(|(name, value)| (name.to_owned(), payload::shown(value, true))).collect();
            let (key, value) = (payload::shown(record.key.as_deref(), true), payload::shown(record.value.as_deref(), false));
            output.pending.push(Came { key, value, headers, timestamp: record.timestamp });
        }
        Ok(&mut output.pending)
    }

    fn expect(&mut self, expect: &Expect) -> Result<(), Problem> {
        let pending = self.came(&expect.topic)?;
        if let Some(indexes) = consumed(pending, &expect.records, expect.matching) {
            let mut index = 0;
            pending.retain(|_| {
                index += 1;
                indexes.binary_search(&(index - 1)).is_err()
            });
            return Ok(());
        }
        let with_headers = expect.records.iter().any(|record| !record.headers.is_empty());
        let with_timestamp = expect.records.iter().any(|record| record.timestamp.is_some());
        let expected = Value::Array(expect.records.iter().map(expected_shown).collect());
        let came = Value::Array(pending.iter().map(|came| came_shown(came, with_headers, with_timestamp)).collect());
        let message = format!("{} records in {}, {:?} match of {} expected", pending.len(), expect.topic, expect.matching, expect.records.len());
        Err(Problem {
            message: message.to_lowercase().replace(&expect.topic.to_lowercase(), &expect.topic),
            difference: difference(&expected, &came),
        })
    }

    fn expect_count(&mut self, count: &ExpectCount) -> Result<(), Problem> {
        let pending = self.came(&count.topic)?;
        let counted = |came: &Came| count.value.as_ref().is_none_or(|value| contains(&came.value, value));
        let (came, left): (Vec<Came>, Vec<Came>) = std::mem::take(pending).into_iter().partition(counted);
        *pending = left;
        if came.len() == count.records {
            return Ok(());
        }
        let first: Vec<Value> = came.iter().take(5).map(|came| came_shown(came, false, false)).collect();
        let shown = if first.is_empty() { String::new() } else { format!(", the first: {}", json!(first)) };
        Err(Problem::new(format!("{} records in {}, expected {}{shown}", came.len(), count.topic, count.records)))
    }

    fn store(&self, asked: &StoreRow) -> Result<(), Problem> {
        let stores = Stores::Driver(&self.driver);
        let definition = self.stores.iter().find(|store| store.name == asked.name).ok_or_else(|| {
            let names: Vec<_> = self.stores.iter().map(|store| store.name).collect();
            Problem::new(format!("no store {:?}, expected one of [{}]", asked.name, names.join(", ")))
        })?;
        if let Some(count) = asked.count {
            let rows = definition.count(stores)?;
            return if rows == count { Ok(()) } else { Err(Problem::new(format!("{rows} rows in store {}, expected {count}", asked.name))) };
        }
        let key = asked.key.as_deref().unwrap_or_default();
        let row = definition.get(stores, key)?;
        match (row, &asked.value) {
            (None, None) => Ok(()),
            (Some(row), None) => Err(Problem {
                message: format!("store {} has a row of {key}, expected none", asked.name),
                difference: difference(&Value::Null, &row.value),
            }),
            (None, Some(_)) => {
                let rows = definition.range(stores, &Selection { limit: Some(ROWS_NAMED), ..Selection::default() })?;
                let keys: Vec<String> = rows.iter().map(|row| registry::text_of(&row.key)).collect();
                Err(Problem::new(format!("no row of {key} in store {}, which has [{}]", asked.name, keys.join(", "))))
            }
            (Some(row), Some(value)) if contains(&row.value, value) => Ok(()),
            (Some(row), Some(value)) => {
                Err(Problem { message: format!("row of {key} in store {}", asked.name), difference: difference(value, &focus(&row.value, value)) })
            }
        }
    }

    fn http(&self, asked: &Http) -> Result<(), Problem> {
        let service = self.service.as_ref().ok_or_else(|| Problem::new(format!("topology {} has no query API", self.scenario.case.topology)))?;
        let call = Call {
            method: asked.method.to_uppercase(),
            path: asked.path.clone(),
            body: asked.body.clone(),
            now: self.driver.now(),
            behind: self.behind()?,
        };
        let answer = service.call(Stores::Driver(&self.driver), &call);
        let name = format!("{} {}", call.method, call.path);
        if answer.status != asked.status {
            let message = format!("{name} gave status {}, expected {}", answer.status, asked.status);
            return Err(Problem { message, difference: difference(asked.response.as_ref().unwrap_or(&Value::Null), &answer.body) });
        }
        match &asked.response {
            Some(expected) if !contains(&answer.body, expected) => {
                Err(Problem { message: format!("answer of {name}"), difference: difference(expected, &focus(&answer.body, expected)) })
            }
            _ => asked
                .lists
                .iter()
                .try_for_each(|list| lists::check(&answer.body, list).map_err(|wrong| Problem::new(format!("answer of {name}: {wrong}")))),
        }
    }
}
