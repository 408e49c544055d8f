//! Joins two tables by key.

use std::rc::Rc;
use std::sync::Arc;

use straum_state::ValueAndTimestamp;

use crate::dsl::ktable::derived::{Slot, Upstream};
use crate::dsl::ktable::materialized::TableStore;
use crate::dsl::ktable::table::{SharedTable, ValueGetter};
use crate::dsl::{KTable, Named, StreamsBuilder};
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};
use crate::serde::Change;
use crate::topology::{Instance, NodeId, NodeKind};

/// Makes the joined value of the left and the right one, `None` when the join's rule gives no row.
type Joiner<K, L, R, V> = Arc<dyn Fn(&K, Option<L>, Option<R>) -> Result<Option<V>, BoxError> + Send + Sync>;

/// Which sides must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Inner,
    Left,
    Outer,
}

impl<K: 'static, V: Clone + 'static> KTable<K, V> {
    /// The rows whose key is in both tables. Kafka Streams: `KTable.join`.
    ///
    /// Each side's change is joined with what the other side holds then; the result's timestamp is the larger of the two.
    /// The tables must be co-partitioned.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// left.join(right, |left, right| left * 10 + right).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let (left, right) = (driver.input("left", Utf8, I64.nullable()), driver.input("right", Utf8, I64.nullable()));
    /// left.pipe_values(&mut driver, [("a", Some(1_i64)), ("b", Some(2))])?;
    /// right.pipe_values(&mut driver, [("a", Some(5_i64)), ("c", Some(6)), ("a", None)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// // A row that leaves one side leaves the join; one that never was in both gives nothing.
    /// assert_eq!(changes, [("a".into(), Some(15)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn join<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        other: KTable<K, V2>,
        joiner: impl Fn(V, V2) -> VR + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        self.join_nodes(
            Named::numbered(),
            other,
            Kind::Inner,
            Arc::new(move |_, left, right| Ok(left.zip(right).map(|(left, right)| joiner(left, right)))),
        )
    }

    /// The rows of this table, with the other's value where there is one. Kafka Streams: `KTable.leftJoin`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// left.left_join(right, |left, right| left * 10 + right.unwrap_or(0)).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let (left, right) = (driver.input("left", Utf8, I64.nullable()), driver.input("right", Utf8, I64.nullable()));
    /// left.pipe_values(&mut driver, [("a", Some(1_i64))])?;
    /// right.pipe_values(&mut driver, [("a", Some(5_i64)), ("c", Some(6)), ("a", None)])?;
    /// left.pipe_values(&mut driver, [("a", None::<i64>)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(10)), ("a".into(), Some(15)), ("a".into(), Some(10)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn left_join<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        other: KTable<K, V2>,
        joiner: impl Fn(V, Option<V2>) -> VR + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        self.join_nodes(Named::numbered(), other, Kind::Left, Arc::new(move |_, left, right| Ok(left.map(|left| joiner(left, right)))))
    }

    /// The rows of either table. Kafka Streams: `KTable.outerJoin`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// left.outer_join(right, |left, right| left.unwrap_or(0) * 10 + right.unwrap_or(0)).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let (left, right) = (driver.input("left", Utf8, I64.nullable()), driver.input("right", Utf8, I64.nullable()));
    /// left.pipe_values(&mut driver, [("a", Some(1_i64))])?;
    /// right.pipe_values(&mut driver, [("a", Some(5_i64)), ("c", Some(6)), ("c", None)])?;
    /// left.pipe_values(&mut driver, [("a", None::<i64>)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// let changes: Vec<_> = changes.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    /// assert_eq!(changes, [("a", Some(10)), ("a", Some(15)), ("c", Some(6)), ("c", None), ("a", Some(5))]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn outer_join<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        other: KTable<K, V2>,
        joiner: impl Fn(Option<V>, Option<V2>) -> VR + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let joiner = move |_: &K, left: Option<V>, right: Option<V2>| Ok((left.is_some() || right.is_some()).then(|| joiner(left, right)));
        self.join_nodes(Named::numbered(), other, Kind::Outer, Arc::new(joiner))
    }

    /// As [`KTable::join`], named, by a joiner that returns `None` for a row that is to be deleted: Kafka Streams' null.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// let sum = left.join_nullable("sum", right, |left, right| Some(left + right).filter(|sum| *sum > 0));
    /// sum.to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let (left, right) = (driver.input("left", Utf8, I64.nullable()), driver.input("right", Utf8, I64.nullable()));
    /// left.pipe_values(&mut driver, [("a", Some(1_i64))])?;
    /// right.pipe_values(&mut driver, [("a", Some(5_i64)), ("a", Some(-1))])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(6)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn join_nullable<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        name: impl Into<Named>,
        other: KTable<K, V2>,
        joiner: impl Fn(V, V2) -> Option<VR> + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let joiner = move |_: &K, left: Option<V>, right: Option<V2>| Ok(left.zip(right).and_then(|(left, right)| joiner(left, right)));
        self.join_nodes(name.into(), other, Kind::Inner, Arc::new(joiner))
    }

    /// As [`KTable::left_join`], with what [`KTable::join_nullable`] adds.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// left.left_join_nullable("sum", right, |left, right| right.map(|right| left + right)).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let (left, right) = (driver.input("left", Utf8, I64.nullable()), driver.input("right", Utf8, I64.nullable()));
    /// right.pipe_values(&mut driver, [("a", Some(5_i64))])?;
    /// left.pipe_values(&mut driver, [("a", Some(1_i64))])?;
    /// right.pipe_values(&mut driver, [("a", None::<i64>)])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(6)), ("a".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn left_join_nullable<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        name: impl Into<Named>,
        other: KTable<K, V2>,
        joiner: impl Fn(V, Option<V2>) -> Option<VR> + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let joiner = move |_: &K, left: Option<V>, right: Option<V2>| Ok(left.and_then(|left| joiner(left, right)));
        self.join_nodes(name.into(), other, Kind::Left, Arc::new(joiner))
    }

    /// As [`KTable::outer_join`], with what [`KTable::join_nullable`] adds.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let left = builder.table("left", Consumed::with(Utf8, I64), Materialized::named("left"));
    /// let right = builder.table("right", Consumed::with(Utf8, I64), Materialized::named("right"));
    /// let only = |left: Option<i64>, right: Option<i64>| if left.is_some() && right.is_some() { None } else { left.or(right) };
    /// left.outer_join_nullable("only-one", right, only).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let (left, right) = (driver.input("left", Utf8, I64.nullable()), driver.input("right", Utf8, I64.nullable()));
    /// left.pipe_values(&mut driver, [("a", Some(1_i64))])?;
    /// right.pipe_values(&mut driver, [("a", Some(5_i64)), ("b", Some(6))])?;
    /// let changes = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(changes, [("a".into(), Some(1)), ("a".into(), None), ("b".into(), Some(6))]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn outer_join_nullable<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        name: impl Into<Named>,
        other: KTable<K, V2>,
        joiner: impl Fn(Option<V>, Option<V2>) -> Option<VR> + Send + Sync + 'static,
    ) -> KTable<K, VR> {
        let joiner = move |_: &K, left: Option<V>, right: Option<V2>| Ok(if left.is_some() || right.is_some() { joiner(left, right) } else { None });
        self.join_nodes(name.into(), other, Kind::Outer, Arc::new(joiner))
    }

    pub(super) fn join_nodes<V2: Clone + 'static, VR: Clone + 'static>(
        self,
        name: Named,
        other: KTable<K, V2>,
        kind: Kind,
        joiner: Joiner<K, V, V2, VR>,
    ) -> KTable<K, VR> {
        let builder = self.builder.clone();
        // Kafka Streams names the merge first.
        let (merge_name, this_name, other_name) =
            (builder.new_name("KTABLE-MERGE-"), builder.new_name("KTABLE-JOINTHIS-"), builder.new_name("KTABLE-JOINOTHER-"));
        let (merge_name, this_name, other_name) = match name.into_inner() {
            Some(name) => (Arc::clone(&name), format!("{name}-join-this").into(), format!("{name}-join-other").into()),
            None => (merge_name, this_name, other_name),
        };
        let slot = Slot::new();
        let (left, right) = (Arc::clone(&self.table), Arc::clone(&other.table));

        let (of_node, of_slot, lookup) = (Arc::clone(&joiner), Arc::clone(&slot), Arc::clone(&right));
        let this_node = builder.add_node(this_name, NodeKind::Processor, &[self.node], move |instance| {
            let joiner = Arc::clone(&of_node);
            // Inner needs the right side; left and outer do not, and outer also joins it with nothing.
            let rule = Rule { needs_other: kind == Kind::Inner, joins_nothing: kind == Kind::Outer };
            let side = JoinSide::new(instance, lookup.getter(instance)?, rule, of_slot.sends_old())?;
            Ok(Rc::new(side.with(move |key: &K, this: Option<V>, other: Option<V2>| joiner(key, this, other))))
        });
        let (of_node, of_slot, lookup) = (Arc::clone(&joiner), Arc::clone(&slot), Arc::clone(&left));
        let other_node = builder.add_node(other_name, NodeKind::Processor, &[other.node], move |instance| {
            let joiner = Arc::clone(&of_node);
            let rule = Rule { needs_other: kind != Kind::Outer, joins_nothing: kind != Kind::Inner };
            let side = JoinSide::new(instance, lookup.getter(instance)?, rule, of_slot.sends_old())?;
            Ok(Rc::new(side.with(move |key: &K, this: Option<V2>, other: Option<V>| joiner(key, other, this))))
        });
        // A side whose deletions give results must say whether there was a row to delete.
        if kind != Kind::Inner {
            left.send_old_values(&builder, true);
        }
        if kind == Kind::Outer {
            right.send_old_values(&builder, true);
        }
        right.connect(&builder, this_node);
        left.connect(&builder, other_node);
        let of_slot = Arc::clone(&slot);
        let merge_node = builder.add_node(merge_name, NodeKind::Processor, &[this_node, other_node], move |instance| {
            Ok(Rc::new(JoinMergeNode { table: of_slot.table_store(instance)? }))
        });
        builder.with_graph(|graph| {
            let sources = graph.sources_of(this_node).union(&graph.sources_of(other_node)).copied().collect();
            graph.copartitions.push(sources);
        });
        KTable::derived(&builder, merge_node, self.key_serde, slot, JoinedTables { left, right, joiner })
    }
}

