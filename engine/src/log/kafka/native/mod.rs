//! The only unsafe code of the crate: the calls of librdkafka, each wrapped so that its callers stay safe.
//!
//! librdkafka is called directly, not through rdkafka's clients, for what those do not offer: whole batches read in one
//! call, delivery reports without an allocation, flushes that end with the last report instead of after 100 ms, and
//! offsets sent in a transaction under a member's epoch. Nothing here decides anything: it moves bytes and codes.
//! Called by the rest of `log::kafka` alone.

#![allow(unsafe_code)]

mod client;
mod consume;
mod headers;
mod leader_discovery;
mod lookup;
mod membership;
mod outcome;
mod produce;
mod transaction;

pub(super) use client::{Client, Role};
pub(super) use consume::{Message, Reader};
pub(super) use headers::Headers;
pub(super) use lookup::{INVALID_OFFSET, elements};
pub(super) use membership::{GroupEvent, Subscriber};
pub(super) use outcome::CallError;
pub(super) use produce::{Sender, TopicHandle};
pub(super) use transaction::GroupMetadata;

use std::time::Duration;

/// librdkafka's time-outs are milliseconds in 32 bits, and a negative one waits for ever: never given.
fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
