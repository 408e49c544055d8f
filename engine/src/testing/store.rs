//! A store of the driver's tasks as a test reads and writes it: through the task, as a processor does.

use std::marker::PhantomData;
use std::sync::Arc;

use straum_state::{StateError, ValueAndTimestamp};

use crate::error::Error;
use crate::processor::{KeyValue, KeyValueIterator};
use crate::query::Rows;
use crate::testing::TopologyTestDriver;

/// A key-value store of one task. Kafka Streams: the `KeyValueStore` of `TopologyTestDriver.getKeyValueStore`.
///
/// It is the task's own store: reads see what is uncommitted, and writes are a part of the open transaction, with their
/// changelog records. [`TopologyTestDriver::commit`] commits them, [`TopologyTestDriver::crash`] before it takes them away.
/// As with a processor that writes its store, nothing is forwarded: a table below does not hear of it. The handle stays good
/// over commits and crashes.
///
/// Where several tasks have the store, [`TestStore::in_partition`] chooses one. All errors are the store's, or that no such task
/// is open.
///
/// ```
/// # use straum::{dsl::*, serde::*, testing::*};
/// # let builder = StreamsBuilder::new();
/// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
/// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
/// # let topology = builder.build()?;
/// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
/// let mut driver = TopologyTestDriver::new(&topology)?;
/// let counts = driver.key_value_store::<String, i64>("counts")?;
/// counts.put(&mut driver, &"a".to_owned(), 40)?;
/// driver.commit()?;
/// counts.delete(&mut driver, &"a".to_owned())?;
/// driver.crash()?;
/// // What was committed is there again, and the topology counts on.
/// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
/// assert_eq!(counts.get(&mut driver, &"a".to_owned())?, Some(41));
/// # Ok::<(), straum::Error>(())
/// ```
pub struct TestStore<K, V> {
    name: Arc<str>,
    partition: Option<u32>,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for TestStore<K, V> {
    fn clone(&self) -> Self {
        Self { name: Arc::clone(&self.name), partition: self.partition, marker: PhantomData }
    }
}

impl<K: 'static, V: Clone + 'static> TestStore<K, V> {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), partition: None, marker: PhantomData }
    }

    /// The store of the task of this partition.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).partitions(2).start()?;
    /// let second = driver.key_value_store::<String, i64>("rows")?.in_partition(1);
    /// second.put(&mut driver, &"a".to_owned(), 5)?;
    /// driver.commit()?;
    /// let changelog = driver.output("test-rows-changelog", Utf8, I64).committed().read(&driver)?;
    /// assert_eq!((changelog[0].key.as_str(), changelog[0].partition), ("a", Some(1)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn in_partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See the type.
    pub fn get(&self, driver: &mut TopologyTestDriver, key: &K) -> Result<Option<V>, Error> {
        self.step(driver, |store| store.get(key))
    }

    /// The value of a key and the timestamp it was written with.
    ///
    /// # Errors
    /// See the type.
    pub fn get_with_timestamp(&self, driver: &mut TopologyTestDriver, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error> {
        self.step(driver, |store| store.get_with_timestamp(key))
    }

    /// Sets the value of a key, at timestamp 0.
    ///
    /// # Errors
    /// See the type.
    pub fn put(&self, driver: &mut TopologyTestDriver, key: &K, value: V) -> Result<(), Error> {
        self.step(driver, |store| store.put(key, value))
    }

    /// Sets the value of a key with a timestamp, in milliseconds since the epoch.
    ///
    /// # Errors
    /// See the type, or that the timestamp is negative.
    pub fn put_at(&self, driver: &mut TopologyTestDriver, key: &K, value: V, timestamp: i64) -> Result<(), Error> {
        self.step(driver, |store| store.put_at(key, value, timestamp))
    }

    /// Sets the value of a key that has none, at timestamp 0, and returns the value that was there.
    ///
    /// # Errors
    /// See the type.
    pub fn put_if_absent(&self, driver: &mut TopologyTestDriver, key: &K, value: V) -> Result<Option<V>, Error> {
        self.step(driver, |store| store.put_if_absent(key, value))
    }

    /// Sets, or with `None` deletes, many keys, at timestamp 0: all of them, or after an error none.
    ///
    /// # Errors
    /// See the type.
    pub fn put_all(&self, driver: &mut TopologyTestDriver, rows: impl IntoIterator<Item = (K, Option<V>)>) -> Result<(), Error> {
        self.step(driver, |store| store.put_all(rows))
    }

    /// Deletes a key and returns its value.
    ///
    /// # Errors
    /// See the type.
    pub fn delete(&self, driver: &mut TopologyTestDriver, key: &K) -> Result<Option<V>, Error> {
        self.step(driver, |store| store.delete(key))
    }

    /// All rows with their timestamps, by serialised key.
    ///
    /// # Errors
    /// See the type.
    pub fn all(&self, driver: &mut TopologyTestDriver) -> Result<Rows<K, V>, Error> {
        self.range(driver, None, None)
    }

    /// As [`TestStore::all`], last key first.
    ///
    /// # Errors
    /// See the type.
    pub fn reverse_all(&self, driver: &mut TopologyTestDriver) -> Result<Rows<K, V>, Error> {
        self.reverse_range(driver, None, None)
    }

    /// The rows with `from <= key <= to`, by serialised key; an open end is unbounded.
    ///
    /// # Errors
    /// See the type.
    pub fn range(&self, driver: &mut TopologyTestDriver, from: Option<&K>, to: Option<&K>) -> Result<Rows<K, V>, Error> {
        self.scan(driver, |store| store.range(from, to))
    }

    /// As [`TestStore::range`], last key first.
    ///
    /// # Errors
    /// See the type.
    pub fn reverse_range(&self, driver: &mut TopologyTestDriver, from: Option<&K>, to: Option<&K>) -> Result<Rows<K, V>, Error> {
        self.scan(driver, |store| store.reverse_range(from, to))
    }

    /// The rows whose serialised key begins with `prefix`.
    ///
    /// # Errors
    /// See the type.
    pub fn prefix_scan(&self, driver: &mut TopologyTestDriver, prefix: &[u8]) -> Result<Rows<K, V>, Error> {
        self.scan(driver, |store| store.prefix_scan(prefix))
    }

    fn scan(
        &self,
        driver: &mut TopologyTestDriver,
        scan: impl FnOnce(&KeyValue<K, V>) -> Result<KeyValueIterator<K, V>, StateError>,
    ) -> Result<Rows<K, V>, Error> {
        self.step(driver, |store| scan(store)?.collect())
    }

    fn step<T>(&self, driver: &mut TopologyTestDriver, step: impl FnOnce(&KeyValue<K, V>) -> Result<T, StateError>) -> Result<T, Error> {
        driver.task_with(&self.name, self.partition)?.with_store(&self.name, step)
    }
}
