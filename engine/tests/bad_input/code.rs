//! Closures and processors that fail or panic.

use std::sync::Arc;
use std::time::Duration;

use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::processor::{Headers, Processor, ProcessorContext, Punctuation, PunctuationType, Record};
use straum::runtime::{Decision, ExceptionHandlers, dead_letter};
use straum::serde::{I64, Utf8};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, Topology};

use super::{dead_letters, header, orders, write};

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
        assert!(message.contains("in node KSTREAM-PEEK-"), "{message}");
        assert!(message.contains("orders-0 offset 1") && message.contains("the closure"), "{message}");
    }
}

#[test]
fn fail_pauses_the_task_alone_and_says_why() {
    let handlers = ExceptionHandlers { processing: Arc::new(|_| Decision::Fail), ..Default::default() };
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
    let reason = &failing[0].1;
    assert!(
        reason.contains("the closure gave up") && reason.contains("in task 0_0 in node KSTREAM-PEEK-") && reason.contains("orders-0 offset 0"),
        "{reason}"
    );
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

/// Passes records on, and panics where it is told to.
struct Fragile;

impl Processor<String, i64, String, i64> for Fragile {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        context.schedule(Duration::from_secs(1), PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        assert!(record.key != "fragile", "the processor gave up");
        Ok(context.forward(record)?)
    }

    fn punctuate(&mut self, timestamp: i64, _: Punctuation, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        assert!(timestamp < 2000, "the punctuation gave up");
        Ok(())
    }
}

/// A stream that forks after its first node; below, a branch of a split, a processor, and a closure behind a key that can be null.
fn forked() -> Topology {
    fn panics<V>(place: &'static str) -> impl Fn(&String, &V) + Clone {
        move |key, _| assert!(key != place, "the closure gave up")
    }
    let builder = StreamsBuilder::new();
    let stream = builder.stream("in", Consumed::with(Utf8, I64)).peek(panics("first"));
    stream.clone().filter(|key, _| key.as_str() != "second" || panic!("the closure gave up")).to("left", Produced::with(Utf8, I64));
    let mut branches = stream.clone().split().branch(|_, value| *value >= 0).default_branch().into_iter();
    branches
        .next()
        .unwrap()
        .map_values_with_key(|key, value| if key == "third" { panic!("the closure gave up") } else { value })
        .to("middle", Produced::with(Utf8, I64));
    drop(branches.next());
    stream.process("fragile", || Fragile, &[]).to("right", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

#[test]
fn a_panic_names_the_node_it_was_in() {
    let mut driver = TopologyTestDriver::new(&forked()).unwrap();
    for key in ["first", "second", "third", "fragile", "none"] {
        write(&mut driver, "in", key.as_bytes(), &1_i64.to_be_bytes());
    }
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    let nodes: Vec<&str> = letters
        .iter()
        .map(|letter| header(letter, dead_letter::MESSAGE).split_once(" in node ").map_or("", |(_, rest)| rest.split(' ').next().unwrap()))
        .collect();
    assert_eq!(nodes, ["KSTREAM-PEEK-0000000001", "KSTREAM-FILTER-0000000002", "KSTREAM-MAPVALUES-0000000007", "fragile"]);
    for out in ["left", "middle", "right"] {
        assert_eq!(driver.output(out, Utf8, I64).read_pairs(&driver).unwrap(), [("none".to_owned(), 1)], "{out} has a trace of a record that failed");
    }
}

#[test]
fn a_panic_in_a_punctuation_names_its_node() {
    let handlers = ExceptionHandlers { processing: Arc::new(|_| Decision::Fail), ..Default::default() };
    let mut driver = TopologyTestDriver::builder(&forked()).handlers(handlers).start().unwrap();
    driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
    assert_eq!(driver.failing().count(), 0);
    driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
    let reasons: Vec<String> = driver.failing().map(|(_, error)| error.to_string()).collect();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("the punctuation gave up") && reasons[0].contains("in task 0_0 in node fragile"), "{}", reasons[0]);
}

#[test]
fn a_cached_update_that_fails_is_left_out_and_told_and_the_others_go_on() {
    for (decision, letters, outputs) in [(Decision::Continue, 1, 1), (Decision::Fail, 0, 0)] {
        let handlers = ExceptionHandlers { processing: Arc::new(move |_| decision), ..Default::default() };
        let mut driver = TopologyTestDriver::builder(&orders())
            .handlers(handlers)
            .configure(|config| config.statestore_cache_max_bytes = 1 << 20)
            .start()
            .unwrap();
        for key in ["fail", "a", "a"] {
            write(&mut driver, "orders", key.as_bytes(), br#"{"customer":"c","amount":1}"#);
        }
        driver.commit().unwrap();
        assert_eq!(dead_letters(&driver).len(), letters, "{decision:?}");
        let checked = driver.output("checked", Utf8, I64).committed().read_pairs(&driver).unwrap();
        assert_eq!(checked.len(), outputs, "{decision:?}");
        // The task that stands has committed nothing of what it could not forward.
        assert_eq!(driver.failing().count(), usize::from(decision == Decision::Fail));
        assert_eq!(driver.output("counts", Utf8, I64).committed().read_pairs(&driver).unwrap().len(), outputs);
    }
}

#[test]
fn a_punctuation_that_fails_is_told_in_a_dead_letter() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, I64)).process("fragile", || Fragile, &[]).to("out", Produced::with(Utf8, I64));
    let mut driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    driver.advance_wall_clock(Duration::from_secs(2)).unwrap();
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    assert_eq!((letters.len(), &letters[0].value), (1, &None));
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("the punctuation gave up") && message.contains("in node fragile"), "{message}");
    driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)]).unwrap();
    assert_eq!(driver.output("out", Utf8, I64).read(&driver).unwrap().len(), 1);
}
