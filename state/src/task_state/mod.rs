//! Where a task's committed state lives: one RocksDB with a column family a store, or memory.
//!
//! It only ever holds what a transaction has committed. Every change arrives as one [`CommitBatch`], which moves rows,
//! changelog offsets and the task's metadata together, so that a crash at any point leaves a state that the changelog's
//! tail completes. RocksDB's own log is off: after a crash the state is that of some earlier batch, whole.
//!
//! The stream thread applies batches; restore threads apply changelog batches; queries read columns from any thread.

mod batch;
mod column;
mod database;
mod metadata;
mod options;
mod state;

pub use batch::CommitBatch;
pub use column::{Column, ColumnCursor};
pub use options::{StateOptions, WallClock};
pub use state::TaskState;
