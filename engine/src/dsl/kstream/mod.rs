//! `KStream`: a stream of records, one operator a file.

mod filter;
mod flat_map;
mod flat_map_values;
mod global_join;
mod group_by;
mod join;
mod map;
mod map_values;
mod merge;
mod peek;
mod process;
mod process_values;
pub(crate) mod repartition;
mod select_key;
mod split;
pub(crate) mod to;
mod to_table;
mod try_join;

pub use split::BranchedKStream;

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::StreamsBuilder;
use crate::error::Error;
use crate::processor::edge::{Adapter, Edge, Receiver};
use crate::processor::{Nullable, Record};
use crate::topology::{Instance, NodeId, NodeKind};

/// A stream of records of `K` and `V`. Kafka Streams: `KStream`.
///
/// The handle is consumed by use. `.clone()` forks the stream: every record then goes both ways.
/// A stream whose keys or values can be null is one of `Option`.
///
/// ```
/// # use straum::{dsl::*, serde::*, testing::*};
/// # let builder = StreamsBuilder::new();
/// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
/// numbers.clone().to("copy", Produced::with(Utf8, I64));
/// numbers.map_values(|number| number * 2).to("doubled", Produced::with(Utf8, I64));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
/// assert_eq!(driver.output("copy", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
/// assert_eq!(driver.output("doubled", Utf8, I64).read_pairs(&driver)?, [("a".into(), 2)]);
/// # Ok::<(), straum::Error>(())
/// ```
#[must_use = "a stream that nothing reads does nothing"]
pub struct KStream<K, V> {
    pub(crate) builder: StreamsBuilder,
    pub(crate) node: NodeId,
    /// The key may have changed since the records were partitioned: a stateful operator repartitions first.
    pub(crate) rekeyed: bool,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K: 'static, V: 'static> KStream<K, V> {
    pub(crate) fn new(builder: &StreamsBuilder, node: NodeId, rekeyed: bool) -> Self {
        Self { builder: builder.clone(), node, rekeyed, marker: PhantomData }
    }

    /// The same stream with keys and values as `Option`, as the rules for nulls are written. No node: the edge converts.
    ///
    /// Operators that take nulls by rule call it by themselves; call it to bring streams to one type.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let certain = builder.stream("certain", Consumed::with(Utf8, I64));
    /// let doubtful = builder.stream("doubtful", Consumed::with(Utf8.nullable(), I64.nullable()));
    /// certain.nullable::<String, i64, _, _>().merge(doubtful).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("certain", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.input("doubtful", Utf8.nullable(), I64.nullable()).pipe_values(&mut driver, [(Some("b".to_owned()), None::<i64>)])?;
    /// let merged = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(merged, [("a".into(), Some(1)), ("b".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn nullable<KT: 'static, VT: 'static, MK: 'static, MV: 'static>(self) -> KStream<Option<KT>, Option<VT>>
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
    {
        self.builder.with_graph(|graph| {
            graph.add_adapter(self.node, Adapter::new(NullableEdge::<KT, VT, MK, MV>::adapt::<K, V>));
        });
        KStream::new(&self.builder, self.node, self.rekeyed)
    }

    /// Adds an operator below this stream.
    pub(crate) fn then<K2: 'static, V2: 'static, R: Receiver<K, V> + 'static>(
        self,
        prefix: &str,
        rekeyed: bool,
        make: impl Fn(&mut Instance<'_>) -> Result<Rc<R>, Error> + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let name = self.builder.new_name(prefix);
        self.then_named(name, rekeyed, make)
    }

    /// As [`KStream::then`], under a name that is known.
    pub(crate) fn then_named<K2: 'static, V2: 'static, R: Receiver<K, V> + 'static>(
        self,
        name: Arc<str>,
        rekeyed: bool,
        make: impl Fn(&mut Instance<'_>) -> Result<Rc<R>, Error> + Send + Sync + 'static,
    ) -> KStream<K2, V2> {
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], make);
        KStream::new(&self.builder, node, rekeyed)
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for KStream<K, V> {
    fn clone(&self) -> Self {
        self.builder.with_graph(|graph| graph.set_fork::<K, V>(self.node, Record::clone));
        Self::new(&self.builder, self.node, self.rekeyed)
    }
}

/// Converts on an edge from a stream's own types to `Option`.
struct NullableEdge<KT, VT, MK, MV> {
    edge: Edge<Option<KT>, Option<VT>>,
    marker: PhantomData<fn(MK, MV)>,
}

impl<KT: 'static, VT: 'static, MK: 'static, MV: 'static> NullableEdge<KT, VT, MK, MV> {
    fn adapt<K: Nullable<KT, MK>, V: Nullable<VT, MV>>(edge: Edge<Option<KT>, Option<VT>>) -> Edge<K, V> {
        Rc::new(Self { edge, marker: PhantomData })
    }
}

impl<K: Nullable<KT, MK>, V: Nullable<VT, MV>, KT, VT, MK, MV> Receiver<K, V> for NullableEdge<KT, VT, MK, MV> {
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        self.edge.receive(Record { key: key.into_option(), value: value.into_option(), timestamp, headers })
    }
}
