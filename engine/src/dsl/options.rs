//! What an operator that meets a topic or a store is told: serdes and names.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use straum_state::{Serde, SerdeContext, SerdeError, Serialized, SharedSerde};

use crate::dsl::StreamsBuilder;
use crate::processor::{Partitioner, Record, TimestampExtractor};
use crate::runtime::OffsetReset;

/// The name of an operator, or none: then it is numbered as Kafka Streams numbers it. Kafka Streams: `Named`.
///
/// Texts convert into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(Option<Arc<str>>);

impl Named {
    /// No name: the operator's kind and a number.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// # struct Same;
    /// # impl FixedKeyProcessor<String, i64, i64> for Same {
    /// #     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    /// #         Ok(context.forward_value(value)?)
    /// #     }
    /// # }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process_values(Named::numbered(), || Same, &[]).process_values("named", || Same, &[]).to("out", Produced::with(Utf8, I64));
    /// let description = builder.build()?.describe().to_string();
    /// assert!(description.contains("KSTREAM-PROCESSVALUES-0000000001") && description.contains("named"), "{description}");
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn numbered() -> Self {
        Self(None)
    }

    /// The name, or the next number of this prefix, which is used up only then.
    pub(crate) fn or_number(self, builder: &StreamsBuilder, prefix: &str) -> Arc<str> {
        self.0.unwrap_or_else(|| builder.new_name(prefix))
    }

    pub(crate) fn into_inner(self) -> Option<Arc<str>> {
        self.0
    }
}

impl From<&str> for Named {
    fn from(name: &str) -> Self {
        Self(Some(name.into()))
    }
}

impl From<String> for Named {
    fn from(name: String) -> Self {
        Self(Some(name.into()))
    }
}

impl From<Arc<str>> for Named {
    fn from(name: Arc<str>) -> Self {
        Self(Some(name))
    }
}

/// How a topic is read. Kafka Streams: `Consumed`.
pub struct Consumed<K, V> {
    pub(crate) key_serde: SharedSerde<K>,
    pub(crate) value_serde: SharedSerde<V>,
    pub(crate) extractor: Option<TimestampExtractor<K, V>>,
    pub(crate) reset: Option<OffsetReset>,
}

impl<K: 'static, V: 'static> Consumed<K, V> {
    /// Reads keys and values with these serdes.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(I64, Utf8.nullable())).to("out", Produced::with(I64, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", I64, Utf8.nullable()).pipe_values(&mut driver, [(1, Some("a".to_owned())), (2, None)])?;
    /// assert_eq!(driver.output("out", I64, Utf8.nullable()).read_pairs(&driver)?, [(1, Some("a".into())), (2, None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn with(key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde), extractor: None, reset: None }
    }

    /// Takes a record's time from what `extractor` returns, in milliseconds, instead of the log. It is given the record and
    /// the largest time seen in its partition; a negative result leaves the record out.
    ///
    /// Kafka Streams: `Consumed.withTimestampExtractor`. On the topic of a [table](crate::dsl::StreamsBuilder::table) it is not asked about
    /// records with a null key or value, which keep the log's time.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::with(Utf8, I64).with_timestamp_extractor(|record, _| *record.value);
    /// builder.stream("in", consumed).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 70), ("b", -1)])?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!(records.iter().map(|record| record.timestamp).collect::<Vec<_>>(), [70]);
    /// assert_eq!(driver.dropped(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn with_timestamp_extractor(mut self, extractor: impl Fn(Record<&K, &V>, i64) -> i64 + Send + Sync + 'static) -> Self {
        self.extractor = Some(Arc::new(extractor));
        self
    }

    /// Where the topic is read from while the group has committed no offset, or one that is not there any more, whatever
    /// `auto.offset.reset` says.
    ///
    /// Kafka Streams: `Consumed.withOffsetResetPolicy`; a [global table](crate::dsl::StreamsBuilder::global_table) begins at the oldest
    /// record with any, as there. `AutoOffsetReset.byDuration` has no equal here.
    ///
    /// ```
    /// # use straum::{dsl::*, runtime::OffsetReset, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let consumed = Consumed::with(Utf8, I64).with_offset_reset(OffsetReset::Latest);
    /// builder.stream("in", consumed).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn with_offset_reset(mut self, reset: OffsetReset) -> Self {
        self.reset = Some(reset);
        self
    }
}

impl<K: 'static, V: 'static> Consumed<K, V> {
    /// The same with null beside keys and values, as a table's topic is read: a null value deletes. A record with a null
    /// in it keeps the log's time.
    pub(crate) fn nullable(self) -> Consumed<Option<K>, Option<V>> {
        let extractor = self.extractor.map(|extractor| -> TimestampExtractor<Option<K>, Option<V>> {
            Arc::new(move |record, partition_time| match (record.key, record.value) {
                (Some(key), Some(value)) => extractor(Record { key, value, timestamp: record.timestamp, headers: record.headers }, partition_time),
                _ => record.timestamp,
            })
        });
        Consumed { key_serde: nullable(self.key_serde), value_serde: nullable(self.value_serde), extractor, reset: self.reset }
    }
}

