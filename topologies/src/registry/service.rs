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
    /// How far the stores are behind the source topics.
    pub behind: Behind,
}

/// How far the stores are behind the source topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Records that are not read yet.
    pub records: u64,
    /// Milliseconds since there were none, 0 when there are none.
    pub milliseconds: u64,
    /// Whether all that was there at the start is read.
    pub complete: bool,
}

impl Behind {
    /// Everything is read.
    pub const NOTHING: Self = Self { records: 0, milliseconds: 0, complete: true };
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
