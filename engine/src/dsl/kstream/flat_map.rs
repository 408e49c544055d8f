//! Makes any number of records of each record.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Makes any number of keys and values of every record; all get its timestamp and headers. Kafka Streams:
    /// `KStream.flatMap`.
    ///
    /// The key may have changed: a stateful operator below repartitions first.
    pub fn flat_map<K2, V2, I>(self, mapper: impl Fn(K, V) -> I + Send + Sync + 'static) -> KStream<K2, V2>
    where
        K2: 'static,
        V2: 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
    {
        self.try_flat_map(move |key, value| Ok::<_, std::convert::Infallible>(mapper(key, value)))
    }

    /// As [`KStream::flat_map`], by a mapper that can fail.
    pub fn try_flat_map<K2, V2, I, E>(self, mapper: impl Fn(K, V) -> Result<I, E> + Send + Sync + 'static) -> KStream<K2, V2>
    where
        K2: 'static,
        V2: 'static,
        I: IntoIterator<Item = (K2, V2)> + 'static,
        E: Into<BoxError> + 'static,
    {
        let mapper = Arc::new(mapper);
        self.then("KSTREAM-FLATMAP-", true, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K2, V2>()?);
            Ok(Rc::new(FlatMapNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct FlatMapNode<F, K, V, K2, V2, I, E> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K2, V2>,
    marker: Passes<(K, V, I, E)>,
}

impl<F, K, V, K2, V2, I, E> Receiver<K, V> for FlatMapNode<F, K, V, K2, V2, I, E>
where
    F: Fn(K, V) -> Result<I, E>,
    I: IntoIterator<Item = (K2, V2)>,
    E: Into<BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let made = (self.mapper)(key, value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        for (key, value) in made {
            self.downstream.forward(Record { key, value, timestamp, headers: headers.clone() })?;
        }
        Ok(())
    }
}
