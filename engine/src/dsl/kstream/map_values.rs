//! Changes values and leaves keys alone.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::KStream;
use crate::dsl::builder::Passes;
use crate::error::{BoxError, Error};
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Makes a new value of every value. Kafka Streams: `KStream.mapValues`.
    ///
    /// The key stays, so nothing is repartitioned.
    pub fn map_values<V2: 'static>(self, mapper: impl Fn(V) -> V2 + Send + Sync + 'static) -> KStream<K, V2> {
        self.try_map_values(move |value| Ok::<_, std::convert::Infallible>(mapper(value)))
    }

    /// As [`KStream::map_values`], with the key to read. Kafka Streams: `mapValues` with a `ValueMapperWithKey`.
    pub fn map_values_with_key<V2: 'static>(self, mapper: impl Fn(&K, V) -> V2 + Send + Sync + 'static) -> KStream<K, V2> {
        self.map_value_nodes(move |key, value| Ok(mapper(key, value)))
    }

    /// As [`KStream::map_values`], by a mapper that can fail.
    pub fn try_map_values<V2: 'static, E: Into<BoxError>>(self, mapper: impl Fn(V) -> Result<V2, E> + Send + Sync + 'static) -> KStream<K, V2> {
        self.map_value_nodes(move |_, value| mapper(value).map_err(Into::into))
    }

    fn map_value_nodes<V2: 'static>(self, mapper: impl Fn(&K, V) -> Result<V2, BoxError> + Send + Sync + 'static) -> KStream<K, V2> {
        let (mapper, rekeyed) = (Arc::new(mapper), self.rekeyed);
        self.then("KSTREAM-MAPVALUES-", rekeyed, move |instance| {
            let name = instance.name();
            let (mapper, downstream) = (Arc::clone(&mapper), instance.downstream::<K, V2>()?);
            Ok(Rc::new(MapValuesNode { name, mapper, downstream, marker: PhantomData }))
        })
    }
}

struct MapValuesNode<F, K, V, V2> {
    name: Arc<str>,
    mapper: Arc<F>,
    downstream: Downstream<K, V2>,
    marker: Passes<V>,
}

impl<F, K, V, V2> Receiver<K, V> for MapValuesNode<F, K, V, V2>
where
    F: Fn(&K, V) -> Result<V2, BoxError>,
{
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        let Record { key, value, timestamp, headers } = record;
        let value = (self.mapper)(&key, value).map_err(|error| Error::processing(error).in_node(&self.name))?;
        self.downstream.forward(Record { key, value, timestamp, headers })
    }
}
