//! What an operator that meets a topic or a store is told: serdes and names.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use straum_state::{Serde, SerdeContext, SerdeError, Serialized, SharedSerde};

use crate::dsl::StreamsBuilder;
use crate::processor::{Partitioner, Record, TimestampExtractor};

/// The name of an operator, or none: then it is numbered as Kafka Streams numbers it. Kafka Streams: `Named`.
///
/// Texts convert into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(Option<Arc<str>>);

impl Named {
    /// No name: the operator's kind and a number.
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
}

impl<K: 'static, V: 'static> Consumed<K, V> {
    /// Reads keys and values with these serdes.
    pub fn with(key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde), extractor: None }
    }

    /// Takes a record's time from what `extractor` returns, in milliseconds, instead of the log. It is given the record and
    /// the largest time seen in its partition; a negative result leaves the record out.
    #[must_use]
    pub fn with_timestamp_extractor(mut self, extractor: impl Fn(Record<&K, &V>, i64) -> i64 + Send + Sync + 'static) -> Self {
        self.extractor = Some(Arc::new(extractor));
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
        Consumed { key_serde: nullable(self.key_serde), value_serde: nullable(self.value_serde), extractor }
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
    pub fn with(key_serde: impl Serde<Data = KT>, value_serde: impl Serde<Data = VT>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde), partitioner: None }
    }

    /// Chooses the partitions of a record, given its key, its value and how many there are: `None` for the default, one,
    /// many, or none at all, which drops the record.
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
    pub fn with(key_serde: impl Serde<Data = KT>, value_serde: impl Serde<Data = VT>) -> Self {
        Self { key_serde: Arc::new(key_serde), value_serde: Arc::new(value_serde), partitions: None, partitioner: None }
    }

    /// Fixes the number of partitions, which is otherwise that of the topics upstream.
    #[must_use]
    pub const fn with_number_of_partitions(mut self, partitions: u32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Chooses the partitions of a record. See [`Produced::with_partitioner`].
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
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), serdes: None }
    }

    /// A join of this name; a stream whose key has changed is repartitioned with these serdes.
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
    pub fn with(name: impl Into<Arc<str>>, value_serde: impl Serde<Data = V>) -> Self {
        Self { value_serde: Some(Arc::new(value_serde)), ..Self::named(name) }
    }

    /// A store that is made only if an operator below needs it, named `<prefix>STATE-STORE-<number>` as Kafka Streams does
    /// where no `Materialized` is given; the prefix of a source table is its topic and `-`.
    ///
    /// For source tables and [`to_table`](crate::dsl::KStream::to_table). Its name changes with the operators declared before it:
    /// name a store that is to outlive a change of the topology.
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
    #[must_use]
    pub const fn when_needed(mut self) -> Self {
        self.when_needed = true;
        self
    }

    /// Keeps the store in memory only; after a restart it is restored from its changelog.
    #[must_use]
    pub const fn in_memory(mut self) -> Self {
        self.persistent = false;
        self
    }

    /// Sends every update downstream at once, whatever `statestore.cache.max.bytes` says.
    #[must_use]
    pub const fn with_caching_disabled(mut self) -> Self {
        self.caching = false;
        self
    }

    /// Adds settings to the changelog topic.
    #[must_use]
    pub fn with_logging(mut self, config: BTreeMap<String, String>) -> Self {
        self.logging = Some(config);
        self
    }

    /// Keeps no changelog: what the store holds is lost with the instance.
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
