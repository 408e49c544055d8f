//! Scenario files: cases of a topology as YAML, written by those who know the domain, checked without a line of Rust.
//!
//! [`Scenario::read`] reads a file, [`check`] runs it on the [driver](straum::testing::TopologyTestDriver) (which is the
//! production runtime on a log in memory), [`crash::check_everywhere`] runs it again with crashes at every step and inside
//! every record; the expectations stay the same. What is expected is compared with committed records only.
//!
//! ```yaml
//! topology: count
//! now: 2026-01-26T08:00:00+01:00
//! steps:
//!   - send: { topic: words, value: { text: foss } }
//!   - expect: { topic: counts, records: [ { key: foss, value: 1 } ] }
//!   - store: { name: words-counted, key: foss, value: 1 }
//! ```
//!
//! | Module | What |
//! |---|---|
//! | [`file`](mod@file) | the format |
//! | [`payload`] | keys and values as YAML and as bytes |
//! | [`matching`] | when what came is what was expected |
//! | [`lists`] | what is expected of a list in an answer |
//! | [`failure`] | how a difference reads |
//! | `expectations` | what steps expect, wherever a case runs |
//! | [`runner`] | one run of a case on the driver |
//! | [`crash`] | the same with crashes |
//! | [`live`] | a case on a Kafka broker |

pub mod crash;
mod expectations;
pub mod failure;
pub mod file;
pub mod lists;
pub mod live;
pub mod matching;
pub mod payload;
pub mod runner;

pub use failure::Failure;
pub use file::{Invalid, Scenario};
pub use runner::check;
