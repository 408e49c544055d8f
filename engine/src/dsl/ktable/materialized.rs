//! The store of a table: declared once, used by the node that fills it and by those that look it up.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use straum_state::{KeyValueStoreBuilder, SharedSerde, Unforwarded, ValueAndTimestamp};

use crate::dsl::ktable::table::{Table, ValueGetter};
use crate::dsl::{Materialized, StreamsBuilder};
use crate::error::Error;
use crate::processor::cache::{CachedContext, FlushCache};
use crate::processor::edge::Downstream;
use crate::processor::store::Store;
use crate::processor::task_context::TaskContext;
use crate::processor::{Headers, Record};
use crate::serde::Change;
use crate::topology::{CacheOf, Instance, NodeId, SourceChangelog};

/// The store of a table, made when it is certain that there is one.
pub(crate) struct Materialization<K, V> {
    key_serde: SharedSerde<K>,
    materialized: Materialized<V>,
    /// The topic that the table is read from, where it is.
    source: Option<SourceChangelog>,
    /// The nodes that fill the store: one, or one a cogrouped stream.
    owners: Mutex<Vec<NodeId>>,
    stored: AtomicBool,
    send_old: AtomicBool,
}

impl<K: 'static, V: Clone + 'static> Materialization<K, V> {
    /// A table that has a store from the start.
    pub(crate) fn stored(builder: &StreamsBuilder, key_serde: SharedSerde<K>, materialized: Materialized<V>) -> Arc<Self> {
        let materialization = Self::when_needed(key_serde, materialized);
        materialization.store(builder);
        materialization
    }

    /// A table that gets its store when an operator below asks for it.
    pub(crate) fn when_needed(key_serde: SharedSerde<K>, materialized: Materialized<V>) -> Arc<Self> {
        Self::new(key_serde, materialized, None)
    }

    /// As [`Materialization::when_needed`], of a table that is read from a topic.
    pub(crate) fn of_source(key_serde: SharedSerde<K>, materialized: Materialized<V>, source: SourceChangelog) -> Arc<Self> {
        Self::new(key_serde, materialized, Some(source))
    }

    fn new(key_serde: SharedSerde<K>, materialized: Materialized<V>, source: Option<SourceChangelog>) -> Arc<Self> {
        let (stored, send_old) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { key_serde, materialized, source, owners: Mutex::default(), stored, send_old })
    }

    /// The store's name, if there is one.
    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.materialized.name
    }

    /// Adds the store, once.
    pub(crate) fn store(&self, builder: &StreamsBuilder) {
        if self.stored.swap(true, Ordering::Relaxed) {
            return;
        }
        let name = &self.materialized.name;
        let Some(value_serde) = &self.materialized.value_serde else {
            builder.with_graph(|graph| graph.problems.push(format!("store {name} has no value serde, expected Materialized::with")));
            return;
        };
        let store = KeyValueStoreBuilder::<K, V, CachedContext>::new(Arc::clone(name), Arc::clone(&self.key_serde), Arc::clone(value_serde));
        let store = store.persistent(self.materialized.persistent).with_caching(self.materialized.caching);
        let store = match &self.materialized.logging {
            Some(config) => store.with_logging(config.clone()),
            None => store.without_logging(),
        };
        builder.with_graph(|graph| {
            graph.add_store(Arc::new(store));
            graph.table_sources.extend(self.source.clone().map(|source| (Arc::clone(name), source)));
            for owner in &*self.owners.lock().unwrap_or_else(PoisonError::into_inner) {
                graph.connect(*owner, name);
            }
        });
    }

    /// Says that a node fills the store.
    pub(crate) fn own(&self, builder: &StreamsBuilder, owner: NodeId) {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner).push(owner);
        if self.is_stored() {
            builder.with_graph(|graph| graph.connect(owner, &self.materialized.name));
        }
    }

    pub(crate) fn key_serde(&self) -> SharedSerde<K> {
        Arc::clone(&self.key_serde)
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.stored.load(Ordering::Relaxed)
    }

    pub(crate) fn sends_old(&self) -> bool {
        self.send_old.load(Ordering::Relaxed)
    }

    pub(crate) fn set_send_old(&self) {
        self.send_old.store(true, Ordering::Relaxed);
    }

    /// The physical side, for the node that fills the store.
    pub(crate) fn table_store(&self, instance: &mut Instance<'_>) -> Result<Rc<TableStore<K, V>>, Error> {
        if !self.is_stored() {
            return TableStore::unstored(instance, self.sends_old());
        }
        let store = instance.key_value::<K, V>(&self.materialized.name)?;
        let caching = store.borrow().is_caching() && instance.task.caching;
        let table = Rc::new(TableStore {
            name: instance.name(),
            store: Some(store),
            caching,
            send_old: self.sends_old(),
            downstream: instance.downstream::<K, Change<V>>()?,
            task: Rc::clone(&instance.task),
        });
        if caching {
            instance.add_cache(&self.materialized.name, Rc::clone(&table) as Rc<dyn FlushCache>);
        }
        Ok(table)
    }
}

impl<K: 'static, V: Clone + 'static> Table<K, V> for Materialization<K, V> {
    fn send_old_values(&self, builder: &StreamsBuilder, force: bool) -> bool {
        if force {
            self.store(builder);
        }
        if self.is_stored() {
            self.set_send_old();
        }
        self.is_stored()
    }

    fn connect(&self, builder: &StreamsBuilder, reader: NodeId) {
        self.store(builder);
        builder.with_graph(|graph| graph.connect(reader, &self.materialized.name));
    }

