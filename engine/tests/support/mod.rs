//! What the live tests share.

#![allow(dead_code, unreachable_pub, unused_imports, unused_macros, reason = "each test binary uses its part")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::shadow_unrelated,
    reason = "a test fails by panicking"
)]

#[cfg(feature = "live")]
pub mod application;
pub mod broker;
pub mod careless;
#[macro_use]
pub mod log_contract;
pub mod reading;
#[path = "../waiting/mod.rs"]
pub mod waiting;
