//! Joins a stream with a global table.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::builder::Passes;
use crate::dsl::{GlobalKTable, KStream};
use crate::error::{BoxError, Error};
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::task_context::TaskContext;
use crate::processor::{GlobalView, Nullable, NullableOutcome, Record};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// The records for which the table has the key that `selector` returns. Kafka Streams: `KStream.join` with a
    /// `GlobalKTable`.
    ///
    /// The key stays; nothing is repartitioned. Records with a null value, or for which the selector returns null, are left
    /// out and counted as dropped.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.global_table("names", Consumed::with(I64, Utf8), Materialized::named("names"));
    /// let visits = builder.stream("visits", Consumed::with(Utf8, I64));
    /// let named = visits.join_global(&names, |_, id| (*id != 0).then_some(*id), |id, name| format!("{id} {name}"));
    /// named.to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("names", I64, Utf8).pipe_values(&mut driver, [(1, "ada")])?;
    /// driver.input("visits", Utf8, I64).pipe_values(&mut driver, [("x", 1), ("y", 2), ("z", 0)])?;
    /// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("x".into(), "1 ada".into())]);
    /// // No row for 2 is no fault; a null key for z counts as dropped.
    /// assert_eq!(driver.dropped(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn join_global<VS, KT, VT, VR, R, MV, MR>(
        self,
        table: &GlobalKTable<KT, VT>,
        selector: impl Fn(&K, &VS) -> R + Send + Sync + 'static,
        joiner: impl Fn(VS, VT) -> VR + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        V: Nullable<VS, MV>,
        R: NullableOutcome<KT, MR>,
        VS: 'static,
        KT: 'static,
        VT: Clone + 'static,
        VR: 'static,
        MV: 'static,
    {
        let select = move |key: &K, value: &VS| selector(key, value).into_nullable();
        self.join_global_nodes(table, false, select, move |value, other: Option<VT>| Ok(other.map(|other| joiner(value, other))))
    }

    /// All records with a value, joined with the table's value where there is one. Kafka Streams: `KStream.leftJoin` with a
    /// `GlobalKTable`.
    ///
    /// A null from the selector is joined with nothing; a record with a null value is left out and counted as dropped.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.global_table("names", Consumed::with(I64, Utf8), Materialized::named("names"));
    /// let visits = builder.stream("visits", Consumed::with(Utf8, I64.nullable()));
    /// let named = visits.left_join_global(&names, |_, id: &i64| *id, |_, name| name.unwrap_or("?".to_owned()));
    /// named.to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("names", I64, Utf8).pipe_values(&mut driver, [(1, "ada")])?;
    /// driver.input("visits", Utf8, I64.nullable()).pipe_values(&mut driver, [("x", Some(1_i64)), ("y", Some(2)), ("z", None)])?;
    /// let named = driver.output("out", Utf8, Utf8).read_pairs(&driver)?;
    /// assert_eq!(named, [("x".into(), "ada".into()), ("y".into(), "?".into())]);
    /// assert_eq!(driver.dropped(), 1);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn left_join_global<VS, KT, VT, VR, R, MV, MR>(
        self,
        table: &GlobalKTable<KT, VT>,
        selector: impl Fn(&K, &VS) -> R + Send + Sync + 'static,
        joiner: impl Fn(VS, Option<VT>) -> VR + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        V: Nullable<VS, MV>,
        R: NullableOutcome<KT, MR>,
        VS: 'static,
        KT: 'static,
        VT: Clone + 'static,
        VR: 'static,
        MV: 'static,
    {
        let select = move |key: &K, value: &VS| selector(key, value).into_nullable();
        self.join_global_nodes(table, true, select, move |value, other| Ok(Some(joiner(value, other))))
    }

    pub(super) fn join_global_nodes<VS, KT, VT, VR, MV>(
        self,
        table: &GlobalKTable<KT, VT>,
        left: bool,
        selector: impl Fn(&K, &VS) -> Result<Option<KT>, BoxError> + Send + Sync + 'static,
        joiner: impl Fn(VS, Option<VT>) -> Result<Option<VR>, BoxError> + Send + Sync + 'static,
    ) -> KStream<K, VR>
    where
        V: Nullable<VS, MV>,
        VS: 'static,
        KT: 'static,
        VT: Clone + 'static,
        VR: 'static,
        MV: 'static,
    {
        let (selector, joiner, store, rekeyed) = (Arc::new(selector), Arc::new(joiner), Arc::clone(&table.store), self.rekeyed);
        // Kafka Streams gives the inner join this name too.
        let joined: KStream<K, VR> = self.then("KSTREAM-LEFTJOIN-", rekeyed, move |instance| {
            Ok(Rc::new(GlobalJoinNode {
                name: instance.name(),
                left,
                selector: Arc::clone(&selector),
                joiner: Arc::clone(&joiner),
                table: instance.global::<GlobalView<KT, VT>>(&store)?,
                downstream: instance.downstream::<K, VR>()?,
                task: Rc::clone(&instance.task),
                marker: PhantomData,
            }))
        });
        if left {
            joined.builder.with_graph(|graph| graph.set_joins_null_keys(joined.node));
        }
        joined
    }
}

struct GlobalJoinNode<S, J, K, V, VS, KT, VT, VR, MV> {
    name: Arc<str>,
    left: bool,
    selector: Arc<S>,
    joiner: Arc<J>,
    table: GlobalView<KT, VT>,
    downstream: Downstream<K, VR>,
    task: Rc<TaskContext>,
    marker: Passes<(V, VS, MV)>,
}

impl<S, J, K, V, VS, KT, VT, VR, MV> Receiver<K, V> for GlobalJoinNode<S, J, K, V, VS, KT, VT, VR, MV>
where
    S: Fn(&K, &VS) -> Result<Option<KT>, BoxError>,
    J: Fn(VS, Option<VT>) -> Result<Option<VR>, BoxError>,
    V: Nullable<VS, MV>,
    KT: 'static,
    VT: 'static,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let Some(value) = value.into_option() else {
            self.task.drop_record();
            return Ok(());
        };
        let selected = (self.selector)(&key, &value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        let found = match selected {
            Some(selected) => self.table.get(&selected)?.map(|found| found.value),
            None if self.left => None,
            None => {
                self.task.drop_record();
                return Ok(());
            }
        };
        match (self.joiner)(value, found).map_err(|error| Error::processing(error).in_node(&self.name))? {
            Some(value) => self.downstream.forward(Record { key, value, timestamp, headers }),
            None => Ok(()),
        }
    }
}
