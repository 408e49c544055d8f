//! Joins two streams of one type into one.

use std::rc::Rc;

use crate::dsl::KStream;
use crate::error::Error;
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};
use crate::topology::NodeKind;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// The records of both streams. Kafka Streams: `KStream.merge`.
    ///
    /// There is no order across the two. If either key may have changed, a stateful operator below repartitions.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let (left, right) = (builder.stream("left", Consumed::with(Utf8, I64)), builder.stream("right", Consumed::with(Utf8, I64)));
    /// left.merge(right).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("left", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.input("right", Utf8, I64).pipe_values(&mut driver, [("b", 2)])?;
    /// driver.input("left", Utf8, I64).pipe_values(&mut driver, [("c", 3)])?;
    /// let merged = driver.output("out", Utf8, I64).read_pairs(&driver)?;
    /// assert_eq!(merged, [("a".into(), 1), ("b".into(), 2), ("c".into(), 3)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn merge(self, other: Self) -> Self {
        let rekeyed = self.rekeyed || other.rekeyed;
        let name = self.builder.new_name("KSTREAM-MERGE-");
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node, other.node], |instance| {
            Ok(Rc::new(MergeNode { downstream: instance.downstream::<K, V>()? }))
        });
        Self::new(&self.builder, node, rekeyed)
    }
}

struct MergeNode<K, V> {
    downstream: Downstream<K, V>,
}

impl<K, V> Receiver<K, V> for MergeNode<K, V> {
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        self.downstream.forward(record)
    }
}

impl<K: 'static, V: 'static> KStream<K, V> {
    /// A node of this name that hands every record on.
    pub(crate) fn pass_through(self, name: std::sync::Arc<str>) -> Self {
        let node = self
            .builder
            .add_node(name, NodeKind::Processor, &[self.node], |instance| Ok(Rc::new(MergeNode { downstream: instance.downstream::<K, V>()? })));
        Self::new(&self.builder, node, self.rekeyed)
    }
}
