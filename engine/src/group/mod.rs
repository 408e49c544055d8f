//! Membership of a streams group (KIP-1071): who runs which task, decided by a Kafka broker.
//!
//! [`wire`] is the codec, [`member`] the pure state machine of one member, [`heartbeat_topology`] what the group is told to
//! run, and [`GroupClient`] runs members on tokio, over connections of its own. librdkafka knows nothing of such groups: it
//! only reads the partitions it is given.
//!
//! For brokers without such groups [`LeadTopics`] make tasks of the partitions of a classic group, whose members are the log's.

mod client;
mod connection;
mod error_code;
mod lead_topics;
pub mod member;
mod notice;
mod tasks;
mod topology;
pub mod wire;

pub(crate) use client::MemberEnd;
pub use client::{AclOperation, GroupClient, Inspection, MemberHandle, Pending};
pub use connection::{ClientSettings, SaslSettings, SecurityProtocol, TlsSettings, TokenProvider};
pub use error_code::{ErrorAction, ErrorCode, GroupError, GroupErrorKind};
pub use lead_topics::LeadTopics;
pub use notice::{Notice, NoticeKind};
pub use tasks::Tasks;
pub use topology::heartbeat_topology;
