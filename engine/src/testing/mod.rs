//! Tests without a broker: the production tasks on a log in memory, driven by hand.

mod builder;
mod driver;
mod states;
mod store;
mod topics;

pub use builder::DriverBuilder;
pub use driver::TopologyTestDriver;
pub use store::TestStore;
pub use topics::{TestInput, TestOutput, TestRecord};
