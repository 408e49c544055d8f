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
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64.nullable())).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// let append = |_: &String, number: i64, text: String| (number != 0).then(|| format!("{text}{number}"));
    /// let texts = grouped.aggregate(|| "=".to_owned(), append, Materialized::with("texts", Utf8));
    /// texts.to_stream().to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(1_i64)), ("a", Some(2)), ("a", Some(0)), ("a", Some(3))])?;
    /// let changes = driver.output("out", Utf8, Utf8.nullable()).read_pairs(&driver)?;
    /// let changes: Vec<_> = changes.iter().map(|(_, text)| text.as_deref()).collect();
    /// assert_eq!(changes, [Some("=1"), Some("=12"), None, Some("=3")]);
    /// # Ok::<(), straum::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let grouped = builder.stream("in", Consumed::with(Utf8, I64.nullable())).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// let sums = grouped.aggregate_nullable(|_, number, sum| sum.unwrap_or(100) + number, Materialized::with("sums", I64));
    /// sums.to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(1_i64)), ("a", Some(2))])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 101), ("a".into(), 103)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn aggregate_nullable<A, R, M>(
        self,
        aggregator: impl Fn(&K, V, Option<A>) -> R + Send + Sync + 'static,
        materialized: Materialized<A>,
    ) -> KTable<K, A>
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
