//! A store as the runtime sees it: the instance of one task, and the supplier that makes it.
//!
//! The runtime knows no store by its type. It calls [`StateStore`] at the edges of records and transactions, on the
//! task's thread, and keeps [`StoreSupplier`]s in the logical topology, which every thread shares.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::StateError;
use crate::memory::MemoryBudget;
use crate::overlay::RecordCache;
use crate::restore::{ChangelogRecord, ChangelogRestorer};
use crate::savepoint::Savepoint;
use crate::spec::StoreSpec;
use crate::task_state::{Column, CommitBatch};

/// Takes changelog records as a store writes them out; the runtime's sends them to the changelog's partition.
pub type ChangelogWriter<'w> = dyn FnMut(ChangelogRecord<'_>) -> Result<(), StateError> + 'w;

/// One task's instance of a store. Kafka Streams: `StateStore`, with transactions (KIP-892).
///
/// A transaction goes: records (each ended by the savepoint moving on, or by `revert`), then `prepare`, then the commit of
/// the log, then `committed`, and the batch applied before or after that; or, at any point before, `rollback`.
pub trait StateStore: Any {
    /// The store's name.
    fn name(&self) -> &Arc<str>;

    /// Writes out what the transaction has changed: changelog records, in order of their keys, and rows into the batch.
    /// Once a transaction, between records. Nothing changes in the store yet.
    ///
    /// # Errors
    /// `Serde` when a value has no bytes, or the writer's own error: drop the batch and roll back.
    fn prepare(&mut self, batch: &mut CommitBatch, changelog: &mut ChangelogWriter<'_>) -> Result<(), StateError>;

    /// The transaction that `prepare` wrote out has committed.
    fn committed(&mut self);

    /// The transaction was aborted: what it changed is dropped.
    fn rollback(&mut self);

    /// Undoes the record in progress: what has changed since the [`Savepoint`] last moved.
    fn revert(&mut self);

    /// Bytes of keys and values changed by the transaction: above its limit the runtime commits early.
    fn dirty_bytes(&self) -> u64;

    /// Bytes held in all.
    fn memory_bytes(&self) -> u64;

    /// Drops about so many bytes of what can be read again, least recently used first; says how many went.
    fn evict_clean(&mut self, bytes: u64) -> u64;

    /// For a look at the store's own type.
    fn as_any(&self) -> &dyn Any;

    /// For use of the store's own type.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// What a store instance is given by its task.
#[derive(Clone)]
pub struct StoreContext {
    /// The store's changelog topic, which serdes are told; that of its source if it is restored from there.
    pub changelog_topic: Arc<str>,
    /// The task's record counter.
    pub savepoint: Savepoint,
    /// The process' memory.
    pub budget: MemoryBudget,
    /// The stream thread's record cache.
    pub record_cache: RecordCache,
}

/// A store instance, twice: as the runtime holds it and as processors use it.
pub struct BuiltStore {
    /// For the runtime.
    pub store: Rc<RefCell<dyn StateStore>>,
    /// The same `Rc`, for `downcast::<RefCell<S>>()` to the store's own type.
    pub typed: Rc<dyn Any>,
}

impl BuiltStore {
    /// Both handles of a store.
    pub fn new<S: StateStore>(store: S) -> Self {
        let shared = Rc::new(RefCell::new(store));
        Self { store: Rc::<RefCell<S>>::clone(&shared), typed: shared }
    }
}

/// Makes a store's instances, one a task. Kafka Streams: `StoreBuilder`.
pub trait StoreSupplier: Send + Sync {
    /// The store's name; its changelog is named after it.
    fn name(&self) -> &Arc<str>;

    /// Where the rows live.
    fn spec(&self) -> StoreSpec;

    /// The changelog topic's configuration; none if the store has no changelog.
    fn changelog_config(&self) -> Option<BTreeMap<String, String>>;

    /// Whether downstream may see writes later.
    fn is_caching(&self) -> bool {
        false
    }

    /// Makes rows of changelog records.
    fn restorer(&self) -> Arc<dyn ChangelogRestorer>;

    /// Makes an instance above a task's committed rows.
    ///
    /// # Errors
    /// When what is committed cannot be read.
    fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError>;

    /// For a look at the supplier's own type.
    fn as_any(&self) -> &dyn Any;
}
