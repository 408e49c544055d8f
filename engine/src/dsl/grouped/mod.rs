//! Grouped streams and tables, which an aggregation makes into a table.

mod aggregate;
mod cogroup;
mod count;

mod kgrouped_stream;
mod kgrouped_table;
mod reduce;
mod repartitioned;

pub use cogroup::CogroupedKStream;
pub use kgrouped_stream::KGroupedStream;
pub use kgrouped_table::KGroupedTable;
