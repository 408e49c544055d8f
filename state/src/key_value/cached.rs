//! The store's record cache: writes that downstream sees later.

use crate::error::StateError;
use crate::overlay::{CacheContext, Taken};

use super::store::{KeyValueStore, ValueAndTimestamp};

/// A change that downstream has not seen. Kafka Streams: a `Change` and the record context it is forwarded with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unforwarded<K, V, X> {
    /// The key.
    pub key: K,
    /// What downstream saw last.
    pub old: Option<ValueAndTimestamp<V>>,
    /// What there is now; none: deleted.
    pub new: Option<V>,
    /// Of the latest write or delete.
    pub timestamp: i64,
    /// Of the latest write or delete.
    pub context: X,
}

impl<K: 'static, V: Clone + 'static, X: CacheContext> KeyValueStore<K, V, X> {
    /// Whether the store was built with caching on.
    #[must_use]
    pub const fn is_caching(&self) -> bool {
        self.overlay.is_caching()
    }

    /// Writes a value, or deletes with none, for forwarding later. Until then further writes of the key keep what
    /// downstream saw last, take the newest context, and come last in the order. Ask [`next_evicted`](Self::next_evicted)
    /// afterwards. In a store without caching it only writes.
    ///
    /// # Errors
    /// `Serde`, `Corrupt` or `Io`: what downstream saw last is read.
    pub fn put_cached(&mut self, key: &K, value: Option<V>, timestamp: i64, context: X) -> Result<(), StateError> {
        self.keys.write(key, &mut self.key)?;
        let place = self.overlay.locate_unread(&self.key)?;
        self.overlay.put_cached_at(place, &self.key, value, timestamp, context)
    }

    /// The next change that the record cache's size forces downstream to see: forward it and ask again until there is
    /// none. After every `put_cached`; and after every `get` that [loaded](Self::has_loaded) a row, to evict exactly when
    /// Kafka Streams does. Not while a change of this store is being forwarded: see [`drop_flushed`](Self::drop_flushed).
    ///
    /// # Errors
    /// `Serde` when the key cannot be read back.
    pub fn next_evicted(&mut self) -> Result<Option<Unforwarded<K, V, X>>, StateError> {
        let taken = self.overlay.next_evicted();
        self.unforwarded(taken)
    }

    /// The next change that downstream has not seen, in order of the latest write: at every commit, until there is none,
    /// before `prepare`.
    ///
    /// # Errors
    /// `Serde` when the key cannot be read back.
    pub fn drain_unforwarded(&mut self) -> Result<Option<Unforwarded<K, V, X>>, StateError> {
        let taken = self.overlay.next_due();
        self.unforwarded(taken)
    }

    /// Whether the latest `get` brought a row into the record cache.
    #[must_use]
    pub const fn has_loaded(&self) -> bool {
        self.overlay.has_loaded()
    }

    /// Whether `next_evicted` or `drain_unforwarded` has given a change and not yet said that there is none left.
    #[must_use]
    pub const fn is_flushing(&self) -> bool {
        self.overlay.is_flushing()
    }

    /// Evicts when the store was read while a change of its own is being forwarded: nothing waits then that is not on its
    /// way downstream already.
    pub fn drop_flushed(&mut self) {
        self.overlay.drop_flushed();
    }

    fn unforwarded(&self, taken: Option<Taken<V, X>>) -> Result<Option<Unforwarded<K, V, X>>, StateError> {
        let Some(taken) = taken else { return Ok(None) };
        Ok(Some(Unforwarded {
            key: self.keys.read(taken.key.as_slice())?,
            old: taken.old.map(|(value, timestamp)| ValueAndTimestamp { value, timestamp }),
            new: taken.new,
            timestamp: taken.timestamp,
            context: taken.context,
        }))
    }
}
