//! The Processor API inside the DSL.

use std::sync::Arc;

use crate::dsl::{KStream, Named};
use crate::processor::ProcessorSupplier;
use crate::processor::process::ProcessNode;
use crate::topology::NodeKind;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Hands the records to a processor of the user's, connected to these stores. Kafka Streams: `KStream.process`.
    ///
    /// The supplier makes one processor a task. What it forwards may have any key: a stateful operator below repartitions.
    /// Global stores need no connecting.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Swap;
    /// impl Processor<String, i64, i64, String> for Swap {
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, i64, String>) -> Result<(), BoxError> {
    ///         let Record { key, value, timestamp, headers } = record;
    ///         Ok(context.forward(Record { key: value, value: key, timestamp, headers })?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).process("swap", || Swap, &[]).to("out", Produced::with(I64, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.output("out", I64, Utf8).read_pairs(&driver)?, [(1, "a".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn process<K2: 'static, V2: 'static, S>(self, name: impl Into<Named>, supplier: S, stores: &[&str]) -> KStream<K2, V2>
    where
        S: ProcessorSupplier<K, V, K2, V2>,
    {
        let name = name.into().or_number(&self.builder, "KSTREAM-PROCESSOR-");
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], move |instance| {
            let (name, downstream, connected) = (instance.name(), instance.downstream::<K2, V2>()?, instance.connected());
            ProcessNode::start(&name, supplier.get(), downstream, connected, &instance.task)
        });
        self.builder.with_graph(|graph| {
            for store in stores {
                graph.connect(node, &Arc::from(*store));
            }
        });
        KStream::new(&self.builder, node, true)
    }
}
