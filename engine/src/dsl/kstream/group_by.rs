//! Groups a stream by key, for an aggregation.

use std::sync::Arc;

use crate::dsl::{Grouped, KGroupedStream, KStream};
use crate::error::BoxError;
use crate::processor::{Nullable, NullableOutcome};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Groups the records by the key they have. Kafka Streams: `KStream.groupByKey`.
    ///
    /// Repartitions, through `<application>-<name>-repartition`, only if the key may have changed. Records with a null key
    /// or value are left out by the aggregation and counted as dropped.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64.nullable()));
    /// numbers.group_by_key("by-key", Grouped::with(Utf8, I64)).count(Materialized::named("counts"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(5_i64)), ("a", None), ("a", Some(6))])?;
    /// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(2));
    /// assert_eq!(driver.dropped(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn group_by_key<KT, VT, MK, MV>(self, name: impl Into<Arc<str>>, grouped: Grouped<KT, VT>) -> KGroupedStream<KT, VT>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: 'static,
        MK: 'static,
        MV: 'static,
    {
        KGroupedStream::new(self.nullable(), name.into(), grouped)
    }

    /// Groups the records by the key that `selector` returns: a key, an `Option` of one, or a `Result` of either.
    /// Kafka Streams: `KStream.groupBy`.
    ///
    /// Repartitions through `<application>-<name>-repartition`.
    ///
    /// A record for which the selector returns null is left out before the repartition topic, and not counted as dropped.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let words = builder.stream("in", Consumed::with(I64, Utf8));
    /// let initials = words.group_by("by-initial", |_, word| word.chars().next().map(String::from), Grouped::with(Utf8, Utf8));
    /// initials.count(Materialized::named("counts"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", I64, Utf8).pipe_values(&mut driver, [(1, "apple"), (2, "fig"), (3, ""), (4, "fennel")])?;
    /// driver.settle()?;
    /// let counts = driver.store::<String, i64>("counts")?;
    /// assert_eq!((counts.get(&"a".to_owned())?, counts.get(&"f".to_owned())?), (Some(1), Some(2)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn group_by<KT, VT, MV, R, MR>(
        self,
        name: impl Into<Arc<str>>,
        selector: impl Fn(&K, &V) -> R + Send + Sync + 'static,
        grouped: Grouped<KT, VT>,
    ) -> KGroupedStream<KT, VT>
    where
        V: Nullable<VT, MV>,
        R: NullableOutcome<KT, MR>,
        KT: 'static,
        VT: 'static,
        MV: 'static,
    {
        let select = move |key: &K, value: &V| -> Result<Option<KT>, BoxError> { selector(key, value).into_nullable() };
        let name = name.into();
        // Kafka Streams uses up a number for the node, named or not.
        self.builder.with_graph(crate::topology::Graph::burn_name);
        let selected: KStream<Option<KT>, V> = self.select_key_nodes(Arc::clone(&name), select);
        KGroupedStream::new(selected.nullable(), name, grouped)
    }
}
