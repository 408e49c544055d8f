//! Joins of tables whose joiner can fail. A change for which it does leaves nothing behind, and the processing handler
//! decides what becomes of it.

use std::sync::Arc;

use super::join::Kind;
use crate::dsl::{KTable, Named};
use crate::error::BoxError;

impl<K: 'static, V: Clone + 'static> KTable<K, V> {
    /// As [`KTable::join_nullable`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// let divide = |left: i64, right: i64| left.checked_div(right).map(Some).ok_or("divided by 0");
    /// left.try_join("divided", right, divide).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("left", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("b", 10)])?;
    /// driver.input("right", Utf8, I64).pipe_values(&mut driver, [("a", 0), ("b", 5)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("b".into(), 2)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("a".into(), 0)]);
    /// // Nothing of the record that failed stays, its row neither.
    /// assert_eq!(driver.store::<String, i64>("right")?.get(&"a".to_owned())?, None);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_join<V2: Clone + 'static, VR: Clone + 'static, E: Into<BoxError>>(
        self,
        name: impl Into<Named>,
        other: KTable<K, V2>,
        joiner: impl Fn(V, V2) -> Result<Option<VR>, E> + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let join = move |_: &K, left: Option<V>, right: Option<V2>| match left.zip(right) {
            Some((left, right)) => joiner(left, right).map_err(Into::into),
            None => Ok(None),
        };
        self.join_nodes(name.into(), other, Kind::Inner, Arc::new(join))
    }

    /// As [`KTable::left_join_nullable`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// let divide = |left: i64, right: Option<i64>| left.checked_div(right.unwrap_or(1)).map(Some).ok_or("divided by 0");
    /// left.try_left_join("divided", right, divide).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("left", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("b", 10)])?;
    /// driver.input("right", Utf8, I64).pipe_values(&mut driver, [("a", 0), ("b", 5)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 10), ("b".into(), 10), ("b".into(), 2)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("a".into(), 0)]);
    /// // Nothing of the record that failed stays, its row neither.
    /// assert_eq!(driver.store::<String, i64>("right")?.get(&"a".to_owned())?, None);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_left_join<V2: Clone + 'static, VR: Clone + 'static, E: Into<BoxError>>(
        self,
        name: impl Into<Named>,
        other: KTable<K, V2>,
        joiner: impl Fn(V, Option<V2>) -> Result<Option<VR>, E> + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let join = move |_: &K, left: Option<V>, right: Option<V2>| match left {
            Some(left) => joiner(left, right).map_err(Into::into),
            None => Ok(None),
        };
        self.join_nodes(name.into(), other, Kind::Left, Arc::new(join))
    }

    /// As [`KTable::outer_join_nullable`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// let divide = |left: Option<i64>, right: Option<i64>| left.unwrap_or(0).checked_div(right.unwrap_or(1)).map(Some).ok_or("divided by 0");
    /// left.try_outer_join("divided", right, divide).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("left", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("b", 10)])?;
    /// driver.input("right", Utf8, I64).pipe_values(&mut driver, [("a", 0), ("b", 5)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 10), ("b".into(), 10), ("b".into(), 2)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("a".into(), 0)]);
    /// // Nothing of the record that failed stays, its row neither.
    /// assert_eq!(driver.store::<String, i64>("right")?.get(&"a".to_owned())?, None);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_outer_join<V2: Clone + 'static, VR: Clone + 'static, E: Into<BoxError>>(
        self,
        name: impl Into<Named>,
        other: KTable<K, V2>,
        joiner: impl Fn(Option<V>, Option<V2>) -> Result<Option<VR>, E> + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let join = move |_: &K, left: Option<V>, right: Option<V2>| match (left, right) {
            (None, None) => Ok(None),
            (left, right) => joiner(left, right).map_err(Into::into),
        };
        self.join_nodes(name.into(), other, Kind::Outer, Arc::new(join))
    }
}
