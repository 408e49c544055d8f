//! One number of bytes for a whole process, and who holds how many of them.
//!
//! RocksDB's block cache and write buffers are shared by every task and sized here; overlays, queues and clients charge
//! what they hold. Nothing here frees memory: the runtime looks at [`MemoryBudget::is_over`] between records and pauses,
//! commits early or evicts; overlays look at their own share and evict their clean entries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::{Cache, WriteBufferManager};

use crate::flush::FlushScheduler;

/// The parts that a process' memory is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryPart {
    /// RocksDB's blocks, with their indexes and filters.
    BlockCache,
    /// RocksDB's memtables: rows applied and not yet flushed.
    WriteBuffers,
    /// Uncommitted entries and read caches of stores.
    Overlays,
    /// Records read and not yet processed; charged by the engine.
    Queues,
    /// Queues of the Kafka clients. Nothing charges them yet: they are bounded by the clients' own settings.
    Clients,
}

/// One per process; clones share it.
#[derive(Clone)]
pub struct MemoryBudget(Arc<Shared>);

struct Shared {
    limit: u64,
    block_cache: Cache,
    write_buffers: WriteBufferManager,
    overlays: Arc<AtomicU64>,
    queues: Arc<AtomicU64>,
    clients: Arc<AtomicU64>,
    scheduler: FlushScheduler,
}

impl MemoryBudget {
    /// A budget of `bytes`: 25 % to RocksDB's blocks, 25 % to its write buffers, at most 20 % to overlays; the rest is
    /// for queues and clients, and for what nobody can count: each open database's own tables, places that overlays have
    /// vacated, and what the allocator holds back.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let block_cache_bytes = usize::try_from(bytes / 4).unwrap_or(usize::MAX);
        let write_buffer_bytes = bytes / 4;
        // The manager only counts, and stands by for a burst: when it acts, it flushes whichever task is written at
        // that moment, however little that one holds. The scheduler acts long before.
        let safety_net = usize::try_from(write_buffer_bytes.saturating_mul(4)).unwrap_or(usize::MAX);
        let write_buffers = WriteBufferManager::new_write_buffer_manager(safety_net, false);
        Self(Arc::new(Shared {
            limit: bytes,
            block_cache: Cache::new_lru_cache(block_cache_bytes),
            scheduler: FlushScheduler::new(write_buffer_bytes),
            write_buffers,
            overlays: Arc::default(),
            queues: Arc::default(),
            clients: Arc::default(),
        }))
    }

    /// The bytes given to the process.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// The bytes a part holds now.
    #[must_use]
    pub fn used(&self, part: MemoryPart) -> u64 {
        match part {
            MemoryPart::BlockCache => self.0.block_cache.get_usage() as u64,
            MemoryPart::WriteBuffers => self.0.write_buffers.get_usage() as u64,
            MemoryPart::Overlays | MemoryPart::Queues | MemoryPart::Clients => {
                self.counter(part).map_or(0, |counter| counter.load(Ordering::Relaxed))
            }
        }
    }

    /// The bytes all parts hold now.
    #[must_use]
    pub fn total(&self) -> u64 {
        let parts = [MemoryPart::BlockCache, MemoryPart::WriteBuffers, MemoryPart::Overlays, MemoryPart::Queues, MemoryPart::Clients];
        parts.into_iter().map(|part| self.used(part)).sum()
    }

    /// Whether more is held than was given: the runtime stops reading, commits and evicts.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.total() > self.0.limit
    }

    /// A gauge at zero, charged to a part. RocksDB's two parts count themselves: their gauges add nothing.
    #[must_use]
    pub fn charge(&self, part: MemoryPart) -> Charge {
        Charge { bytes: 0, counter: self.counter(part).cloned() }
    }

    /// Decides when which task's rows go from memory to disk.
    #[must_use]
    pub fn flush_scheduler(&self) -> &FlushScheduler {
        &self.0.scheduler
    }

    /// Whether the overlays hold more than their share, so that read caches should shrink.
    pub(crate) fn overlays_over(&self) -> bool {
        self.used(MemoryPart::Overlays) > self.0.limit / 5
    }

    pub(crate) fn block_cache(&self) -> &Cache {
        &self.0.block_cache
    }

    pub(crate) fn write_buffers(&self) -> &WriteBufferManager {
        &self.0.write_buffers
    }

    fn counter(&self, part: MemoryPart) -> Option<&Arc<AtomicU64>> {
        match part {
            MemoryPart::BlockCache | MemoryPart::WriteBuffers => None,
            MemoryPart::Overlays => Some(&self.0.overlays),
            MemoryPart::Queues => Some(&self.0.queues),
            MemoryPart::Clients => Some(&self.0.clients),
        }
    }
}

/// What one holder has charged; dropping it gives the bytes back.
#[derive(Debug)]
pub struct Charge {
    bytes: u64,
    counter: Option<Arc<AtomicU64>>,
}

impl Charge {
    /// Sets the bytes held. One atomic addition: call it per batch, or per 64 KiB, not per record.
    pub fn set(&mut self, bytes: u64) {
        if let Some(counter) = &self.counter {
            // Wrapping: a decrease is an addition of its two's complement.
            counter.fetch_add(bytes.wrapping_sub(self.bytes), Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// The bytes held, as last set.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_add_up_by_part_and_give_back_when_dropped() {
        let budget = MemoryBudget::new(1 << 20);
        let mut overlay = budget.charge(MemoryPart::Overlays);
        let mut queue = budget.charge(MemoryPart::Queues);
        overlay.set(700);
        queue.set(50);
        overlay.set(300);
        assert_eq!((budget.used(MemoryPart::Overlays), budget.used(MemoryPart::Queues)), (300, 50));
        drop(overlay);
        assert_eq!(budget.used(MemoryPart::Overlays), 0);
        queue.set(2 << 20);
        assert!(budget.is_over());
    }
}
