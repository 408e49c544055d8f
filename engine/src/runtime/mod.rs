//! Runs a topology: threads, tasks, commit, restore, and what happens when something fails.

mod clock;
pub(crate) mod collector;
mod config;
mod dead_letters;
pub(crate) mod global;
pub(crate) mod failing;
mod handlers;
pub(crate) mod idle;
pub(crate) mod internal_topics;
mod offset_metadata;
mod restore;
pub(crate) mod stream_thread;
pub(crate) mod task;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{ProcessingGuarantee, StreamsConfig};
pub use handlers::{Decision, ExceptionHandler, ExceptionHandlers, Failure, dead_letter};
pub use restore::Restored;
