//! Global stores as the rest of the engine sees them: committed state, filled by the global thread, read by every task.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use straum_state::{
    CacheSizing, ChangelogRecord, ChangelogRestorer, Column, MemoryBudget, Part, RecordCache, RowFormat, SerdeContext, SharedSerde, StateError,
    StateErrorKind, StateStore, StoreContext, StoreSupplier, StoreView, TaskState, ValueAndTimestamp, ViewIterator,
};

use crate::error::{Error, ErrorKind};
use crate::log::{LogRecord, RecordBatch};
use crate::processor::edge::{Downstream, Edge};
use crate::processor::process::ProcessNode;
use crate::processor::store::ConnectedStores;
use crate::processor::task_context::{RecordSource, TaskContext};
use crate::processor::{Headers, ProcessorSupplier, Record};
use crate::runtime::{Decision, ExceptionHandlers, Failure};

/// A global table's rows, readable from any thread.
pub struct GlobalView<K, V> {
    name: Arc<str>,
    view: Arc<StoreView<K, V>>,
}

impl<K, V> Clone for GlobalView<K, V> {
    fn clone(&self) -> Self {
        Self { name: Arc::clone(&self.name), view: Arc::clone(&self.view) }
    }
}

impl<K: 'static, V: 'static> GlobalView<K, V> {
    /// The value of a key, with its timestamp.
    ///
    /// # Errors
    /// The store's.
    pub fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        self.view.get(key)
    }

    /// All rows by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn all(&self) -> Result<ViewIterator<K, V>, StateError> {
        self.view.range(None, None)
    }

    /// As [`GlobalView::all`], last key first.
    ///
    /// # Errors
    /// The store's.
    pub fn reverse_all(&self) -> Result<ViewIterator<K, V>, StateError> {
        self.view.reverse_range(None, None)
    }

    /// The rows with `from <= key <= to`, by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn range(&self, from: Option<&K>, to: Option<&K>) -> Result<ViewIterator<K, V>, StateError> {
        self.view.range(from, to)
    }

    /// As [`GlobalView::range`], last key first.
    ///
    /// # Errors
    /// The store's.
    pub fn reverse_range(&self, from: Option<&K>, to: Option<&K>) -> Result<ViewIterator<K, V>, StateError> {
        self.view.reverse_range(from, to)
    }

    /// The rows whose serialised key begins with `prefix`.
    ///
    /// # Errors
    /// The store's.
    pub fn prefix_scan(&self, prefix: &[u8]) -> Result<ViewIterator<K, V>, StateError> {
        Ok(self.view.prefix_scan_bytes(prefix))
    }

    /// About how many rows there are.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        self.view.approximate_count()
    }

    pub(crate) fn not_writable(&self) -> StateError {
        StateError::new(StateErrorKind::Misuse, "a global store can only be read here, expected a store of the task to write to").in_store(&self.name)
    }
}

/// Types of a global store, erased: makes its view, and what turns its topic's records into rows.
pub(crate) trait GlobalUpdaterFactory: Send + Sync {
    /// A `GlobalView<K, V>`.
    fn view(&self, column: Column) -> Arc<dyn Any + Send + Sync>;

    /// Made on the thread that uses it.
    fn start(&self, context: &GlobalContext<'_>) -> Result<Box<dyn GlobalUpdater>, Error>;
}

/// What an updater is started with.
pub(crate) struct GlobalContext<'a> {
    pub(crate) state: &'a TaskState,
    pub(crate) supplier: &'a dyn StoreSupplier,
    pub(crate) budget: &'a MemoryBudget,
    pub(crate) handlers: &'a ExceptionHandlers,
    /// Its partitions are the topic's.
    pub(crate) task: Rc<TaskContext>,
}

/// Applies what comes from a global topic.
pub(crate) trait GlobalUpdater {
    /// Applies a batch of a partition, and notes the offset after it for the store `offsets`.
    ///
    /// # Errors
    /// The state's; or that of a record which cannot be read or processed and which the handlers do not leave out: what came
    /// before it is applied, and the offset noted is its own.
    fn apply(&mut self, batch: &RecordBatch, offsets: &str) -> Result<(), Error>;
}

/// Asks the handlers about records of a global store.
struct Failures {
    store: Arc<str>,
    handlers: ExceptionHandlers,
    task: Rc<TaskContext>,
}

impl Failures {
    fn new(store: &Arc<str>, context: &GlobalContext<'_>) -> Self {
        Self { store: Arc::clone(store), handlers: context.handlers.clone(), task: Rc::clone(&context.task) }
    }

