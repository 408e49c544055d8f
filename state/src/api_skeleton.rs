//! The signatures of the crate, before their bodies. Replaced module by module.
#![allow(missing_docs, clippy::todo, unused_variables)]

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::StateError;
use crate::savepoint::Savepoint;
use crate::serde::SharedSerde;

// ---------------------------------------------------------------- memory

/// The parts a process' memory is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryPart { BlockCache, WriteBuffers, Overlays, Queues, Clients }

/// One per process.
#[derive(Clone)]
pub struct MemoryBudget(Arc<()>);
impl MemoryBudget {
    pub fn new(bytes: u64) -> Self { todo!() }
    /// The number of bytes given to the process.
    pub fn limit(&self) -> u64 { todo!() }
    pub fn used(&self, part: MemoryPart) -> u64 { todo!() }
    pub fn total(&self) -> u64 { todo!() }
    /// Over the limit: pause, commit early, evict.
    pub fn is_over(&self) -> bool { todo!() }
    /// A gauge at zero; Send; dropping it gives its bytes back.
    pub fn charge(&self, part: MemoryPart) -> Charge { todo!() }
}
pub struct Charge(());
impl Charge {
    pub fn set(&mut self, bytes: u64) { todo!() }
    pub fn bytes(&self) -> u64 { todo!() }
}

// ---------------------------------------------------------------- task state

/// Wall clock in epoch milliseconds, injected.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

#[derive(Clone)]
pub struct StateOptions { _private: () }
impl StateOptions {
    pub fn new(budget: MemoryBudget, clock: WallClock) -> Self { todo!() }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec { name: Arc<str>, persistent: bool }
impl StoreSpec {
    pub fn persistent(name: impl Into<Arc<str>>) -> Self { todo!() }
    pub fn in_memory(name: impl Into<Arc<str>>) -> Self { todo!() }
    pub fn name(&self) -> &Arc<str> { &self.name }
    pub fn is_persistent(&self) -> bool { self.persistent }
}

#[derive(Clone)]
pub struct TaskState(Arc<()>);
impl TaskState {
    pub fn open(dir: &Path, stores: &[StoreSpec], options: &StateOptions) -> Result<Self, StateError> { todo!() }
    pub fn in_memory(stores: &[StoreSpec], clock: WallClock) -> Self { todo!() }
    /// Deletes the folder; nothing may have it open.
    pub fn destroy(dir: &Path) -> Result<(), StateError> { todo!() }
    /// Next changelog offset to restore from. None: restore from the start.
    pub fn offset(&self, store: &str) -> Option<i64> { todo!() }
    /// Wall time (ms) at which the store was last known to be complete up to its offset.
    pub fn last_applied(&self, store: &str) -> Option<i64> { todo!() }
    /// Whatever identifies the changelog topic's incarnation (its id), as last given.
    pub fn topic_identity(&self, store: &str) -> Option<Vec<u8>> { todo!() }
    pub fn set_topic_identity(&self, store: &str, identity: &[u8]) -> Result<(), StateError> { todo!() }
    /// The task's own metadata bytes.
    pub fn metadata(&self) -> Option<Vec<u8>> { todo!() }
    /// Stores found on disk which the topology no longer has; they are kept.
    pub fn removed_stores(&self) -> &[Arc<str>] { todo!() }
    pub fn column(&self, store: &str) -> Result<Column, StateError> { todo!() }
    pub fn batch(&self) -> CommitBatch { todo!() }
    pub fn apply(&self, batch: CommitBatch) -> Result<(), StateError> { todo!() }
    /// Applies one batch of changelog records, atomically with the offset after it. Any thread.
    pub fn restore<'a>(&self, store: &str, restorer: &dyn ChangelogRestorer, records: &mut dyn Iterator<Item = ChangelogRecord<'a>>,
        next_offset: i64) -> Result<(), StateError> { todo!() }
    /// Empties one store and forgets its offset.
    pub fn wipe(&self, store: &str) -> Result<(), StateError> { todo!() }
    pub fn flush(&self) -> Result<(), StateError> { todo!() }
    /// Flushes; the folder is free once the last clone, column, view and iterator is gone.
    pub fn close(self) -> Result<(), StateError> { todo!() }
}

