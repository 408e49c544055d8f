//! Reading and writing a log as tables of owned values.

use std::sync::Arc;
use std::time::{Duration, Instant};

use straum::log::{
    Consumer, ConsumerOptions, HeaderView, Isolation, Log, LogErrorKind, Offset, OutputBatch, Producer, ProducerOptions, StartOffset, TopicPartition,
    TopicSpec, encode_header,
};

use super::waiting::PATIENCE;

/// A record as a test writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub timestamp: i64,
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<(String, Option<String>)>,
}

pub fn row(timestamp: i64, key: Option<&str>, value: Option<&str>, headers: &[(&str, Option<&str>)]) -> Row {
    let owned = |text: &str| text.to_owned();
    let headers = headers.iter().map(|(name, content)| (owned(name), content.map(owned))).collect();
    Row { timestamp, key: key.map(owned), value: value.map(owned), headers }
}

/// Rows that differ in their value only.
pub fn values(values: &[&str]) -> Vec<Row> {
    values.iter().map(|value| row(1_000, None, Some(value), &[])).collect()
}

/// A topic that keeps records for ever, since those of tests are from the dawn of time.
pub fn topic(log: &dyn Log, name: &str, partitions: u32) -> Arc<str> {
    let config = [("retention.ms".to_owned(), "-1".to_owned())].into();
    log.create_topic(&TopicSpec { name: name.to_owned(), partitions, config }).unwrap();
    Arc::from(name)
}

pub fn at(topic: &Arc<str>, partition: u32) -> TopicPartition {
    TopicPartition { topic: Arc::clone(topic), partition }
}

pub fn consumer(log: &dyn Log, isolation: Isolation) -> Box<dyn Consumer> {
    log.consumer(&ConsumerOptions { client_id: "test-reader".to_owned(), isolation }).unwrap()
}

/// A transactional producer with an id, one without transactions without.
pub fn producer(log: &dyn Log, transactional_id: Option<&str>) -> Box<dyn Producer> {
    let options = ProducerOptions {
        client_id: "test-writer".to_owned(),
        transactional_id: transactional_id.map(str::to_owned),
        transaction_timeout: Duration::from_secs(60),
    };
    log.producer(&options).unwrap()
}

pub fn batch(partition: &TopicPartition, rows: &[Row]) -> OutputBatch {
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&partition.topic);
    for row in rows {
        let mut headers = Vec::new();
        for (key, value) in &row.headers {
            encode_header(key, value.as_ref().map(String::as_bytes), &mut headers);
        }
        let (key, value) = (row.key.as_ref().map(String::as_bytes), row.value.as_ref().map(String::as_bytes));
        batch.push(topic, partition.partition, row.timestamp, key, value, HeaderView::new(&headers));
    }
    batch
}

/// Writes and waits for the acknowledgement.
pub fn write(producer: &mut dyn Producer, partition: &TopicPartition, rows: &[Row]) {
    producer.send(&batch(partition, rows)).unwrap();
    producer.flush().unwrap();
}

/// A whole transaction.
pub fn commit(producer: &mut dyn Producer, partition: &TopicPartition, rows: &[Row]) {
    producer.begin().unwrap();
    producer.send(&batch(partition, rows)).unwrap();
    producer.commit().unwrap();
}

/// What a partition shows from the start up to the offset, with offsets.
pub fn read(log: &dyn Log, isolation: Isolation, partition: &TopicPartition, until: Offset) -> Vec<(Offset, Row)> {
    let mut consumer = consumer(log, isolation);
    consumer.assign(&[(partition.clone(), StartOffset::Beginning)]).unwrap();
    read_on(consumer.as_mut(), partition, until)
}

/// Reads on until the position has reached the offset, and checks what every batch promises.
pub fn read_on(consumer: &mut dyn Consumer, partition: &TopicPartition, until: Offset) -> Vec<(Offset, Row)> {
    let (mut rows, mut batches) = (Vec::new(), Vec::new());
    wait_for(&format!("position {until} of {partition}"), || {
        batches.clear();
        consumer.poll(Duration::from_millis(100), &mut batches).unwrap();
        for batch in batches.iter().filter(|batch| batch.partition() == partition) {
            let mut next = rows.last().map_or(0, |(offset, _)| offset + 1);
            for (index, record) in batch.iter().enumerate() {
                assert!(record.offset >= next, "offset {} after {next} in {partition}", record.offset);
                next = record.offset + 1;
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                assert_eq!(batch.headers(index), record.headers.encoded());
                let headers = record.headers.iter().map(|(key, value)| (key.to_owned(), value.map(text))).collect();
                rows.push((record.offset, Row { timestamp: record.timestamp, key: record.key.map(text), value: record.value.map(text), headers }));
            }
            assert!(batch.next_offset() >= next, "a batch ends at {} before its last record {}", batch.next_offset(), next - 1);
        }
        consumer.position(partition).filter(|position| *position >= until)
    });
    rows
}

/// The end of a partition once all transactions in it are over. A commit or an abort has returned before its marker is
/// written.
pub fn settled_end(log: &dyn Log, partition: &TopicPartition) -> Offset {
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    consumer.assign(&[(partition.clone(), StartOffset::Beginning)]).unwrap();
    wait_for(&format!("the transactions in {partition} to be over"), || {
        consumer.poll(Duration::from_millis(50), &mut Vec::new()).unwrap();
        let (_, end) = log.offsets(partition).unwrap();
        (consumer.position(partition) == Some(end)).then_some(end)
    })
}

/// The values alone.
pub fn shown(rows: &[(Offset, Row)]) -> Vec<&str> {
    rows.iter().map(|(_, row)| row.value.as_deref().unwrap_or_default()).collect()
}

/// Tries until there is an answer. What is tried waits by itself.
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
    }
}

/// Polls until an error comes, and returns its kind and partition.
pub fn next_error(consumer: &mut dyn Consumer) -> (LogErrorKind, Option<TopicPartition>) {
    let mut batches = Vec::new();
    wait_for("an error", || {
        let error = consumer.poll(Duration::from_millis(100), &mut batches).err()?;
        Some((error.kind(), error.partition().cloned()))
    })
}
