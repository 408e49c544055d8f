//! A table read from a topic.

use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::ktable::materialized::{Materialization, TableStore};
use crate::dsl::{Consumed, KStream, KTable, Materialized, StreamsBuilder};
use crate::error::Error;
use crate::processor::Record;
use crate::processor::edge::Receiver;
use crate::processor::record_reader::RecordReader;
use crate::processor::source_changelog::TableRows;
use crate::serde::Change;
use crate::topology::{NodeKind, SourceChangelog, TopicRef};

impl StreamsBuilder {
    /// A table of a topic: the newest value of each key. Kafka Streams: `StreamsBuilder.table`.
    ///
    /// A null value deletes its key; a record with a null key is left out and counted as dropped. Records that come out of
    /// the order of their timestamps are applied all the same: the last offset wins.
    ///
    /// Built [for](StreamsBuilder::build_for) `topology.optimization` = `reuse.ktable.source.topics`, the table's store has no changelog
    /// topic, be it logged or not: it is restored from the topic itself, up to the offset that the group has committed. The topic has to keep
    /// what the table needs (`cleanup.policy=compact`), and only the table may write the store: what a processor puts there is
    /// not in the topic. What the group has begun behind (an offset reset other than to the oldest record) is there after a restore, as in
    /// Kafka Streams. A record that the source cannot read, or whose time its extractor makes negative, is left out of the
    /// restore as it was of the processing. A record that fails in an operator below, and is left out by its handler, leaves its row in
    /// the table, as it would be after a restore. An extractor that goes by the partition's time has, in a restore, that of the
    /// records restored. A broker hands out standby tasks of sub-topologies with a changelog of their own alone.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows")).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(1_i64)), ("b", Some(2)), ("a", None)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(1)), ("b".into(), Some(2)), ("a".into(), None)]);
    /// let rows = driver.store::<String, i64>("rows")?;
    /// assert_eq!((rows.get(&"a".to_owned())?, rows.get(&"b".to_owned())?), (None, Some(2)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn table<K: 'static, V: Clone + 'static>(
        &self,
        topic: impl Into<Arc<str>>,
        consumed: Consumed<K, V>,
        materialized: Materialized<V>,
    ) -> KTable<K, V> {
        let topic = topic.into();
        // Kafka Streams numbers the store first.
        let materialized = materialized.or_number(self, &format!("{topic}-"));
        let source_name = self.new_name("KSTREAM-SOURCE-");
        let name = self.new_name("KTABLE-SOURCE-");
        let (key_serde, value_serde) = (Arc::clone(&consumed.key_serde), Arc::clone(&consumed.value_serde));
        let consumed = consumed.nullable();
        let rows = TableRows {
            reader: RecordReader::new(Arc::clone(&source_name), &consumed),
            key_serde: Arc::clone(&key_serde),
            value_serde: materialized.value_serde.clone(),
        };
        let changelog = SourceChangelog { topic: Arc::clone(&topic), rows: rows.shared() };
        let source = self.add_source(source_name, [TopicRef::External(topic)], consumed);
        let stream = KStream::<Option<K>, Option<V>>::new(self, source, false);
        let mut materialized = materialized;
        materialized.value_serde.get_or_insert(value_serde);
        let when_needed = materialized.when_needed;
        let materialization = Materialization::of_source(key_serde, materialized, changelog);
        if !when_needed {
            materialization.store(self);
        }
        table_of(stream, name, materialization)
    }
}

/// The table that a stream of changes makes.
pub(crate) fn table_of<K: 'static, V: Clone + 'static>(
    stream: KStream<Option<K>, Option<V>>,
    name: Arc<str>,
    materialization: Arc<Materialization<K, V>>,
) -> KTable<K, V> {
    let builder = stream.builder.clone();
    let of_node = Arc::clone(&materialization);
    let node = builder.add_node(name, NodeKind::Processor, &[stream.node], move |instance| {
        let has_source_changelog = instance.has_source_changelog(of_node.name());
        Ok(Rc::new(TableSourceNode { name: instance.name(), table: of_node.table_store(instance)?, has_source_changelog }))
    });
    materialization.own(&builder, node);
    let key_serde = materialization.key_serde();
    KTable::new(&builder, node, key_serde, materialization)
}

struct TableSourceNode<K, V> {
    name: Arc<str>,
    table: Rc<TableStore<K, V>>,
    /// The store is a function of the source topic: a record that is in the one is in the other.
    has_source_changelog: bool,
}

impl<K: 'static, V: Clone + 'static> Receiver<Option<K>, Option<V>> for TableSourceNode<K, V> {
    fn receive(&self, record: Record<Option<K>, Option<V>>) -> Result<(), Error> {
        let Record { key: Some(key), value: new, timestamp, headers } = record else {
            self.table.task.drop_record();
            return Ok(());
        };
        if self.has_source_changelog && self.table.task.rows_only.get() {
            return self.table.keep(&key, new, timestamp, headers);
        }
        let old = self.table.get(&key).map_err(|error| error.in_node(&self.name))?.map(|found| found.value);
        self.table.put(Record { key, value: Change { old, new }, timestamp, headers })
    }
}
