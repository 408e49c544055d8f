//! The Rust half of the oracle: builds the topologies of `oracle/README.md` with our DSL, replays what Kafka Streams was
//! given, and compares with what it gave.

pub(crate) mod compare;
pub(crate) mod fixture;
pub(crate) mod functions;
pub(crate) mod language;
pub(crate) mod named_caches;
pub(crate) mod processors;
pub(crate) mod promised;
pub(crate) mod replay;
