//! How a source reads its topic: of which types the records are, and of which time. Processing does, and the restore of a
//! table from its source topic: what the one leaves out the other must not bring in.

use std::sync::Arc;

use straum_state::{Part, SerdeContext, SharedSerde};

use crate::dsl::Consumed;
use crate::error::{Error, ErrorKind};
use crate::log::RecordBatch;
use crate::processor::{Headers, Record, TimestampExtractor};

pub(crate) struct RecordReader<K, V> {
    /// The name of the source node.
    pub(crate) name: Arc<str>,
    key_serde: SharedSerde<K>,
    value_serde: SharedSerde<V>,
    extractor: Option<TimestampExtractor<K, V>>,
}

impl<K, V> Clone for RecordReader<K, V> {
    fn clone(&self) -> Self {
        let (key_serde, value_serde) = (Arc::clone(&self.key_serde), Arc::clone(&self.value_serde));
        Self { name: Arc::clone(&self.name), key_serde, value_serde, extractor: self.extractor.clone() }
    }
}

impl<K: 'static, V: 'static> RecordReader<K, V> {
    pub(crate) fn new(name: Arc<str>, consumed: &Consumed<K, V>) -> Self {
        let (key_serde, value_serde) = (Arc::clone(&consumed.key_serde), Arc::clone(&consumed.value_serde));
        Self { name, key_serde, value_serde, extractor: consumed.extractor.clone() }
    }

    /// The record at `index`; `None` behind the last. A negative time is an extractor's and leaves the record out.
    ///
    /// # Errors
    /// When its bytes are not of the types, or it has no time.
    pub(crate) fn record(&self, batch: &RecordBatch, index: usize, partition_time: i64) -> Result<Option<Record<K, V>>, Error> {
        let Some(raw) = batch.get(index) else { return Ok(None) };
        let topic = &batch.partition().topic;
        let failed = |what: &str, error| {
            let failed = Error::new(ErrorKind::Deserialization, format!("cannot deserialise the {what}"));
            failed.with_source(error).at(batch.partition(), raw.offset).in_node(&self.name)
        };
        let key = self.key_serde.deserialize(raw.key, SerdeContext::new(topic, Part::Key)).map_err(|error| failed("key", error))?;
        let value = self.value_serde.deserialize(raw.value, SerdeContext::new(topic, Part::Value)).map_err(|error| failed("value", error))?;
        let mut record = Record { key, value, timestamp: raw.timestamp, headers: Headers::from_encoded(batch.headers(index)) };
        match &self.extractor {
            None if record.timestamp < 0 => {
                let timestamp = record.timestamp;
                let message = format!("timestamp {timestamp} is negative, expected milliseconds since the epoch or an extractor that tells the time");
                return Err(Error::new(ErrorKind::Deserialization, message).at(batch.partition(), raw.offset).in_node(&self.name));
            }
            None => {}
            Some(extractor) => {
                let Record { key, value, timestamp, headers } = &record;
                let shown = Record { key, value, timestamp: *timestamp, headers: headers.clone() };
                record.timestamp = extractor(shown, partition_time);
            }
        }
        Ok(Some(record))
    }
}