/// When a change of one side gives a result.
#[derive(Clone, Copy)]
struct Rule {
    /// No result without a value on the other side.
    needs_other: bool,
    /// A deletion on this side is still joined with the other's value.
    joins_nothing: bool,
}

struct JoinSide<K, T, O, VR, J> {
    name: Arc<str>,
    other: Rc<dyn ValueGetter<K, O>>,
    rule: Rule,
    send_old: bool,
    downstream: Downstream<K, Change<VR>>,
    joiner: J,
    marker: crate::dsl::builder::Passes<T>,
}

impl<K: 'static, O: 'static, VR: 'static> JoinSide<K, (), O, VR, ()> {
    fn new(instance: &Instance<'_>, other: Rc<dyn ValueGetter<K, O>>, rule: Rule, send_old: bool) -> Result<Self, Error> {
        let downstream = instance.downstream()?;
        Ok(Self { name: instance.name(), other, rule, send_old, downstream, joiner: (), marker: std::marker::PhantomData })
    }

    fn with<T, J>(self, joiner: J) -> JoinSide<K, T, O, VR, J>
    where
        J: Fn(&K, Option<T>, Option<O>) -> Result<Option<VR>, BoxError>,
    {
        let Self { name, other, rule, send_old, downstream, .. } = self;
        JoinSide { name, other, rule, send_old, downstream, joiner, marker: std::marker::PhantomData }
    }
}

