//! A processor's way to its stores: a typed handle when the topology is declared, the store itself when it runs.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use straum_state::{KeyValueStore, StateError, StateErrorKind, StateStore, ValueAndTimestamp};

use crate::error::Error;
use crate::processor::cache::CachedContext;
use crate::processor::global::GlobalView;
use crate::processor::iterator::KeyValueIterator;
use crate::processor::task_context::TaskContext;

/// The store type of the engine's key-value stores.
pub(crate) type Store<K, V> = KeyValueStore<K, V, CachedContext>;

/// Names a key-value store and carries its types. Returned when the store is added to the builder.
///
/// ```
/// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
/// // A global table is looked up through a handle of its name, without being connected.
/// struct Name(StoreHandle<i64, String>);
/// impl FixedKeyProcessor<String, i64, String> for Name {
///     fn process(&mut self, _: &String, id: i64, context: &FixedKeyProcessorContext<'_, String, String>) -> Result<(), BoxError> {
///         let name = context.store(&self.0)?.get(&id)?.unwrap_or("nobody".to_owned());
///         Ok(context.forward_value(name)?)
///     }
/// }
/// # let builder = StreamsBuilder::new();
/// builder.global_table("names", Consumed::with(I64, Utf8), Materialized::named("names"));
/// let visits = builder.stream("in", Consumed::with(Utf8, I64));
/// visits.process_values("name", || Name(StoreHandle::new("names")), &[]).to("out", Produced::with(Utf8, Utf8));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("names", I64, Utf8).pipe_values(&mut driver, [(1, "ada")])?;
/// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("x", 1), ("y", 2)])?;
/// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("x".into(), "ada".into()), ("y".into(), "nobody".into())]);
/// # Ok::<(), straum::Error>(())
/// ```
pub struct StoreHandle<K, V> {
    name: Arc<str>,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K, V> StoreHandle<K, V> {
    /// A handle to the store of this name. Its types are checked when a processor asks for the store.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), marker: PhantomData }
    }

    /// The store's name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }
}

impl<K, V> Clone for StoreHandle<K, V> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.name))
    }
}

impl<K, V> AsRef<str> for StoreHandle<K, V> {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

/// The stores a node is connected to.
#[derive(Clone)]
pub(crate) struct ConnectedStores {
    pub(crate) task: Rc<TaskContext>,
    pub(crate) stores: BTreeMap<Arc<str>, Rc<dyn Any>>,
    pub(crate) globals: BTreeMap<Arc<str>, Arc<dyn Any + Send + Sync>>,
    /// Those that have a source topic for their changelog: only its table may write them.
    pub(crate) of_sources: BTreeSet<Arc<str>>,
}

impl ConnectedStores {
    pub(crate) fn key_value<K: 'static, V: Clone + 'static>(&self, name: &Arc<str>) -> Result<KeyValue<K, V>, Error> {
        if let Some(global) = self.globals.get(name) {
            let view = global.downcast_ref::<GlobalView<K, V>>().ok_or_else(|| wrong_type::<K, V>(name))?;
            return Ok(KeyValue { name: Arc::clone(name), inner: Inner::Global(view.clone()), task: Rc::clone(&self.task) });
        }
        let store = Rc::clone(self.connected(name)?).downcast::<RefCell<Store<K, V>>>().map_err(|_| wrong_type::<K, V>(name))?;
        let inner = if self.of_sources.contains(name) { Inner::Source(store) } else { Inner::Task(store) };
        Ok(KeyValue { name: Arc::clone(name), inner, task: Rc::clone(&self.task) })
    }

    pub(crate) fn custom<S: StateStore>(&self, name: &str) -> Result<Rc<RefCell<S>>, Error> {
        Rc::clone(self.connected(name)?).downcast::<RefCell<S>>().map_err(|_| {
            let expected = std::any::type_name::<S>();
            Error::topology(format!("store is of another type, expected {expected}")).in_store(Arc::<str>::from(name))
        })
    }

