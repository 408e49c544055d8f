//! A store of the user's own type: written by a processor, undone with its record, restored from its changelog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::processor::{Processor, ProcessorContext, Record, RowFormat};
use straum::serde::{I64, Utf8};
use straum::state::{
    BuiltStore, ChangelogRestorer, ChangelogWriter, Column, CommitBatch, Overlay, RowRestorer, StateError, StateStore, StoreContext, StoreSpec,
    StoreSupplier, ValueCodec,
};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, Topology};

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

struct LargestSupplier(Arc<str>);

impl StoreSupplier for LargestSupplier {
    fn name(&self) -> &Arc<str> {
        &self.0
    }

    fn spec(&self) -> StoreSpec {
        StoreSpec::persistent(Arc::clone(&self.0))
    }

    fn changelog_config(&self) -> Option<BTreeMap<String, String>> {
        Some(BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]))
    }

    fn restorer(&self) -> Arc<dyn ChangelogRestorer> {
        RowRestorer::shared(RowFormat::Plain)
    }

    fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError> {
        let values = ValueCodec::new(Arc::clone(&self.0), context.changelog_topic, Arc::new(I64), RowFormat::Plain);
        let rows = Overlay::new(column, Arc::new(values), context.savepoint, &context.budget);
        Ok(BuiltStore::new(Largest { name: Arc::clone(&self.0), rows }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Default)]
struct Offer(Option<Rc<RefCell<Largest>>>);

impl Processor<String, i64, String, i64> for Offer {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        self.0 = Some(context.custom_store(NAME)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        let store = self.0.as_ref().ok_or("init was not called")?;
        let largest = store.borrow_mut().offer(&record.key, record.value)?;
        if record.value == 1000 {
            return Err("a number that no one can bear".into());
        }
        Ok(context.forward(record.with_value(largest))?)
    }
}

fn topology() -> Topology {
    let builder = StreamsBuilder::new();
    builder.add_custom_store(LargestSupplier(NAME.into()));
    builder.stream("in", Consumed::with(Utf8, I64)).process("offer", Offer::default, &[NAME]).to("out", Produced::with(Utf8, I64));
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
    builder.add_custom_store(LargestSupplier(NAME.into()));
    builder.stream("in", Consumed::with(Utf8, I64)).process("other", || Other, &[NAME]).to("out", Produced::with(Utf8, I64));
    let error = TopologyTestDriver::new(&builder.build().unwrap()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("of another type") && error.contains(NAME) && error.contains("other"), "{error}");
}
