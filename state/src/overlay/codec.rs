//! A store's values as bytes: what its rows and its changelog hold.

use std::sync::Arc;

use crate::error::{StateError, StateErrorKind};
use crate::serde::{Part, SerdeContext, Serialized, SharedSerde};
use crate::spec::{NO_TIMESTAMP, RowFormat};

/// Reads and writes the values of one store. Shared by its instance, its iterators and its views.
pub struct ValueCodec<V> {
    store: Arc<str>,
    topic: Arc<str>,
    serde: SharedSerde<V>,
    format: RowFormat,
    weigher: Option<fn(&V) -> usize>,
}

impl<V: 'static> ValueCodec<V> {
    /// A codec of the values of `store`, whose changelog is `topic`.
    #[must_use]
    pub fn new(store: Arc<str>, topic: Arc<str>, serde: SharedSerde<V>, format: RowFormat) -> Self {
        Self { store, topic, serde, format, weigher: None }
    }

    /// Measures values by their own account rather than by their serialised length.
    #[must_use]
    pub fn with_weigher(mut self, weigher: Option<fn(&V) -> usize>) -> Self {
        self.weigher = weigher;
        self
    }

    /// The form of the store's rows.
    #[must_use]
    pub const fn format(&self) -> RowFormat {
        self.format
    }

    /// The store whose values these are.
    #[must_use]
    pub const fn store(&self) -> &Arc<str> {
        &self.store
    }

    /// Reads a row: value and timestamp (−1 if the row has none).
    ///
    /// # Errors
    /// `Corrupt` when the row is too short, `Serde` when the value is not of its form.
    pub fn read(&self, row: &[u8]) -> Result<(V, i64), StateError> {
        let (timestamp, bytes) = self.format.split_row(row).ok_or_else(|| {
            let message = format!("expected a timestamp of 8 bytes before the value, found a row of {}", row.len());
            StateError::new(StateErrorKind::Corrupt, message).in_store(&self.store)
        })?;
        let value = self.serde.deserialize(Some(bytes), self.context());
        Ok((value.map_err(|error| StateError::serde(&self.store, error))?, timestamp))
    }

    /// Writes a row into `out`, whose content is replaced: the changelog's value is what follows the row's header. False
    /// when the value serialises to null, which deletes.
    ///
    /// # Errors
    /// `Serde` when the value has no bytes.
    pub fn write(&self, value: &V, timestamp: i64, out: &mut Vec<u8>) -> Result<bool, StateError> {
        out.clear();
        self.format.begin_row(timestamp, out);
        let serialized = self.serde.serialize(value, self.context(), out);
        match serialized.map_err(|error| StateError::serde(&self.store, error))? {
            Serialized::Bytes => Ok(true),
            Serialized::Null => Ok(false),
        }
    }

    /// The timestamp that a reader is given: a plain store has none, be the row on disk already or not.
    pub(super) const fn read_timestamp(&self, timestamp: i64) -> i64 {
        match self.format {
            RowFormat::Plain => NO_TIMESTAMP,
            RowFormat::Timestamped => timestamp,
        }
    }

    pub(super) const fn is_weighed(&self) -> bool {
        self.weigher.is_some()
    }

    pub(super) fn weigh(&self, value: &V) -> Option<usize> {
        self.weigher.map(|weigher| weigher(value))
    }

    fn context(&self) -> SerdeContext<'_> {
        SerdeContext::new(&self.topic, Part::Value)
    }
}
