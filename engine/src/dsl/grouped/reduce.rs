//! Combines the values of each key.

use crate::dsl::grouped::kgrouped_stream::Step;
use crate::dsl::{KGroupedStream, KTable, Materialized};
use crate::processor::NullableOutcome;

impl<K: 'static, V: Clone + 'static> KGroupedStream<K, V> {
    /// Combines the values of each key with `reducer`; the first is taken as it is. It
    /// returns a value, an `Option` of one, `None` deleting it, or a `Result` of either. Kafka Streams: `KGroupedStream.reduce`.
    ///
    /// The result's timestamp is the largest of the records combined.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64.nullable())).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// let largest = grouped.reduce(|largest, number| (number != 0).then_some(number.max(*largest)), Materialized::named("largest"));
    /// largest.to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(5_i64)), ("a", Some(3)), ("a", None), ("a", Some(0))])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(5)), ("a".into(), Some(5)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
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