    fn connected(&self, name: &str) -> Result<&Rc<dyn Any>, Error> {
        self.stores.get(name).ok_or_else(|| {
            let connected = self.stores.keys().map(|name| &**name).collect::<Vec<_>>().join(", ");
            Error::topology(format!("not connected to this processor, expected one of [{connected}]")).in_store(Arc::<str>::from(name))
        })
    }
}

fn wrong_type<K, V>(name: &Arc<str>) -> Error {
    let (key, value) = (std::any::type_name::<K>(), std::any::type_name::<V>());
    Error::topology(format!("store is of another type, expected a key-value store of {key} and {value}")).in_store(Arc::clone(name))
}

/// A key-value store as a processor sees it. Writes carry the timestamp of the record in progress unless another is given.
/// Kafka Streams: `KeyValueStore` and `TimestampedKeyValueStore`.
///
/// A global store can be read, by every method that reads, and not written: what a read gives is what is in its topic, and no
/// transaction's. Nor can the store of a table be written whose source topic is its changelog. All errors are the store's: return them,
/// so that the record is undone.
///
/// ```
/// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
/// # use std::sync::Arc;
/// struct Stock(StoreHandle<String, i64>);
/// impl FixedKeyProcessor<String, i64, i64> for Stock {
///     fn process(&mut self, key: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
///         let rows = context.store(&self.0)?;
///         rows.put(key, value)?;
///         if value < 0 {
///             return Err("less than nothing".into()); // undoes the put
///         }
///         if value == 0 {
///             rows.delete(key)?;
///         }
///         Ok(context.forward_value(rows.all()?.count() as i64)?)
///     }
/// }
/// # let builder = StreamsBuilder::new();
/// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
/// let rows = builder.add_state_store(KeyValueStoreBuilder::new("stock", Arc::new(Utf8), Arc::new(I64)));
/// numbers.process_values("stock", move || Stock(rows.clone()), &["stock"]).to("out", Produced::with(Utf8, I64));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2), ("a", 0), ("b", -1)])?;
/// let sizes: Vec<_> = driver.output("out", Utf8, I64).read(&driver)?.into_iter().map(|record| record.value).collect();
/// assert_eq!(sizes, [1, 2, 1]);
/// assert_eq!(driver.store::<String, i64>("stock")?.all()?, [("b".into(), 2, 0)]);
/// # Ok::<(), straum::Error>(())
/// ```
pub struct KeyValue<K, V> {
    name: Arc<str>,
    inner: Inner<K, V>,
    task: Rc<TaskContext>,
}

enum Inner<K, V> {
    Task(Rc<RefCell<Store<K, V>>>),
    /// What is written here would not be in the topic that it is restored from.
    Source(Rc<RefCell<Store<K, V>>>),
    Global(GlobalView<K, V>),
}

impl<K: 'static, V: Clone + 'static> KeyValue<K, V> {
    /// The value of a key.
    ///
    /// # Errors
    /// The store's.
    pub fn get(&self, key: &K) -> Result<Option<V>, StateError> {
        match &self.inner {
            Inner::Task(store) | Inner::Source(store) => store.borrow_mut().get(key),
            Inner::Global(view) => Ok(view.get(key)?.map(|found| found.value)),
        }
    }

