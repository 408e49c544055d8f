//! Grouped streams and tables, which an aggregation makes into a table.

mod count;

mod kgrouped_stream;

pub use kgrouped_stream::KGroupedStream;
