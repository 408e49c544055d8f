//! Datadeling as pure functions, wired by hand over maps: the fixture, single messages, and properties over seeded messages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod api;
mod egenskaper;
mod enkeltmeldinger;
mod fixtur;
mod generert;
mod modell;
mod motor;
mod paa_motoren;