impl<K, T, O, VR, J> JoinSide<K, T, O, VR, J>
where
    O: Clone,
    J: Fn(&K, Option<T>, Option<O>) -> Result<Option<VR>, BoxError>,
{
    fn joined(&self, key: &K, this: Option<T>, other: Option<&O>) -> Result<Option<VR>, Error> {
        if this.is_none() && !(self.rule.joins_nothing && other.is_some()) {
            return Ok(None);
        }
        (self.joiner)(key, this, other.cloned()).map_err(|error| Error::processing(error).in_node(&self.name))
    }
}

impl<K, T, O, VR, J> Receiver<K, Change<T>> for JoinSide<K, T, O, VR, J>
where
    O: Clone,
    J: Fn(&K, Option<T>, Option<O>) -> Result<Option<VR>, BoxError>,
{
    fn receive(&self, record: Record<K, Change<T>>) -> Result<(), Error> {
        let Record { key, value: Change { old, new }, timestamp, headers } = record;
        let other = self.other.get(&key)?;
        if other.is_none() && (self.rule.needs_other || (old.is_none() && new.is_none())) {
            return Ok(());
        }
        let timestamp = other.as_ref().map_or(timestamp, |other| other.timestamp.max(timestamp));
        let other = other.map(|other| other.value);
        let new = self.joined(&key, new, other.as_ref())?;
        let old = if self.send_old { self.joined(&key, old, other.as_ref())? } else { None };
        self.downstream.forward(Record { key, value: Change { old, new }, timestamp, headers })
    }
}

