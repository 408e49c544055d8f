//! Combines the values of each key.

use crate::dsl::grouped::kgrouped_stream::Step;
use crate::dsl::{KGroupedStream, KTable, Materialized};
use crate::processor::NullableOutcome;

impl<K: 'static, V: Clone + 'static> KGroupedStream<K, V> {
    /// Combines the values of each key with `reducer`; the first is taken as it is. It
    /// returns a value, an `Option` of one, `None` deleting it, or a `Result` of either. Kafka Streams: `KGroupedStream.reduce`.
    ///
    /// The result's timestamp is the largest of the records combined.
    pub fn reduce<R, M>(self, reducer: impl Fn(&V, V) -> R + Send + Sync + 'static, mut materialized: Materialized<V>) -> KTable<K, V>
    where
        R: NullableOutcome<V, M>,
    {
        let value_serde = self.value_serde();
        materialized.value_serde.get_or_insert(value_serde);
        self.aggregate_nodes("KSTREAM-REDUCE-", materialized, move |_, value, old| {
            let new = match old {
                Some(old) => reducer(old, value).into_nullable()?,
                None => Some(value),
            };
            Ok(Step { old: old.cloned(), new })
        })
    }
}
