//! Where a test can look into a running thread, and break it on purpose. Without the feature `faults` all of it is empty.
//!
//! A proof that nothing is lost when the process is killed needs to kill it where it hurts, and must be seen to fail when
//! the engine is wrong: both need a place inside.

/// A place in the life of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbePoint {
    /// A record has passed the topology; its effects are in memory.
    MidRecord,
    /// Outputs and changelogs are sent and the membership is looked up; the offsets are not sent.
    BeforeOffsets,
    /// Outputs, changelogs and offsets are sent; the commit is not.
    BeforeCommit,
    /// The transaction has committed; the stores do not have it yet.
    BetweenCommitAndApply,
    /// The stores have what was committed: nothing is left of the transaction.
    Applied,
    /// Some of the uncommitted state is written to the changelog, some is not.
    MidChangelog,
    /// Rows that are committed are being written from memory to disk.
    MidFlush,
    /// A batch of a changelog was applied to a store; more follow.
    MidRestore,
}

/// A mistake the engine can be told to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeededFault {
    /// Rows go to the stores before their transaction has committed.
    ApplyBeforeCommit,
    /// The transaction commits without the offsets of its input.
    CommitWithoutOffsets,
    /// A restore begins this many records too late.
    RestoreFromWrongOffset(i64),
    /// Offsets are sent in nobody's name, as librdkafka's short constructor of group metadata has it: a broker takes them from
    /// members it has given up.
    UnfencedOffsets,
    /// A member that the group has given up joins again although its thread has not aborted what it had begun.
    RejoinBeforeAbort,
    /// A restore ends where no transaction is open yet, instead of at the high watermark (KAFKA-10167).
    RestoreToLastStableOffset,
    /// Committed offsets are asked for without waiting for the transactions that are about to change them (KIP-447).
    UnstableOffsets,
}

#[cfg(feature = "faults")]
mod active {
    use super::{ProbePoint, SeededFault};
    use std::sync::Arc;

    /// What a test hangs into the threads of an application.
    #[derive(Clone, Default)]
    pub struct Probe {
        observer: Option<Arc<dyn Fn(ProbePoint) + Send + Sync>>,
        fault: Option<SeededFault>,
    }

    impl Probe {
        /// Calls `observer` at every point, on the thread that reaches it.
        #[must_use]
        pub fn observe(observer: impl Fn(ProbePoint) + Send + Sync + 'static) -> Self {
            Self { observer: Some(Arc::new(observer)), fault: None }
        }

        /// Makes a mistake too.
        #[must_use]
        pub fn with_fault(mut self, fault: SeededFault) -> Self {
            self.fault = Some(fault);
            self
        }

        pub(crate) fn reached(&self, point: ProbePoint) {
            if let Some(observer) = &self.observer {
                observer(point);
            }
        }

        /// As [`Probe::reached`], where it takes a look to know.
        pub(crate) fn reached_when(&self, point: ProbePoint, is_there: impl FnOnce() -> bool) {
            if let Some(observer) = &self.observer
                && is_there()
            {
                observer(point);
            }
        }

        pub(crate) fn fault(&self) -> Option<SeededFault> {
            self.fault
        }
    }
}

#[cfg(not(feature = "faults"))]
mod inactive {
    use super::{ProbePoint, SeededFault};

    /// Nothing: the feature `faults` is off.
    #[derive(Clone, Default)]
    pub struct Probe;

    impl Probe {
        #[inline]
        pub(crate) fn reached(&self, _: ProbePoint) {}

        #[inline]
        pub(crate) fn reached_when(&self, _: ProbePoint, _: impl FnOnce() -> bool) {}

        #[inline]
        pub(crate) fn fault(&self) -> Option<SeededFault> {
            None
        }
    }
}

#[cfg(feature = "faults")]
pub use active::Probe;
#[cfg(not(feature = "faults"))]
pub use inactive::Probe;
