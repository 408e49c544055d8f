//! A store's keys as bytes.

use std::sync::Arc;

use crate::error::{StateError, StateErrorKind};
use crate::serde::{Part, SerdeContext, Serialized, SharedSerde};

pub(crate) struct KeyCodec<K> {
    store: Arc<str>,
    topic: Arc<str>,
    serde: SharedSerde<K>,
}

impl<K: 'static> KeyCodec<K> {
    pub(crate) const fn new(store: Arc<str>, topic: Arc<str>, serde: SharedSerde<K>) -> Self {
        Self { store, topic, serde }
    }

    pub(crate) const fn store(&self) -> &Arc<str> {
        &self.store
    }

    /// Replaces the content of `out` by the key's bytes.
    pub(crate) fn write(&self, key: &K, out: &mut Vec<u8>) -> Result<(), StateError> {
        self.write_part(key, &self.serde, out)
    }

    /// As `write`, for a part of a key with a serde of its own.
    pub(crate) fn write_part<P: 'static>(&self, part: &P, serde: &SharedSerde<P>, out: &mut Vec<u8>) -> Result<(), StateError> {
        out.clear();
        let serialized = serde.serialize(part, self.context(), out);
        match serialized.map_err(|error| StateError::serde(&self.store, error))? {
            Serialized::Bytes => Ok(()),
            Serialized::Null => Err(StateError::new(StateErrorKind::Serde, "expected a key, found null").in_store(&self.store)),
        }
    }

    pub(crate) fn read(&self, bytes: &[u8]) -> Result<K, StateError> {
        self.serde.deserialize(Some(bytes), self.context()).map_err(|error| StateError::serde(&self.store, error))
    }

    fn context(&self) -> SerdeContext<'_> {
        SerdeContext::new(&self.topic, Part::Key)
    }
}
