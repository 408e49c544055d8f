//! The crash proof: a running topology is killed with kill -9 at chosen points, again and again, and what it leaves is
//! compared with an uninterrupted run of the same input.
//!
//! The harness starts a victim process, which kills itself at a point it was told; the harness starts the next. Input keeps
//! flowing all the while and is a pure function of its position, so that the uninterrupted run gets the same, and is itself
//! held against what is expected without the engine. Between two lives the harness looks where the state stands on disk: the
//! next life may restore from there and no earlier.

pub mod harness;
pub mod input;
pub mod outcome;
pub mod report;
pub mod topology;
pub mod victim;
