//! Joins a stream with a table.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::builder::Passes;
use crate::dsl::ktable::table::ValueGetter;
use crate::dsl::options::nullable;
use crate::dsl::{Consumed, Joined, KStream, KTable, Produced};
use crate::error::{BoxError, Error};
use crate::processor::edge::{Adapter, Downstream, Edge, Receiver};
use crate::processor::task_context::TaskContext;
use crate::processor::{Nullable, Record};
use crate::topology::NodeKind;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// The records whose key is in the table, joined with its value at the time they are processed. Kafka Streams:
    /// `KStream.join` with a `KTable`.
    ///
    /// Only the stream's records give results, at their own timestamps. Records with a null key or value are left out and
    /// counted as dropped. Stream and table must be co-partitioned; a stream whose key may have changed is repartitioned
    /// through `<application>-<name>-repartition`, with the serdes of `joined`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let prices = builder.table("prices", Consumed::with(Utf8, I64), Materialized::named("prices"));
    /// let sales = builder.stream("sales", Consumed::with(Utf8, I64.nullable()));
    /// sales.join(prices, |pieces: i64, price| pieces * price, Joined::named("priced")).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("prices", Utf8, I64).pipe_values(&mut driver, [("fig", 10)])?;
    /// let sales = driver.input("sales", Utf8, I64.nullable());
    /// sales.pipe_values(&mut driver, [("fig", Some(3_i64)), ("apple", Some(1)), ("fig", None)])?;
    /// // A change of the table alone gives nothing.
    /// driver.input("prices", Utf8, I64).pipe_values(&mut driver, [("fig", 20)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("fig".into(), 30)]);
    /// assert_eq!(driver.dropped(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn join<KT, VS, VT, VR, MK, MV>(
        self,
        table: KTable<KT, VT>,
        joiner: impl Fn(VS, VT) -> VR + Send + Sync + 'static,
        joined: Joined<KT, VS>,
    ) -> KStream<KT, VR>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VS, MV>,
        KT: 'static,
        VS: 'static,
        VT: Clone + 'static,
        VR: 'static,
        MK: 'static,
        MV: 'static,
    {
        let join = move |value: VS, other: Option<VT>| Ok(other.map(|other| joiner(value, other)));
        let matched: KStream<Option<KT>, VR> = self.nullable().join_nodes(table, joined, false, join);
        matched.keyed()
    }

    /// All records with a value, joined with the table's value where there is one; a record with a null key is joined with
    /// none. Kafka Streams: `KStream.leftJoin` with a `KTable`.
    ///
    /// A record with a null value is left out and counted as dropped.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.table("names", Consumed::with(Utf8, Utf8), Materialized::named("names"));
    /// let visits = builder.stream("visits", Consumed::with(Utf8.nullable(), I64));
    /// let named = visits.left_join(names, |visit, name| format!("{visit} {}", name.unwrap_or("?".into())), Joined::named("named"));
    /// named.to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("names", Utf8, Utf8).pipe_values(&mut driver, [("a", "ada")])?;
    /// let visits = driver.input("visits", Utf8.nullable(), I64);
    /// visits.pipe_values(&mut driver, [(Some("a".to_owned()), 1), (Some("b".to_owned()), 2), (None, 3)])?;
    /// let named = driver.output("out", Utf8.nullable(), Utf8).read_pairs(&driver)?;
    /// assert_eq!(named, [(Some("a".into()), "1 ada".into()), (Some("b".into()), "2 ?".into()), (None, "3 ?".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn left_join<KT, VS, VT, VR, MK, MV>(
        self,
        table: KTable<KT, VT>,
        joiner: impl Fn(VS, Option<VT>) -> VR + Send + Sync + 'static,
        joined: Joined<KT, VS>,
    ) -> KStream<Option<KT>, VR>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VS, MV>,
        KT: 'static,
        VS: 'static,
        VT: Clone + 'static,
        VR: 'static,
        MK: 'static,
        MV: 'static,
    {
        self.nullable().join_nodes(table, joined, true, move |value, other| Ok(Some(joiner(value, other))))
    }
}

