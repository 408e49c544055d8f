//! Bad input, bad code, bad wiring and a bad disk: each gets a clear error, nothing is lost, nothing else stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

mod code;
mod disk;
mod records;
mod registry;
mod tasks;
mod timestamps;
#[path = "../waiting/mod.rs"]
mod waiting;
mod wiring;

use std::sync::Arc;

use straum::Topology;
use straum::dsl::{Consumed, Grouped, KStream, Materialized, Produced, StreamsBuilder};
use straum::processor::Headers;
use straum::serde::{I64, Json, RawBytes, SerdeExt, Utf8};
use straum::testing::{TestRecord, TopologyTestDriver};

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