    fn materialize(&self, builder: &StreamsBuilder, _: SharedSerde<K>, materialized: Materialized<V>) {
        let (store, name) = (&self.materialized.name, materialized.name);
        builder.with_graph(|graph| graph.problems.push(format!("table is materialized as {name}, expected it to keep its store {store}")));
    }

    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V>>, Error> {
        let name = &self.materialized.name;
        Ok(Rc::new(StoreGetter { store: instance.key_value::<K, V>(name)?, cache: instance.cache_of(name) }))
    }
}

struct StoreGetter<K, V> {
    store: Rc<RefCell<Store<K, V>>>,
    cache: CacheOf,
}

impl<K: 'static, V: Clone + 'static> ValueGetter<K, V> for StoreGetter<K, V> {
    fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error> {
        let found = self.store.borrow_mut().get_with_timestamp(key)?;
        let loaded = self.store.borrow().has_loaded();
        if let Some(cache) = self.cache.get().and_then(Weak::upgrade).filter(|_| loaded) {
            cache.evict()?;
        }
        Ok(found)
    }
}

/// A table's store in one task, and its way downstream: at once, or when the cache lets go.
///
/// Kafka Streams: `KeyValueStoreWrapper` with `TimestampedTupleForwarder` and the caching store's flush listener.
pub(crate) struct TableStore<K, V> {
    name: Arc<str>,
    store: Option<Rc<RefCell<Store<K, V>>>>,
    caching: bool,
    send_old: bool,
    downstream: Downstream<K, Change<V>>,
    pub(crate) task: Rc<TaskContext>,
}

impl<K: 'static, V: Clone + 'static> TableStore<K, V> {
    /// A table without a store: changes go straight on.
    pub(crate) fn unstored(instance: &Instance<'_>, send_old: bool) -> Result<Rc<Self>, Error> {
        let (name, downstream) = (instance.name(), instance.downstream::<K, Change<V>>()?);
        Ok(Rc::new(Self { name, store: None, caching: false, send_old, downstream, task: Rc::clone(&instance.task) }))
    }

    pub(crate) fn is_stored(&self) -> bool {
        self.store.is_some()
    }

    pub(crate) fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error> {
        let Some(store) = &self.store else { return Ok(None) };
        let found = store.borrow_mut().get_with_timestamp(key)?;
        if self.caching && store.borrow().has_loaded() {
            self.evict()?;
        }
        Ok(found)
    }

    /// Stores the new value and sends the change on; the old value only where it was asked for.
    pub(crate) fn put(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        let received = record.timestamp;
        self.put_aggregate(record, received)
    }

    /// As [`TableStore::put`] by a node that may have raised the timestamp: a deletion is stored, and leaves a cache, at the
    /// time of the record `received`.
    pub(crate) fn put_aggregate(&self, record: Record<K, Change<V>>, received: i64) -> Result<(), Error> {
        let stored_at = if record.value.new.is_some() { record.timestamp } else { received };
        match &self.store {
            None => self.forward(record),
            Some(store) if self.caching => {
                let context = CachedContext::new(record.headers, self.task.source.get(), self.task.source_topic_bytes());
                store.borrow_mut().put_cached(&record.key, record.value.new, stored_at, context)?;
                self.evict()
            }
            Some(store) if self.downstream.is_empty() => Ok(store.borrow_mut().put(&record.key, record.value.new, stored_at)?),
            Some(store) => {
                store.borrow_mut().put(&record.key, record.value.new.clone(), stored_at)?;
                self.forward(record)
            }
        }
    }

    /// Stores what is left out downstream: a store that is restored from its source topic has the same rows either way.
    pub(crate) fn keep(&self, key: &K, new: Option<V>, timestamp: i64, headers: Headers) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        if self.caching {
            let context = CachedContext::new(headers, self.task.source.get(), self.task.source_topic_bytes());
            return Ok(store.borrow_mut().put_cached(key, new, timestamp, context)?);
        }
        Ok(store.borrow_mut().put(key, new, timestamp)?)
    }

    fn forward(&self, mut record: Record<K, Change<V>>) -> Result<(), Error> {
        if !self.send_old {
            record.value.old = None;
        }
        self.downstream.forward(record)
    }

    /// Forwards a cached update in the context of its latest write.
    fn forward_cached(&self, update: Unforwarded<K, V, CachedContext>) -> Result<(), Error> {
        let Unforwarded { key, old, new, timestamp, context } = update;
        let before = self.task.source.replace(context.source);
        let value = Change { old: old.map(|old| old.value), new };
        let result = self.task.at(timestamp, || self.forward(Record { key, value, timestamp, headers: context.headers }));
        self.task.source.set(before);
        result.map_err(|error| error.in_node(&self.name))
    }
}

impl<K: 'static, V: Clone + 'static> FlushCache for TableStore<K, V> {
    fn flush_next(&self) -> Result<bool, Error> {
        let Some(store) = &self.store else { return Ok(false) };
        let Some(update) = store.borrow_mut().drain_unforwarded()? else { return Ok(false) };
        self.forward_cached(update)?;
        Ok(true)
    }

    fn leave_out_next(&self) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        store.borrow_mut().drain_unforwarded()?;
        Ok(())
    }

    fn evict(&self) -> Result<(), Error> {
        let Some(store) = &self.store else { return Ok(()) };
        if store.borrow().is_flushing() {
            store.borrow_mut().drop_flushed();
            return Ok(());
        }
        loop {
            let Some(evicted) = store.borrow_mut().next_evicted()? else { return Ok(()) };
            self.forward_cached(evicted)?;
        }
    }
}
