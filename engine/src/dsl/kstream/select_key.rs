//! Gives records another key.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Selects a new key for every record. Kafka Streams: `KStream.selectKey`.
    ///
    /// The key may have changed: a stateful operator below repartitions first.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let scores = builder.stream("in", Consumed::with(Utf8, I64));
    /// scores.select_key(|_, score| *score).to("out", Produced::with(I64, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("ada", 7)])?;
    /// assert_eq!(driver.output("out", I64, I64).read_pairs(&driver)?, [(7, 7)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn select_key<K2: 'static>(self, selector: impl Fn(&K, &V) -> K2 + Send + Sync + 'static) -> KStream<K2, V> {
        self.try_select_key(move |key, value| Ok::<_, std::convert::Infallible>(selector(key, value)))
    }

    /// As [`KStream::select_key`], by a selector that can fail.
    ///
    /// A record for which it fails leaves nothing behind and goes to the dead-letter topic, unless the processing handler decides
    /// otherwise; Kafka Streams' default stops.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let texts = builder.stream("in", Consumed::with(Utf8, Utf8));
    /// texts.try_select_key(|_, text| text.parse::<i64>()).to("out", Produced::with(I64, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1"), ("b", "x")])?;
    /// assert_eq!(driver.output("out", I64, Utf8).read_pairs(&driver)?, [(1, "1".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_select_key<K2: 'static, E: Into<BoxError> + 'static>(
        self,
        selector: impl Fn(&K, &V) -> Result<K2, E> + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        let name = self.builder.new_name("KSTREAM-KEY-SELECT-");
        self.select_key_nodes(name, selector)
    }

    pub(crate) fn select_key_nodes<K2: 'static, E: Into<BoxError> + 'static>(
        self,
        name: Arc<str>,
        selector: impl Fn(&K, &V) -> Result<K2, E> + Send + Sync + 'static,
    ) -> KStream<K2, V> {
        let selector = Arc::new(selector);
        self.then_named(name, true, move |instance| {
            let name = instance.name();
            let (selector, downstream) = (Arc::clone(&selector), instance.downstream::<K2, V>()?);
            Ok(Rc::new(SelectKeyNode { name, selector, downstream, marker: PhantomData }))
        })
    }
}

struct SelectKeyNode<F, K, K2, V, E> {
    name: Arc<str>,
    selector: Arc<F>,
    downstream: Downstream<K2, V>,
    marker: Passes<(K, E)>,
}

impl<F, K, K2, V, E> Receiver<K, V> for SelectKeyNode<F, K, K2, V, E>
where
    F: Fn(&K, &V) -> Result<K2, E>,
    E: Into<BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let key = (self.selector)(&record.key, &record.value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        self.downstream.forward(record.with_key(key))
    }
}
