//! Bad input, bad code and bad wiring: each gets a clear error, nothing is lost, nothing else stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use straum::dsl::{Consumed, Grouped, Joined, KStream, Materialized, Produced, StreamsBuilder};
use straum::log::{Log, TopicPartition};
use straum::processor::{Headers, Processor, ProcessorContext, Record, StoreHandle};
use straum::runtime::{Decision, ExceptionHandlers, dead_letter};
use straum::serde::{I64, Json, RawBytes, SerdeExt, Utf8};
use straum::testing::{TestRecord, TopologyTestDriver};
use straum::{BoxError, ErrorKind, Topology};

const DEAD_LETTERS: &str = "test-dead-letter-queue";

#[derive(serde::Serialize, serde::Deserialize, Clone)]
struct Order {
    customer: String,
    amount: i64,
}

/// Counts orders by customer; panics on one amount and fails on another, after a store write and an output.
fn orders() -> Topology {
    let builder = StreamsBuilder::new();
    let counted = builder
        .stream("orders", Consumed::with(Utf8, Json::<Order>::new()))
        .group_by_key("by-id", Grouped::with(Utf8, Json::new()))
        .count(Materialized::named("counts"))
        .to_stream();
    let amounts = counted.clone();
    counted.to("counts", Produced::with(Utf8, I64));
    let checked: KStream<String, Option<i64>> = amounts.peek(|key, _| match key.as_str() {
        "panic" => panic!("the closure gave up"),
        "fail" => Err("the closure refused"),
        _ => Ok(()),
    });
    checked.to("checked", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

fn write(driver: &mut TopologyTestDriver, topic: &str, key: &[u8], value: &[u8]) {
    driver.write(&Arc::from(topic), None, Some(key), Some(value), 0, &Headers::new()).unwrap();
    driver.run().unwrap();
}

fn header<'a>(record: &'a TestRecord<Option<bytes::Bytes>, Option<bytes::Bytes>>, name: &str) -> &'a str {
    std::str::from_utf8(record.headers.last(name).flatten().unwrap_or_default()).unwrap()
}

fn dead_letters(driver: &TopologyTestDriver) -> Vec<TestRecord<Option<bytes::Bytes>, Option<bytes::Bytes>>> {
    driver.output(DEAD_LETTERS, RawBytes.nullable(), RawBytes.nullable()).read(driver).unwrap()
}

#[test]
fn poison_json_goes_to_the_dead_letter_topic_as_it_came() {
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    write(&mut driver, "orders", b"a", b"poison-pill");
    write(&mut driver, "orders", b"a", br#"{"customer":"c","amount":1}"#);
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key.as_deref(), Some(b"a".as_slice()));
    assert_eq!(letters[0].value.as_deref(), Some(b"poison-pill".as_slice()));
    assert_eq!(header(&letters[0], dead_letter::EXCEPTION), "Deserialization");
    assert_eq!(header(&letters[0], dead_letter::TOPIC), "orders");
    assert_eq!(header(&letters[0], dead_letter::PARTITION), "0");
    assert_eq!(header(&letters[0], dead_letter::OFFSET), "0");
    assert!(!header(&letters[0], dead_letter::MESSAGE).contains("poison-pill"), "an error must not repeat the content");
    assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(1));
}

#[test]
fn after_continue_there_is_no_trace_of_half_a_record() {
    for key in ["panic", "fail"] {
        let mut driver = TopologyTestDriver::new(&orders()).unwrap();
        let order = br#"{"customer":"c","amount":1}"#;
        write(&mut driver, "orders", b"a", order);
        write(&mut driver, "orders", key.as_bytes(), order);
        write(&mut driver, "orders", b"a", order);
        driver.commit().unwrap();
        let store = driver.store::<String, i64>("counts").unwrap();
        assert_eq!(store.get(&key.to_owned()).unwrap(), None, "the store write of {key} stayed");
        assert_eq!(store.get(&"a".to_owned()).unwrap(), Some(2));
        let counts = driver.output("counts", Utf8, I64).read_pairs(&driver).unwrap();
        assert_eq!(counts, [("a".to_owned(), 1), ("a".to_owned(), 2)], "the first output of {key} stayed");
        let letters = dead_letters(&driver);
        assert_eq!(letters.len(), 1);
        assert_eq!(header(&letters[0], dead_letter::EXCEPTION), "Processing");
        let message = header(&letters[0], dead_letter::MESSAGE);
        // A panic unwinds past the nodes: it is known where the record came from, not which closure it was in.
        assert!(key == "panic" || message.contains("KSTREAM-PEEK-"), "{message}");
        assert!(message.contains("orders-0 offset 1") && message.contains("the closure"), "{message}");
    }
}

