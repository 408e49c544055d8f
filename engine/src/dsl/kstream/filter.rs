//! Keeps records by a predicate.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::Error;
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::{Outcome, Record};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Keeps the records for which the predicate holds. Kafka Streams: `KStream.filter`.
    ///
    /// The key stays, so nothing is repartitioned. The predicate may return a `bool` or a `Result` of one.
    ///
    /// ```
    /// use straum::dsl::{Consumed, Produced, StreamsBuilder};
    /// use straum::serde::{I64, Utf8};
    /// use straum::testing::TopologyTestDriver;
    ///
    /// let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).filter(|_, amount| *amount > 1).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64);
    /// input.pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("b".to_owned(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn filter<R, M>(self, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M> + 'static,
        M: 'static,
    {
        self.filter_where("KSTREAM-FILTER-", true, predicate)
    }

    /// Keeps the records for which the predicate does not hold. Kafka Streams: `KStream.filterNot`.
    ///
    /// ```
    /// use straum::dsl::{Consumed, Produced, StreamsBuilder};
    /// use straum::serde::{I64, Utf8};
    /// use straum::testing::TopologyTestDriver;
    ///
    /// let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).filter_not(|_, amount| *amount > 1).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64);
    /// input.pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".to_owned(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn filter_not<R, M>(self, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M> + 'static,
        M: 'static,
    {
        self.filter_where("KSTREAM-FILTER-", false, predicate)
    }

    fn filter_where<R, M>(self, prefix: &str, keep: bool, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M> + 'static,
        M: 'static,
    {
        let (predicate, rekeyed) = (Arc::new(predicate), self.rekeyed);
        self.then(prefix, rekeyed, move |instance| {
            let name = instance.name();
            let (predicate, downstream) = (Arc::clone(&predicate), instance.downstream()?);
            Ok(Rc::new(FilterNode { name, keep, predicate, downstream, marker: PhantomData }))
        })
    }
}

struct FilterNode<F, K, V, R, M> {
    name: Arc<str>,
    keep: bool,
    predicate: Arc<F>,
    downstream: Downstream<K, V>,
    marker: Passes<(R, M)>,
}

impl<F, K, V, R, M> Receiver<K, V> for FilterNode<F, K, V, R, M>
where
    F: Fn(&K, &V) -> R,
    R: Outcome<bool, M>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let holds = (self.predicate)(&record.key, &record.value).into_result().map_err(|error| Error::processing(error).in_node(&self.name))?;
        if holds == self.keep { self.downstream.forward(record) } else { Ok(()) }
    }
}
