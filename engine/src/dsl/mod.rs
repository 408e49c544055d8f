//! The DSL: declares a topology and runs nothing. The words are Kafka Streams'.

mod builder;
mod grouped;
mod kstream;
mod ktable;
mod options;

pub use builder::StreamsBuilder;
pub use grouped::KGroupedStream;
pub use kstream::KStream;
pub use ktable::KTable;
pub use options::{Consumed, Grouped, Joined, Materialized, Produced, Repartitioned};
