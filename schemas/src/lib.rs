//! Message schemas and types of the systems that run on Straum.

pub mod datadeling;
