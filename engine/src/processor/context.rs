//! What a processor can do: forward, schedule, ask for a commit, reach its stores, read where its record came from.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::processor::edge::Downstream;
use crate::processor::punctuation::{Punctuate, Punctuation, PunctuationType};
use crate::processor::store::{ConnectedStores, KeyValue, StoreHandle};
use crate::processor::task_context::{RecordMetadata, TaskContext};
use crate::processor::Record;
use crate::topology::TaskId;

/// A child of a processor, found once by [`ProcessorContext::child`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Child(usize);

/// The context of a processor. Kafka Streams: `api.ProcessorContext`.
pub struct ProcessorContext<'a, K, V> {
    pub(crate) downstream: &'a Downstream<K, V>,
    pub(crate) task: &'a Rc<TaskContext>,
    pub(crate) stores: &'a ConnectedStores,
    pub(crate) node: &'a Arc<str>,
    pub(crate) punctuate: &'a dyn Fn() -> Option<Rc<dyn Punctuate>>,
}

impl<K, V> ProcessorContext<'_, K, V> {
    /// Hands a record to every child.
    ///
    /// # Errors
    /// That of a node below. Return it: the record in progress is then undone as a whole.
    pub fn forward(&self, record: Record<K, V>) -> Result<(), Error> {
        self.downstream.forward(record)
    }

    /// Hands a record to one child.
    ///
    /// # Errors
    /// As [`ProcessorContext::forward`].
    pub fn forward_to(&self, child: Child, record: Record<K, V>) -> Result<(), Error> {
        self.downstream.forward_to(child.0, record)
    }

    /// Finds a child by the name of its node; to be called in `init`, so that forwarding looks up no name.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`](crate::ErrorKind::Topology) names the children there are.
    pub fn child(&self, name: &str) -> Result<Child, Error> {
        self.downstream.child(name).map(Child).ok_or_else(|| {
            let children = self.downstream.names().collect::<Vec<_>>().join(", ");
            Error::topology(format!("no child named {name}, expected one of [{children}]")).in_node(self.node)
        })
    }

    /// The store of this handle. It can be kept: call this in `init`.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`](crate::ErrorKind::Topology) when the store is not connected to this processor or is of
    /// another type.
    pub fn store<SK: 'static, SV: Clone + 'static>(&self, handle: &StoreHandle<SK, SV>) -> Result<KeyValue<SK, SV>, Error> {
        self.stores.key_value(handle.name()).map_err(|error| error.in_node(self.node))
    }

    /// Calls [`Processor::punctuate`](crate::processor::Processor::punctuate) every `interval` (at least 1 ms) of this kind of time.
    ///
    /// Schedules are not state: a task that is made anew runs `init` and schedules again.
    pub fn schedule(&self, interval: Duration, kind: PunctuationType) -> Option<Punctuation> {
        let node = (self.punctuate)()?;
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        Some(self.task.punctuations.borrow_mut().schedule(node, interval, kind, self.task.clock.now()))
    }

    /// Ends a schedule.
    pub fn cancel(&self, punctuation: Punctuation) {
        self.task.punctuations.borrow_mut().cancel(punctuation);
    }

    /// Asks for a commit as soon as this record is through. Kafka Streams: `ProcessorContext.commit`.
    pub fn request_commit(&self) {
        self.task.commit_requested.set(true);
    }

    /// Where the record in progress was read from; `None` in a punctuation.
    #[must_use]
    pub fn record_metadata(&self) -> Option<RecordMetadata> {
        self.task.metadata()
    }

    /// The largest timestamp the task has taken for processing, in milliseconds; −1 before the first record.
    #[must_use]
    pub fn current_stream_time(&self) -> i64 {
        self.task.stream_time.get()
    }

    /// The wall clock, in milliseconds since the epoch.
    #[must_use]
    pub fn current_system_time(&self) -> i64 {
        self.task.clock.now()
    }

    /// The task this instance belongs to.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        self.task.task
    }

    /// The application id.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.task.application
    }

    /// Counts a record that was left out by rule.
    pub fn drop_record(&self) {
        self.task.drop_record();
    }
}
