//! The log on Apache Kafka.
//!
//! One [`KafkaLog`] serves all threads of a process. Its readers are assigned partitions and never join a group; who reads
//! what is decided above, and who has which task by a group: `group` for streams groups, `classic` for older brokers. Reading and writing go straight to librdkafka, whose calls are wrapped in
//! `native`, the crate's only unsafe code; everything else here decides: which settings (`settings`), what an error
//! means (`errors`), where a partition stands (`slots`), when a transaction is over (`producer`).
//!
//! What differs from Kafka Streams' own clients: a record's timestamp of 0 is written as 1 ms, since librdkafka takes 0
//! for "now"; pausing a partition drops what was fetched of it, so rather hold records back than pause for a moment.

mod admin;
mod administration;
mod block_on;
mod classic;
mod consumer;
mod deliveries;
mod errors;
mod group;
mod hand_over;
mod kafka_log;
mod native;
mod offsets;
mod options;
mod producer;
mod settings;
mod slots;
mod statistics;
mod topics;

pub use crate::log::GroupProtocol;
pub use administration::{GroupStanding, KafkaAdmin, MemberProtocol};
pub use hand_over::{HandOver, HandOverTopic};
pub use kafka_log::KafkaLog;
pub use options::KafkaOptions;
pub(crate) use settings::is_reserved;
pub use statistics::ClientStatistics;
