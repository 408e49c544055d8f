//! Collects what the tasks of a thread put out, until it is handed to the producer in one batch.
//!
//! A record's outputs are appended as it passes; if it fails they are cut off again, so that half a record never leaves.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::log::partitioner::partition_for_key;
use crate::log::{Log, LogError, LogErrorKind, OutputBatch, OutputMark};

/// A topic to write to: its index in the batch and its number of partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) topic: u32,
    pub(crate) partitions: u32,
}

pub(crate) struct Collector {
    log: Arc<dyn Log>,
    output: RefCell<OutputBatch>,
    targets: RefCell<HashMap<Arc<str>, Target>>,
    /// Where the next record without a key goes.
    round_robin: Cell<u32>,
}

impl Collector {
    pub(crate) fn new(log: Arc<dyn Log>) -> Rc<Self> {
        Rc::new(Self { log, output: RefCell::default(), targets: RefCell::default(), round_robin: Cell::new(0) })
    }

    pub(crate) fn output(&self) -> RefMut<'_, OutputBatch> {
        self.output.borrow_mut()
    }

    pub(crate) fn mark(&self) -> OutputMark {
        self.output.borrow().mark()
    }

    pub(crate) fn truncate(&self, mark: OutputMark) {
        self.output.borrow_mut().truncate(mark);
    }

    /// Resolves a topic. Asks the log the first time only.
    pub(crate) fn target(&self, topic: &Arc<str>) -> Result<Target, Error> {
        if let Some(target) = self.targets.borrow().get(topic) {
            return Ok(*target);
        }
        let partitions = self.log.partitions(topic)?.ok_or_else(|| {
            let unknown = LogError::new(LogErrorKind::UnknownTopic, format!("topic {topic} does not exist, expected it to be created before the application starts"));
            Error::new(ErrorKind::Production, "cannot write").with_source(unknown)
        })?;
        let target = Target { topic: self.output.borrow_mut().topic(topic), partitions };
        self.targets.borrow_mut().insert(Arc::clone(topic), target);
        Ok(target)
    }

    /// Kafka's default partition of a key; records without one are spread in turn.
    pub(crate) fn partition(&self, key: Option<&[u8]>, partitions: u32) -> u32 {
        match key {
            Some(key) => partition_for_key(key, partitions),
            None => {
                let next = self.round_robin.get();
                self.round_robin.set(next.wrapping_add(1));
                next % partitions.max(1)
            }
        }
    }
}
