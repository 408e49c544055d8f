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
