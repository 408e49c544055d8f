//! What an operator can ask of the table above it: to send old values, and to be looked up.

use std::rc::Rc;
use std::sync::Arc;

use straum_state::{SharedSerde, ValueAndTimestamp};

use crate::dsl::{Materialized, StreamsBuilder};
use crate::error::Error;
use crate::topology::{Instance, NodeId};

/// A table while the topology is declared. Kafka Streams: the package-private half of `KTableImpl`.
pub(crate) trait Table<K, V>: Send + Sync {
    /// Asks that changes carry the old value. The request travels up until a store has the old values; with `force` a
    /// source table is materialised for it. False when no old values will come.
    fn send_old_values(&self, builder: &StreamsBuilder, force: bool) -> bool;

    /// Makes look-ups possible, materialising what must be, for the node that will do them.
    fn connect(&self, builder: &StreamsBuilder, reader: NodeId);

    /// Gives the table a store of its own.
    fn materialize(&self, builder: &StreamsBuilder, key_serde: SharedSerde<K>, materialized: Materialized<V>);

    /// The look-up, for one task.
    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V>>, Error>;
}

/// Looks up the value of a table's key now. Kafka Streams: `KTableValueGetter`.
pub(crate) trait ValueGetter<K, V> {
    fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error>;
}

/// A table behind one reference; operators share it with the handle.
pub(crate) type SharedTable<K, V> = Arc<dyn Table<K, V>>;