/// How a topic is written. Kafka Streams: `Produced`.
///
/// `Produced<KT, VT>` writes a stream of `KT` or `Option<KT>`, `VT` or `Option<VT>`: nulls need no serde of their own.
pub struct Produced<KT, VT, K = KT, V = VT> {
    pub(crate) key_serde: SharedSerde<KT>,
    pub(crate) value_serde: SharedSerde<VT>,
    pub(crate) partitioner: Option<Partitioner<K, V>>,
}

impl<KT: 'static, VT: 'static, K, V> Produced<KT, VT, K, V> {
    /// Writes keys and values with these serdes.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.map(|key, number| (number, Some(key).filter(|key| !key.is_empty()))).to("out", Produced::with(I64, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("", 2)])?;
    /// assert_eq!(driver.output("out", I64, Utf8.nullable()).read_pairs(&driver)?, [(1, Some("a".into())), (2, None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn with(key_serde: impl Serde<Data = KT>, value_serde: impl Serde<Data = VT>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde), partitioner: None }
    }

    /// Chooses the partitions of a record, given its key, its value and how many there are: `None` for the default, one,
    /// many, or none at all, which drops the record.
    ///
    /// Kafka Streams: `StreamPartitioner`, as `Produced.withStreamPartitioner` takes it. A partition the topic does not have is a
    /// production error.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let produced = Produced::with(Utf8, I64).with_partitioner(|_, number: &i64, partitions| match number {
    ///     0 => Some(vec![]),                        // dropped
    ///     1 => Some((0..partitions).collect()),     // to all
    ///     number => Some(vec![*number as u32 % partitions]),
    /// });
    /// builder.stream("in", Consumed::with(Utf8, I64)).to("out", produced);
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).topic("out", 2).start()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 0), ("a", 1), ("a", 7)])?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// let places: Vec<_> = records.iter().map(|record| (record.partition, record.value)).collect();
    /// assert_eq!(places, [(Some(0), 1), (Some(1), 1), (Some(1), 7)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn with_partitioner(mut self, partitioner: impl Fn(&K, &V, u32) -> Option<Vec<u32>> + Send + Sync + 'static) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }
}

/// The serdes of a grouping's repartition topic. Kafka Streams: `Grouped`.
pub struct Grouped<K, V> {
    pub(crate) key_serde: SharedSerde<K>,
    pub(crate) value_serde: SharedSerde<V>,
}

impl<K: 'static, V: 'static> Grouped<K, V> {
    /// Groups with these serdes.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(I64, I64));
    /// let grouped = numbers.group_by("by-text", |key, _| key.to_string(), Grouped::with(Utf8, I64));
    /// grouped.count(Materialized::named("counts"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", I64, I64).pipe_values(&mut driver, [(7, 1)])?;
    /// driver.settle()?;
    /// assert_eq!(driver.output("test-by-text-repartition", Utf8, I64).read_pairs(&driver)?, [("7".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn with(key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde) }
    }
}

impl<K, V> Clone for Grouped<K, V> {
    fn clone(&self) -> Self {
        Self { key_serde: Arc::clone(&self.key_serde), value_serde: Arc::clone(&self.value_serde) }
    }
}

/// How [`repartition`](crate::dsl::KStream::repartition) writes and reads its topic. Kafka Streams: `Repartitioned`.
///
/// As with [`Produced`], a stream of `Option` takes serdes of what is inside.
pub struct Repartitioned<KT, VT, K = KT, V = VT> {
    pub(crate) key_serde: SharedSerde<KT>,
    pub(crate) value_serde: SharedSerde<VT>,
    pub(crate) partitions: Option<u32>,
    pub(crate) partitioner: Option<Partitioner<K, V>>,
}

