//! Kafka Streams for Rust: topologies of typed operators over a log, with RocksDB state, changelogs and exactly-once.

pub mod log;
pub mod serde;
