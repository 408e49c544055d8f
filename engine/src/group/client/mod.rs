//! Runs members on tokio, for stream threads that never wait for it.
//!
//! A [`GroupClient`] is one a process and group: its members share one connection to the coordinator. Each [`MemberHandle`] is
//! a stream thread's end of its member: what it says goes out without waiting, what it is told waits until it looks.

mod calls;
mod driver;
mod handle;
mod inspect;
mod pending;

pub use calls::GroupClient;
pub(crate) use handle::MemberEnd;
pub use handle::MemberHandle;
pub use inspect::{AclOperation, Inspection};
pub use pending::Pending;