impl<KT: 'static, VT: 'static, K, V> Repartitioned<KT, VT, K, V> {
    /// Writes and reads with these serdes.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.repartition("spread", Repartitioned::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).partitions(2).start()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.settle()?;
    /// assert_eq!(straum::log::Log::partitions(driver.log(), "test-spread-repartition")?, Some(2));
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn with(key_serde: impl Serde<Data = KT>, value_serde: impl Serde<Data = VT>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde), partitions: None, partitioner: None }
    }

    /// Fixes the number of partitions, which is otherwise that of the topics upstream.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let repartitioned = Repartitioned::with(Utf8, I64).with_number_of_partitions(5);
    /// numbers.repartition("spread", repartitioned).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.settle()?;
    /// assert_eq!(straum::log::Log::partitions(driver.log(), "test-spread-repartition")?, Some(5));
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn with_number_of_partitions(mut self, partitions: u32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Chooses the partitions of a record. See [`Produced::with_partitioner`].
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let last = |_: &String, _: &i64, partitions: u32| Some(vec![partitions - 1]);
    /// let repartitioned = Repartitioned::with(Utf8, I64).with_number_of_partitions(5).with_partitioner(last);
    /// numbers.repartition("spread", repartitioned).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// driver.settle()?;
    /// let records = driver.output("test-spread-repartition", Utf8, I64).read(&driver)?;
    /// assert_eq!(records.iter().map(|record| record.partition).collect::<Vec<_>>(), [Some(4), Some(4)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn with_partitioner(mut self, partitioner: impl Fn(&K, &V, u32) -> Option<Vec<u32>> + Send + Sync + 'static) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }
}

/// The name of a join, and the serdes of the repartition topic it needs when the stream's key has changed.
/// Kafka Streams: `Joined`.
pub struct Joined<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) serdes: Option<(SharedSerde<K>, SharedSerde<V>)>,
}

impl<K: 'static, V: 'static> Joined<K, V> {
    /// A join of this name, of a stream whose key has not changed.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.table("prices", Consumed::with(Utf8, I64), Materialized::named("prices"));
    /// let sales = builder.stream("sales", Consumed::with(Utf8, I64));
    /// sales.join(prices, |pieces, price| pieces * price, Joined::named("priced")).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("prices", Utf8, I64).pipe_values(&mut driver, [("fig", 10)])?;
    /// driver.input("sales", Utf8, I64).pipe_values(&mut driver, [("fig", 3)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("fig".into(), 30)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), serdes: None }
    }

    /// A join of this name; a stream whose key has changed is repartitioned with these serdes.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.table("prices", Consumed::with(Utf8, I64), Materialized::named("prices"));
    /// let sales = builder.stream("sales", Consumed::with(Utf8, I64));
    /// let lower = sales.select_key(|key, _| key.to_lowercase());
    /// lower.join(prices, |pieces, price| pieces * price, Joined::with("priced", Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("prices", Utf8, I64).pipe_values(&mut driver, [("fig", 10)])?;
    /// driver.input("sales", Utf8, I64).pipe_values(&mut driver, [("FIG", 3)])?;
    /// driver.settle()?;
    /// assert_eq!(driver.output("test-priced-repartition", Utf8, I64).read_pairs(&driver)?, [("fig".into(), 3)]);
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("fig".into(), 30)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn with(name: impl Into<Arc<str>>, key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> Self {
        Self { name: name.into(), serdes: Some((Arc::new(key_serde), Arc::new(value_serde))) }
    }
}

/// The store of an aggregation or a table. Kafka Streams: `Materialized`.
pub struct Materialized<V> {
    pub(crate) name: Arc<str>,
    pub(crate) value_serde: Option<SharedSerde<V>>,
    pub(crate) persistent: bool,
    pub(crate) caching: bool,
    pub(crate) logging: Option<BTreeMap<String, String>>,
    pub(crate) when_needed: bool,
    marker: PhantomData<fn() -> V>,
}

