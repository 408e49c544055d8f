//! Nav systems as Straum topologies.

pub mod datadeling;
