//! Changes keys and values together.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Makes a new key and value of every record. Kafka Streams: `KStream.map`.
    ///
    /// The key may have changed: a stateful operator below repartitions first.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let scores = builder.stream("in", Consumed::with(Utf8, I64));
    /// scores.map(|name, score| (score, name)).to("out", Produced::with(I64, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("ada", 7), ("bo", 5)])?;
    /// assert_eq!(driver.output("out", I64, Utf8).read_pairs(&driver)?, [(7, "ada".into()), (5, "bo".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn map<K2: 'static, V2: 'static>(self, mapper: impl Fn(K, V) -> (K2, V2) + Send + Sync + 'static) -> KStream<K2, V2> {
        self.try_map(move |key, value| Ok::<_, std::convert::Infallible>(mapper(key, value)))
    }

    /// As [`KStream::map`], by a mapper that can fail.
    ///
    /// A record for which it fails leaves nothing behind and goes to the dead-letter topic, unless the processing handler decides
    /// otherwise; Kafka Streams' default stops.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let texts = builder.stream("in", Consumed::with(Utf8, Utf8));
    /// texts.try_map(|key, text| text.parse::<i64>().map(|number| (number, key))).to("out", Produced::with(I64, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1"), ("b", "x"), ("c", "3")])?;
    /// assert_eq!(driver.output("out", I64, Utf8).read_pairs(&driver)?, [(1, "a".into()), (3, "c".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_map<K2: 'static, V2: 'static, E: Into<BoxError> + 'static>(
        self,
        mapper: impl Fn(K, V) -> Result<(K2, V2), E> + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let mapper = Arc::new(mapper);
        self.then("KSTREAM-MAP-", true, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K2, V2>()?);
            Ok(Rc::new(MapNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct MapNode<F, K, V, K2, V2, E> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K2, V2>,
    marker: Passes<(K, V, E)>,
}

impl<F, K, V, K2, V2, E> Receiver<K, V> for MapNode<F, K, V, K2, V2, E>
where
    F: Fn(K, V) -> Result<(K2, V2), E>,
    E: Into<BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let (key, value) = (self.mapper)(key, value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        self.downstream.forward(Record { key, value, timestamp, headers })
    }
}
