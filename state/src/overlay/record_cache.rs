//! The size of a stream thread's record cache, and how an entry is counted against it.

use std::cell::Cell;
use std::rc::Rc;

/// A stream thread's record cache: one number of bytes, shared by the caching stores of its tasks. Kafka Streams:
/// `statestore.cache.max.bytes` divided by the number of threads (`ThreadCache`); with [`CacheSizing::Exact`] entries are
/// counted as there, so that they leave at the same points of the input.
///
/// It bounds how long downstream waits, not memory: an entry that has left it stays in its store's overlay until the
/// transaction commits.
#[derive(Clone, Debug)]
pub struct RecordCache(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    max_bytes: u64,
    /// Below zero only where Kafka Streams' sum is.
    used: Cell<i64>,
    sizing: CacheSizing,
}

/// How the serialised length of a value not yet serialised is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheSizing {
    /// By the length of the key's last value, or of the store's values on average: a value is serialised once, at the
    /// commit.
    Estimated,
    /// By serialising it at every write, as Kafka Streams does: for comparing outputs record by record.
    Exact,
}

/// What the engine keeps with an entry that downstream has not seen. Kafka Streams: `ProcessorRecordContext`.
pub trait CacheContext: Clone + 'static {
    /// Kafka Streams' estimate of its size: 20, the topic name's length, and the length of every header's key and value
    /// (`residentMemorySizeEstimate`).
    fn resident_bytes(&self) -> usize;
}

impl CacheContext for () {
    fn resident_bytes(&self) -> usize {
        NO_CONTEXT
    }
}

/// A context without topic or headers: 8 timestamp, 8 offset, 4 partition.
pub(super) const NO_CONTEXT: usize = 20;
/// Kafka Streams counts three references a node of its list, and a flag.
const NODE: usize = 3 * 8 + 1;

impl RecordCache {
    /// A cache of `max_bytes`; zero forwards every write at once.
    #[must_use]
    pub fn new(max_bytes: u64, sizing: CacheSizing) -> Self {
        Self(Rc::new(Shared { max_bytes, used: Cell::new(0), sizing }))
    }

    /// Bytes counted now.
    #[must_use]
    pub fn used(&self) -> u64 {
        u64::try_from(self.0.used.get()).unwrap_or(0)
    }

    /// Whether something must leave.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.used() > self.0.max_bytes
    }

    pub(super) fn change(&self, by: i64) {
        self.0.used.set(self.0.used.get() + by);
    }

    pub(super) fn is_exact(&self) -> bool {
        self.0.sizing == CacheSizing::Exact
    }
}

/// What an entry counts: Kafka Streams' `NamedCache` node around an `LRUCacheEntry`.
pub(super) fn entry_bytes(key_bytes: usize, row_bytes: usize, context_bytes: usize) -> u32 {
    u32::try_from(key_bytes + NODE + row_bytes + context_bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_what_kafka_streams_counts() {
        // key + 8 + 8 + 8, then 1 + value, then 8 + 8 + topic + 4 + headers.
        assert_eq!(entry_bytes(4, 10, NO_CONTEXT), 4 + 24 + 1 + 10 + 20);
        assert_eq!(entry_bytes(0, 0, NO_CONTEXT + "topic".len()), 24 + 1 + 20 + 5);
    }
}
