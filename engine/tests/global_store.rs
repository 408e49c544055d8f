//! Global stores: filled before anything runs, by a table or by a processor, and brought back after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use straum::dsl::{Consumed, Materialized, Produced, StreamsBuilder};
use straum::log::{Log, TopicPartition};
use straum::processor::{FixedKeyProcessor, FixedKeyProcessorContext, KeyValueStoreBuilder, Processor, ProcessorContext, Record, StoreHandle};
use straum::runtime::{Decision, ExceptionHandler, ExceptionHandlers};
use straum::serde::{I64, Utf8};
use straum::testing::{DriverBuilder, TopologyTestDriver};
use straum::{BoxError, Topology};

const RULES: &str = "rules";

/// Counts how often each rule was given; refuses some.
struct Count(StoreHandle<String, i64>);

impl Processor<String, String, (), ()> for Count {
    fn process(&mut self, record: Record<String, String>, context: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
        let counts = context.store(&self.0)?;
        let count = counts.get(&record.key)?.unwrap_or(0) + 1;
        counts.put(&record.key, count)?;
        match record.value.as_str() {
            "error" => Err("not a rule".into()),
            "panic" => panic!("not a rule at all"),
            _ => Ok(()),
        }
    }
}

/// Tells how often the rule of this key was given.
struct Ask(StoreHandle<String, i64>);

impl FixedKeyProcessor<String, i64, i64> for Ask {
    fn process(&mut self, key: &String, _: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        let found = context.store(&self.0)?.get(key)?;
        Ok(context.forward_value(found.unwrap_or(0))?)
    }
}

