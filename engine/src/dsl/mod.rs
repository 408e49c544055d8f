//! The DSL: declares a topology and runs nothing. The words are Kafka Streams'.

mod builder;
mod global_table;
mod grouped;
mod kstream;
mod ktable;
mod options;

pub use builder::StreamsBuilder;
pub use global_table::GlobalKTable;
pub use grouped::{CogroupedKStream, KGroupedStream, KGroupedTable};
pub use kstream::{BranchedKStream, KStream};
pub use ktable::KTable;
pub(crate) use options::nullable;
pub use options::{Consumed, Grouped, Joined, Materialized, Named, Produced, Repartitioned};
