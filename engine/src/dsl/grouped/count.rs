//! Counts the records of each key.

use std::sync::Arc;

use crate::dsl::grouped::kgrouped_stream::Step;
use crate::dsl::{KGroupedStream, KTable, Materialized};
use crate::serde::I64;

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    /// The number of records of each key. Kafka Streams: `KGroupedStream.count`.
    ///
    /// The result's timestamp is the largest of the records counted.
    pub fn count(self, mut materialized: Materialized<i64>) -> KTable<K, i64> {
        materialized.value_serde.get_or_insert_with(|| Arc::new(I64));
        self.aggregate_nodes("KSTREAM-AGGREGATE-", materialized, |_, _, count| {
            let count = count.copied();
            Ok(Step { old: count.or(Some(0)), new: Some(count.unwrap_or(0) + 1) })
        })
    }
}
