//! The crash proof: a running topology is killed with kill -9 at chosen points, again and again, and what it leaves is
//! compared with what it should have done.
//!
//! The harness starts a victim process, which kills itself at a point it was told; the harness starts the next. Input keeps
//! flowing all the while and is a pure function of its position, so that the expected result needs no run of the engine.

pub mod expected;
pub mod harness;
pub mod input;
pub mod topology;
pub mod victim;