#[test]
fn fail_pauses_the_task_alone_and_says_why() {
    let mut handlers = ExceptionHandlers::default();
    handlers.processing = Arc::new(|_| Decision::Fail);
    let mut driver = TopologyTestDriver::builder(&orders()).handlers(handlers).partitions(2).start().unwrap();
    let order = br#"{"customer":"c","amount":1}"#;
    let orders: Arc<str> = "orders".into();
    for (partition, key) in [(0, "panic"), (0, "a"), (1, "b")] {
        driver.write(&orders, Some(partition), Some(key.as_bytes()), Some(order), 0, &Headers::new()).unwrap();
    }
    driver.run().unwrap();
    driver.commit().unwrap();
    let failing: Vec<(String, String)> = driver.failing().map(|(task, error)| (task.to_string(), error.to_string())).collect();
    assert_eq!(failing.len(), 1);
    assert_eq!(failing[0].0, "0_0");
    assert!(failing[0].1.contains("the closure gave up") && failing[0].1.contains("orders-0 offset 0"), "{}", failing[0].1);
    let store = driver.store::<String, i64>("counts").unwrap();
    assert_eq!(store.get(&"b".to_owned()).unwrap(), Some(1), "the other task went on");
    assert_eq!(store.get(&"a".to_owned()).unwrap(), None, "nothing overtakes the record the task stands at");
    assert!(dead_letters(&driver).is_empty());
}

#[test]
fn retry_waits_backs_off_and_pauses_in_the_end() {
    let mut handlers = ExceptionHandlers::default();
    let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    handlers.processing = Arc::new(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Decision::Retry
    });
    let mut driver = TopologyTestDriver::builder(&orders())
        .handlers(handlers)
        .configure(|config| {
            config.retry_backoff = Duration::from_millis(100);
            config.retry_backoff_max = Duration::from_secs(1);
            config.task_timeout = Duration::from_secs(5);
        })
        .start()
        .unwrap();
    write(&mut driver, "orders", b"fail", br#"{"customer":"c","amount":1}"#);
    let seen = |tries: &std::sync::atomic::AtomicU32| tries.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(seen(&tries), 1);
    driver.advance_wall_clock(Duration::from_millis(99)).unwrap();
    assert_eq!(seen(&tries), 1);
    driver.advance_wall_clock(Duration::from_millis(1)).unwrap();
    assert_eq!(seen(&tries), 2);
    driver.advance_wall_clock(Duration::from_millis(199)).unwrap();
    assert_eq!(seen(&tries), 2);
    driver.advance_wall_clock(Duration::from_millis(1)).unwrap();
    assert_eq!(seen(&tries), 3);
    driver.advance_wall_clock(Duration::from_secs(5)).unwrap();
    let before = seen(&tries);
    driver.advance_wall_clock(Duration::from_secs(60)).unwrap();
    assert_eq!(seen(&tries), before, "a paused task tries no more");
    assert_eq!(driver.failing().count(), 1);
    driver.resume().unwrap();
    assert_eq!(seen(&tries), before + 1, "until it is resumed");
}

#[test]
fn a_value_of_20_mib_is_a_production_error() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, Utf8)).map_values(|value| value.repeat(20 * 1024)).to("out", Produced::with(Utf8, Utf8));
    let mut driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    write(&mut driver, "in", b"large", &[b'x'; 1024]);
    write(&mut driver, "in", b"small", b"x");
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("20971525 bytes") && message.contains("1048576 (max.request.size)"), "{message}");
    assert_eq!(driver.output("out", Utf8, Utf8).read(&driver).unwrap().len(), 1);
}

#[test]
fn an_unknown_output_topic_is_named() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, Utf8)).to_extracted(|_, value| value.clone(), Produced::with(Utf8, Utf8));
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).topic("known", 1).start().unwrap();
    write(&mut driver, "in", b"k", b"unknown");
    write(&mut driver, "in", b"k", b"known");
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("topic unknown does not exist"), "{message}");
    assert_eq!(driver.output("known", Utf8, Utf8).read(&driver).unwrap().len(), 1);
}

