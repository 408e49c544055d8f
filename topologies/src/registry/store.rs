//! Stores as text and JSON: what a tool shows of one, whatever its types.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use straum::Error;
use straum::query::ReadOnlyStore;
use straum::runtime::Streams;
use straum::testing::TopologyTestDriver;

/// Where stores are found: in a running application, or in a driver.
#[derive(Clone, Copy)]
pub enum Stores<'a> {
    /// A running application.
    Application(&'a Streams),
    /// A driver, as it stood at its last commit.
    Driver(&'a TopologyTestDriver),
}

impl Stores<'_> {
    /// The store of this name and these types.
    ///
    /// # Errors
    /// As [`Streams::store`].
    pub fn open<K: 'static, V: Clone + 'static>(&self, name: &str) -> Result<ReadOnlyStore<K, V>, Error> {
        match self {
            Self::Application(streams) => streams.store(name),
            Self::Driver(driver) => driver.query(name),
        }
    }
}

/// A row of a store.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Row {
    /// The key.
    pub key: Value,
    /// The value.
    pub value: Value,
    /// Its timestamp, milliseconds since the epoch, where the store keeps one.
    pub timestamp: Option<i64>,
}

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// From this key on.
    pub from: Option<String>,
    /// Up to this key, inclusive.
    pub to: Option<String>,
    /// Only keys that begin with this text.
    pub prefix: Option<String>,
    /// Last key first, within each task.
    pub reverse: bool,
    /// At most so many.
    pub limit: Option<usize>,
}

type Get = dyn Fn(Stores<'_>, &str) -> Result<Option<Row>, Error> + Send + Sync;
type Range = dyn Fn(Stores<'_>, &Selection) -> Result<Vec<Row>, Error> + Send + Sync;
type Count = dyn Fn(Stores<'_>) -> Result<u64, Error> + Send + Sync;

/// A store, as text and JSON.
#[derive(Clone)]
pub struct StoreDefinition {
    /// Its name.
    pub name: &'static str,
    /// One line of what it holds.
    pub about: &'static str,
    get: Arc<Get>,
    range: Arc<Range>,
    count: Arc<Count>,
}

impl StoreDefinition {
    /// A store whose keys and values are shown as serde writes them; `parse` reads a key as a user types it.
    #[must_use]
    pub fn json<K, V>(name: &'static str, about: &'static str, parse: fn(&str) -> Option<K>) -> Self
    where
        K: Serialize + 'static,
        V: Serialize + Clone + 'static,
    {
        Self::shown::<K, V>(name, about, parse, |key| serde_json::to_value(key).unwrap_or_default())
    }

    /// As [`StoreDefinition::json`], with keys shown by `show`: for keys of several parts.
    #[must_use]
    pub fn shown<K, V>(name: &'static str, about: &'static str, parse: fn(&str) -> Option<K>, show: fn(&K) -> Value) -> Self
    where
        K: 'static,
        V: Serialize + Clone + 'static,
    {
        let key_of = move |text: &str| {
            parse(text).ok_or_else(|| {
                let message = format!("{text:?} is not a key of the store");
                Error::new(straum::ErrorKind::InvalidState, message).in_store(name)
            })
        };
        let row = move |key: &K, value: &V, timestamp: i64| Row {
            key: show(key),
            value: serde_json::to_value(value).unwrap_or_default(),
            timestamp: (timestamp >= 0).then_some(timestamp),
        };
        let get = move |stores: Stores<'_>, text: &str| {
            let key = key_of(text)?;
            let found = stores.open::<K, V>(name)?.get_with_timestamp(&key)?;
            Ok(found.map(|found| row(&key, &found.value, found.timestamp)))
        };
        let range = move |stores: Stores<'_>, selection: &Selection| {
            let bound = |text: &Option<String>| text.as_deref().map(key_of).transpose();
            let (from, to) = (bound(&selection.from)?, bound(&selection.to)?);
            let store = stores.open::<K, V>(name)?;
            let mut rows = Vec::new();
            let (from, to) = (from.as_ref(), to.as_ref());
            let found = if selection.reverse { store.reverse_range(from, to)? } else { store.range(from, to)? };
            for (key, value, timestamp) in found {
                if selection.limit.is_some_and(|limit| rows.len() >= limit) {
                    break;
                }
                let shown = show(&key);
                let begins = |prefix: &String| text_of(&shown).starts_with(prefix.as_str());
                if selection.prefix.as_ref().is_none_or(begins) {
                    rows.push(row(&key, &value, timestamp));
                }
            }
            Ok(rows)
        };
        let count = move |stores: Stores<'_>| {
            let mut rows = 0;
            stores.open::<K, V>(name)?.for_each(|_, _| {
                rows += 1;
                Ok(())
            })?;
            Ok(rows)
        };
        Self { name, about, get: Arc::new(get), range: Arc::new(range), count: Arc::new(count) }
    }

    /// The row of a key.
    ///
    /// # Errors
    /// The text is no key of this store, or the store's.
    pub fn get(&self, stores: Stores<'_>, key: &str) -> Result<Option<Row>, Error> {
        (self.get)(stores, key)
    }

    /// The rows of a selection, by task and then by serialised key, as it says.
    ///
    /// # Errors
    /// As [`StoreDefinition::get`].
    pub fn range(&self, stores: Stores<'_>, selection: &Selection) -> Result<Vec<Row>, Error> {
        (self.range)(stores, selection)
    }

    /// How many rows there are, counted one by one.
    ///
    /// # Errors
    /// The store's.
    pub fn count(&self, stores: Stores<'_>) -> Result<u64, Error> {
        (self.count)(stores)
    }
}

/// A key as a user would type it.
#[must_use]
pub fn text_of(key: &Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}
