//! Counts the records of each key.

use std::sync::Arc;

use crate::dsl::grouped::kgrouped_stream::Step;
use crate::dsl::{KGroupedStream, KTable, Materialized};
use crate::serde::I64;

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    /// The number of records of each key. Kafka Streams: `KGroupedStream.count`.
    ///
    /// The result's timestamp is the largest of the records counted.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64.nullable())).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe(&mut driver, &TestRecord::new("a".to_owned(), Some(5), 20))?;
    /// input.pipe(&mut driver, &TestRecord::new("a".to_owned(), None, 30))?;
    /// input.pipe(&mut driver, &TestRecord::new("a".to_owned(), Some(6), 10))?;
    /// let counts: Vec<_> = driver.output("out", Utf8, I64).read(&driver)?.into_iter().map(|count| (count.value, count.timestamp)).collect();
    /// assert_eq!(counts, [(1, 20), (2, 20)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn count(self, mut materialized: Materialized<i64>) -> KTable<K, i64> {
        materialized.value_serde.get_or_insert_with(|| Arc::new(I64));
        self.aggregate_nodes("KSTREAM-AGGREGATE-", materialized, |_, _, count| {
            let count = count.copied();
            Ok(Step { old: count.or(Some(0)), new: Some(count.unwrap_or(0) + 1) })
        })
    }
}