/// Committed rows of one store, from any thread.
#[derive(Clone)]
pub struct Column(Arc<()>);
impl Column {
    pub fn store(&self) -> &Arc<str> { todo!() }
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> { todo!() }
    pub fn approximate_count(&self) -> u64 { todo!() }
}

/// One atomic write of every store of a task.
pub struct CommitBatch { _private: () }
impl CommitBatch {
    pub fn put(&mut self, column: &Column, key: &[u8], value: &[u8]) { todo!() }
    pub fn delete(&mut self, column: &Column, key: &[u8]) { todo!() }
    /// Deletes every row with from <= key < to.
    pub fn delete_range(&mut self, column: &Column, from: &[u8], to: &[u8]) { todo!() }
    /// The next changelog offset of a store: after the last record of this batch.
    pub fn set_offset(&mut self, store: &str, next_offset: i64) -> Result<(), StateError> { todo!() }
    pub fn set_metadata(&mut self, metadata: &[u8]) { todo!() }
    pub fn bytes(&self) -> usize { todo!() }
}

// ---------------------------------------------------------------- stores as the runtime sees them

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat { Plain, Timestamped }

#[derive(Clone, Copy, Debug)]
pub struct ChangelogRecord<'a> { pub key: &'a [u8], pub value: Option<&'a [u8]>, pub timestamp: i64 }

pub type ChangelogWriter<'w> = dyn FnMut(ChangelogRecord<'_>) -> Result<(), StateError> + 'w;

