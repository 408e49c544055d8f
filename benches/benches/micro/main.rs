//! Micro-benchmarks: what one step costs. `make micro` runs them all, and prints a median and its bounds for each.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot run should stop")]

mod datadeling;
mod log;
mod operators;
mod state;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// Short runs: a figure is wanted from each, and there are many.
fn settings() -> Criterion {
    Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3))
}

criterion_group! {
    name = micro;
    config = settings();
    targets = state::overlay, state::rocksdb, state::scan, operators::stateless, log::append, log::read, datadeling::decode, datadeling::bootstrap, datadeling::large_employer
}
criterion_main!(micro);
