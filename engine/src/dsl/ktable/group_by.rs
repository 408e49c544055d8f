//! Groups a table by another key.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::builder::Passes;
use crate::dsl::{Grouped, KGroupedTable, KStream, KTable};
use crate::error::Error;
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::{NullableOutcome, Record};
use crate::serde::Change;
use crate::topology::NodeKind;

impl<K: 'static, V: Clone + 'static> KTable<K, V> {
    /// Groups the rows by the key, and as the value, that `selector` returns: a pair, an `Option` of one, or a `Result` of
    /// either. Kafka Streams: `KTable.groupBy`.
    ///
    /// A change goes through `<application>-<name>-repartition` as one record when the new row has the key of the old one,
    /// else as two: the old row is subtracted first.
    ///
    /// A row for which the selector returns null is in no group. The table above gets a store if it has none, for its old rows.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let people = builder.table("people", Consumed::with(Utf8, Utf8), Materialized::named("people"));
    /// let by_town = people.group_by("by-town", |_, town| (!town.is_empty()).then(|| (town.clone(), 1_i64)), Grouped::with(Utf8, I64));
    /// by_town.count(Materialized::named("counts"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let people = driver.input("people", Utf8, Utf8);
    /// people.pipe_values(&mut driver, [("ada", "oslo"), ("bo", "oslo"), ("ada", "bodø"), ("cy", "")])?;
    /// driver.settle()?;
    /// let counts = driver.store::<String, i64>("counts")?;
    /// assert_eq!((counts.get(&"oslo".to_owned())?, counts.get(&"bodø".to_owned())?), (Some(1), Some(1)));
    /// assert_eq!(counts.get(&String::new())?, None);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn group_by<K2, V2, R, M>(
        self,
        name: impl Into<Arc<str>>,
        selector: impl Fn(&K, &V) -> R + Send + Sync + 'static,
        grouped: Grouped<K2, V2>,
    ) -> KGroupedTable<K2, V2>
    where
        K2: PartialEq + Clone + 'static,
        V2: 'static,
        R: NullableOutcome<(K2, V2), M> + 'static,
        M: 'static,
    {
        let builder = self.builder.clone();
        self.table.send_old_values(&builder, true);
        // Kafka Streams uses up a number for the node, named or not.
        builder.with_graph(crate::topology::Graph::burn_name);
        let name = name.into();
        let selector = Arc::new(selector);
        let node = builder.add_node(Arc::clone(&name), NodeKind::Processor, &[self.node], move |instance| {
            let (name, selector) = (instance.name(), Arc::clone(&selector));
            Ok(Rc::new(RepartitionMapNode { name, selector, downstream: instance.downstream::<K2, Change<V2>>()?, marker: PhantomData }))
        });
        KGroupedTable::new(KStream::new(&builder, node, true), name, grouped)
    }
}

struct RepartitionMapNode<F, K, V, K2, V2, R, M> {
    name: Arc<str>,
    selector: Arc<F>,
    downstream: Downstream<K2, Change<V2>>,
    marker: Passes<(K, V, R, M)>,
}

impl<F, K, V, K2, V2, R, M> Receiver<K, Change<V>> for RepartitionMapNode<F, K, V, K2, V2, R, M>
where
    F: Fn(&K, &V) -> R,
    R: NullableOutcome<(K2, V2), M>,
    K2: PartialEq + Clone,
{
    fn receive(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        let Record { key, value: Change { old, new }, timestamp, headers } = record;
        let select = |value: Option<V>| match value {
            Some(value) => (self.selector)(&key, &value).into_nullable().map_err(|error| Error::processing(error).in_node(&self.name)),
            None => Ok(None),
        };
        let (old, new) = (select(old)?, select(new)?);
        match (old, new) {
            (Some((old_key, old)), Some((new_key, new))) if old_key == new_key => {
                self.downstream.forward(Record { key: new_key, value: Change { old: Some(old), new: Some(new) }, timestamp, headers })
            }
            (old, new) => {
                if let Some((key, old)) = old {
                    self.downstream.forward(Record { key, value: Change { old: Some(old), new: None }, timestamp, headers: headers.clone() })?;
                }
                match new {
                    Some((key, new)) => self.downstream.forward(Record { key, value: Change { old: None, new: Some(new) }, timestamp, headers }),
                    None => Ok(()),
                }
            }
        }
    }
}
