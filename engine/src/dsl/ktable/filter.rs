//! Keeps a table's rows by a predicate.

use std::rc::Rc;
use std::sync::Arc;

use straum_state::ValueAndTimestamp;

use crate::dsl::ktable::derived::{Slot, Upstream};
use crate::dsl::ktable::materialized::TableStore;
use crate::dsl::ktable::table::{SharedTable, ValueGetter};
use crate::dsl::{KTable, StreamsBuilder};
use crate::error::{BoxError, Error};
use crate::processor::edge::Receiver;
use crate::processor::{Outcome, Record};
use crate::serde::Change;
use crate::topology::{Instance, NodeId, NodeKind};

type Predicate<K, V> = Arc<dyn Fn(&K, &V) -> Result<bool, BoxError> + Send + Sync>;

impl<K: 'static, V: Clone + 'static> KTable<K, V> {
    /// Keeps the rows for which the predicate holds; a row that no longer does is deleted downstream. Kafka Streams:
    /// `KTable.filter`.
    ///
    /// A row that was not there and is not there now gives nothing, if the table above has a store; without one, it gives a deletion
    /// that nobody needed, as in Kafka Streams. The predicate is not asked about deletions.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// rows.filter(|_, number| *number > 1).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(2_i64)), ("a", Some(1)), ("b", Some(1)), ("c", Some(3)), ("c", None)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// // Nothing for b, which was not there before either.
    /// assert_eq!(changes, [("a".into(), Some(2)), ("a".into(), None), ("c".into(), Some(3)), ("c".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn filter<R, M>(self, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M>,
    {
        self.filter_nodes(Arc::new(move |key, value| predicate(key, value).into_result()))
    }

    /// Keeps the rows for which the predicate does not hold. Kafka Streams: `KTable.filterNot`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::numbered());
    /// rows.filter_not(|_, number| *number > 1).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(1_i64)), ("a", Some(2)), ("b", Some(2))])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// // This table has no store: that b was never there is not known, and it is deleted.
    /// assert_eq!(changes, [("a".into(), Some(1)), ("a".into(), None), ("b".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn filter_not<R, M>(self, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M>,
    {
        self.filter_nodes(Arc::new(move |key, value| Ok(!predicate(key, value).into_result()?)))
    }

    fn filter_nodes(self, predicate: Predicate<K, V>) -> Self {
        let name = self.builder.new_name("KTABLE-FILTER-");
        let slot = Slot::new();
        // Where old values are to be had, a row that was not there and is not there now gives nothing.
        if self.table.send_old_values(&self.builder, false) {
            slot.set_sends_old();
        }
        let (of_node, condition) = (Arc::clone(&slot), Arc::clone(&predicate));
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], move |instance| {
            let (name, predicate) = (instance.name(), Arc::clone(&condition));
            let send_old = of_node.sends_old();
            Ok(Rc::new(TableFilterNode { name, predicate, send_old, table: of_node.table_store(instance)? }))
        });
        Self::derived(&self.builder, node, self.key_serde, slot, Filtered { parent: self.table, predicate })
    }
}

struct TableFilterNode<K, V> {
    name: Arc<str>,
    predicate: Predicate<K, V>,
    send_old: bool,
    table: Rc<TableStore<K, V>>,
}

impl<K: 'static, V: Clone + 'static> TableFilterNode<K, V> {
    fn kept(&self, key: &K, value: Option<V>) -> Result<Option<V>, Error> {
        match value {
            Some(value) => {
                let holds = (self.predicate)(key, &value).map_err(|error| Error::processing(error).in_node(&self.name))?;
                Ok(holds.then_some(value))
            }
            None => Ok(None),
        }
    }
}

impl<K: 'static, V: Clone + 'static> Receiver<K, Change<V>> for TableFilterNode<K, V> {
    fn receive(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        let Record { key, value: Change { old, new }, timestamp, headers } = record;
        let new = self.kept(&key, new)?;
        let old = match (self.send_old, self.table.is_stored()) {
            (false, _) => None,
            (true, true) => self.table.get(&key)?.map(|found| found.value),
            (true, false) => self.kept(&key, old)?,
        };
        if self.send_old && old.is_none() && new.is_none() {
            return Ok(());
        }
        self.table.put(Record { key, value: Change { old, new }, timestamp, headers })
    }
}

struct Filtered<K, V> {
    parent: SharedTable<K, V>,
    predicate: Predicate<K, V>,
}

impl<K: 'static, V: 'static> Upstream<K, V> for Filtered<K, V> {
    fn send_old_values(&self, builder: &StreamsBuilder, force: bool) -> bool {
        self.parent.send_old_values(builder, force)
    }

    fn connect(&self, builder: &StreamsBuilder, reader: NodeId) {
        self.parent.connect(builder, reader);
    }

    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V>>, Error> {
        Ok(Rc::new(FilteredGetter { parent: self.parent.getter(instance)?, predicate: Arc::clone(&self.predicate) }))
    }
}

struct FilteredGetter<K, V> {
    parent: Rc<dyn ValueGetter<K, V>>,
    predicate: Predicate<K, V>,
}

impl<K, V> ValueGetter<K, V> for FilteredGetter<K, V> {
    fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error> {
        match self.parent.get(key)? {
            Some(found) if (self.predicate)(key, &found.value).map_err(Error::processing)? => Ok(Some(found)),
            _ => Ok(None),
        }
    }
}
