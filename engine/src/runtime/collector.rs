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
    /// The largest output record.
    max_request_size: usize,
    /// A test's crash: how many writes from now.
    fuse: Cell<Option<u32>>,
}

/// The panic of an armed crash: no step catches it.
pub(crate) struct Crash;

impl Collector {
    pub(crate) fn new(log: Arc<dyn Log>, max_request_size: usize) -> Rc<Self> {
        Rc::new(Self {
            log,
            output: RefCell::default(),
            targets: RefCell::default(),
            round_robin: Cell::new(0),
            max_request_size,
            fuse: Cell::new(None),
        })
    }

    /// Arms a crash at the write that comes after `writes` others.
    pub(crate) fn arm(&self, writes: u32) {
        self.fuse.set(Some(writes));
    }

    /// To be called before a sink writes.
    pub(crate) fn burn_fuse(&self) {
        match self.fuse.get() {
            None => {}
            // No panic hook: it is no fault that anyone should read of.
            Some(0) => std::panic::resume_unwind(Box::new(Crash)),
            Some(writes) => self.fuse.set(Some(writes - 1)),
        }
    }

    /// An error when what was written since `mark` is larger than a request may be.
    pub(crate) fn check_size(&self, bytes: usize, topic: &str) -> Result<(), Error> {
        if bytes <= self.max_request_size {
            return Ok(());
        }
        let limit = self.max_request_size;
        let too_large =
            LogError::new(LogErrorKind::RecordTooLarge, format!("record of {bytes} bytes for {topic}, expected at most {limit} (max.request.size)"));
        Err(Error::new(ErrorKind::Production, "cannot write").with_source(too_large))
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
            let unknown = LogError::new(
                LogErrorKind::UnknownTopic,
                format!("topic {topic} does not exist, expected it to be created before the application starts"),
            );
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
