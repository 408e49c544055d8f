//! What fails while a task begins or commits, and punctuations that fail for a while: the other tasks go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::processor::{Headers, Processor, ProcessorContext, Punctuation, PunctuationType, Record};
use straum::runtime::{Decision, ExceptionHandlers};
use straum::serde::{I64, Serde, SerdeContext, SerdeError, Serialized, Utf8};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, Topology};

const REFUSED: i64 = 13;
const PANICS: i64 = 14;

/// Numbers, but for one it cannot write and one at which it panics.
struct Picky;

impl Serde for Picky {
    type Data = i64;

    fn serialize(&self, data: &i64, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match *data {
            REFUSED => Err(SerdeError::new("another number", "one that is refused")),
            PANICS => panic!("the serde gave up"),
            _ => I64.serialize(data, context, out),
        }
    }

    fn deserialize(&self, bytes: Option<&[u8]>, context: SerdeContext<'_>) -> Result<i64, SerdeError> {
        I64.deserialize(bytes, context)
    }
}

/// Keeps the latest number of each key.
fn latest() -> Topology {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    grouped.aggregate(|| 0, |_, number, _| number, Materialized::with("latest", Picky)).to_stream().to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

#[test]
fn a_row_that_cannot_be_serialised_stops_its_task_alone() {
    for (number, reason) in [(REFUSED, "one that is refused"), (PANICS, "the serde gave up")] {
        let mut driver = TopologyTestDriver::builder(&latest()).partitions(2).start().unwrap();
        let input: Arc<str> = "in".into();
        for (partition, key, number) in [(0, "bad", number), (1, "good", 1)] {
            driver.write(&input, Some(partition), Some(key.as_bytes()), Some(&number.to_be_bytes()), 0, &Headers::new()).unwrap();
        }
        driver.run().unwrap();
        driver.commit().unwrap();
        // The first commit failed as a whole; the next is without the task that made it fail.
        driver.commit().unwrap();
        let failing: Vec<(String, String)> = driver.failing().map(|(task, error)| (task.to_string(), error.to_string())).collect();
        assert_eq!(failing.len(), 1, "{failing:?}");
        assert_eq!(failing[0].0, "0_0");
        assert!(failing[0].1.contains(reason), "{}", failing[0].1);
        assert_eq!(driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap(), [("good".to_owned(), 1)]);
    }
}

/// Cannot begin, by an error or by a panic.
struct Reluctant(fn() -> Result<(), BoxError>);

impl Processor<String, i64, String, i64> for Reluctant {
    fn init(&mut self, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        (self.0)()
    }

    fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        Ok(context.forward(record)?)
    }
}

#[test]
fn a_processor_that_cannot_begin_stops_its_task_alone() {
    let refuses: fn() -> Result<(), BoxError> = || Err("it will not begin".into());
    let panics: fn() -> Result<(), BoxError> = || panic!("it will not begin");
    for init in [refuses, panics] {
        let builder = StreamsBuilder::new();
        builder.stream("in", Consumed::with(Utf8, I64)).process("reluctant", move || Reluctant(init), &[]).to("out", Produced::with(Utf8, I64));
        builder.stream("other-in", Consumed::with(Utf8, I64)).to("other-out", Produced::with(Utf8, I64));
        let mut driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
        for topic in ["in", "other-in"] {
            driver.input(topic, Utf8, I64).pipe_values(&mut driver, [("a", 1)]).unwrap();
        }
        let failing: Vec<(String, String)> = driver.failing().map(|(task, error)| (task.to_string(), error.to_string())).collect();
        assert_eq!(failing.len(), 1, "{failing:?}");
        assert!(failing[0].0 == "0_0" && failing[0].1.contains("it will not begin"), "{failing:?}");
        assert_eq!(driver.output("other-out", Utf8, I64).read_pairs(&driver).unwrap(), [("a".to_owned(), 1)]);
    }
}

/// Fails so many times, then tells the time.
struct Flaky(Arc<AtomicI64>);

impl Processor<String, i64, String, i64> for Flaky {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        context.schedule(Duration::from_secs(60), PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, _: Record<String, i64>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        Ok(())
    }

    fn punctuate(&mut self, now: i64, _: Punctuation, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Err("not yet".into());
        }
        Ok(context.forward(Record::new("tick".to_owned(), now, now))?)
    }
}

#[test]
fn a_punctuation_that_failed_is_due_again() {
    for (decision, resumed) in [(Decision::Retry, false), (Decision::Fail, true)] {
        let handlers = ExceptionHandlers { processing: Arc::new(move |_| decision), ..Default::default() };
        let failures = Arc::new(AtomicI64::new(1));
        let builder = StreamsBuilder::new();
        let flaky = move || Flaky(Arc::clone(&failures));
        builder.stream("in", Consumed::with(Utf8, I64)).process("flaky", flaky, &[]).to("out", Produced::with(Utf8, I64));
        let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).handlers(handlers).start().unwrap();
        driver.advance_wall_clock(Duration::from_secs(60)).unwrap();
        assert_eq!(driver.failing().count(), 1, "{decision:?}");
        if resumed {
            driver.resume().unwrap();
        }
        driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
        let ticks = driver.output("out", Utf8, I64).read_pairs(&driver).unwrap();
        let expected = if resumed { 60_000 } else { 61_000 };
        assert_eq!(ticks, [("tick".to_owned(), expected)], "{decision:?}: once, and not a minute later");
        assert_eq!(driver.failing().count(), 0, "{decision:?}");
    }
}
