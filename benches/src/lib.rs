//! Benchmarks and proofs of Straum: programs that run the whole of it and print what they found.
#![allow(clippy::print_stdout, reason = "proofs print their findings")]

pub mod broker;
pub mod crash_proof;
mod going;
pub mod memory_proof;
pub mod restart;
pub mod soak;
