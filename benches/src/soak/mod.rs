//! The soak: three instances on a real broker, exactly once, while faults strike: kill -9 of instances and of the broker,
//! pauses past the session time-out, connections cut, instances that come and go.
//!
//! The input is numbered by key and flows all the while. What must come out is known from what went in, without the engine:
//! every output is checked as it comes, and in the end the stores and their changelogs too. An instance shows in a file what its
//! threads do, so that the harness knows what each kill has hit; a soak in which nothing worth the name was hit fails.

pub mod blow;
pub mod directed;
pub mod fleet;
pub mod harness;
pub mod instance;
pub mod ledger;
pub mod proxy;
pub mod report;
pub mod status;
pub mod topology;
pub mod traffic;