fn counted() -> Topology {
    let builder = StreamsBuilder::new();
    let store = KeyValueStoreBuilder::new(RULES, Arc::new(Utf8), Arc::new(I64));
    let handle = builder.add_global_store(store, "given", Consumed::with(Utf8, Utf8), || Count(StoreHandle::new(RULES)));
    builder.stream("asked", Consumed::with(Utf8, I64)).process_values("ask", move || Ask(handle.clone()), &[]).to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

fn give(driver: &mut TopologyTestDriver, rules: &[(&str, &str)]) {
    driver.input("given", Utf8, Utf8).pipe_values(driver, rules.iter().copied()).unwrap();
}

fn count(driver: &mut TopologyTestDriver, key: &str) -> Option<i64> {
    driver.store::<String, i64>(RULES).unwrap().get(&key.to_owned()).unwrap()
}

fn each_home(topology: &Topology, run: impl Fn(&dyn Fn() -> DriverBuilder)) {
    run(&|| TopologyTestDriver::builder(topology));
    let folder = tempfile::tempdir().unwrap();
    run(&|| TopologyTestDriver::builder(topology).state_folder(folder.path()));
}

#[test]
fn a_processor_fills_the_store_once_for_each_record_whatever_crashes() {
    each_home(&counted(), |builder| {
        let mut driver = builder().partitions(3).start().unwrap();
        give(&mut driver, &[("a", "x"), ("b", "x"), ("a", "y")]);
        driver.crash().unwrap();
        give(&mut driver, &[("a", "z")]);
        driver.crash().unwrap();
        assert_eq!((count(&mut driver, "a"), count(&mut driver, "b")), (Some(3), Some(1)));
        driver.input("asked", Utf8, I64).pipe_values(&mut driver, [("a", 0), ("c", 0)]).unwrap();
        let mut answers = driver.output("out", Utf8, I64).read_pairs(&driver).unwrap();
        answers.sort();
        assert_eq!(answers, [("a".to_owned(), 3), ("c".to_owned(), 0)]);
    });
}

#[test]
fn a_record_that_fails_leaves_nothing_and_the_others_go_on() {
    let mut driver = TopologyTestDriver::new(&counted()).unwrap();
    give(&mut driver, &[("a", "x"), ("a", "error"), ("a", "panic"), ("b", "panic"), ("a", "y")]);
    assert_eq!((count(&mut driver, "a"), count(&mut driver, "b")), (Some(2), None));
}

/// One good row, one that cannot be read or that is refused, and one good row more.
fn with_a_bad_one_between(topology: &Topology, handlers: ExceptionHandlers) -> TopologyTestDriver {
    let driver = TopologyTestDriver::builder(topology).handlers(handlers).start().unwrap();
    let rows: [(&[u8], &[u8]); 3] = [(b"a", b"8 bytes."), (b"b", b"error"), (b"c", b"8 bytes.")];
    for (key, value) in rows {
        driver.write(&"given".into(), Some(0), Some(key), Some(value), 0, &straum::processor::Headers::new()).unwrap();
    }
    driver
}

fn table() -> Topology {
    let builder = StreamsBuilder::new();
    drop(builder.global_table("given", Consumed::with(Utf8, I64), Materialized::named(RULES)));
    builder.stream("asked", Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

#[test]
fn a_handler_that_says_fail_or_retry_stops_the_store_at_the_record() {
    for (topology, what) in [(table(), "cannot deserialise"), (counted(), "not a rule")] {
        for decision in [Decision::Fail, Decision::Retry] {
            let repaired = Arc::new(AtomicBool::new(false));
            let asks = Arc::clone(&repaired);
            let handler: ExceptionHandler = Arc::new(move |failure| {
                assert_eq!((failure.partition, failure.record.is_some()), (Some(&TopicPartition::new("given", 0)), true));
                if asks.load(Ordering::SeqCst) { Decision::Continue } else { decision }
            });
            let handlers = ExceptionHandlers { deserialization: Arc::clone(&handler), processing: handler, ..Default::default() };
            let mut driver = with_a_bad_one_between(&topology, handlers);
            for _ in 0..2 {
                let error = driver.run().expect_err("the store stands").to_string();
                assert!(error.contains(what) && error.contains("in store rules at given-0 offset 1"), "{error}");
            }
            let error = driver.crash().expect_err("nor does it start").to_string();
            assert!(error.contains("in store rules at given-0 offset 1"), "{error}");
            repaired.store(true, Ordering::SeqCst);
            driver.crash().unwrap();
            let rows: Vec<String> = driver.store::<String, i64>(RULES).unwrap().all().unwrap().into_iter().map(|(key, ..)| key).collect();
            assert_eq!(rows, ["a", "c"]);
            assert_ne!(count(&mut driver, "a"), Some(2), "what came before it was applied once");
        }
    }
}

#[test]
fn a_handler_that_says_continue_leaves_the_record_out() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted_by = Arc::clone(&asked);
    let handler: ExceptionHandler = Arc::new(move |_| {
        counted_by.fetch_add(1, Ordering::SeqCst);
        Decision::Continue
    });
    let handlers = ExceptionHandlers { deserialization: Arc::clone(&handler), processing: handler, ..Default::default() };
    let mut driver = with_a_bad_one_between(&counted(), handlers);
    driver.run().unwrap();
    assert_eq!((count(&mut driver, "a"), count(&mut driver, "b"), count(&mut driver, "c")), (Some(1), None, Some(1)));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn what_was_deleted_from_the_topic_while_away_rebuilds_the_store() {
    each_home(&counted(), |builder| {
        let mut driver = builder().start().unwrap();
        give(&mut driver, &[("a", "x"), ("b", "x")]);
        for value in ["1", "2", "3"] {
            let (key, value) = (Some(&b"c"[..]), Some(value.as_bytes()));
            driver.write(&"given".into(), Some(0), key, value, 0, &straum::processor::Headers::new()).unwrap();
        }
        driver.log().delete_records(&[(TopicPartition::new("given", 0), 3)]).unwrap();
        driver.run().unwrap();
        assert_eq!((count(&mut driver, "a"), count(&mut driver, "c")), (None, Some(2)));
    });
}

#[test]
fn rows_in_memory_are_read_again_after_a_restart() {
    let builder = StreamsBuilder::new();
    drop(builder.global_table("given", Consumed::with(Utf8, I64), Materialized::named(RULES).in_memory()));
    builder.stream("asked", Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    let folder = tempfile::tempdir().unwrap();
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).state_folder(folder.path()).start().unwrap();
    driver.input("given", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)]).unwrap();
    driver.crash().unwrap();
    assert_eq!((count(&mut driver, "a"), count(&mut driver, "b")), (Some(1), Some(2)));
}
