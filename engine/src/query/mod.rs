//! Interactive queries: what is committed, from any thread.

mod store;

pub use store::{ReadOnlyStore, Rows};
