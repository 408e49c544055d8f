//! What the engine keeps with a cached update, and how the waiting updates go downstream.

use straum_state::CacheContext;

use crate::error::Error;
use crate::processor::Headers;
use crate::processor::task_context::RecordSource;

/// The record context of the latest write to a cached entry: forwarded with it. Kafka Streams: `ProcessorRecordContext`.
#[derive(Clone, Debug, Default)]
pub struct CachedContext {
    pub(crate) headers: Headers,
    pub(crate) source: Option<RecordSource>,
    topic_bytes: usize,
}

impl CachedContext {
    pub(crate) fn new(headers: Headers, source: Option<RecordSource>, topic_bytes: usize) -> Self {
        Self { headers, source, topic_bytes }
    }
}

impl CacheContext for CachedContext {
    fn resident_bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len)).sum();
        // Timestamp, offset and partition: 8 + 8 + 4.
        20 + self.topic_bytes + headers
    }
}

/// A node whose cached updates are forwarded at commit.
pub(crate) trait FlushCache {
    /// Forwards the update that has waited longest since its latest write; false when none waits.
    fn flush_next(&self) -> Result<bool, Error>;

    /// Gives up the update that [`FlushCache::flush_next`] would forward: downstream never sees it.
    fn leave_out_next(&self) -> Result<(), Error>;

    /// Forwards what the cache has no room for, after the store was read or written.
    fn evict(&self) -> Result<(), Error>;
}
