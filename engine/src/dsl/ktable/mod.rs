//! `KTable`: a stream of changes, one operator a file.

mod derived;
mod filter;
mod group_by;
mod join;
mod map_values;
pub(crate) mod materialized;
pub(crate) mod source;
pub(crate) mod table;
mod to_stream;
mod try_join;

use std::marker::PhantomData;
use std::sync::Arc;

use straum_state::SharedSerde;

use crate::dsl::StreamsBuilder;
use crate::dsl::ktable::table::Table;
use crate::processor::Record;
use crate::serde::Change;
use crate::topology::NodeId;

/// A table: the newest value of each key, and the stream of its changes. Kafka Streams: `KTable`.
///
/// The handle is consumed by use; `.clone()` is the fork.
///
/// ```
/// # use straum::{dsl::*, serde::*, testing::*};
/// # let builder = StreamsBuilder::new();
/// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
/// rows.clone().to_stream().to("changes", Produced::with(Utf8, I64));
/// rows.filter(|_, number| *number > 1).materialize(Materialized::with("large", I64));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(1_i64)), ("a", Some(2)), ("b", Some(3)), ("b", None)])?;
/// assert_eq!(driver.output("changes", Utf8, I64.nullable()).read(&driver)?.len(), 4);
/// assert_eq!(driver.store::<String, i64>("large")?.all()?, [("a".into(), 2, 0)]);
/// # Ok::<(), straum::Error>(())
/// ```
#[must_use = "a table that nothing reads does nothing"]
pub struct KTable<K, V> {
    pub(crate) builder: StreamsBuilder,
    pub(crate) node: NodeId,
    pub(crate) key_serde: SharedSerde<K>,
    pub(crate) table: Arc<dyn Table<K, V>>,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K: 'static, V: 'static> KTable<K, V> {
    pub(crate) fn new(builder: &StreamsBuilder, node: NodeId, key_serde: SharedSerde<K>, table: Arc<dyn Table<K, V>>) -> Self {
        Self { builder: builder.clone(), node, key_serde, table, marker: PhantomData }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for KTable<K, V> {
    fn clone(&self) -> Self {
        self.builder.with_graph(|graph| graph.set_fork::<K, Change<V>>(self.node, Record::clone));
        Self::new(&self.builder, self.node, Arc::clone(&self.key_serde), Arc::clone(&self.table))
    }
}