/// On the task's thread.
pub trait StateStore: Any {
    fn name(&self) -> &Arc<str>;
    /// Serialises what is uncommitted: changelog records out (sorted by key), rows into the batch. Called once a commit.
    fn prepare(&mut self, batch: &mut CommitBatch, changelog: &mut ChangelogWriter<'_>) -> Result<(), StateError>;
    /// The transaction of the last `prepare` has committed. The batch may be applied before or after.
    fn committed(&mut self);
    /// The transaction was aborted: everything uncommitted is dropped.
    fn rollback(&mut self);
    /// Undoes the record in progress (see [`Savepoint`]).
    fn revert(&mut self);
    /// Bytes uncommitted: over the runtime's limit it commits early.
    fn dirty_bytes(&self) -> u64;
    /// All bytes held.
    fn memory_bytes(&self) -> u64;
    /// Drops about so many bytes of clean entries, least recently used first; returns how many.
    fn evict_clean(&mut self, bytes: u64) -> u64;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// How a changelog record becomes local rows, away from the task's thread.
pub trait ChangelogRestorer: Send + Sync {
    fn restore(&self, record: ChangelogRecord<'_>, rows: &mut dyn RowSink) -> Result<(), StateError>;
}
pub trait RowSink {
    fn put(&mut self, key: &[u8], value: &[u8]);
    fn delete(&mut self, key: &[u8]);
}

/// What a store instance is given.
#[derive(Clone)]
pub struct StoreContext {
    pub changelog_topic: Arc<str>,
    pub savepoint: Savepoint,
    pub budget: MemoryBudget,
    /// Per stream thread, shared by its caching stores.
    pub record_cache: RecordCache,
}

pub struct BuiltStore {
    pub store: Rc<RefCell<dyn StateStore>>,
    /// The same `Rc`: `typed.downcast::<RefCell<KeyValueStore<K, V, X>>>()`.
    pub typed: Rc<dyn Any>,
}

pub trait StoreSupplier: Send + Sync {
    fn name(&self) -> &Arc<str>;
    fn spec(&self) -> StoreSpec;
    /// None: no changelog (logging switched off).
    fn changelog_config(&self) -> Option<BTreeMap<String, String>>;
    fn caching(&self) -> bool;
    fn restorer(&self) -> Arc<dyn ChangelogRestorer>;
    fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError>;
    fn as_any(&self) -> &dyn Any;
}

// ---------------------------------------------------------------- record cache

/// A stream thread's record cache size (Kafka Streams' ThreadCache): shared by the caching stores of its tasks.
#[derive(Clone, Debug)]
pub struct RecordCache(Rc<()>);
impl RecordCache {
    /// Zero: every put is due for forwarding at once.
    pub fn new(max_bytes: u64) -> Self { todo!() }
    pub fn used(&self) -> u64 { todo!() }
    pub fn is_over(&self) -> bool { todo!() }
}

/// What the engine keeps with an entry not yet forwarded. Kafka Streams: ProcessorRecordContext.
pub trait CacheContext: Clone + 'static {
    /// Kafka Streams' estimate: 20 + topic length + header keys and values.
    fn resident_bytes(&self) -> usize;
}
impl CacheContext for () { fn resident_bytes(&self) -> usize { 20 } }

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueAndTimestamp<V> { pub value: V, pub timestamp: i64 }

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unforwarded<K, V, X> {
    pub key: K,
    pub old: Option<ValueAndTimestamp<V>>,
    pub new: Option<V>,
    /// Of the latest put or delete.
    pub timestamp: i64,
    /// Of the latest put or delete.
    pub context: X,
}

// ---------------------------------------------------------------- key-value store

pub struct KeyValueStore<K, V, X = ()>(std::marker::PhantomData<(K, V, X)>);
impl<K: 'static, V: Clone + 'static, X: CacheContext> KeyValueStore<K, V, X> {
    pub fn get(&mut self, key: &K) -> Result<Option<V>, StateError> { todo!() }
    pub fn get_with_timestamp(&mut self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> { todo!() }
    pub fn put(&mut self, key: &K, value: Option<V>, timestamp: i64) -> Result<(), StateError> { todo!() }
    pub fn put_if_absent(&mut self, key: &K, value: V, timestamp: i64) -> Result<Option<V>, StateError> { todo!() }
    pub fn put_all(&mut self, rows: impl IntoIterator<Item = (K, Option<V>, i64)>) -> Result<(), StateError> { todo!() }
    pub fn delete(&mut self, key: &K, timestamp: i64) -> Result<Option<V>, StateError> { todo!() }
    /// Serialises and hashes the key once: read, then put/put_cached/delete through the entry.
    pub fn entry(&mut self, key: &K) -> Result<StoreEntry<'_, K, V, X>, StateError> { todo!() }

    pub fn range(&mut self, from: Option<&K>, to: Option<&K>) -> Result<StoreIterator<K, V>, StateError> { todo!() }
    pub fn reverse_range(&mut self, from: Option<&K>, to: Option<&K>) -> Result<StoreIterator<K, V>, StateError> { todo!() }
    pub fn all(&mut self) -> Result<StoreIterator<K, V>, StateError> { todo!() }
    pub fn reverse_all(&mut self) -> Result<StoreIterator<K, V>, StateError> { todo!() }
    pub fn prefix_scan<P: 'static>(&mut self, prefix: &P, serde: &SharedSerde<P>) -> Result<StoreIterator<K, V>, StateError> { todo!() }
    pub fn prefix_scan_bytes(&mut self, prefix: &[u8]) -> Result<StoreIterator<K, V>, StateError> { todo!() }
    pub fn approximate_count(&self) -> u64 { todo!() }

    pub fn is_caching(&self) -> bool { todo!() }
    /// As `put`, but due for forwarding later; then call `next_evicted` until it gives none.
    pub fn put_cached(&mut self, key: &K, value: Option<V>, timestamp: i64, context: X) -> Result<(), StateError> { todo!() }
    /// What the record cache's size forces out, one at a time; after every put_cached (and get of a caching store).
    pub fn next_evicted(&mut self) -> Result<Option<Unforwarded<K, V, X>>, StateError> { todo!() }
    /// At commit: the next entry not yet forwarded, in order of latest update; until none.
    pub fn drain_unforwarded(&mut self) -> Result<Option<Unforwarded<K, V, X>>, StateError> { todo!() }
}

pub struct StoreEntry<'s, K, V, X>(std::marker::PhantomData<(&'s K, V, X)>);
impl<K: 'static, V: Clone + 'static, X: CacheContext> StoreEntry<'_, K, V, X> {
    pub fn value(&self) -> Option<&V> { todo!() }
    pub fn timestamp(&self) -> Option<i64> { todo!() }
    /// None deletes. Returns the value before.
    pub fn put(self, value: Option<V>, timestamp: i64) -> Result<(), StateError> { todo!() }
    pub fn put_cached(self, value: Option<V>, timestamp: i64, context: X) -> Result<(), StateError> { todo!() }
}

