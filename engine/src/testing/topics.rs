//! The driver's inputs and outputs.

use std::sync::Arc;
use std::time::Duration;

use straum_state::{Part, Serde, SerdeContext, Serialized, SharedSerde};

use crate::error::Error;
use crate::log::partitioner::partition_for_key;
use crate::log::{Consumer, ConsumerOptions, Isolation, Log, OutputBatch, ProducerOptions, StartOffset, TopicPartition};
use crate::processor::Headers;
use crate::testing::TopologyTestDriver;

/// A record as a test reads or writes it. Kafka Streams: `TestRecord`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecord<K, V> {
    /// The key.
    pub key: K,
    /// The value.
    pub value: V,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The headers.
    pub headers: Headers,
    /// The partition it was read from, or is to be written to; `None` lets the key decide.
    pub partition: Option<u32>,
}

impl<K, V> TestRecord<K, V> {
    /// A record without headers whose partition its key decides.
    pub const fn new(key: K, value: V, timestamp: i64) -> Self {
        Self { key, value, timestamp, headers: Headers::new(), partition: None }
    }
}

/// Writes to a topic of the driver. Kafka Streams: `TestInputTopic`.
pub struct TestInput<K, V> {
    topic: Arc<str>,
    key_serde: SharedSerde<K>,
    value_serde: SharedSerde<V>,
}

impl<K: 'static, V: 'static> TestInput<K, V> {
    pub(crate) fn new(topic: &str, key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> Self {
        Self { topic: topic.into(), key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde) }
    }

    /// Writes one record and processes it.
    ///
    /// Kafka Streams: `TestInputTopic.pipeInput`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// let mut record = TestRecord::new("a".to_owned(), 5, 1_000);
    /// record.headers.add("trace", Some(b"7f"));
    /// driver.input("in", Utf8, I64).pipe(&mut driver, &record)?;
    /// let counts = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!((counts[0].value, counts[0].timestamp, counts[0].partition), (1, 1_000, Some(0)));
    /// assert_eq!(counts[0].headers, record.headers);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of a serde, or of the driver.
    pub fn pipe(&self, driver: &mut TopologyTestDriver, record: &TestRecord<K, V>) -> Result<(), Error> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let has_key = self.key_serde.serialize(&record.key, SerdeContext::new(&self.topic, Part::Key), &mut key)?;
        let has_value = self.value_serde.serialize(&record.value, SerdeContext::new(&self.topic, Part::Value), &mut value)?;
        let key = (has_key == Serialized::Bytes).then_some(key.as_slice());
        let value = (has_value == Serialized::Bytes).then_some(value.as_slice());
        driver.write(&self.topic, record.partition, key, value, record.timestamp, &record.headers)?;
        driver.run()
    }

    /// Writes records at timestamp 0 and processes each.
    ///
    /// # Errors
    /// As [`TestInput::pipe`].
    pub fn pipe_values<IK: Into<K>, IV: Into<V>>(
        &self,
        driver: &mut TopologyTestDriver,
        records: impl IntoIterator<Item = (IK, IV)>,
    ) -> Result<(), Error> {
        for (key, value) in records {
            self.pipe(driver, &TestRecord::new(key.into(), value.into(), 0))?;
        }
        Ok(())
    }
}

impl TopologyTestDriver {
    /// Writes bytes to a topic, without processing them yet.
    ///
    /// # Errors
    /// The log's.
    pub fn write(
        &self,
        topic: &Arc<str>,
        partition: Option<u32>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &Headers,
    ) -> Result<(), Error> {
        let log = self.log();
        let partitions = log.partitions(topic)?.unwrap_or(1);
        let partition = partition.unwrap_or_else(|| key.map_or(0, |key| partition_for_key(key, partitions)));
        let options = ProducerOptions { client_id: "test-input".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(60) };
        let mut producer = log.producer(&options)?;
        let mut batch = OutputBatch::new();
        let index = batch.topic(topic);
        batch.push(index, partition, timestamp, key, value, headers.view());
        producer.send(&batch)?;
        producer.flush()?;
        Ok(())
    }
}

/// Reads a topic of the driver from its beginning. Kafka Streams: `TestOutputTopic`.
pub struct TestOutput<K, V> {
    topic: Arc<str>,
    key_serde: SharedSerde<K>,
    value_serde: SharedSerde<V>,
    isolation: Isolation,
    consumer: Option<Box<dyn Consumer>>,
}

impl<K: 'static, V: 'static> TestOutput<K, V> {
    pub(crate) fn new(topic: &str, key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> Self {
        let (key_serde, value_serde) = (Arc::new(key_serde), Arc::new(value_serde));
        Self { topic: topic.into(), key_serde, value_serde, isolation: Isolation::ReadUncommitted, consumer: None }
    }

    /// Reads only what is committed.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// let (mut all, mut committed) = (driver.output("out", Utf8, I64), driver.output("out", Utf8, I64).committed());
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
    /// assert_eq!((all.read(&driver)?.len(), committed.read(&driver)?.len()), (1, 0));
    /// driver.commit()?;
    /// assert_eq!(committed.read(&driver)?.len(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn committed(mut self) -> Self {
        self.isolation = Isolation::ReadCommitted;
        self
    }

    /// The records that have come since the last call, by partition and offset.
    ///
    /// # Errors
    /// That of a serde, or the log's.
    pub fn read(&mut self, driver: &TopologyTestDriver) -> Result<Vec<TestRecord<K, V>>, Error> {
        let log = driver.log();
        let consumer = match &mut self.consumer {
            Some(consumer) => consumer,
            none => {
                let mut consumer = log.consumer(&ConsumerOptions { client_id: "test-output".to_owned(), isolation: self.isolation })?;
                let partitions = log.partitions(&self.topic)?.unwrap_or(0);
                let assignment: Vec<_> =
                    (0..partitions).map(|partition| (TopicPartition::new(Arc::clone(&self.topic), partition), StartOffset::Beginning)).collect();
                consumer.assign(&assignment)?;
                none.insert(consumer)
            }
        };
        let mut records = Vec::new();
        let mut batches = Vec::new();
        loop {
            consumer.poll(Duration::ZERO, &mut batches)?;
            if batches.is_empty() {
                break;
            }
            for batch in batches.drain(..) {
                for (index, record) in batch.iter().enumerate() {
                    let key = self.key_serde.deserialize(record.key, SerdeContext::new(&self.topic, Part::Key))?;
                    let value = self.value_serde.deserialize(record.value, SerdeContext::new(&self.topic, Part::Value))?;
                    let headers = Headers::from_encoded(batch.headers(index));
                    records.push(TestRecord { key, value, timestamp: record.timestamp, headers, partition: Some(batch.partition().partition) });
                }
            }
        }
        Ok(records)
    }

    /// As [`TestOutput::read`], keys and values only.
    ///
    /// # Errors
    /// As [`TestOutput::read`].
    pub fn read_pairs(&mut self, driver: &TopologyTestDriver) -> Result<Vec<(K, V)>, Error> {
        Ok(self.read(driver)?.into_iter().map(|record| (record.key, record.value)).collect())
    }
}
