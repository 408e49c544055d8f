//! The embedded log on disk: bytes of keys and values a second, without waiting for the disk.

use std::collections::BTreeMap;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions, SyncPolicy};
use straum::log::{ConsumerOptions, HeaderView, Isolation, Log, OutputBatch, Producer, ProducerOptions, StartOffset, TopicPartition, TopicSpec};

const KEY: [u8; 32] = [7; 32];
const VALUE: [u8; 200] = [9; 200];
const BATCH: u64 = 1000;
const BATCH_BYTES: u64 = BATCH * (KEY.len() + VALUE.len()) as u64;

struct Fixture {
    // Dropped last.
    log: EmbeddedLog,
    _folder: tempfile::TempDir,
}

fn open(retention_bytes: &str) -> (Fixture, Box<dyn Producer>, OutputBatch) {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), EmbeddedOptions::new().sync(SyncPolicy::Never)).unwrap();
    let config = BTreeMap::from([("retention.bytes".to_owned(), retention_bytes.to_owned())]);
    log.create_topic(&TopicSpec { name: "topic".to_owned(), partitions: 1, config }).unwrap();
    let options = ProducerOptions { client_id: "feeder".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"topic".into());
    (0..BATCH).for_each(|_| batch.push(topic, 0, 1, Some(&KEY), Some(&VALUE), HeaderView::new(&[])));
    (Fixture { log, _folder: folder }, producer, batch)
}

pub(crate) fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("embedded log");
    group.throughput(Throughput::Bytes(BATCH_BYTES));
    let (_fixture, mut producer, batch) = open("268435456");
    group.bench_function("append of 1000 records", |bencher| bencher.iter(|| producer.send(&batch).unwrap()));
    group.finish();
}

pub(crate) fn read(criterion: &mut Criterion) {
    const BATCHES: u64 = 200;
    let mut group = criterion.benchmark_group("embedded log");
    group.throughput(Throughput::Bytes(BATCH_BYTES * BATCHES));
    let (fixture, mut producer, batch) = open("-1");
    (0..BATCHES).for_each(|_| producer.send(&batch).unwrap());
    let partition = TopicPartition::new("topic", 0);
    group.bench_function("read of 200,000 records, each looked at", |bencher| {
        bencher.iter(|| {
            let options = ConsumerOptions { client_id: "reader".to_owned(), isolation: Isolation::ReadCommitted };
            let mut consumer = fixture.log.consumer(&options).unwrap();
            consumer.assign(&[(partition.clone(), StartOffset::Beginning)]).unwrap();
            let mut batches = Vec::new();
            let (mut records, mut bytes) = (0, 0);
            while records < BATCH * BATCHES {
                consumer.poll(Duration::from_millis(100), &mut batches).unwrap();
                for record in batches.iter().flat_map(straum::log::RecordBatch::iter) {
                    records += 1;
                    bytes += record.value.map_or(0, <[u8]>::len);
                }
                batches.clear();
            }
            bytes
        });
    });
    group.finish();
}
