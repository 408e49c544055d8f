//! Changes a table's values.

use std::rc::Rc;
use std::sync::Arc;

use straum_state::ValueAndTimestamp;

use crate::dsl::ktable::derived::{Slot, Upstream};
use crate::dsl::ktable::materialized::TableStore;
use crate::dsl::ktable::table::{SharedTable, ValueGetter};
use crate::dsl::{KTable, StreamsBuilder};
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::Receiver;
use crate::serde::Change;
use crate::topology::{Instance, NodeId, NodeKind};

type Mapper<K, V, V2> = Arc<dyn Fn(&K, V) -> Result<Option<V2>, BoxError> + Send + Sync>;

impl<K: 'static, V: Clone + 'static> KTable<K, V> {
    /// Makes a new value of every row's value; a deletion stays one. Kafka Streams: `KTable.mapValues`.
    ///
    /// The mapper is not called on a deletion.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// rows.map_values(|number| number * 2).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(1_i64)), ("a", None)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(2)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn map_values<V2: Clone + 'static>(self, mapper: impl Fn(V) -> V2 + Send + Sync + 'static) -> KTable<K, V2> {
        self.map_value_nodes(Arc::new(move |_, value| Ok(Some(mapper(value)))))
    }

    /// As [`KTable::map_values`], with the key to read.
    ///
    /// Kafka Streams: `mapValues` with a `ValueMapperWithKey`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// rows.map_values_with_key(|key, number| format!("{key}{number}")).to_stream().to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(1_i64)), ("a", None)])?;
    /// let changes = driver.output("out", Utf8, Utf8.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some("a1".into())), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn map_values_with_key<V2: Clone + 'static>(self, mapper: impl Fn(&K, V) -> V2 + Send + Sync + 'static) -> KTable<K, V2> {
        self.map_value_nodes(Arc::new(move |key, value| Ok(Some(mapper(key, value)))))
    }

    /// As [`KTable::map_values`], by a mapper that can fail.
    ///
    /// A record for which it fails leaves nothing behind and goes to the dead-letter topic, unless the processing handler decides
    /// otherwise; Kafka Streams' default stops.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let texts = builder.table("in", Consumed::with(Utf8, Utf8), Materialized::named("texts"));
    /// texts.try_map_values(|text| text.parse::<i64>()).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, Utf8).pipe_values(&mut driver, [("a", "1"), ("b", "x"), ("c", "3")])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("c".into(), 3)]);
    /// // What the record did before it failed is undone: the table above has no row for it either.
    /// assert_eq!(driver.store::<String, String>("texts")?.get(&"b".to_owned())?, None);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn try_map_values<V2: Clone + 'static, E: Into<BoxError>>(
        self,
        mapper: impl Fn(V) -> Result<V2, E> + Send + Sync + 'static,
    ) -> KTable<K, V2> {
        self.map_value_nodes(Arc::new(move |_, value| mapper(value).map(Some).map_err(Into::into)))
    }

    /// As [`KTable::map_values_with_key`], by a mapper that returns `None` for a row that is to be deleted: Kafka Streams'
    /// null.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// rows.map_values_nullable(|_, number| (number > 1).then_some(number)).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(2_i64)), ("a", Some(1))])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(2)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn map_values_nullable<V2: Clone + 'static>(self, mapper: impl Fn(&K, V) -> Option<V2> + Send + Sync + 'static) -> KTable<K, V2> {
        self.map_value_nodes(Arc::new(move |key, value| Ok(mapper(key, value))))
    }

    fn map_value_nodes<V2: Clone + 'static>(self, mapper: Mapper<K, V, V2>) -> KTable<K, V2> {
        let name = self.builder.new_name("KTABLE-MAPVALUES-");
        let slot = Slot::new();
        let (of_node, of_mapper) = (Arc::clone(&slot), Arc::clone(&mapper));
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], move |instance| {
            let (name, mapper) = (instance.name(), Arc::clone(&of_mapper));
            let send_old = of_node.sends_old();
            Ok(Rc::new(TableMapValuesNode { name, mapper, send_old, table: of_node.table_store(instance)? }))
        });
        KTable::derived(&self.builder, node, self.key_serde, slot, Mapped { parent: self.table, mapper })
    }
}

struct TableMapValuesNode<K, V, V2> {
    name: Arc<str>,
    mapper: Mapper<K, V, V2>,
    send_old: bool,
    table: Rc<TableStore<K, V2>>,
}

impl<K: 'static, V: 'static, V2: Clone + 'static> TableMapValuesNode<K, V, V2> {
    fn mapped(&self, key: &K, value: Option<V>) -> Result<Option<V2>, Error> {
        let Some(value) = value else { return Ok(None) };
        (self.mapper)(key, value).map_err(|error| Error::processing(error).in_node(&self.name))
    }
}

impl<K: 'static, V: 'static, V2: Clone + 'static> Receiver<K, Change<V>> for TableMapValuesNode<K, V, V2> {
    fn receive(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        let Record { key, value: Change { old, new }, timestamp, headers } = record;
        let new = self.mapped(&key, new)?;
        let old = match (self.send_old, self.table.is_stored()) {
            (false, _) => None,
            (true, true) => self.table.get(&key)?.map(|found| found.value),
            (true, false) => self.mapped(&key, old)?,
        };
        self.table.put(Record { key, value: Change { old, new }, timestamp, headers })
    }
}

struct Mapped<K, V, V2> {
    parent: SharedTable<K, V>,
    mapper: Mapper<K, V, V2>,
}

impl<K: 'static, V: 'static, V2: 'static> Upstream<K, V2> for Mapped<K, V, V2> {
    fn send_old_values(&self, builder: &StreamsBuilder, force: bool) -> bool {
        self.parent.send_old_values(builder, force)
    }

    fn connect(&self, builder: &StreamsBuilder, reader: NodeId) {
        self.parent.connect(builder, reader);
    }

    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V2>>, Error> {
        Ok(Rc::new(MappedGetter { parent: self.parent.getter(instance)?, mapper: Arc::clone(&self.mapper) }))
    }
}

struct MappedGetter<K, V, V2> {
    parent: Rc<dyn ValueGetter<K, V>>,
    mapper: Mapper<K, V, V2>,
}

impl<K, V, V2> ValueGetter<K, V2> for MappedGetter<K, V, V2> {
    fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V2>>, Error> {
        let Some(ValueAndTimestamp { value, timestamp }) = self.parent.get(key)? else { return Ok(None) };
        let value = (self.mapper)(key, value).map_err(Error::processing)?;
        Ok(value.map(|value| ValueAndTimestamp { value, timestamp }))
    }
}