    /// Leaves a record out, counted and told: there is no transaction that could take a dead letter along.
    ///
    /// # Errors
    /// The record's, when it must not be left out: nothing after it may be applied.
    fn decide(&self, batch: &RecordBatch, record: LogRecord<'_>, error: Error) -> Result<(), Error> {
        let partition = batch.partition();
        let error = error.in_store(Arc::clone(&self.store)).at(partition, record.offset);
        if self.handlers.decide(&Failure { error: &error, partition: Some(partition), record: Some(record) }) != Decision::Continue {
            return Err(error);
        }
        self.task.drop_record();
        let left_out = self.task.dropped.get();
        tracing::warn!(store = &*self.store, %partition, offset = record.offset, kind = ?error.kind(), node = error.node(), left_out, "record of a global store left out");
        Ok(())
    }
}

/// Stores a topic's records as they are.
pub(crate) struct GlobalTableFactory<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) key_serde: SharedSerde<K>,
    pub(crate) value_serde: SharedSerde<V>,
}

impl<K, V> Clone for GlobalTableFactory<K, V> {
    fn clone(&self) -> Self {
        let (key_serde, value_serde) = (Arc::clone(&self.key_serde), Arc::clone(&self.value_serde));
        Self { name: Arc::clone(&self.name), topic: Arc::clone(&self.topic), key_serde, value_serde }
    }
}

impl<K: 'static, V: 'static> GlobalUpdaterFactory for GlobalTableFactory<K, V> {
    fn view(&self, column: Column) -> Arc<dyn Any + Send + Sync> {
        let (key_serde, value_serde) = (Arc::clone(&self.key_serde), Arc::clone(&self.value_serde));
        let view = StoreView::new(column, Arc::clone(&self.topic), key_serde, value_serde, RowFormat::Timestamped);
        Arc::new(GlobalView { name: Arc::clone(&self.name), view: Arc::new(view) })
    }

    fn start(&self, context: &GlobalContext<'_>) -> Result<Box<dyn GlobalUpdater>, Error> {
        let failures = Failures::new(&self.name, context);
        Ok(Box::new(GlobalTableUpdater { table: self.clone(), state: context.state.clone(), restorer: context.supplier.restorer(), failures }))
    }
}

struct GlobalTableUpdater<K, V> {
    table: GlobalTableFactory<K, V>,
    state: TaskState,
    restorer: Arc<dyn ChangelogRestorer>,
    failures: Failures,
}

impl<K: 'static, V: 'static> GlobalTableUpdater<K, V> {
    /// Fails when the record is not of the table's types.
    fn check(&self, record: &LogRecord<'_>) -> Result<(), Error> {
        let failed = |error| Error::new(ErrorKind::Deserialization, "cannot deserialise a record of a global table").with_source(error);
        let table = &self.table;
        table.key_serde.deserialize(record.key, SerdeContext::new(&table.topic, Part::Key)).map_err(failed)?;
        if record.value.is_some() {
            table.value_serde.deserialize(record.value, SerdeContext::new(&table.topic, Part::Value)).map_err(failed)?;
        }
        Ok(())
    }
}

impl<K: 'static, V: 'static> GlobalUpdater for GlobalTableUpdater<K, V> {
    fn apply(&mut self, batch: &RecordBatch, offsets: &str) -> Result<(), Error> {
        let mut rows = Vec::with_capacity(batch.len());
        let mut end = (batch.next_offset(), Ok(()));
        for record in batch.iter() {
            let Some(key) = record.key else { continue };
            let checked = catch_unwind(AssertUnwindSafe(|| self.check(&record))).unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
            match checked.map(|()| true).or_else(|error| self.failures.decide(batch, record, error).map(|()| false)) {
                Ok(true) => rows.push(ChangelogRecord { key, value: record.value, timestamp: record.timestamp }),
                Ok(false) => {}
                Err(error) => {
                    end = (record.offset, Err(error));
                    break;
                }
            }
        }
        let (next_offset, stopped) = end;
        // Rows first: should the process end between the two, the batch is read and applied again.
        self.state.restore(&self.table.name, &*self.restorer, &mut rows.into_iter(), next_offset)?;
        self.state.restore(offsets, &*self.restorer, &mut std::iter::empty(), next_offset)?;
        stopped
    }
}

