//! Nav systems as Straum topologies.

pub mod datadeling;
pub mod registry;
pub mod scenario;
