//! The state crate from outside, as the runtime and store authors use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated, unreachable_pub)]

mod changelog;
mod faults;
mod model;
mod opening;
mod record_cache;
mod restoring;
mod scans;
mod support;
mod views;
mod window_store;
