//! A store over all the tasks of this process.

use std::any::Any;
use std::sync::Arc;

use straum_state::{StoreView, TaskState, ValueAndTimestamp};

use crate::error::{Error, ErrorKind};
use crate::processor::{CachedContext, GlobalView, KeyValueStoreBuilder};
use crate::runtime::global::GlobalViews;
use crate::topology::{Topology, topic_of_store};

/// The committed rows of a key-value store over all its tasks in this process, or of a global one. Kafka Streams:
/// `ReadOnlyKeyValueStore`.
///
/// It can be used from any thread. Each call sees what is committed then; uncommitted writes never show.
pub struct ReadOnlyStore<K, V> {
    views: Vec<Arc<StoreView<K, V>>>,
    global: Option<GlobalView<K, V>>,
}

impl<K, V> Clone for ReadOnlyStore<K, V> {
    fn clone(&self) -> Self {
        Self { views: self.views.clone(), global: self.global.clone() }
    }
}

/// Rows with their timestamps.
pub type Rows<K, V> = Vec<(K, V, i64)>;

impl<K: 'static, V: Clone + 'static> ReadOnlyStore<K, V> {
    pub(crate) fn open<'a>(
        topology: &Topology,
        application: &str,
        name: &str,
        states: impl Iterator<Item = &'a TaskState>,
        globals: &GlobalViews,
    ) -> Result<Self, Error> {
        let wrong_type = || {
            let (key, value) = (std::any::type_name::<K>(), std::any::type_name::<V>());
            Error::new(
                ErrorKind::InvalidState,
                format!("store is not a key-value store of {key} and {value}, expected the types it was declared with"),
            )
            .in_store(name)
        };
        if let Some(global) = globals.get(name) {
            let global: &(dyn Any + Send + Sync) = &**global;
            let view = global.downcast_ref::<GlobalView<K, V>>().ok_or_else(wrong_type)?;
            return Ok(Self { views: Vec::new(), global: Some(view.clone()) });
        }
        let entry = topology.graph.stores.get(name).ok_or_else(|| {
            let names = topology.store_names().join(", ");
            Error::new(ErrorKind::InvalidState, format!("no such store, expected one of [{names}]")).in_store(name)
        })?;
        let builder = entry.supplier.as_any().downcast_ref::<KeyValueStoreBuilder<K, V, CachedContext>>().ok_or_else(wrong_type)?;
        let topic = topic_of_store(topology, application, name);
        let mut views = Vec::new();
        for state in states {
            // A state without the store belongs to another sub-topology.
            if let Ok(column) = state.column(name) {
                let (key_serde, value_serde) = (Arc::clone(builder.key_serde()), Arc::clone(builder.value_serde()));
                views.push(Arc::new(StoreView::new(column, Arc::clone(&topic), key_serde, value_serde, builder.row_format())));
            }
        }
        Ok(Self { views, global: None })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The store's.
    pub fn get(&self, key: &K) -> Result<Option<V>, Error> {
        Ok(self.get_with_timestamp(key)?.map(|found| found.value))
    }

    /// The value of a key and its timestamp.
    ///
    /// # Errors
    /// The store's.
    pub fn get_with_timestamp(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error> {
        if let Some(global) = &self.global {
            return Ok(global.get(key)?);
        }
        for view in &self.views {
            if let Some(found) = view.get(key)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All rows with their timestamps, by task and then by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn all(&self) -> Result<Rows<K, V>, Error> {
        self.range(None, None)
    }

    /// All rows with their timestamps, by task and then by serialised key, last first. Kafka Streams: `reverseAll`, which goes
    /// through the tasks in the same order too.
    ///
    /// # Errors
    /// The store's.
    pub fn reverse_all(&self) -> Result<Rows<K, V>, Error> {
        self.reverse_range(None, None)
    }

    /// The rows with `from <= key <= to`, by task and then by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn range(&self, from: Option<&K>, to: Option<&K>) -> Result<Rows<K, V>, Error> {
        let mut rows = Vec::new();
        if let Some(global) = &self.global {
            rows.extend(global.range(from, to)?.collect::<Result<Vec<_>, _>>()?);
        }
        for view in &self.views {
            rows.extend(view.range(from, to)?.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(rows)
    }

    /// The rows with `from <= key <= to`, by task and then by serialised key, last first. Kafka Streams: `reverseRange`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2), ("c", 3)])?;
    /// let rows = driver.store::<String, i64>("rows")?;
    /// assert_eq!(rows.reverse_range(Some(&"b".to_owned()), None)?, [("c".into(), 3, 0), ("b".into(), 2, 0)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// The store's.
    pub fn reverse_range(&self, from: Option<&K>, to: Option<&K>) -> Result<Rows<K, V>, Error> {
        let mut rows = Vec::new();
        if let Some(global) = &self.global {
            rows.extend(global.reverse_range(from, to)?.collect::<Result<Vec<_>, _>>()?);
        }
        for view in &self.views {
            rows.extend(view.reverse_range(from, to)?.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(rows)
    }

    /// The rows whose serialised key begins with `prefix`, by task and then by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn prefix_scan(&self, prefix: &[u8]) -> Result<Rows<K, V>, Error> {
        let mut rows = Vec::new();
        if let Some(global) = &self.global {
            rows.extend(global.prefix_scan(prefix)?.collect::<Result<Vec<_>, _>>()?);
        }
        for view in &self.views {
            rows.extend(view.prefix_scan_bytes(prefix).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(rows)
    }

    /// Calls `visit` with each row, without keeping them all: for wide queries over large stores.
    ///
    /// # Errors
    /// The store's, or that of `visit`, which ends the scan.
    pub fn for_each(&self, mut visit: impl FnMut(K, V) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(global) = &self.global {
            for row in global.all()? {
                let (key, value, _) = row?;
                visit(key, value)?;
            }
        }
        for view in &self.views {
            for row in view.range(None, None)? {
                let (key, value, _) = row?;
                visit(key, value)?;
            }
        }
        Ok(())
    }

    /// About how many rows there are.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        let of_tasks: u64 = self.views.iter().map(|view| view.approximate_count()).sum();
        of_tasks + self.global.as_ref().map_or(0, GlobalView::approximate_count)
    }
}
