//! Makes any number of records of each record.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Makes any number of keys and values of every record; all get its timestamp and headers. Kafka Streams:
    /// `KStream.flatMap`.
    ///
    /// The key may have changed: a stateful operator below repartitions first.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let lines = builder.stream("in", Consumed::with(I64, Utf8));
    /// let words = lines.flat_map(|line, text| text.split(' ').map(|word| (word.to_owned(), line)).collect::<Vec<_>>());
    /// words.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", I64, Utf8).pipe_values(&mut driver, [(1, "so it goes"), (2, "on")])?;
    /// let words = driver.output("out", Utf8, I64).read_pairs(&driver)?;
    /// assert_eq!(words, [("so".into(), 1), ("it".into(), 1), ("goes".into(), 1), ("on".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn flat_map<K2, V2, I>(self, mapper: impl Fn(K, V) -> I + Send + Sync + 'static) -> KStream<K2, V2>
    where
        K2: 'static,
        V2: 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        self.try_flat_map(move |key, value| Ok::<_, std::convert::Infallible>(mapper(key, value)))
    }

    /// As [`KStream::flat_map`], by a mapper that can fail.
    ///
    /// A record for which it fails leaves nothing behind and goes to the dead-letter topic, unless the processing handler decides
    /// otherwise; Kafka Streams' default stops.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let texts = builder.stream("in", Consumed::with(Utf8, Utf8));
    /// let numbers = texts.try_flat_map(|key, text| {
    ///     text.split(' ').map(|part| Ok((key.clone(), part.parse()?))).collect::<Result<Vec<(String, i64)>, std::num::ParseIntError>>()
    /// });
    /// numbers.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1 2"), ("b", "3 x"), ("c", "4")])?;
    /// let numbers = driver.output("out", Utf8, I64).read_pairs(&driver)?;
    /// assert_eq!(numbers, [("a".into(), 1), ("a".into(), 2), ("c".into(), 4)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_flat_map<K2, V2, I, E>(self, mapper: impl Fn(K, V) -> Result<I, E> + Send + Sync + 'static) -> KStream<K2, V2>
    where
        K2: 'static,
        V2: 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
        E: Into<BoxError> + 'static,
    {
        let mapper = Arc::new(mapper);
        self.then("KSTREAM-FLATMAP-", true, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K2, V2>()?);
            Ok(Rc::new(FlatMapNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct FlatMapNode<F, K, V, K2, V2, I, E> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K2, V2>,
    marker: Passes<(K, V, I, E)>,
}

impl<F, K, V, K2, V2, I, E> Receiver<K, V> for FlatMapNode<F, K, V, K2, V2, I, E>
where
    F: Fn(K, V) -> Result<I, E>,
    I: IntoIterator<Item = (K2, V2)>,
    E: Into<BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let made = (self.mapper)(key, value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        for (key, value) in made {
            self.downstream.forward(Record { key, value, timestamp, headers: headers.clone() })?;
        }
        Ok(())
    }
}