    /// The value of a key and the timestamp it was written with.
    ///
    /// # Errors
    /// The store's.
    pub fn get_with_timestamp(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        match &self.inner {
            Inner::Task(store) | Inner::Source(store) => store.borrow_mut().get_with_timestamp(key),
            Inner::Global(view) => view.get(key),
        }
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// The store's.
    pub fn put(&self, key: &K, value: V) -> Result<(), StateError> {
        self.put_at(key, value, self.task.timestamp.get())
    }

    /// Sets the value of a key with a timestamp of its own, in milliseconds since the epoch. A row of a store that keeps no
    /// timestamps is read with −1, which is none.
    ///
    /// # Errors
    /// The store's, or that the timestamp is negative: its changelog could not be written.
    pub fn put_at(&self, key: &K, value: V, timestamp: i64) -> Result<(), StateError> {
        if timestamp < 0 {
            let message = format!("cannot put: timestamp {timestamp} is negative, expected milliseconds since the epoch");
            return Err(StateError::new(StateErrorKind::Misuse, message).in_store(&self.name));
        }
        self.writable()?.borrow_mut().put(key, Some(value), timestamp)
    }

    /// Sets the value of a key that has none, and returns the value that was there.
    ///
    /// # Errors
    /// The store's.
    pub fn put_if_absent(&self, key: &K, value: V) -> Result<Option<V>, StateError> {
        self.writable()?.borrow_mut().put_if_absent(key, value, self.task.timestamp.get())
    }

    /// Sets, or with `None` deletes, many keys.
    ///
    /// # Errors
    /// The store's.
    pub fn put_all(&self, rows: impl IntoIterator<Item = (K, Option<V>)>) -> Result<(), StateError> {
        let timestamp = self.task.timestamp.get();
        self.writable()?.borrow_mut().put_all(rows.into_iter().map(|(key, value)| (key, value, timestamp)))
    }

    /// Deletes a key and returns its value.
    ///
    /// # Errors
    /// The store's.
    pub fn delete(&self, key: &K) -> Result<Option<V>, StateError> {
        self.writable()?.borrow_mut().delete(key, self.task.timestamp.get())
    }

    /// All rows with `from <= key <= to`, by serialised key; an open end is unbounded.
    ///
    /// # Errors
    /// The store's.
    pub fn range(&self, from: Option<&K>, to: Option<&K>) -> Result<KeyValueIterator<K, V>, StateError> {
        match &self.inner {
            Inner::Task(store) | Inner::Source(store) => store.borrow_mut().range(from, to).map(KeyValueIterator::of_task),
            Inner::Global(view) => view.range(from, to).map(KeyValueIterator::of_global),
        }
    }

    /// As [`KeyValue::range`], last key first.
    ///
    /// # Errors
    /// The store's.
    pub fn reverse_range(&self, from: Option<&K>, to: Option<&K>) -> Result<KeyValueIterator<K, V>, StateError> {
        match &self.inner {
            Inner::Task(store) | Inner::Source(store) => store.borrow_mut().reverse_range(from, to).map(KeyValueIterator::of_task),
            Inner::Global(view) => view.reverse_range(from, to).map(KeyValueIterator::of_global),
        }
    }

    /// All rows, by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn all(&self) -> Result<KeyValueIterator<K, V>, StateError> {
        self.range(None, None)
    }

    /// As [`KeyValue::all`], last key first.
    ///
    /// # Errors
    /// The store's.
    pub fn reverse_all(&self) -> Result<KeyValueIterator<K, V>, StateError> {
        self.reverse_range(None, None)
    }

    /// All rows whose serialised key begins with `prefix`.
    ///
    /// # Errors
    /// The store's.
    pub fn prefix_scan(&self, prefix: &[u8]) -> Result<KeyValueIterator<K, V>, StateError> {
        match &self.inner {
            Inner::Task(store) | Inner::Source(store) => Ok(KeyValueIterator::of_task(store.borrow_mut().prefix_scan_bytes(prefix))),
            Inner::Global(view) => view.prefix_scan(prefix).map(KeyValueIterator::of_global),
        }
    }

    /// About how many rows there are.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        match &self.inner {
            Inner::Task(store) | Inner::Source(store) => store.borrow().approximate_count(),
            Inner::Global(view) => view.approximate_count(),
        }
    }

    fn writable(&self) -> Result<&RefCell<Store<K, V>>, StateError> {
        match &self.inner {
            Inner::Task(store) => Ok(store),
            Inner::Source(_) => {
                let message = "cannot write: the store is restored from the topic that its table is read from, expected only the table to write it";
                Err(StateError::new(StateErrorKind::Misuse, message).in_store(&self.name))
            }
            Inner::Global(view) => Err(view.not_writable()),
        }
    }
}
