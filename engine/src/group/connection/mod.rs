//! Connections to brokers: plain or TLS, with SASL or without, many requests at a time on each.
//!
//! One connection to the group's coordinator serves every member of a process. It is made when it is needed, and made again
//! when it breaks; nobody is told but those whose requests were on it.

mod broker;
mod channel;
mod coordinator;
mod sasl;
mod settings;
mod tls;
mod transport;

pub(super) use channel::Channel;
pub(super) use coordinator::Coordinator;
pub use settings::{ClientSettings, SaslSettings, SecurityProtocol, TlsSettings, TokenProvider};