impl<K: 'static, V: 'static> KStream<Option<K>, V> {
    /// The same stream after an operator that lets no null key pass. No node: the edge converts.
    pub(super) fn keyed(self) -> KStream<K, V> {
        self.builder.with_graph(|graph| {
            graph.add_adapter(self.node, Adapter::new(|edge: Edge<K, V>| -> Edge<Option<K>, V> { Rc::new(KeyedEdge { edge }) }));
        });
        KStream::new(&self.builder, self.node, self.rekeyed)
    }
}

struct KeyedEdge<K, V> {
    edge: Edge<K, V>,
}

impl<K, V> Receiver<Option<K>, V> for KeyedEdge<K, V> {
    fn receive(&self, record: Record<Option<K>, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        match key {
            Some(key) => self.edge.receive(Record { key, value, timestamp, headers }),
            None => Ok(()),
        }
    }
}

impl<K: 'static, V: 'static> KStream<Option<K>, Option<V>> {
    pub(super) fn join_nodes<VT: Clone + 'static, VR: 'static>(
        self,
        table: KTable<K, VT>,
        joined: Joined<K, V>,
        left: bool,
        joiner: impl Fn(V, Option<VT>) -> Result<Option<VR>, BoxError> + Send + Sync + 'static,
    ) -> KStream<Option<K>, VR> {
        let builder = self.builder.clone();
        let Joined { name, serdes } = joined;
        let stream = match (self.rekeyed, serdes) {
            (false, _) => self,
            (true, Some((key_serde, value_serde))) => {
                builder.with_graph(|graph| graph.add_repartition(&name, None));
                let reading = Consumed {
                    key_serde: nullable(Arc::clone(&key_serde)),
                    value_serde: nullable(Arc::clone(&value_serde)),
                    extractor: None,
                    reset: None,
                };
                self.through::<K, V, _, _, _, _>(&name, Produced { key_serde, value_serde, partitioner: None }, reading)
            }
            (true, None) => {
                builder.with_graph(|graph| {
                    graph.problems.push(format!("join {name} repartitions a stream whose key may have changed, expected its serdes (Joined::with)"));
                });
                self
            }
        };
        // Kafka Streams uses up a number for the node, named or not.
        builder.with_graph(crate::topology::Graph::burn_name);
        let (joiner, lookup) = (Arc::new(joiner), Arc::clone(&table.table));
        let node = builder.add_node(name, NodeKind::Processor, &[stream.node], move |instance| {
            Ok(Rc::new(StreamTableJoinNode {
                name: instance.name(),
                left,
                joiner: Arc::clone(&joiner),
                table: lookup.getter(instance)?,
                downstream: instance.downstream::<Option<K>, VR>()?,
                task: Rc::clone(&instance.task),
                marker: PhantomData,
            }))
        });
        table.table.connect(&builder, node);
        builder.with_graph(|graph| {
            if left {
                graph.set_joins_null_keys(node);
            }
            let sources = graph.sources_of(stream.node).union(&graph.sources_of(table.node)).copied().collect();
            graph.copartitions.push(sources);
        });
        KStream::new(&builder, node, false)
    }
}

struct StreamTableJoinNode<F, K, V, VT, VR> {
    name: Arc<str>,
    left: bool,
    joiner: Arc<F>,
    table: Rc<dyn ValueGetter<K, VT>>,
    downstream: Downstream<Option<K>, VR>,
    task: Rc<TaskContext>,
    marker: Passes<V>,
}

impl<F, K, V, VT, VR> Receiver<Option<K>, Option<V>> for StreamTableJoinNode<F, K, V, VT, VR>
where
    F: Fn(V, Option<VT>) -> Result<Option<VR>, BoxError>,
{
    fn receive(&self, record: Record<Option<K>, Option<V>>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let Some(value) = value else {
            self.task.drop_record();
            return Ok(());
        };
        let found = match &key {
            Some(key) => self.table.get(key)?.map(|found| found.value),
            None if self.left => None,
            None => {
                self.task.drop_record();
                return Ok(());
            }
        };
        match (self.joiner)(value, found).map_err(|error| Error::processing(error).in_node(&self.name))? {
            Some(value) => self.downstream.forward(Record { key, value, timestamp, headers }),
            None => Ok(()),
        }
    }
}
