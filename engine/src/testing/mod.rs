//! Tests without a broker: the production tasks on a log in memory, driven by hand.

mod driver;
mod topics;

pub use driver::{DriverBuilder, TestStore, TopologyTestDriver};
pub use topics::{TestInput, TestOutput, TestRecord};
