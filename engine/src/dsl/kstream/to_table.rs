//! A stream as a table.

use crate::dsl::ktable::materialized::Materialization;
use crate::dsl::ktable::source::table_of;
use crate::dsl::options::nullable;
use crate::dsl::{Consumed, KStream, KTable, Materialized, Produced};
use crate::processor::Nullable;
use std::sync::Arc;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Reads the stream as changes of a table. Kafka Streams: `KStream.toTable`.
    ///
    /// A null value deletes its key; a record with a null key is left out and counted as dropped. Repartitions, through
    /// `<application>-<name>-repartition`, if the key may have changed.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8.nullable(), I64.nullable()));
    /// let table = numbers.to_table("latest", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// table.to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let key = |key: &str| Some(key.to_owned());
    /// let input = driver.input("in", Utf8.nullable(), I64.nullable());
    /// input.pipe_values(&mut driver, [(key("a"), Some(1_i64)), (key("b"), Some(2)), (None, Some(3)), (key("a"), None)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(1)), ("b".into(), Some(2)), ("a".into(), None)]);
    /// assert_eq!(driver.dropped(), 1);
    /// assert_eq!(driver.store::<String, i64>("rows")?.get(&"b".to_owned())?, Some(2));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn to_table<KT, VT, MK, MV>(self, name: impl Into<Arc<str>>, consumed: Consumed<KT, VT>, materialized: Materialized<VT>) -> KTable<KT, VT>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: Clone + 'static,
        MK: 'static,
        MV: 'static,
    {
        let builder = self.builder.clone();
        let rekeyed = self.rekeyed;
        let name = name.into();
        // Kafka Streams uses up a number for the node, named or not.
        builder.with_graph(crate::topology::Graph::burn_name);
        let mut materialized = materialized.or_number(&builder, "KSTREAM-TOTABLE-");
        let Consumed { key_serde, value_serde, .. } = consumed;
        let mut stream = self.nullable::<KT, VT, MK, MV>();
        if rekeyed {
            builder.with_graph(|graph| graph.add_repartition(&name, None));
            let produced = Produced { key_serde: Arc::clone(&key_serde), value_serde: Arc::clone(&value_serde), partitioner: None };
            let reading = Consumed {
                key_serde: nullable(Arc::clone(&key_serde)),
                value_serde: nullable(Arc::clone(&value_serde)),
                extractor: None,
                reset: None,
            };
            stream = stream.through::<KT, VT, _, _, _, _>(&name, produced, reading);
        }
        materialized.value_serde.get_or_insert(value_serde);
        let materialization = if materialized.when_needed {
            Materialization::when_needed(key_serde, materialized)
        } else {
            Materialization::stored(&builder, key_serde, materialized)
        };
        table_of(stream, name, materialization)
    }
}
