//! The Rust half of the oracle: builds the topologies of `oracle/README.md` with our DSL, replays what Kafka Streams was
//! given, and compares with what it gave.

pub mod compare;
pub mod fixture;
pub mod functions;
pub mod language;
pub mod named_caches;
pub mod processors;
pub mod promised;
pub mod replay;
