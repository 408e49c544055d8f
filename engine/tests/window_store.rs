//! A window store of the user's own in a running topology: the runtime knows nothing of windows, and undoes, commits, restores and
//! expires them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, unreachable_pub)]

#[path = "../../state/tests/state/window_store/store.rs"]
mod store;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use store::{Segments, WindowStore, WindowSupplier};
use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::processor::{Processor, ProcessorContext, Record};
use straum::serde::Utf8;
use straum::testing::{TestRecord, TopologyTestDriver};
use straum::{BoxError, Topology};

const NAME: &str = "windows";

/// Keeps each record in the window of its time, and forwards what is visible of its key.
#[derive(Default)]
struct Keep(Option<Rc<RefCell<WindowStore>>>);

impl Processor<String, String, String, String> for Keep {
    fn init(&mut self, context: &ProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        self.0 = Some(context.custom_store(NAME)?);
        Ok(())
    }

    fn process(&mut self, record: Record<String, String>, context: &ProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        let store = self.0.as_ref().ok_or("init was not called")?;
        store.borrow_mut().put(&record.key, record.timestamp, Some(&record.value));
        if record.value == "poison" {
            return Err("a window that no one can bear".into());
        }
        let visible = store.borrow_mut().fetch(&record.key, 0, 2000);
        Ok(context.forward(record.with_value(visible))?)
    }
}

/// Segments of 10, rows visible for 30.
fn topology() -> Topology {
    let builder = StreamsBuilder::new();
    let values = Arc::new(Utf8);
    builder.add_custom_store(WindowSupplier { name: NAME.into(), segments: Segments { interval: 10, retention: 30 }, values });
    builder.stream("in", Consumed::with(Utf8, Utf8)).process("keep", Keep::default, &[NAME]).to("out", Produced::with(Utf8, Utf8));
    builder.build().unwrap()
}

#[test]
fn windows_are_undone_with_their_record_survive_a_crash_and_expire() {
    let folder = tempfile::tempdir().unwrap();
    let mut driver = TopologyTestDriver::builder(&topology()).state_folder(folder.path()).start().unwrap();
    let input = driver.input("in", Utf8, Utf8);
    let mut output = driver.output("out", Utf8, Utf8);
    let mut seen = |driver: &mut TopologyTestDriver, key: &str, time: i64, value: &str| {
        input.pipe(driver, &TestRecord::new(key.to_owned(), value.to_owned(), time)).unwrap();
        output.read_pairs(driver).unwrap().pop().map(|(_, visible)| visible).unwrap_or_default()
    };
    assert_eq!(seen(&mut driver, "a", 0, "zero"), "0:zero");
    assert_eq!(seen(&mut driver, "a", 5, "five"), "0:zero 5:five");
    assert_eq!(seen(&mut driver, "ab", 5, "another key"), "5:another key");
    assert_eq!(seen(&mut driver, "a", 1000, "poison"), "", "its record is a dead letter");
    assert_eq!(seen(&mut driver, "a", 25, "later"), "0:zero 5:five 25:later", "the time it had brought is undone too");
    driver.commit().unwrap();
    assert_eq!(seen(&mut driver, "a", 26, "not committed"), "0:zero 5:five 25:later 26:not committed");
    driver.crash().unwrap();
    // What was processed and not committed is processed again.
    assert_eq!(seen(&mut driver, "a", 27, "again"), "0:zero 5:five 25:later 26:not committed 27:again");
    assert_eq!(seen(&mut driver, "b", 45, "time passes"), "45:time passes");
    assert_eq!(seen(&mut driver, "a", 9, "too late"), "25:later 26:not committed 27:again");
    driver.commit().unwrap();

    // From the changelog alone, where the expired windows still are.
    std::fs::remove_dir_all(folder.path().join("0_0")).unwrap();
    driver.crash().unwrap();
    assert!(driver.restored().any(|(_, restored)| restored.from.is_none() && restored.records >= 7));
    assert_eq!(seen(&mut driver, "a", 46, "restored"), "25:later 26:not committed 27:again 46:restored");
    assert_eq!(seen(&mut driver, "ab", 20, "in time"), "20:in time");
}
