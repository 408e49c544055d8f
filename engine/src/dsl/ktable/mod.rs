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
