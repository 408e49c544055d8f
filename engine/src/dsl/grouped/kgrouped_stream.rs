//! `KGroupedStream`: a stream grouped by key, and the node that aggregates it.

use std::rc::Rc;
use std::sync::Arc;

use straum_state::ValueAndTimestamp;

use crate::dsl::grouped::repartitioned::SharedSource;
use crate::dsl::ktable::materialized::{Materialization, TableStore};
use crate::dsl::options::nullable;
use crate::dsl::{Consumed, Grouped, KStream, KTable, Materialized, Produced};
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::Receiver;
use crate::serde::Change;

/// A stream grouped by key. Kafka Streams: `KGroupedStream`.
///
/// Records with a null key or a null value are left out by every aggregation and counted as dropped.
///
/// A clone lets one grouping have several aggregations, which share its repartition topic.
///
/// ```
/// # use straum::{dsl::*, serde::*, testing::*};
/// # let builder = StreamsBuilder::new();
/// let grouped = builder.stream("in", Consumed::with(Utf8, I64.nullable())).group_by_key("by-key", Grouped::with(Utf8, I64));
/// grouped.count(Materialized::named("counts"));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(1_i64)), ("a", None)])?;
/// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(1));
/// assert_eq!(driver.dropped(), 1);
/// # Ok::<(), straum::Error>(())
/// ```
#[must_use = "a grouped stream that nothing aggregates does nothing"]
pub struct KGroupedStream<K, V> {
    stream: KStream<Option<K>, Option<V>>,
    name: Arc<str>,
    grouped: Grouped<K, V>,
    source: Rc<SharedSource>,
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for KGroupedStream<K, V> {
    fn clone(&self) -> Self {
        let Self { stream, name, grouped, source } = self;
        source.fork_with(|builder, source| builder.with_graph(|graph| graph.set_fork::<Option<K>, Option<V>>(source, Record::clone)));
        Self { stream: stream.clone(), name: Arc::clone(name), grouped: grouped.clone(), source: Rc::clone(source) }
    }
}

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    pub(crate) fn new(stream: KStream<Option<K>, Option<V>>, name: Arc<str>, grouped: Grouped<K, V>) -> Self {
        Self { stream, name, grouped, source: Rc::default() }
    }

    pub(crate) fn builder(&self) -> crate::dsl::StreamsBuilder {
        self.stream.builder.clone()
    }

    pub(crate) fn key_serde(&self) -> straum_state::SharedSerde<K> {
        Arc::clone(&self.grouped.key_serde)
    }

    pub(crate) fn value_serde(&self) -> straum_state::SharedSerde<V> {
        Arc::clone(&self.grouped.value_serde)
    }

    /// The stream, through its repartition topic if its key may have changed.
    pub(crate) fn partitioned(self) -> KStream<Option<K>, Option<V>> {
        let Self { stream, name, grouped, source } = self;
        if !stream.rekeyed {
            return stream;
        }
        let builder = stream.builder.clone();
        if let Some(source) = source.get() {
            // Kafka Streams uses up the topic's three numbers again.
            builder.with_graph(|graph| (0..3).for_each(|_| graph.burn_name()));
            return KStream::new(&builder, source, false);
        }
        builder.with_graph(|graph| graph.add_repartition(&name, None));
        let produced = Produced { key_serde: Arc::clone(&grouped.key_serde), value_serde: Arc::clone(&grouped.value_serde), partitioner: None };
        let consumed = Consumed { key_serde: nullable(grouped.key_serde), value_serde: nullable(grouped.value_serde), extractor: None, reset: None };
        let partitioned = stream.through::<K, V, _, _, _, _>(&name, produced, consumed);
        source.set(&builder, partitioned.node);
        partitioned
    }

    /// The table of an aggregation. `step` makes the new aggregate, and the old one as it is sent on, of a record and the
    /// aggregate there is.
    pub(crate) fn aggregate_nodes<A: Clone + 'static>(
        self,
        prefix: &str,
        materialized: Materialized<A>,
        step: impl Fn(&K, V, Option<&A>) -> Result<Step<A>, BoxError> + Send + Sync + 'static,
    ) -> KTable<K, A> {
        let builder = self.stream.builder.clone();
        let key_serde = Arc::clone(&self.grouped.key_serde);
        // Kafka Streams names the aggregation before the repartition topic's nodes.
        let name = builder.new_name(prefix);
        let stream = self.partitioned();
        let materialization = Materialization::stored(&builder, key_serde, materialized);
        let (step, of_node) = (Arc::new(step), Arc::clone(&materialization));
        let node = builder.add_node(name, crate::topology::NodeKind::Processor, &[stream.node], move |instance| {
            Ok(Rc::new(AggregateNode { name: instance.name(), step: Arc::clone(&step), table: of_node.table_store(instance)? }))
        });
        materialization.own(&builder, node);
        let key_serde = materialization.key_serde();
        KTable::new(&builder, node, key_serde, materialization)
    }
}

/// What an aggregation makes of one record.
pub(crate) struct Step<A> {
    /// The aggregate before, as it is sent on: an initial value counts.
    pub(crate) old: Option<A>,
    /// The aggregate after; `None` deletes it.
    pub(crate) new: Option<A>,
}

pub(crate) struct AggregateNode<F, K, A> {
    pub(crate) name: Arc<str>,
    pub(crate) step: Arc<F>,
    pub(crate) table: Rc<TableStore<K, A>>,
}

impl<F, K, V, A> Receiver<Option<K>, Option<V>> for AggregateNode<F, K, A>
where
    F: Fn(&K, V, Option<&A>) -> Result<Step<A>, BoxError>,
    K: 'static,
    V: 'static,
    A: Clone + 'static,
{
    fn receive(&self, record: Record<Option<K>, Option<V>>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let (Some(key), Some(value)) = (key, value) else {
            self.table.task.drop_record();
            return Ok(());
        };
        let found: Option<ValueAndTimestamp<A>> = self.table.get(&key).map_err(|error| error.in_node(&self.name))?;
        let received = timestamp;
        let timestamp = found.as_ref().map_or(timestamp, |found| found.timestamp.max(timestamp));
        let step =
            (self.step)(&key, value, found.as_ref().map(|found| &found.value)).map_err(|error| Error::processing(error).in_node(&self.name))?;
        self.table.put_aggregate(Record { key, value: Change { old: step.old, new: step.new }, timestamp, headers }, received)
    }
}
