//! A durable log inside one process, with Kafka's contract: for the main job with nothing else installed, for tests in
//! milliseconds, and for crashes anywhere.
//!
//! # Files
//!
//! ```text
//! <folder>/lock                                   who has the folder: process, since when, command
//! <folder>/journal-<number>                       what is decided: topics, commits, group offsets, deletions
//! <folder>/topics/<topic>/<partition>/<offset>.segment   records and markers from that offset on
//! ```
//! `*.draft` is a file being written that nobody reads; it may be deleted, and is at the next start. The formats are
//! described in `journal`, `segment` and `frame`.
//!
//! # Promises
//!
//! - A transaction's records and group offsets are visible to committed readers all or not at all, also after `kill -9` and
//!   after a power cut that loses any of the unsynced writes. Its commit is one synced statement of the journal, written
//!   after everything it may depend on is synced.
//! - Every marker takes an offset in every partition its transaction wrote to; compaction leaves gaps.
//! - A torn tail is cut at open; other damage is [`LogErrorKind::Corrupt`] and names file and position.
//! - A full disk is [`LogErrorKind::DiskFull`]; nothing is lost, and the same call succeeds once there is space.
//! - A transaction that is open when the process dies is aborted at open. One that is open when its producer is merely
//!   dropped stays open, as in Kafka, until its time-out or the next producer of its id.
//!
//! # Differences from Kafka
//!
//! - `retention.ms` is without end and `segment.bytes` 64 MiB where a topic does not say otherwise; see
//!   [`EmbeddedOptions::topic_default`].
//! - `segment.ms` counts from when a segment was begun, not from its first record's timestamp: old records that are read in
//!   anew would otherwise begin a segment every few records.
//! - An acknowledged record outside a transaction survives the process; it survives a power cut after
//!   [`flush`](crate::log::Producer::flush), or the next commit of anyone.
//! - The epochs of members are remembered while the process lives. A membership older than the latest seen is fenced.
//! - All segments are read at open.

mod clean;
mod commit;
mod compact;
mod config;
mod consumer;
mod core;
mod describe;
mod entry;
mod failure;
pub mod fault;
mod fetch;
mod frame;
mod groups;
mod handle;
mod journal;
mod lock;
mod options;
mod partition;
mod producer;
mod recovery;
mod segment;
mod signal;
pub mod storage;
mod transactions;

pub use describe::{PartitionDescription, TopicDescription};
pub use handle::EmbeddedLog;
pub use options::{Acknowledgement, Clock, EmbeddedOptions, SyncPolicy, Unsynced};

#[cfg(doc)]
use crate::log::LogErrorKind;
