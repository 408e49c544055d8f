//! Changes values and leaves keys alone.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Makes a new value of every value. Kafka Streams: `KStream.mapValues`.
    ///
    /// The key stays, so nothing is repartitioned.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// // A stream that has nulls is one of `Option`: the mapper says what becomes of them.
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64.nullable()));
    /// numbers.map_values(|number| number.unwrap_or(-1)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(1_i64)), ("b", None)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("b".into(), -1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn map_values<V2: 'static>(self, mapper: impl Fn(V) -> V2 + Send + Sync + 'static) -> KStream<K, V2> {
        self.try_map_values(move |value| Ok::<_, std::convert::Infallible>(mapper(value)))
    }

    /// As [`KStream::map_values`], with the key to read. Kafka Streams: `mapValues` with a `ValueMapperWithKey`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.map_values_with_key(|key, number| format!("{key}{number}")).to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("a".into(), "a1".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn map_values_with_key<V2: 'static>(self, mapper: impl Fn(&K, V) -> V2 + Send + Sync + 'static) -> KStream<K, V2> {
        self.map_value_nodes(move |key, value| Ok(mapper(key, value)))
    }

    /// As [`KStream::map_values`], by a mapper that can fail.
    ///
    /// A record for which it fails leaves nothing behind and goes to the dead-letter topic, unless the processing handler decides
    /// otherwise; Kafka Streams' default stops.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, Utf8)).try_map_values(|text| text.parse::<i64>()).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1"), ("b", "x"), ("c", "3")])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("c".into(), 3)]);
    /// let dead = driver.output("test-dead-letter-queue", Utf8, Utf8).read_pairs(&driver)?;
    /// assert_eq!(dead, [("b".into(), "x".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_map_values<V2: 'static, E: Into<BoxError>>(self, mapper: impl Fn(V) -> Result<V2, E> + Send + Sync + 'static) -> KStream<K, V2> {
        self.map_value_nodes(move |_, value| mapper(value).map_err(Into::into))
    }

    /// As [`KStream::try_map_values`], with the key to read.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let checked = |key: &String, number: i64| if number < 0 { Err(format!("{key} is negative")) } else { Ok(number * 2) };
    /// builder.stream("in", Consumed::with(Utf8, I64)).try_map_values_with_key(checked).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", -1)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_map_values_with_key<V2: 'static, E: Into<BoxError>>(
        self,
        mapper: impl Fn(&K, V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> KStream<K, V2> {
        self.map_value_nodes(move |key, value| mapper(key, value).map_err(Into::into))
    }

    fn map_value_nodes<V2: 'static>(self, mapper: impl Fn(&K, V) -> Result<V2, BoxError> + Send + Sync + 'static) -> KStream<K, V2> {
        let (mapper, rekeyed) = (Arc::new(mapper), self.rekeyed);
        self.then("KSTREAM-MAPVALUES-", rekeyed, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K, V2>()?);
            Ok(Rc::new(MapValuesNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct MapValuesNode<F, K, V, V2> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K, V2>,
    marker: Passes<V>,
}

impl<F, K, V, V2> Receiver<K, V> for MapValuesNode<F, K, V, V2>
where
    F: Fn(&K, V) -> Result<V2, BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let value = (self.mapper)(&key, value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        self.downstream.forward(Record { key, value, timestamp, headers })
    }
}
