//! The command `straum`.
fn main() {}
