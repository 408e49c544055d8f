//! Straum.
fn main() {}
