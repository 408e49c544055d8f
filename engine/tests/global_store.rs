//! Global stores: filled before anything runs, by a table or by a processor, and brought back after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use straum::dsl::{Consumed, Materialized, Produced, StreamsBuilder};
use straum::log::{Log, TopicPartition};
use straum::processor::{FixedKeyProcessor, FixedKeyProcessorContext, KeyValueStoreBuilder, Processor, ProcessorContext, Record, StoreHandle};
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
