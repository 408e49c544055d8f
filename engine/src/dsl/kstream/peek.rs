//! Looks at records: `peek` on their way, `foreach` at their end.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::Error;
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::{Outcome, Record};
use crate::topology::NodeKind;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Shows every record to `action` and hands it on as it is. Kafka Streams: `KStream.peek`.
    ///
    /// What the action does outside the topology is done again when a record is processed again.
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let seen = Arc::new(AtomicI64::new(0));
    /// let of_peek = Arc::clone(&seen);
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.peek(move |_, number| { of_peek.fetch_add(*number, Ordering::Relaxed); }).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(seen.load(Ordering::Relaxed), 3);
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("b".into(), 2)]);
    /// // Nothing was committed: after a crash the records come again, and so does what the action did.
    /// driver.crash()?;
    /// assert_eq!(seen.load(Ordering::Relaxed), 6);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn peek<R, M>(self, action: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<(), M> + 'static,
        M: 'static,
    {
        let rekeyed = self.rekeyed;
        self.look("KSTREAM-PEEK-", rekeyed, action)
    }

    /// Shows every record to `action`; the stream ends here. Kafka Streams: `KStream.foreach`.
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicI64, Ordering}};
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let total = Arc::new(AtomicI64::new(0));
    /// let of_action = Arc::clone(&total);
    /// builder.stream("in", Consumed::with(Utf8, I64)).foreach(move |_, number| { of_action.fetch_add(*number, Ordering::Relaxed); });
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(total.load(Ordering::Relaxed), 3);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn foreach<R, M>(self, action: impl Fn(&K, &V) -> R + Send + Sync + 'static)
    where
        R: Outcome<(), M> + 'static,
        M: 'static,
    {
        let _: Self = self.look("KSTREAM-FOREACH-", false, action);
    }

    fn look<R, M>(self, prefix: &str, rekeyed: bool, action: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<(), M> + 'static,
        M: 'static,
    {
        let action = Arc::new(action);
        let name = self.builder.new_name(prefix);
        let node = self.builder.add_node(name, NodeKind::Processor, &[self.node], move |instance| {
            let name = instance.name();
            let (action, downstream) = (Arc::clone(&action), instance.downstream()?);
            Ok(Rc::new(PeekNode { name, action, downstream, marker: PhantomData }))
        });
        Self::new(&self.builder, node, rekeyed)
    }
}

struct PeekNode<F, K, V, R, M> {
    name: Arc<str>,
    action: Arc<F>,
    downstream: Downstream<K, V>,
    marker: Passes<(R, M)>,
}

impl<F, K, V, R, M> Receiver<K, V> for PeekNode<F, K, V, R, M>
where
    F: Fn(&K, &V) -> R,
    R: Outcome<(), M>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        (self.action)(&record.key, &record.value).into_result().map_err(|error| Error::processing(error).in_node(&self.name))?;
        self.downstream.forward(record)
    }
}
