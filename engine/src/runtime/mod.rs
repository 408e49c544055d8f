//! Runs a topology: threads, tasks, commit, restore, and what happens when something fails.

mod clock;
pub(crate) mod collector;
mod config;
mod dead_letters;
pub(crate) mod failing;
pub(crate) mod global;
mod handlers;
pub(crate) mod idle;
pub(crate) mod internal_topics;
pub(crate) mod membership;
mod offset_metadata;
mod open_states;
mod probe;
mod state_directory;
pub(crate) mod state_updater;
pub(crate) mod stream_thread;
mod streams;
pub(crate) mod task;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{ConfigSources, OffsetReset, ProcessingGuarantee, StreamsConfig, TopologyOptimization};
pub use handlers::{Decision, ExceptionHandler, ExceptionHandlers, Failure, dead_letter};
pub use probe::{Probe, ProbePoint, SeededFault};
pub use state_updater::{ChangelogProgress, Restored, TaskRole};
pub use streams::{State, StateListener, Streams, StreamsOptions, TaskReport};
