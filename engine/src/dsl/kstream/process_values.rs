//! The Processor API inside the DSL, for processors that leave the key alone.

use std::sync::Arc;

use crate::dsl::{KStream, Named};
use crate::error::BoxError;
use crate::processor::process::ProcessNode;
use crate::processor::{FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyProcessorSupplier, Processor, ProcessorContext, Punctuation, Record};
use crate::topology::NodeKind;

impl<K: Clone + 'static, V: 'static> KStream<K, V> {
    /// Hands the records to a processor of the user's that cannot change their key, connected to these stores. Kafka
    /// Streams: `KStream.processValues`; there a changed key is refused when it runs, here there is no way to write it.
    ///
    /// Nothing is repartitioned.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Twice;
    /// impl FixedKeyProcessor<String, i64, i64> for Twice {
    ///     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         context.forward_value(value)?;
    ///         Ok(context.forward_value(value * 2)?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).process_values("twice", || Twice, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn process_values<V2: 'static, S>(self, name: impl Into<Named>, supplier: S, stores: &[&str]) -> KStream<K, V2>
    where
        S: FixedKeyProcessorSupplier<K, V, V2>,
    {
        let rekeyed = self.rekeyed;
        let name = name.into().or_number(&self.builder, "KSTREAM-PROCESSVALUES-");
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], move |instance| {
            let (name, downstream, connected) = (instance.name(), instance.downstream::<K, V2>()?, instance.connected());
            ProcessNode::start(&name, FixedKey(supplier.get()), downstream, connected, &instance.task)
        });
        self.builder.with_graph(|graph| {
            for store in stores {
                graph.connect(node, &Arc::from(*store));
            }
        });
        KStream::new(&self.builder, node, rekeyed)
    }
}

/// A fixed-key processor as one of any key.
struct FixedKey<P>(P);

impl<P: FixedKeyProcessor<K, V, V2>, K: Clone + 'static, V: 'static, V2: 'static> Processor<K, V, K, V2> for FixedKey<P> {
    fn init(&mut self, context: &ProcessorContext<'_, K, V2>) -> Result<(), BoxError> {
        self.0.init(&FixedKeyProcessorContext::new(context, None))
    }

    fn process(&mut self, record: Record<K, V>, context: &ProcessorContext<'_, K, V2>) -> Result<(), BoxError> {
        let Record { key, value, timestamp, headers } = record;
        self.0.process(&key, value, &FixedKeyProcessorContext::new(context, Some((&key, timestamp, &headers))))
    }

    fn punctuate(&mut self, timestamp: i64, punctuation: Punctuation, context: &ProcessorContext<'_, K, V2>) -> Result<(), BoxError> {
        self.0.punctuate(timestamp, punctuation, &FixedKeyProcessorContext::new(context, None))
    }
}
