//! What the tests of the embedded log share: records in, records out, as short text.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use straum::log::embedded::EmbeddedLog;
use straum::log::{
    CommittedOffset, Consumer, ConsumerOptions, GroupMembership, HeaderView, Isolation, Log, LogError, Offset, OutputBatch, Producer,
    ProducerOptions, StartOffset, TopicPartition, TopicSpec,
};

pub(crate) fn at(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn spec(name: &str, partitions: u32, config: &[(&str, &str)]) -> TopicSpec {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TopicSpec { name: name.to_owned(), partitions, config }
}

pub(crate) fn topic(log: &EmbeddedLog, name: &str, partitions: u32, config: &[(&str, &str)]) {
    log.create_topic(&spec(name, partitions, config)).unwrap();
}

pub(crate) fn producer(log: &EmbeddedLog, id: Option<&str>) -> Box<dyn Producer> {
    log.producer(&options(id)).unwrap()
}

pub(crate) fn options(id: Option<&str>) -> ProducerOptions {
    ProducerOptions { client_id: "test".into(), transactional_id: id.map(str::to_owned), transaction_timeout: Duration::from_secs(10) }
}

pub(crate) fn consumer(log: &EmbeddedLog, isolation: Isolation, partitions: &[(TopicPartition, StartOffset)]) -> Box<dyn Consumer> {
    let mut consumer = log.consumer(&ConsumerOptions { client_id: "test".into(), isolation }).unwrap();
    consumer.assign(partitions).unwrap();
    consumer
}

/// `"p:key=value"` records of one topic; a value of `-` is a tombstone, `p` the partition. The timestamp is 0.
pub(crate) fn batch(topic: &str, records: &[&str]) -> OutputBatch {
    let mut batch = OutputBatch::new();
    let index = batch.topic(&Arc::from(topic));
    for record in records {
        let (partition, rest) = record.split_once(':').unwrap();
        let (key, value) = rest.split_once('=').unwrap();
        let value = (value != "-").then_some(value.as_bytes());
        batch.push(index, partition.parse().unwrap(), 0, Some(key.as_bytes()), value, HeaderView::new(&[]));
    }
    batch
}

pub(crate) fn send(producer: &mut dyn Producer, topic: &str, records: &[&str]) -> Result<(), LogError> {
    producer.send(&batch(topic, records))
}

/// Every record that can be read from `from` on, as `"offset:key=value"`, and the position after them.
pub(crate) fn read_from(log: &EmbeddedLog, isolation: Isolation, partition: &TopicPartition, from: StartOffset) -> (Vec<String>, Offset) {
    let mut consumer = consumer(log, isolation, &[(partition.clone(), from)]);
    let mut records = Vec::new();
    loop {
        let mut batches = Vec::new();
        consumer.poll(Duration::ZERO, &mut batches).unwrap();
        if batches.is_empty() {
            return (records, consumer.position(partition).unwrap());
        }
        for batch in &batches {
            for record in batch.iter() {
                let text = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |bytes| String::from_utf8(bytes.to_vec()).unwrap());
                records.push(format!("{}:{}={}", record.offset, text(record.key), text(record.value)));
            }
        }
    }
}

pub(crate) fn read(log: &EmbeddedLog, partition: &TopicPartition) -> Vec<String> {
    read_from(log, Isolation::ReadCommitted, partition, StartOffset::Beginning).0
}

pub(crate) fn read_all(log: &EmbeddedLog, partition: &TopicPartition) -> Vec<String> {
    read_from(log, Isolation::ReadUncommitted, partition, StartOffset::Beginning).0
}

pub(crate) fn group(name: &str) -> GroupMembership {
    GroupMembership { group: name.to_owned(), member: None }
}

pub(crate) fn offset(partition: &TopicPartition, offset: Offset) -> CommittedOffset {
    CommittedOffset { partition: partition.clone(), offset, metadata: String::new() }
}

pub(crate) fn committed(log: &EmbeddedLog, group: &str, partition: &TopicPartition) -> Option<Offset> {
    log.committed(group, std::slice::from_ref(partition)).unwrap()[0].as_ref().map(|committed| committed.offset)
}

/// Values by key, the newest of each.
pub(crate) fn newest(records: &[String]) -> BTreeMap<String, String> {
    let pair = |record: &String| {
        record.split_once(':').and_then(|(_, rest)| rest.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap()
    };
    records.iter().map(pair).collect()
}