/// The store as it was when opened; holds no borrow of it.
pub struct StoreIterator<K, V>(std::marker::PhantomData<(K, V)>);
impl<K, V> Iterator for StoreIterator<K, V> {
    /// Key, value, timestamp (-1 in a plain store's committed rows).
    type Item = Result<(K, V, i64), StateError>;
    fn next(&mut self) -> Option<Self::Item> { todo!() }
}

pub struct KeyValueStoreBuilder<K, V, X = ()>(std::marker::PhantomData<fn() -> (K, V, X)>);
impl<K: 'static, V: Clone + 'static, X: CacheContext> KeyValueStoreBuilder<K, V, X> {
    pub fn new(name: impl Into<Arc<str>>, key_serde: SharedSerde<K>, value_serde: SharedSerde<V>) -> Self { todo!() }
    /// Default: Timestamped.
    pub fn format(self, format: RowFormat) -> Self { todo!() }
    /// Default: persistent.
    pub fn persistent(self, persistent: bool) -> Self { todo!() }
    /// Default: off.
    pub fn with_caching(self, caching: bool) -> Self { todo!() }
    /// Default: on, with cleanup.policy=compact; these are added to it or replace it.
    pub fn with_logging(self, config: BTreeMap<String, String>) -> Self { todo!() }
    pub fn without_logging(self) -> Self { todo!() }
    /// Bytes in memory of a value, where its serialised length says too little.
    pub fn with_weigher(self, weigher: fn(&V) -> usize) -> Self { todo!() }
}
// impl StoreSupplier for KeyValueStoreBuilder<K, V, X>

/// Committed state, Send + Sync.
pub struct StoreView<K, V>(std::marker::PhantomData<fn() -> (K, V)>);
impl<K: 'static, V: 'static> StoreView<K, V> {
    pub fn new(column: Column, changelog_topic: Arc<str>, key_serde: SharedSerde<K>, value_serde: SharedSerde<V>, format: RowFormat) -> Self { todo!() }
    pub fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> { todo!() }
    pub fn range(&self, from: Option<&K>, to: Option<&K>) -> Result<ViewIterator<K, V>, StateError> { todo!() }
    pub fn reverse_range(&self, from: Option<&K>, to: Option<&K>) -> Result<ViewIterator<K, V>, StateError> { todo!() }
    pub fn prefix_scan_bytes(&self, prefix: &[u8]) -> Result<ViewIterator<K, V>, StateError> { todo!() }
    pub fn approximate_count(&self) -> u64 { todo!() }
}
pub struct ViewIterator<K, V>(std::marker::PhantomData<fn() -> (K, V)>);
impl<K, V> Iterator for ViewIterator<K, V> {
    type Item = Result<(K, V, i64), StateError>;
    fn next(&mut self) -> Option<Self::Item> { todo!() }
}
