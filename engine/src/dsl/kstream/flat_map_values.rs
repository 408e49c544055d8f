//! Makes any number of values of each value.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: Clone + 'static, V: 'static> KStream<K, V> {
    /// Makes any number of values of every value, all under its key. Kafka Streams: `KStream.flatMapValues`.
    ///
    /// The key stays, so nothing is repartitioned; it is cloned for every value.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let lines = builder.stream("in", Consumed::with(Utf8, Utf8));
    /// lines.flat_map_values(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>()).to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "so it"), ("b", "goes")])?;
    /// let words = driver.output("out", Utf8, Utf8).read_pairs(&driver)?;
    /// assert_eq!(words, [("a".into(), "so".into()), ("a".into(), "it".into()), ("b".into(), "goes".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn flat_map_values<V2, I>(self, mapper: impl Fn(V) -> I + Send + Sync + 'static) -> KStream<K, V2>
    where
        V2: 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        self.try_flat_map_values(move |value| Ok::<_, std::convert::Infallible>(mapper(value)))
    }

    /// As [`KStream::flat_map_values`], by a mapper that can fail.
    ///
    /// A record for which it fails leaves nothing behind and goes to the dead-letter topic, unless the processing handler decides
    /// otherwise; Kafka Streams' default stops.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let texts = builder.stream("in", Consumed::with(Utf8, Utf8));
    /// let numbers = texts.try_flat_map_values(|text| text.split(' ').map(str::parse).collect::<Result<Vec<i64>, _>>());
    /// numbers.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1 2"), ("b", "3 x")])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_flat_map_values<V2, I, E>(self, mapper: impl Fn(V) -> Result<I, E> + Send + Sync + 'static) -> KStream<K, V2>
    where
        V2: 'static,
        I: IntoIterator<Item = V2> + 'static,
        E: Into<BoxError> + 'static,
    {
        let (mapper, rekeyed) = (Arc::new(mapper), self.rekeyed);
        self.then("KSTREAM-FLATMAPVALUES-", rekeyed, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K, V2>()?);
            Ok(Rc::new(FlatMapValuesNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct FlatMapValuesNode<F, K, V, V2, I, E> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K, V2>,
    marker: Passes<(V, I, E)>,
}

impl<F, K, V, V2, I, E> Receiver<K, V> for FlatMapValuesNode<F, K, V, V2, I, E>
where
    F: Fn(V) -> Result<I, E>,
    K: Clone,
    I: IntoIterator<Item = V2>,
    E: Into<BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let made = (self.mapper)(value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        for value in made {
            self.downstream.forward(Record { key: key.clone(), value, timestamp, headers: headers.clone() })?;
        }
        Ok(())
    }
}
