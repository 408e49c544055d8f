//! Makes any number of values of each value.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: Clone + 'static, V: 'static> KStream<K, V> {
    /// Makes any number of values of every value, all under its key. Kafka Streams: `KStream.flatMapValues`.
    ///
    /// The key stays, so nothing is repartitioned; it is cloned for every value.
    pub fn flat_map_values<V2, I>(self, mapper: impl Fn(V) -> I + Send + Sync + 'static) -> KStream<K, V2>
    where
        V2: 'static,
        I: IntoIterator<Item = V2> + 'static,
    {
        self.try_flat_map_values(move |value| Ok::<_, std::convert::Infallible>(mapper(value)))
    }

    /// As [`KStream::flat_map_values`], by a mapper that can fail.
    pub fn try_flat_map_values<V2, I, E>(self, mapper: impl Fn(V) -> Result<I, E> + Send + Sync + 'static) -> KStream<K, V2>
    where
        V2: 'static,
        I: IntoIterator<Item = V2> + 'static,
        E: Into<BoxError> + 'static,
    {
        let (mapper, rekeyed) = (Arc::new(mapper), self.rekeyed);
        self.then("KSTREAM-FLATMAPVALUES-", rekeyed, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K, V2>()?);
            Ok(Rc::new(FlatMapValuesNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct FlatMapValuesNode<F, K, V, V2, I, E> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K, V2>,
    marker: Passes<(V, I, E)>,
}

impl<F, K, V, V2, I, E> Receiver<K, V> for FlatMapValuesNode<F, K, V, V2, I, E>
where
    F: Fn(V) -> Result<I, E>,
    K: Clone,
    I: IntoIterator<Item = V2>,
    E: Into<BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let made = (self.mapper)(value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        for value in made {
            self.downstream.forward(Record { key: key.clone(), value, timestamp, headers: headers.clone() })?;
        }
        Ok(())
    }
}
