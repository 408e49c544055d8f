//! The topic of a table as the changelog of its store: rows of its records, as the table makes them.
//!
//! A changelog of the engine's own holds what was processed, as bytes of the store's serdes. A source topic holds whatever
//! others wrote: so each record is read as the source reads it, and what that leaves out is no row.

use std::borrow::Cow;
use std::sync::Arc;

use straum_state::{Part, SerdeContext, Serialized, SharedSerde};

use crate::error::Error;
use crate::log::RecordBatch;
use crate::processor::Record;
use crate::processor::record_reader::RecordReader;

/// What a record makes of the store.
pub(crate) struct SourceRow<'b> {
    pub(crate) key: Cow<'b, [u8]>,
    /// The value's bytes as the store has them; none deletes.
    pub(crate) value: Option<Cow<'b, [u8]>>,
    pub(crate) timestamp: i64,
}

/// Makes rows of a source topic's records, away from the task's thread.
pub(crate) trait SourceRows: Send + Sync {
    /// The row of the record at `index`; `None` where the table has none: its key is null, or an extractor left it out. The
    /// largest time of the partition so far is moved on.
    ///
    /// # Errors
    /// When the record cannot be read, as when it was processed, or has no bytes in the store.
    fn row<'b>(&self, batch: &'b RecordBatch, index: usize, partition_time: &mut i64) -> Result<Option<SourceRow<'b>>, Error>;
}

/// Those of a table.
pub(crate) struct TableRows<K, V> {
    pub(crate) reader: RecordReader<Option<K>, Option<V>>,
    pub(crate) key_serde: SharedSerde<K>,
    /// Where it is not the serde that reads the topic: the topic's bytes are not the store's then.
    pub(crate) value_serde: Option<SharedSerde<V>>,
}

impl<K: 'static, V: 'static> SourceRows for TableRows<K, V> {
    fn row<'b>(&self, batch: &'b RecordBatch, index: usize, partition_time: &mut i64) -> Result<Option<SourceRow<'b>>, Error> {
        let read = self.reader.record(batch, index, *partition_time)?;
        let Some((raw, Record { key, value, timestamp, .. })) = batch.get(index).zip(read) else { return Ok(None) };
        if timestamp < 0 {
            return Ok(None);
        }
        *partition_time = timestamp.max(*partition_time);
        let Some(key) = key else { return Ok(None) };
        let topic = &batch.partition().topic;
        // A row is found by the bytes that the store's serde makes of its key, whatever the writer of the topic made of it.
        let mut bytes = Vec::new();
        if self.key_serde.serialize(&key, SerdeContext::new(topic, Part::Key), &mut bytes)? == Serialized::Null {
            return Ok(None);
        }
        let key = raw.key.filter(|key| *key == bytes).map_or_else(|| Cow::Owned(bytes), Cow::Borrowed);
        let value = match (&self.value_serde, value) {
            (_, None) => None,
            (None, Some(_)) => raw.value.map(Cow::Borrowed),
            (Some(serde), Some(value)) => {
                let mut bytes = Vec::new();
                let serialized = serde.serialize(&value, SerdeContext::new(topic, Part::Value), &mut bytes)?;
                (serialized == Serialized::Bytes).then_some(Cow::Owned(bytes))
            }
        };
        Ok(Some(SourceRow { key, value, timestamp }))
    }
}

impl<K: 'static, V: 'static> TableRows<K, V> {
    pub(crate) fn shared(self) -> Arc<dyn SourceRows> {
        Arc::new(self)
    }
}
