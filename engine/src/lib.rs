//! Kafka Streams for Rust: topologies of typed operators over a log, with RocksDB state, changelogs and exactly-once.
//!
//! A topology is declared with the [DSL](dsl) or the [Processor API](processor), tried with the
//! [`TopologyTestDriver`](testing::TopologyTestDriver), and run on a [log].

pub mod dsl;
mod error;
pub mod group;
pub mod log;
pub mod processor;
pub mod query;
pub mod runtime;
pub mod serde;
pub mod testing;
pub mod topology;

pub use error::{BoxError, Error, ErrorKind};
/// What stores are made of, for those who write their own.
pub use straum_state as state;
pub use topology::Topology;

/// The examples of the README are compiled, and run where they can be.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
