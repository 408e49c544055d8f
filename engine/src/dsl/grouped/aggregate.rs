//! Aggregates the values of each key into another type.

use crate::dsl::grouped::kgrouped_stream::Step;
use crate::dsl::{KGroupedStream, KTable, Materialized};
use crate::processor::NullableOutcome;

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    /// Aggregates the values of each key: `aggregator` is given the key, a value and the aggregate so far, at first that of
    /// `initializer`. It returns an aggregate, an `Option` of one, `None` deleting it, or a `Result` of either.
    /// Kafka Streams: `KGroupedStream.aggregate`.
    ///
    /// The result's timestamp is the largest of the records aggregated.
    pub fn aggregate<A, R, M>(
        self,
        initializer: impl Fn() -> A + Send + Sync + 'static,
        aggregator: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        materialized: Materialized<A>,
    ) -> KTable<K, A>
    where
        A: Clone + 'static,
        R: NullableOutcome<A, M>,
    {
        self.aggregate_nodes("KSTREAM-AGGREGATE-", materialized, move |key, value, old| {
            let old = old.cloned().unwrap_or_else(&initializer);
            let new = aggregator(key, value, old.clone()).into_nullable()?;
            Ok(Step { old: Some(old), new })
        })
    }

    /// As [`KGroupedStream::aggregate`] where nothing comes first: Kafka Streams' initializer that returns null.
    pub fn aggregate_nullable<A, R, M>(self, aggregator: impl Fn(&K, V, Option<A>) -> R + Send + Sync + 'static, materialized: Materialized<A>) -> KTable<K, A>
    where
        A: Clone + 'static,
        R: NullableOutcome<A, M>,
    {
        self.aggregate_nodes("KSTREAM-AGGREGATE-", materialized, move |key, value, old| {
            let old = old.cloned();
            let new = aggregator(key, value, old.clone()).into_nullable()?;
            Ok(Step { old, new })
        })
    }
}