impl<V: 'static> Materialized<V> {
    /// A store of this name, on RocksDB, with a changelog; its value serde is the operator's own where it has one.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// grouped.count(Materialized::named("counts"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6)])?;
    /// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(2));
    /// // One changelog record for each key that changed in the transaction.
    /// assert_eq!(driver.output("test-counts-changelog", Utf8, I64).read_pairs(&driver)?, [("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            value_serde: None,
            persistent: true,
            caching: true,
            logging: Some(BTreeMap::new()),
            when_needed: false,
            marker: PhantomData,
        }
    }

    /// A store of this name whose values have this serde.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// grouped.aggregate(String::new, |_, number, text| format!("{text}{number}"), Materialized::with("texts", Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6)])?;
    /// assert_eq!(driver.store::<String, String>("texts")?.get(&"a".to_owned())?, Some("56".into()));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn with(name: impl Into<Arc<str>>, value_serde: impl Serde<Data = V>) -> Self {
        Self { value_serde: Some(Arc::new(value_serde)), ..Self::named(name) }
    }

    /// A store that is made only if an operator below needs it, named `<prefix>STATE-STORE-<number>` as Kafka Streams does
    /// where no `Materialized` is given; the prefix of a source table is its topic and `-`.
    ///
    /// For source tables and [`to_table`](crate::dsl::KStream::to_table). Its name changes with the operators declared before it:
    /// name a store that is to outlive a change of the topology.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let read = builder.table("read", Consumed::with(Utf8, I64), Materialized::numbered());
    /// let joined = builder.table("joined", Consumed::with(Utf8, I64), Materialized::numbered());
    /// let stream = read.to_stream().map_values(|number| number.unwrap_or(0));
    /// stream.join(joined, |left, right| left + right, Joined::named("sum")).to("out", Produced::with(Utf8, I64));
    /// let topology = builder.build()?;
    /// // Only the join looks anything up.
    /// assert_eq!(topology.store_names(), ["joined-STATE-STORE-0000000003".into()]);
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.input("joined", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.input("read", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 6)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn numbered() -> Self {
        Self::named("").when_needed()
    }

    /// The store with its name made where it has none.
    pub(crate) fn or_number(mut self, builder: &StreamsBuilder, prefix: &str) -> Self {
        if self.name.is_empty() {
            self.name = builder.new_name(&format!("{prefix}STATE-STORE-"));
        }
        self
    }

    /// Makes the store only if an operator below needs it: a source table that nobody looks up keeps none.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let table = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows").when_needed());
    /// table.to_stream().to("out", Produced::with(Utf8, I64));
    /// let topology = builder.build()?;
    /// assert!(topology.store_names().is_empty());
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn when_needed(mut self) -> Self {
        self.when_needed = true;
        self
    }

    /// Keeps the store in memory only; after a restart it is restored from its changelog.
    ///
    /// Kafka Streams: a `Materialized` with `Stores.inMemoryKeyValueStore`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// grouped.count(Materialized::named("counts").in_memory());
    /// let folder = tempfile::tempdir().unwrap();
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).state_folder(folder.path()).start()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6)])?;
    /// driver.commit()?;
    /// driver.crash()?;
    /// let restored: Vec<u64> = driver.restored().map(|(_, restored)| restored.records).collect();
    /// assert_eq!(restored, [1]);
    /// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(2));
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn in_memory(mut self) -> Self {
        self.persistent = false;
        self
    }

    /// Sends every update downstream at once, whatever `statestore.cache.max.bytes` says.
    ///
    /// Kafka Streams: `Materialized.withCachingDisabled`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// let second = grouped.clone();
    /// grouped.count(Materialized::named("cached")).to_stream().to("cached", Produced::with(Utf8, I64));
    /// second.count(Materialized::named("direct").with_caching_disabled()).to_stream().to("direct", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).configure(|config| config.statestore_cache_max_bytes = 10_000).start()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6)])?;
    /// let (mut cached, mut direct) = (driver.output("cached", Utf8, I64), driver.output("direct", Utf8, I64));
    /// assert_eq!(direct.read_pairs(&driver)?, [("a".into(), 1), ("a".into(), 2)]);
    /// assert_eq!(cached.read_pairs(&driver)?, []);
    /// driver.commit()?;
    /// assert_eq!(cached.read_pairs(&driver)?, [("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub const fn with_caching_disabled(mut self) -> Self {
        self.caching = false;
        self
    }

    /// Adds settings to the changelog topic.
    ///
    /// Kafka Streams: `Materialized.withLoggingEnabled`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// let config = [("segment.ms".to_owned(), "60000".to_owned())];
    /// grouped.count(Materialized::named("counts").with_logging(config.into()));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6)])?;
    /// let topics = driver.log().describe()?;
    /// let changelog = topics.iter().find(|topic| &*topic.name == "test-counts-changelog").unwrap();
    /// assert_eq!(changelog.config.get("segment.ms").map(String::as_str), Some("60000"));
    /// assert_eq!(changelog.config.get("cleanup.policy").map(String::as_str), Some("compact"));
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn with_logging(mut self, config: BTreeMap<String, String>) -> Self {
        self.logging = Some(config);
        self
    }

    /// Keeps no changelog: what the store holds is lost with the instance.
    ///
    /// Kafka Streams: `Materialized.withLoggingDisabled`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// grouped.count(Materialized::named("counts").with_logging_disabled());
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6)])?;
    /// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(2));
    /// assert_eq!(straum::log::Log::partitions(driver.log(), "test-counts-changelog")?, None);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.logging = None;
        self
    }
}

impl<V> fmt::Debug for Materialized<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Materialized").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A serde of `Option<T>` over one of `T`: what a repartition topic of a stream with nulls is read with.
pub(crate) fn nullable<T: 'static>(serde: SharedSerde<T>) -> SharedSerde<Option<T>> {
    Arc::new(NullableShared(serde))
}

struct NullableShared<T>(SharedSerde<T>);

impl<T: 'static> Serde for NullableShared<T> {
    type Data = Option<T>;

    fn serialize(&self, data: &Option<T>, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match data {
            Some(data) => self.0.serialize(data, context, out),
            None => Ok(Serialized::Null),
        }
    }

    fn deserialize(&self, bytes: Option<&[u8]>, context: SerdeContext<'_>) -> Result<Option<T>, SerdeError> {
        match bytes {
            Some(_) => self.0.deserialize(bytes, context).map(Some),
            None => Ok(None),
        }
    }
}
