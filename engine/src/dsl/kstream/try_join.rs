//! Joins whose joiner can fail. A record for which it does leaves nothing behind, and the processing handler decides what
//! becomes of it.

use crate::dsl::{GlobalKTable, Joined, KStream, KTable};
use crate::error::BoxError;
use crate::processor::{Nullable, NullableOutcome};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// As [`KStream::join`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rates = builder.table("rates", Consumed::with(Utf8, I64), Materialized::named("rates"));
    /// let sums = builder.stream("sums", Consumed::with(Utf8, I64));
    /// let divided = sums.try_join(rates, |sum: i64, rate: i64| sum.checked_div(rate).ok_or("no rate"), Joined::named("divided"));
    /// divided.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("rates", Utf8, I64).pipe_values(&mut driver, [("a", 2), ("zero", 0)])?;
    /// driver.input("sums", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("zero", 10), ("none", 10)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 5)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("zero".into(), 10)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_join<KT, VS, VT, VR, E, MK, MV>(
        self,
        table: KTable<KT, VT>,
        joiner: impl Fn(VS, VT) -> Result<VR, E> + Send + Sync + 'static,
        joined: Joined<KT, VS>,
    ) -> KStream<KT, VR>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VS, MV>,
        KT: 'static,
        VS: 'static,
        VT: Clone + 'static,
        VR: 'static,
        E: Into<BoxError>,
        MK: 'static,
        MV: 'static,
    {
        let join = move |value: VS, other: Option<VT>| other.map(|other| joiner(value, other)).transpose().map_err(Into::into);
        let matched: KStream<Option<KT>, VR> = self.nullable().join_nodes(table, joined, false, join);
        matched.keyed()
    }

    /// As [`KStream::left_join`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rates = builder.table("rates", Consumed::with(Utf8, I64), Materialized::named("rates"));
    /// let sums = builder.stream("sums", Consumed::with(Utf8, I64));
    /// let divide = |sum: i64, rate: Option<i64>| sum.checked_div(rate.unwrap_or(1)).ok_or("no rate");
    /// let divided = sums.try_left_join(rates, divide, Joined::named("divided"));
    /// divided.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("rates", Utf8, I64).pipe_values(&mut driver, [("a", 2), ("zero", 0)])?;
    /// driver.input("sums", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("zero", 10), ("none", 10)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 5), ("none".into(), 10)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("zero".into(), 10)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_left_join<KT, VS, VT, VR, E, MK, MV>(
        self,
        table: KTable<KT, VT>,
        joiner: impl Fn(VS, Option<VT>) -> Result<VR, E> + Send + Sync + 'static,
        joined: Joined<KT, VS>,
    ) -> KStream<Option<KT>, VR>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VS, MV>,
        KT: 'static,
        VS: 'static,
        VT: Clone + 'static,
        VR: 'static,
        E: Into<BoxError>,
        MK: 'static,
        MV: 'static,
    {
        self.nullable().join_nodes(table, joined, true, move |value, other| joiner(value, other).map(Some).map_err(Into::into))
    }

    /// As [`KStream::join_global`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rates = builder.global_table("rates", Consumed::with(Utf8, I64), Materialized::named("rates"));
    /// let sums = builder.stream("sums", Consumed::with(Utf8, I64));
    /// let divided = sums.try_join_global(&rates, |key, _| key.clone(), |sum: i64, rate: i64| sum.checked_div(rate).ok_or("no rate"));
    /// divided.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("rates", Utf8, I64).pipe_values(&mut driver, [("a", 2), ("zero", 0)])?;
    /// driver.input("sums", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("zero", 10), ("none", 10)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 5)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("zero".into(), 10)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_join_global<VS, KT, VT, VR, E, R, MV, MR>(
        self,
        table: &GlobalKTable<KT, VT>,
        selector: impl Fn(&K, &VS) -> R + Send + Sync + 'static,
        joiner: impl Fn(VS, VT) -> Result<VR, E> + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        V: Nullable<VS, MV>,
        R: NullableOutcome<KT, MR>,
        VS: 'static,
        KT: 'static,
        VT: Clone + 'static,
        VR: 'static,
        E: Into<BoxError>,
        MV: 'static,
    {
        let select = move |key: &K, value: &VS| selector(key, value).into_nullable();
        let join = move |value, other: Option<VT>| other.map(|other| joiner(value, other)).transpose().map_err(Into::into);
        self.join_global_nodes(table, false, select, join)
    }

    /// As [`KStream::left_join_global`], by a joiner that can fail.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rates = builder.global_table("rates", Consumed::with(Utf8, I64), Materialized::named("rates"));
    /// let sums = builder.stream("sums", Consumed::with(Utf8, I64));
    /// let divide = |sum: i64, rate: Option<i64>| sum.checked_div(rate.unwrap_or(1)).ok_or("no rate");
    /// let divided = sums.try_left_join_global(&rates, |key, _| key.clone(), divide);
    /// divided.to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("rates", Utf8, I64).pipe_values(&mut driver, [("a", 2), ("zero", 0)])?;
    /// driver.input("sums", Utf8, I64).pipe_values(&mut driver, [("a", 10), ("zero", 10), ("none", 10)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 5), ("none".into(), 10)]);
    /// assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver)?, [("zero".into(), 10)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_left_join_global<VS, KT, VT, VR, E, R, MV, MR>(
        self,
        table: &GlobalKTable<KT, VT>,
        selector: impl Fn(&K, &VS) -> R + Send + Sync + 'static,
        joiner: impl Fn(VS, Option<VT>) -> Result<VR, E> + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        V: Nullable<VS, MV>,
        R: NullableOutcome<KT, MR>,
        VS: 'static,
        KT: 'static,
        VT: Clone + 'static,
        VR: 'static,
        E: Into<BoxError>,
        MV: 'static,
    {
        let select = move |key: &K, value: &VS| selector(key, value).into_nullable();
        self.join_global_nodes(table, true, select, move |value, other| joiner(value, other).map(Some).map_err(Into::into))
    }
}
