//! Copies of tables whose source topic is their changelog: they have what the group has processed, and nothing beyond.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use crate::log::embedded::{EmbeddedLog, EmbeddedOptions};
use crate::log::{GroupMembership, HeaderView, OutputBatch, ProducerOptions, TopicSpec};
use crate::query::ReadOnlyStore;
use crate::runtime::global::GlobalViews;
use crate::runtime::{ManualClock, TopologyOptimization, internal_topics};
use crate::serde::{I64, Utf8};

const TASK: TaskId = TaskId { subtopology: 0, partition: 0 };

#[derive(Default)]
struct InMemory(Mutex<Option<TaskState>>);

impl TaskStates for InMemory {
    fn open(&self, _: TaskId, specs: &[StoreSpec]) -> Result<TaskState, Error> {
        Ok(self.0.lock().unwrap().get_or_insert_with(|| TaskState::in_memory(specs, Arc::new(|| 0))).clone())
    }

    fn serve(&self, _: TaskId) {}

    fn close(&self, _: TaskId) -> Result<(), Error> {
        Ok(())
    }
}

struct Copied {
    log: Arc<EmbeddedLog>,
    topology: Topology,
    config: Arc<StreamsConfig>,
    states: Arc<InMemory>,
    progress: Arc<Mutex<Vec<ChangelogProgress>>>,
    updates: Updates,
    reports: Vec<Report>,
}

impl Copied {
    fn new() -> Self {
        let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
        log.create_topic(&TopicSpec { name: "in".to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
        let config = StreamsConfig { topology_optimization: TopologyOptimization::ReuseSourceTopics, ..StreamsConfig::new("app") };
        let builder = StreamsBuilder::new();
        let table = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
        let grouped = table.group_by("by-value", |_, value| (*value, *value), Grouped::with(I64, I64));
        grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(I64, I64));
        let (topology, config) = (builder.build_for(&config).unwrap(), Arc::new(config));
        let (states, progress) = (Arc::<InMemory>::default(), Arc::default());
        let updates = Updates::new(UpdaterEnvironment {
            name: "updater".to_owned(),
            log: Arc::<EmbeddedLog>::clone(&log),
            topology: topology.clone(),
            config: Arc::clone(&config),
            clock: Arc::new(ManualClock::new(0)),
            probe: Probe::default(),
            states: Arc::<InMemory>::clone(&states),
            progress: Arc::clone(&progress),
        });
        Self { log, topology, config, states, progress, updates, reports: Vec::new() }
    }

    fn write(&self, records: &[(&str, i64)]) {
        let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
        let mut producer = self.log.producer(&options).unwrap();
        let mut batch = OutputBatch::new();
        let topic = batch.topic(&"in".into());
        records.iter().for_each(|(key, value)| batch.push(topic, 0, 0, Some(key.as_bytes()), Some(&value.to_be_bytes()), HeaderView::new(&[])));
        producer.send(&batch).unwrap();
        producer.flush().unwrap();
    }

    fn commit(&self, offset: Offset) {
        let offset = CommittedOffset { partition: TopicPartition::new("in", 0), offset, metadata: String::new() };
        self.log.commit_offsets(&GroupMembership { group: "app".to_owned(), member: None }, &[offset]).unwrap();
    }

    fn give(&mut self, role: TaskRole) {
        let plan = Arc::new(internal_topics::prepare(&self.topology, &self.config, &*self.log).unwrap());
        self.updates.take(Order::Add { task: TASK, role, plan }, &mut |report| self.reports.push(report));
    }

    /// Steps until the copy is at `offset`, and on for a while: it stays there.
    fn rows_at(&mut self, offset: Offset) -> Vec<(String, i64)> {
        let position = |progress: &Mutex<Vec<ChangelogProgress>>| progress.lock().unwrap().first().map(|changelog| changelog.position);
        while position(&self.progress) != Some(offset) {
            self.updates.step(Duration::from_millis(1), &mut |report| self.reports.push(report));
            assert!(position(&self.progress) <= Some(offset), "{:?}", self.progress);
        }
        for _ in 0..10 {
            self.updates.step(Duration::from_millis(1), &mut |report| self.reports.push(report));
        }
        assert_eq!(position(&self.progress), Some(offset));
        self.rows()
    }

    fn rows(&self) -> Vec<(String, i64)> {
        let state = self.states.0.lock().unwrap().clone();
        let rows = ReadOnlyStore::<String, i64>::open(&self.topology, "app", "rows", state.iter(), &GlobalViews::new()).unwrap().all().unwrap();
        rows.into_iter().map(|(key, value, _)| (key, value)).collect()
    }
}

fn row(key: &str, value: i64) -> (String, i64) {
    (key.to_owned(), value)
}

#[test]
fn a_copy_follows_what_the_group_has_processed_and_becomes_active_with_that() {
    let mut copied = Copied::new();
    copied.write(&[("a", 1), ("b", 2), ("a", 3)]);
    copied.commit(1);
    copied.give(TaskRole::Standby);
    assert_eq!(copied.rows_at(1), [row("a", 1)]);
    // From what was read before, and then from the topic.
    copied.commit(2);
    assert_eq!(copied.rows_at(2), [row("a", 1), row("b", 2)]);
    copied.write(&[("c", 4), ("c", 5)]);
    copied.commit(4);
    assert_eq!(copied.rows_at(4), [row("a", 3), row("b", 2), row("c", 4)]);
    copied.write(&[("d", 6), ("d", 7)]);
    copied.commit(6);
    copied.give(TaskRole::Active);
    while copied.reports.is_empty() {
        copied.updates.step(Duration::from_millis(1), &mut |report| copied.reports.push(report));
    }
    let Some(Report::Ready(ready)) = copied.reports.pop() else { panic!("it is not ready") };
    let restored = ready.restored.first().unwrap();
    assert_eq!((restored.from, restored.end, restored.records), (Some(4), 6, 2));
    assert_eq!(ready.starts, [(TopicPartition::new("in", 0), StartOffset::At(6))]);
    assert_eq!(copied.rows(), [row("a", 3), row("b", 2), row("c", 5), row("d", 6)]);
}

#[test]
fn of_a_topic_that_nobody_has_processed_there_is_no_copy() {
    let mut copied = Copied::new();
    copied.write(&[("a", 1)]);
    copied.give(TaskRole::Standby);
    assert_eq!(copied.rows_at(0), []);
    copied.commit(1);
    assert_eq!(copied.rows_at(1), [row("a", 1)]);
}
