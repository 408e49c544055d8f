//! Five stateless operators, against the same records read and looked at by none. Their difference a record is what the goal
//! of 50 ns is about.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use straum::Topology;
use straum::dsl::{Consumed, StreamsBuilder};
use straum::log::{HeaderView, Log, OutputBatch, ProducerOptions};
use straum::serde::Utf8;
use straum::testing::TopologyTestDriver;

const RECORDS: u64 = 100_000;

fn reading() -> Topology {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, Utf8)).foreach(|key: &String, value: &String| {
        black_box((key, value));
    });
    builder.build().unwrap()
}

fn five_operators() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream("in", Consumed::with(Utf8, Utf8))
        .filter(|_, value: &String| !value.is_empty())
        .map_values(|mut value: String| {
            value.make_ascii_uppercase();
            value
        })
        .filter_not(|key: &String, _| key.is_empty())
        .map(|key, value| (key, value))
        .peek(|_, value: &String| {
            black_box(value.len());
        })
        .foreach(|key: &String, value: &String| {
            black_box((key, value));
        });
    builder.build().unwrap()
}

/// A driver with all records in its log, none of them processed.
fn filled(topology: &Topology) -> TopologyTestDriver {
    let driver = TopologyTestDriver::new(topology).unwrap();
    let options = ProducerOptions { client_id: "feeder".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = driver.log().producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"in".into());
    for number in 0..RECORDS {
        let (key, value) = (format!("customer-{number}"), format!("an order of customer {number}, on the heap"));
        batch.push(topic, 0, 1, Some(key.as_bytes()), Some(value.as_bytes()), HeaderView::new(&[]));
        if number % 1000 == 999 {
            producer.send(&batch).unwrap();
            batch.clear();
        }
    }
    driver
}

pub(crate) fn stateless(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("operators");
    group.throughput(Throughput::Elements(RECORDS));
    for (name, topology) in [("reading alone", reading()), ("five stateless operators", five_operators())] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let run = |_| {
                    let mut driver = filled(&topology);
                    let began = Instant::now();
                    driver.run().unwrap();
                    began.elapsed()
                };
                (0..iterations).map(run).sum()
            });
        });
    }
    group.finish();
}
