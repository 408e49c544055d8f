//! Global stores: filled before anything runs, by a table or by a processor, and brought back after a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use straum::dsl::{Consumed, Materialized, Produced, StreamsBuilder};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{Log, TopicPartition, TopicSpec};
use straum::processor::{
    FixedKeyProcessor, FixedKeyProcessorContext, KeyValue, KeyValueIterator, KeyValueStoreBuilder, Processor, ProcessorContext, Record, StateError,
    StateErrorKind, StoreHandle,
};
use straum::runtime::{Decision, ExceptionHandler, ExceptionHandlers, State, Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, Utf8};
use straum::testing::{DriverBuilder, TopologyTestDriver};
use straum::{BoxError, ErrorKind, Topology};

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

/// Reads a global store as it is told.
struct Librarian(StoreHandle<String, i64>);

impl Librarian {
    fn answer(rows: &KeyValue<String, i64>, wish: &str) -> Result<String, StateError> {
        let (b, c) = ("b".to_owned(), "c".to_owned());
        let listed = |rows: KeyValueIterator<String, i64>| -> Result<String, StateError> {
            let rows: Result<Vec<String>, _> = rows.map(|row| row.map(|(key, value, timestamp)| format!("{key}={value}@{timestamp}"))).collect();
            Ok(rows?.join(" "))
        };
        let refused = |written: Result<(), StateError>| match written {
            Err(error) if error.kind() == StateErrorKind::Misuse => Ok(error.to_string()),
            other => other.map(|()| "written".to_owned()),
        };
        match wish {
            "get" => Ok(format!("{:?}", rows.get(&b)?)),
            "all" => listed(rows.all()?),
            "reverse all" => listed(rows.reverse_all()?),
            "b to c" => listed(rows.range(Some(&b), Some(&c))?),
            "from c" => listed(rows.range(Some(&c), None)?),
            "reverse b to c" => listed(rows.reverse_range(Some(&b), Some(&c))?),
            "reverse to b" => listed(rows.reverse_range(None, Some(&b))?),
            "c to b" => listed(rows.range(Some(&c), Some(&b))?),
            "prefix c" => listed(rows.prefix_scan(b"c")?),
            "count" => Ok(rows.approximate_count().to_string()),
            "put" => refused(rows.put(&b, 9)),
            "put at" => refused(rows.put_at(&b, 9, 1)),
            "put if absent" => refused(rows.put_if_absent(&b, 9).map(drop)),
            "put all" => refused(rows.put_all([(b, None)])),
            "delete" => refused(rows.delete(&b).map(drop)),
            _ => Ok("no such wish".to_owned()),
        }
    }
}

impl FixedKeyProcessor<String, i64, String> for Librarian {
    fn process(&mut self, wish: &String, _: i64, context: &FixedKeyProcessorContext<'_, String, String>) -> Result<(), BoxError> {
        let answer = Self::answer(&context.store(&self.0)?, wish)?;
        Ok(context.forward_value(answer)?)
    }
}

#[test]
fn a_processor_reads_a_global_store_in_every_way_and_writes_it_in_none() {
    let builder = StreamsBuilder::new();
    drop(builder.global_table("given", Consumed::with(Utf8, I64), Materialized::named(RULES)));
    let wishes = builder.stream("asked", Consumed::with(Utf8, I64));
    wishes.process_values("librarian", || Librarian(StoreHandle::new(RULES)), &[]).to("out", Produced::with(Utf8, Utf8));
    let refused = "store rules: a global store can only be read here, expected a store of the task to write to";
    let expected = [
        ("get", "Some(2)"),
        ("all", "a=1@0 b=2@0 c=3@0 cc=4@0"),
        ("reverse all", "cc=4@0 c=3@0 b=2@0 a=1@0"),
        ("b to c", "b=2@0 c=3@0"),
        ("from c", "c=3@0 cc=4@0"),
        ("reverse b to c", "c=3@0 b=2@0"),
        ("reverse to b", "b=2@0 a=1@0"),
        ("c to b", ""),
        ("prefix c", "c=3@0 cc=4@0"),
        ("count", "4"),
        ("put", refused),
        ("put at", refused),
        ("put if absent", refused),
        ("put all", refused),
        ("delete", refused),
        ("get", "Some(2)"),
    ];
    each_home(&builder.build().unwrap(), |builder| {
        let mut driver = builder().start().unwrap();
        driver.input("given", Utf8, I64).pipe_values(&mut driver, [("b", 2), ("a", 1), ("cc", 4), ("c", 3)]).unwrap();
        driver.input("asked", Utf8, I64).pipe_values(&mut driver, expected.map(|(wish, _)| (wish, 0))).unwrap();
        let answers = driver.output("out", Utf8, Utf8).read_pairs(&driver).unwrap();
        assert_eq!(answers, expected.map(|(wish, answer)| (wish.to_owned(), answer.to_owned())));
        let asked = driver.store::<String, i64>(RULES).unwrap();
        let keys = |rows: Vec<(String, i64, i64)>| rows.into_iter().map(|(key, ..)| key).collect::<Vec<_>>();
        assert_eq!(keys(asked.reverse_all().unwrap()), ["cc", "c", "b", "a"]);
        assert_eq!(keys(asked.reverse_range(Some(&"b".to_owned()), Some(&"c".to_owned())).unwrap()), ["c", "b"]);
    });
}

#[test]
fn a_start_without_the_topic_names_it_and_a_start_with_it_succeeds() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap()));
    let make = |name: &str| log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
    ["asked", "out"].into_iter().for_each(make);
    let application = |topology: &Topology| {
        let mut config = StreamsConfig::new("app");
        config.state_dir = folder.path().to_owned();
        Streams::new(topology, config, Arc::<EmbeddedLog>::clone(&log), StreamsOptions::default())
    };
    for topology in [table(), counted()] {
        let mut streams = application(&topology);
        let error = streams.start().expect_err("its topic is missing");
        let expected = "source topics [given] do not exist, expected them to be created before the application starts";
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Topology, expected));
        assert_eq!(streams.state(), State::Error);
    }
    make("given");
    let mut streams = application(&table());
    streams.start().unwrap();
    streams.close().unwrap();
}