struct JoinMergeNode<K, V> {
    table: Rc<TableStore<K, V>>,
}

impl<K: 'static, V: Clone + 'static> Receiver<K, Change<V>> for JoinMergeNode<K, V> {
    fn receive(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        self.table.put(record)
    }
}

struct JoinedTables<K, L, R, V> {
    left: SharedTable<K, L>,
    right: SharedTable<K, R>,
    joiner: Joiner<K, L, R, V>,
}

impl<K: 'static, L: 'static, R: 'static, V: 'static> Upstream<K, V> for JoinedTables<K, L, R, V> {
    fn gives_old_values(&self) -> bool {
        true
    }

    fn send_old_values(&self, builder: &StreamsBuilder, _: bool) -> bool {
        // Joined tables are looked up, so they are stored already.
        self.left.send_old_values(builder, true);
        self.right.send_old_values(builder, true);
        true
    }

    fn connect(&self, builder: &StreamsBuilder, reader: NodeId) {
        self.left.connect(builder, reader);
        self.right.connect(builder, reader);
    }

    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V>>, Error> {
        Ok(Rc::new(JoinedGetter { left: self.left.getter(instance)?, right: self.right.getter(instance)?, joiner: Arc::clone(&self.joiner) }))
    }
}

struct JoinedGetter<K, L, R, V> {
    left: Rc<dyn ValueGetter<K, L>>,
    right: Rc<dyn ValueGetter<K, R>>,
    joiner: Joiner<K, L, R, V>,
}

impl<K, L, R, V> ValueGetter<K, V> for JoinedGetter<K, L, R, V> {
    fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, Error> {
        let (left, right) = (self.left.get(key)?, self.right.get(key)?);
        let timestamp = left.as_ref().map_or(-1, |left| left.timestamp).max(right.as_ref().map_or(-1, |right| right.timestamp));
        let joined = (self.joiner)(key, left.map(|left| left.value), right.map(|right| right.value)).map_err(Error::processing)?;
        Ok(joined.map(|value| ValueAndTimestamp { value, timestamp }))
    }
}
