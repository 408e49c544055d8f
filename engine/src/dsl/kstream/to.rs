//! Writes a stream to a topic.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::{KStream, Produced};
use crate::processor::sink::{SinkNode, SinkTopic, TopicExtractor};
use crate::processor::{Nullable, Outcome};
use crate::topology::{NodeKind, TopicRef};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Writes the stream to a topic, which must exist. Kafka Streams: `KStream.to`.
    ///
    /// A stream of `Option` is written with a serde of what is inside; `None` becomes Kafka's null.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.map_values(|number| (number > 0).then_some(number)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", -1)])?;
    /// let written = driver.output("out", Utf8, I64.nullable()).read_pairs(&driver)?;
    /// assert_eq!(written, [("a".into(), Some(1)), ("b".into(), None)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn to<KT, VT, MK, MV>(self, topic: impl Into<Arc<str>>, produced: Produced<KT, VT, K, V>)
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: 'static,
        MK: 'static,
        MV: 'static,
    {
        let name = self.builder.new_name("KSTREAM-SINK-");
        self.sink(name, Topic::Fixed(TopicRef::External(topic.into())), produced);
    }

    /// Writes each record to the topic that `extractor` names; it must exist. Kafka Streams: `KStream.to` with a
    /// `TopicNameExtractor`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let topic = |_: &String, number: &i64| if number % 2 == 0 { "even".to_owned() } else { "odd".to_owned() };
    /// numbers.to_extracted(topic, Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::builder(&builder.build()?).topic("even", 1).topic("odd", 1).start()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("odd", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// assert_eq!(driver.output("even", Utf8, I64).read_pairs(&driver)?, [("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn to_extracted<KT, VT, MK, MV, R, M>(self, extractor: impl Fn(&K, &V) -> R + Send + Sync + 'static, produced: Produced<KT, VT, K, V>)
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: 'static,
        MK: 'static,
        MV: 'static,
        R: Outcome<String, M>,
    {
        let name = self.builder.new_name("KSTREAM-SINK-");
        self.sink(name, Topic::Extracted(Arc::new(move |key, value| extractor(key, value).into_result())), produced);
    }

    pub(crate) fn sink<KT, VT, MK, MV>(self, name: Arc<str>, topic: Topic<K, V>, produced: Produced<KT, VT, K, V>)
    where
        K: Nullable<KT, MK>,
        V: Nullable<VT, MV>,
        KT: 'static,
        VT: 'static,
        MK: 'static,
        MV: 'static,
    {
        let kind = NodeKind::Sink {
            topic: match &topic {
                Topic::Fixed(topic) => Some(topic.clone()),
                Topic::Extracted(_) => None,
            },
        };
        self.builder.add_node(name, kind, &[self.node], move |instance| {
            Ok(Rc::new(SinkNode::<K, V, KT, VT, MK, MV> {
                name: instance.name(),
                topic: match &topic {
                    Topic::Fixed(topic) => SinkTopic::Fixed(instance.task.topic_name(topic)),
                    Topic::Extracted(extractor) => SinkTopic::Extracted(Arc::clone(extractor)),
                },
                key_serde: Arc::clone(&produced.key_serde),
                value_serde: Arc::clone(&produced.value_serde),
                partitioner: produced.partitioner.clone(),
                task: Rc::clone(&instance.task),
                target: Cell::new(None),
                marker: PhantomData,
            }))
        });
    }
}

/// Where a sink writes, as declared.
pub(crate) enum Topic<K, V> {
    Fixed(TopicRef),
    Extracted(TopicExtractor<K, V>),
}
