//! A store of the user's own type: written by a processor, undone with its record, restored from its changelog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod waiting;

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{HeaderView, Log, OutputBatch, ProducerOptions, TopicSpec};
use straum::processor::{Processor, ProcessorContext, Record, RowFormat};
use straum::runtime::{ChangelogProgress, State, Streams, StreamsConfig, StreamsOptions, TaskRole};
use straum::serde::{I64, Utf8};
use straum::state::{
    BuiltStore, ChangelogRecord, ChangelogRestorer, ChangelogWriter, Column, CommitBatch, Overlay, RowRestorer, RowSink, StateError, StateStore,
    StoreContext, StoreSpec, StoreSupplier, ValueCodec,
};
use straum::testing::TopologyTestDriver;
use straum::topology::TaskId;
use straum::{BoxError, Topology};
use waiting::wait;

const NAME: &str = "largest";

/// Keeps the largest number of each key.
struct Largest {
    name: Arc<str>,
    rows: Overlay<i64>,
}

impl Largest {
    fn offer(&mut self, key: &str, number: i64) -> Result<i64, StateError> {
        let largest = self.rows.get(key.as_bytes())?.map_or(number, |(largest, _)| number.max(*largest));
        self.rows.put(key.as_bytes(), Some(largest), 0);
        Ok(largest)
    }
}

impl StateStore for Largest {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn prepare(&mut self, batch: &mut CommitBatch, changelog: &mut ChangelogWriter<'_>) -> Result<(), StateError> {
        self.rows.prepare(batch, changelog)
    }

    fn committed(&mut self) {
        self.rows.committed();
    }

    fn rollback(&mut self) {
        self.rows.rollback();
    }

    fn revert(&mut self) {
        self.rows.revert();
    }

    fn dirty_bytes(&self) -> u64 {
        self.rows.dirty_bytes()
    }

    fn memory_bytes(&self) -> u64 {
        self.rows.memory_bytes()
    }

    fn evict_clean(&mut self, bytes: u64) -> u64 {
        self.rows.evict_clean(bytes)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

struct LargestSupplier {
    name: Arc<str>,
    /// While it is held no row of the key "held" can be restored.
    gate: Arc<Mutex<()>>,
    /// Once a restore fails for it.
    refuses: Arc<AtomicBool>,
}

impl LargestSupplier {
    fn new(gate: &Arc<Mutex<()>>) -> Self {
        Self { name: NAME.into(), gate: Arc::clone(gate), refuses: Arc::default() }
    }
}

struct GatedRestorer {
    rows: Arc<dyn ChangelogRestorer>,
    gate: Arc<Mutex<()>>,
    refuses: Arc<AtomicBool>,
}

impl ChangelogRestorer for GatedRestorer {
    fn restore(&self, record: ChangelogRecord<'_>, rows: &mut dyn RowSink) -> Result<(), StateError> {
        assert!(!self.refuses.swap(false, Ordering::SeqCst), "not now");
        let held = if record.key == b"held" { Some(self.gate.lock()) } else { None };
        drop(held);
        self.rows.restore(record, rows)
    }
}

impl StoreSupplier for LargestSupplier {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn spec(&self) -> StoreSpec {
        StoreSpec::persistent(Arc::clone(&self.name))
    }

    fn changelog_config(&self) -> Option<BTreeMap<String, String>> {
        Some(BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]))
    }

    fn restorer(&self) -> Arc<dyn ChangelogRestorer> {
        let (gate, refuses) = (Arc::clone(&self.gate), Arc::clone(&self.refuses));
        Arc::new(GatedRestorer { rows: RowRestorer::shared(RowFormat::Plain), gate, refuses })
    }

    fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError> {
        let values = ValueCodec::new(Arc::clone(&self.name), context.changelog_topic, Arc::new(I64), RowFormat::Plain);
        let rows = Overlay::new(column, Arc::new(values), context.savepoint, &context.budget);
        Ok(BuiltStore::new(Largest { name: Arc::clone(&self.name), rows }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Default)]
struct Offer {
    store: Option<Rc<RefCell<Largest>>>,
    /// Met before and after a record of the key "met".
    meeting: Option<Arc<Barrier>>,
}

impl Processor<String, i64, String, i64> for Offer {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        self.store = Some(context.custom_store(NAME)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        if let Some(meeting) = self.meeting.as_ref().filter(|_| record.key == "met") {
            meeting.wait();
            meeting.wait();
        }
        let store = self.store.as_ref().ok_or("init was not called")?;
        let largest = store.borrow_mut().offer(&record.key, record.value)?;
        if record.value == 1000 {
            return Err("a number that no one can bear".into());
        }
        Ok(context.forward(record.with_value(largest))?)
    }
}

fn topology() -> Topology {
    topology_with(&Arc::default(), None)
}

fn topology_with(gate: &Arc<Mutex<()>>, meeting: Option<Arc<Barrier>>) -> Topology {
    topology_of(LargestSupplier::new(gate), meeting)
}

fn topology_of(supplier: LargestSupplier, meeting: Option<Arc<Barrier>>) -> Topology {
    let builder = StreamsBuilder::new();
    builder.add_custom_store(supplier);
    let offer = move || Offer { store: None, meeting: meeting.clone() };
    builder.stream("in", Consumed::with(Utf8, I64)).process("offer", offer, &[NAME]).to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

#[test]
fn it_is_undone_with_its_record_and_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = TopologyTestDriver::builder(&topology()).state_folder(folder.path()).start().unwrap();
    let input = driver.input("in", Utf8, I64);
    let mut output = driver.output("out", Utf8, I64);
    input.pipe_values(&mut driver, [("a", 7), ("a", 1000), ("a", 3)]).unwrap();
    assert_eq!(output.read_pairs(&driver).unwrap(), [("a".to_owned(), 7), ("a".to_owned(), 7)]);
    driver.commit().unwrap();
    driver.crash().unwrap();
    input.pipe_values(&mut driver, [("a", 5), ("b", 1)]).unwrap();
    assert_eq!(output.read_pairs(&driver).unwrap(), [("a".to_owned(), 7), ("b".to_owned(), 1)]);
    // From the changelog alone.
    driver.commit().unwrap();
    std::fs::remove_dir_all(folder.path().join("0_0")).unwrap();
    driver.crash().unwrap();
    assert!(driver.restored().any(|(_, restored)| restored.from.is_none() && restored.records >= 2));
    input.pipe_values(&mut driver, [("a", 6)]).unwrap();
    assert_eq!(output.read_pairs(&driver).unwrap(), [("a".to_owned(), 7)]);
}

#[test]
fn a_restore_that_failed_begins_again_where_the_state_stands() {
    let folder = tempfile::tempdir().unwrap();
    let supplier = LargestSupplier::new(&Arc::default());
    let refuses = Arc::clone(&supplier.refuses);
    let mut driver = TopologyTestDriver::builder(&topology_of(supplier, None)).state_folder(folder.path()).start().unwrap();
    let input = driver.input("in", Utf8, I64);
    let mut output = driver.output("out", Utf8, I64);
    input.pipe_values(&mut driver, [("a", 7), ("b", 5)]).unwrap();
    driver.commit().unwrap();
    std::fs::remove_dir_all(folder.path().join("0_0")).unwrap();
    refuses.store(true, Ordering::SeqCst);
    driver.crash().unwrap();
    assert!(!refuses.load(Ordering::SeqCst), "it was to be restored");
    driver.advance_wall_clock(Duration::from_secs(10)).unwrap();
    output.read_pairs(&driver).unwrap();
    input.pipe_values(&mut driver, [("a", 1), ("b", 2)]).unwrap();
    assert_eq!(output.read_pairs(&driver).unwrap(), [("a".to_owned(), 7), ("b".to_owned(), 5)]);
}

fn write(log: &EmbeddedLog, partition: u32, rows: &[(&str, i64)]) {
    let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"in".into());
    for (key, number) in rows {
        batch.push(topic, partition, 0, Some(key.as_bytes()), Some(&number.to_be_bytes()), HeaderView::new(&[]));
    }
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
}

/// One task is restored while the other reads; what it reads comes faster than it may buffer.
#[test]
fn tasks_that_are_ready_process_while_another_is_restored_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
    for name in ["in", "out"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 2, config: BTreeMap::new() }).unwrap();
    }
    let (gate, meeting) = (Arc::new(Mutex::new(())), Arc::new(Barrier::new(2)));
    let start = || {
        let mut config = StreamsConfig::new("app");
        config.state_dir = folder.path().to_owned();
        config.poll = Duration::from_millis(1);
        config.buffered_records_per_partition = 1;
        let mut streams =
            Streams::new(&topology_with(&gate, Some(Arc::clone(&meeting))), config, Arc::<EmbeddedLog>::clone(&log), StreamsOptions::default());
        streams.start().unwrap();
        streams
    };
    let held = TaskId { subtopology: 0, partition: 1 };
    write(&log, 1, &[("held", 5)]);
    let mut first = start();
    wait(&first, |streams| streams.commits() > 0);
    first.close().unwrap();
    std::fs::remove_dir_all(folder.path().join("app").join(held.to_string())).unwrap();

    let (mut second, shut);
    shut = gate.lock().unwrap();
    second = start();
    let restoring = |changelog: &ChangelogProgress| (changelog.task, changelog.role) == (held, TaskRole::Active);
    wait(&second, |streams| streams.changelogs().iter().any(restoring));
    write(&log, 0, &[("other", 7)]);
    write(&log, 1, &[("held", 3)]);
    wait(&second, |streams| streams.tasks().iter().any(|task| task.id.partition == 0 && task.processed == 1));
    wait(&second, |streams| streams.commits() > 0);
    assert_eq!((second.state(), second.tasks().len()), (State::Rebalancing, 1), "one task is not complete yet");
    // It is complete while the other processes what was too much for its buffer.
    write(&log, 0, &[("met", 1), ("other", 8), ("other", 9)]);
    meeting.wait();
    drop(shut);
    wait(&second, |streams| streams.changelogs().is_empty());
    meeting.wait();
    let processed = |streams: &Streams, partition| streams.tasks().iter().find(|task| task.id.partition == partition).map(|task| task.processed);
    wait(&second, |streams| streams.state() == State::Running && processed(streams, 0) == Some(4));
    write(&log, 0, &[("other", 10)]);
    wait(&second, |streams| (processed(streams, 0), processed(streams, 1)) == (Some(5), Some(1)));
    assert!(second.changelogs().is_empty(), "nothing is read any more");
    let restored = second.restored();
    let (_, restored) = restored.iter().find(|(task, _)| *task == held).unwrap();
    assert_eq!((restored.from, restored.records, restored.bytes), (None, 1, 12));
    second.close().unwrap();
}

#[test]
fn another_type_is_refused_by_name() {
    struct Other;
    impl Processor<String, i64, String, i64> for Other {
        fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
            context.store::<String, i64>(&straum::processor::StoreHandle::new(NAME))?;
            Ok(())
        }

        fn process(&mut self, _: Record<String, i64>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
            Ok(())
        }
    }
    let builder = StreamsBuilder::new();
    builder.add_custom_store(LargestSupplier::new(&Arc::default()));
    builder.stream("in", Consumed::with(Utf8, I64)).process("other", || Other, &[NAME]).to("out", Produced::with(Utf8, I64));
    let error = TopologyTestDriver::new(&builder.build().unwrap()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("of another type") && error.contains(NAME) && error.contains("other"), "{error}");
}
