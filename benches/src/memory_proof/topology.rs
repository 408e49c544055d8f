//! The topology under proof: a count by key, every update at once, nothing downstream.

use straum::dsl::{Consumed, Grouped, Materialized, StreamsBuilder};
use straum::serde::RawBytes;
use straum::{Error, Topology};

/// The input topic.
pub const INPUT: &str = "keys";
/// The store.
pub const STORE: &str = "counts";

/// Counts by key. The keys are partitioned by their hash already, so there is no repartition topic.
///
/// # Errors
/// None that a test would not show.
pub fn topology() -> Result<Topology, Error> {
    let builder = StreamsBuilder::new();
    let counts = builder
        .stream(INPUT, Consumed::with(RawBytes, RawBytes))
        .group_by_key("by-key", Grouped::with(RawBytes, RawBytes))
        .count(Materialized::named(STORE).with_caching_disabled());
    drop(counts);
    builder.build()
}
