//! The restart proof: what a kill -9, and a rolling restart, cost an application with much state under load; beside Kafka
//! Streams on the same broker, with the same topology, input and settings.

pub mod engine;
pub mod instance;
pub mod load;
pub mod proof;
pub mod watch;

/// Partitions of every topic.
pub const PARTITIONS: u32 = 6;
/// Bytes of a value. With its key a row has some 1,050.
pub const VALUE_BYTES: usize = 1024;
/// The store, the same on both engines.
pub const STORE: &str = "last";

/// The input topic of an application.
#[must_use]
pub fn input(application: &str) -> String {
    format!("{application}-in")
}

/// The output topic of an application.
#[must_use]
pub fn output(application: &str) -> String {
    format!("{application}-out")
}
