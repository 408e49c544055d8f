//! Topologies that cannot be, or cannot run on the topics there are.

use straum::dsl::{Consumed, Grouped, Joined, Materialized, Produced, StreamsBuilder};
use straum::processor::{Processor, ProcessorContext, Record, StoreHandle};
use straum::serde::{I64, Utf8};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, ErrorKind, Topology};

use super::orders;

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
    builder
        .stream("stream", Consumed::with(Utf8, I64))
        .join(table, |left, right| left + right, Joined::named("join"))
        .to("out", Produced::with(Utf8, I64));
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