#[test]
fn a_null_where_the_serde_has_none_says_what_to_do() {
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    driver.write(&"orders".into(), None, None, Some(br#"{"customer":"c","amount":1}"#), 0, &Headers::new()).unwrap();
    driver.run().unwrap();
    let letters = dead_letters(&driver);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("nullable serde"), "{message}");
}

#[test]
fn two_operators_of_one_name_do_not_build() {
    let builder = StreamsBuilder::new();
    for topic in ["one", "two"] {
        builder
            .stream(topic, Consumed::with(Utf8, Utf8))
            .group_by("same", |_, value| value.clone(), Grouped::with(Utf8, Utf8))
            .count(Materialized::named(format!("store-of-{topic}")))
            .to_stream()
            .to("out", Produced::with(Utf8, I64));
    }
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("same"), "{error}");
}

#[test]
fn two_stores_of_one_name_do_not_build() {
    let builder = StreamsBuilder::new();
    for topic in ["one", "two"] {
        let _ = builder.table(topic, Consumed::with(Utf8, Utf8), Materialized::named("same"));
    }
    assert!(builder.build().unwrap_err().to_string().contains("two stores are named same"));
}

struct Reader {
    store: StoreHandle<String, i64>,
}

impl Processor<String, i64, String, i64> for Reader {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        context.store(&self.store)?;
        Ok(())
    }

    fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        Ok(context.forward(record)?)
    }
}

fn reading(store: &'static str, connected: &[&str]) -> Result<Topology, straum::Error> {
    let builder = StreamsBuilder::new();
    let _ = builder.table("texts", Consumed::with(Utf8, Utf8), Materialized::named("texts"));
    let supplier = move || Reader { store: StoreHandle::new(store) };
    builder.stream("in", Consumed::with(Utf8, I64)).process("reader", supplier, connected).to("out", Produced::with(Utf8, I64));
    builder.build()
}

#[test]
fn a_missing_store_is_named() {
    let error = reading("missing", &["missing"]).unwrap_err();
    assert!(error.to_string().contains("store missing does not exist"), "{error}");
}

#[test]
fn a_store_that_is_not_connected_is_named() {
    let Err(error) = TopologyTestDriver::new(&reading("texts", &[]).unwrap()) else { panic!("it started") };
    assert!(error.to_string().contains("not connected") && error.to_string().contains("texts"), "{error}");
}

#[test]
fn a_store_of_a_wrong_type_names_the_type_expected() {
    let Err(error) = TopologyTestDriver::new(&reading("texts", &["texts"]).unwrap()) else { panic!("it started") };
    assert!(error.to_string().contains("i64") && error.to_string().contains("texts"), "{error}");
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    let Err(error) = driver.store::<String, String>("counts") else { panic!("it opened") };
    assert!(error.to_string().contains("counts"), "{error}");
}

#[test]
fn co_partitioning_that_cannot_hold_names_the_topics() {
    let builder = StreamsBuilder::new();
    let table = builder.table("table", Consumed::with(Utf8, I64), Materialized::named("table"));
    builder.stream("stream", Consumed::with(Utf8, I64)).join(table, |left, right| left + right, Joined::named("join")).to("out", Produced::with(Utf8, I64));
    let started = TopologyTestDriver::builder(&builder.build().unwrap()).topic("stream", 3).topic("table", 2).start();
    let Err(error) = started else { panic!("it started") };
    let text = error.to_string();
    assert!(text.contains("stream has 3") && text.contains("table has 2"), "{text}");
}

#[test]
fn a_topic_read_twice_does_not_build() {
    let builder = StreamsBuilder::new();
    for out in ["a", "b"] {
        builder.stream("in", Consumed::with(Utf8, I64)).to(out, Produced::with(Utf8, I64));
    }
    assert!(builder.build().unwrap_err().to_string().contains("topic in is read by two sources"));
}

#[test]
fn a_topic_of_garbage_still_commits() {
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    for _ in 0..5 {
        write(&mut driver, "orders", b"a", b"garbage");
    }
    driver.commit().unwrap();
    let committed = driver.log().committed("test", &[TopicPartition::new("orders", 0)]).unwrap();
    assert_eq!(committed[0].as_ref().map(|committed| committed.offset), Some(5));
}