/// Hands a topic's records to a processor of the user's, which writes the store.
pub(crate) struct GlobalProcessorFactory<K, V, SK, SV, S> {
    pub(crate) store: GlobalTableFactory<SK, SV>,
    pub(crate) node: Arc<str>,
    pub(crate) key_serde: SharedSerde<K>,
    pub(crate) value_serde: SharedSerde<V>,
    pub(crate) supplier: S,
}

impl<K: 'static, V: 'static, SK: 'static, SV: Clone + 'static, S: ProcessorSupplier<K, V, (), ()>> GlobalUpdaterFactory
    for GlobalProcessorFactory<K, V, SK, SV, S>
{
    fn view(&self, column: Column) -> Arc<dyn Any + Send + Sync> {
        self.store.view(column)
    }

    fn start(&self, context: &GlobalContext<'_>) -> Result<Box<dyn GlobalUpdater>, Error> {
        let name = &self.store.name;
        let store_context = StoreContext {
            changelog_topic: Arc::clone(&self.store.topic),
            savepoint: context.task.savepoint.clone(),
            budget: context.budget.clone(),
            record_cache: RecordCache::new(0, CacheSizing::Estimated),
        };
        let built = context.supplier.build(context.state.column(name)?, store_context)?;
        let stores = BTreeMap::from([(Arc::clone(name), Rc::clone(&built.typed))]);
        let connected = ConnectedStores { task: Rc::clone(&context.task), stores, globals: BTreeMap::new(), of_sources: BTreeSet::new() };
        let nothing_below = Downstream::new(Vec::new(), Vec::new(), None);
        Ok(Box::new(GlobalProcessorUpdater {
            node: ProcessNode::start(&self.node, self.supplier.get(), nothing_below, connected, &context.task)?,
            key_serde: Arc::clone(&self.key_serde),
            value_serde: Arc::clone(&self.value_serde),
            state: context.state.clone(),
            store: built.store,
            task: Rc::clone(&context.task),
            failures: Failures::new(name, context),
        }))
    }
}

struct GlobalProcessorUpdater<K, V> {
    node: Edge<K, V>,
    key_serde: SharedSerde<K>,
    value_serde: SharedSerde<V>,
    state: TaskState,
    store: Rc<RefCell<dyn StateStore>>,
    task: Rc<TaskContext>,
    failures: Failures,
}

impl<K: 'static, V: 'static> GlobalProcessorUpdater<K, V> {
    fn process(&self, batch: &RecordBatch, index: usize, record: &LogRecord<'_>) -> Result<(), Error> {
        let topic = &batch.partition().topic;
        let failed = |error| Error::new(ErrorKind::Deserialization, "cannot deserialise a record of a global topic").with_source(error);
        let key = self.key_serde.deserialize(record.key, SerdeContext::new(topic, Part::Key)).map_err(failed)?;
        let value = self.value_serde.deserialize(record.value, SerdeContext::new(topic, Part::Value)).map_err(failed)?;
        let partition = self.task.partitions.iter().position(|partition| partition == batch.partition());
        self.task.source.set(partition.map(|partition| RecordSource { partition, offset: record.offset }));
        self.task.stream_time.set(self.task.stream_time.get().max(record.timestamp));
        let headers = Headers::from_encoded(batch.headers(index));
        self.node.receive(Record { key, value, timestamp: record.timestamp, headers })
    }
}

impl<K: 'static, V: 'static> GlobalUpdater for GlobalProcessorUpdater<K, V> {
    fn apply(&mut self, batch: &RecordBatch, offsets: &str) -> Result<(), Error> {
        let mut end = (batch.next_offset(), Ok(()));
        for (index, record) in batch.iter().enumerate() {
            self.task.savepoint.advance();
            let processed =
                catch_unwind(AssertUnwindSafe(|| self.process(batch, index, &record))).unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
            match processed {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::State => {
                    self.store.borrow_mut().rollback();
                    return Err(error);
                }
                Err(error) => {
                    self.store.borrow_mut().revert();
                    if let Err(error) = self.failures.decide(batch, record, error) {
                        end = (record.offset, Err(error));
                        break;
                    }
                }
            }
        }
        let (next_offset, stopped) = end;
        self.task.savepoint.advance();
        let mut rows = self.state.batch();
        self.store.borrow_mut().prepare(&mut rows, &mut |_| Ok(()))?;
        rows.set_offset(offsets, next_offset)?;
        self.state.apply(rows)?;
        self.store.borrow_mut().committed();
        stopped
    }
}
