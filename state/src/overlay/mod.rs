//! Uncommitted writes of one store above its committed rows: the mechanism every transactional store is made of.
//!
//! An [`Overlay`] holds entries named by their serialised key. An entry is *clean* (as on disk, a read cache), *dirty*
//! (changed by the transaction in progress) or *pending* (committed, not yet applied to disk). Point reads hit entries
//! first and load missing ones from the [`Column`](crate::Column); scans merge dirty and pending entries over a snapshot
//! of the column. Clean entries go least recently used first; dirty and pending ones stay.
//!
//! Three things can undo a write, and each sees exactly what it should:
//! - [`revert`](Overlay::revert) undoes the record in progress, by a journal begun lazily (see [`Savepoint`]);
//! - [`rollback`](Overlay::rollback) drops what the transaction has changed, when it aborts;
//! - [`prepare`](Overlay::prepare) and [`committed`](Overlay::committed) end it: values are serialised once, sorted by
//!   key, as changelog records and as rows of the task's batch.
//!
//! # Writing a store of your own
//! Give your type an overlay (or several, on columns of their own), compose keys as bytes, and forward
//! [`StateStore`](crate::StateStore)'s calls to it. Where the local key is not the changelog's (a segment's number before
//! it, say), wrap the changelog writer that `prepare` is given. Rows that go as a whole are deleted in the batch, with
//! `CommitBatch::delete_range`, after `prepare`. A [`ChangelogRestorer`](crate::ChangelogRestorer) makes rows of changelog
//! records again. The tests hold a window store made that way.
//!
//! # Record cache
//! An overlay made with [`with_record_cache`](Overlay::with_record_cache) also remembers what downstream has not seen
//! yet: for a key changed by `put_cached`, the value last forwarded and the context of the latest write. See
//! [`RecordCache`] for when it lets go of them.
//!
//! An overlay belongs to its task's thread. It never writes to the column: only an applied batch does.
//!
//! [`Savepoint`]: crate::Savepoint
//! [`RecordCache`]: crate::RecordCache

mod codec;
mod entries;
mod entry;
mod footprint;
mod forwarding;
mod index;
mod journal;
mod list;
mod record_cache;
mod scan;
mod slab;
mod transaction;
mod undo;

pub use codec::ValueCodec;
pub use entries::Overlay;
pub(crate) use entries::Place;
pub(crate) use forwarding::Taken;
pub use record_cache::{CacheContext, CacheSizing, RecordCache};
pub use scan::OverlayIterator;
