//! A table's changes as a stream.

use std::rc::Rc;

use crate::dsl::{KStream, KTable};
use crate::error::Error;
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};
use crate::serde::Change;
use crate::topology::NodeKind;

impl<K: 'static, V: 'static> KTable<K, V> {
    /// The new values as a stream; a deletion is a `None`. Kafka Streams: `KTable.toStream`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// rows.to_stream().map_values(|number| number.map_or("gone".to_owned(), |number| number.to_string())).to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64.nullable()).pipe_values(&mut driver, [("a", Some(1_i64)), ("a", None)])?;
    /// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("a".into(), "1".into()), ("a".into(), "gone".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn to_stream(self) -> KStream<K, Option<V>> {
        let name = self.builder.new_name("KTABLE-TOSTREAM-");
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], |instance| {
            Ok(Rc::new(ToStreamNode { downstream: instance.downstream::<K, Option<V>>()? }))
        });
        KStream::new(&self.builder, node, false)
    }
}

struct ToStreamNode<K, V> {
    downstream: Downstream<K, Option<V>>,
}

impl<K, V> Receiver<K, Change<V>> for ToStreamNode<K, V> {
    fn receive(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        self.downstream.forward(Record { key, value: value.new, timestamp, headers })
    }
}
