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

