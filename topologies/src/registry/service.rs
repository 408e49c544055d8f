//! A topology's own HTTP API, as a function from call to answer: who listens, and where, is not its affair.

use serde_json::Value;

use super::Stores;

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method, in capitals.
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// The body; null when there is none.
    pub body: Value,
    /// The wall clock, in milliseconds since the epoch.
    pub now: i64,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A query API over the stores.
pub trait HttpService: Send + Sync {
    /// Answers a call. What goes wrong is an answer too.
    fn call(&self, stores: Stores<'_>, call: &Call) -> Answer;
}
