//! The topology under proof: a repartition hop, then a count whose every update goes out.

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::serde::{I64, Utf8};
use straum::{Error, Topology};

/// The output topic.
pub const OUT: &str = "out";
/// The operator whose repartition topic lies between.
pub const HOP: &str = "by-key";
/// The store.
pub const STORE: &str = "counts";

/// Counts by key, through [`HOP`].
///
/// # Errors
/// None that a test would not show.
pub fn topology() -> Result<Topology, Error> {
    let builder = StreamsBuilder::new();
    builder
        .stream(crate::crash_proof::input::TOPIC, Consumed::with(Utf8, I64))
        .group_by(HOP, |key, _| key.clone(), Grouped::with(Utf8, I64))
        .count(Materialized::named(STORE).with_caching_disabled())
        .to_stream()
        .to(OUT, Produced::with(Utf8, I64));
    builder.build()
}
