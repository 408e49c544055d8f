//! Sends a stream through a topic, so that every record is where its key belongs.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::builder::Passes;
use crate::dsl::kstream::to::Topic;
use crate::dsl::{Consumed, KStream, Produced, Repartitioned};
use crate::error::Error;
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::{Nullable, Record};
use crate::topology::TopicRef;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Writes the stream to the topic `<application>-<name>-repartition` and reads it from there.
    /// Kafka Streams: `KStream.repartition`.
    ///
    /// With a fixed number of partitions it decides for the topics it is joined with. The topic is made when the
    /// application starts, and purged of what was processed.
    ///
    /// Records with a null key are left out, unless an operator below is a left join, which takes them: they go to any
    /// partition (KIP-962).
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let by_parity = numbers.map(|_, number| ((number % 2 == 0).then(|| "even".to_owned()), number));
    /// by_parity.repartition("parity", Repartitioned::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// // The repartition topic is read when its transaction has committed.
    /// driver.settle()?;
    /// assert_eq!(driver.output("test-parity-repartition", Utf8, I64).read_pairs(&driver)?, [("even".into(), 2)]);
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("even".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn repartition<KT, VT, MK, MV>(self, name: impl Into<Arc<str>>, repartitioned: Repartitioned<KT, VT, K, V>) -> Self
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: 'static,
        MK: 'static,
        MV: 'static,
    {
        let name = name.into();
        let Repartitioned { key_serde, value_serde, partitions, partitioner } = repartitioned;
        self.builder.with_graph(|graph| graph.add_repartition(&name, partitions));
        let produced = Produced { key_serde: Arc::clone(&key_serde), value_serde: Arc::clone(&value_serde), partitioner };
        let consumed = Consumed { key_serde: K::serde(key_serde), value_serde: V::serde(value_serde), extractor: None, reset: None };
        self.through(&name, produced, consumed)
    }

    /// The three nodes of a repartition topic.
    pub(crate) fn through<KT, VT, K2, V2, MK, MV>(
        self,
        name: &Arc<str>,
        produced: Produced<KT, VT, K, V>,
        consumed: Consumed<K2, V2>,
    ) -> KStream<K2, V2>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: 'static,
        K2: 'static,
        V2: 'static,
        MK: 'static,
        MV: 'static,
    {
        let builder = self.builder.clone();
        // Kafka Streams uses up a number for each of the three, named or not.
        builder.with_graph(|graph| (0..3).for_each(|_| graph.burn_name()));
        let rekeyed = self.rekeyed;
        let filtered: Self = self.then_named(format!("{name}-repartition-filter").into(), rekeyed, move |instance| {
            let keeps_null_keys = instance.joins_null_keys_below();
            Ok(Rc::new(KeyedFilterNode::<K, V, KT, MK> { keeps_null_keys, downstream: instance.downstream::<K, V>()?, marker: PhantomData }))
        });
        let topic = TopicRef::Repartition(Arc::clone(name));
        filtered.sink(format!("{name}-repartition-sink").into(), Topic::Fixed(topic.clone()), produced);
        let source = builder.add_source(format!("{name}-repartition-source").into(), [topic], consumed);
        KStream::new(&builder, source, false)
    }
}

/// The filter before a repartition topic: a record with a null key belongs to no partition.
struct KeyedFilterNode<K, V, KT, MK> {
    /// Some operator below takes them: they go to any partition.
    keeps_null_keys: bool,
    downstream: Downstream<K, V>,
    marker: Passes<(KT, MK)>,
}

impl<K: Nullable<KT, MK>, V, KT, MK> Receiver<K, V> for KeyedFilterNode<K, V, KT, MK> {
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        if self.keeps_null_keys || record.key.as_option().is_some() { self.downstream.forward(record) } else { Ok(()) }
    }
}
