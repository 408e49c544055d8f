//! The physical node of a user's processor.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::error::{BoxError, Error, ErrorKind};
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::punctuation::{Punctuate, Punctuation};
use crate::processor::store::ConnectedStores;
use crate::processor::task_context::TaskContext;
use crate::processor::{Processor, ProcessorContext, Record, panicking};

pub(crate) struct ProcessNode<P, KIn, VIn, KOut, VOut> {
    name: Arc<str>,
    processor: RefCell<P>,
    downstream: Downstream<KOut, VOut>,
    stores: ConnectedStores,
    task: Rc<TaskContext>,
    this: Weak<Self>,
    marker: PhantomData<fn(KIn, VIn)>,
}

impl<P, KIn, VIn, KOut, VOut> ProcessNode<P, KIn, VIn, KOut, VOut>
where
    P: Processor<KIn, VIn, KOut, VOut>,
    KIn: 'static,
    VIn: 'static,
    KOut: 'static,
    VOut: 'static,
{
    /// Makes the node and runs `init`.
    pub(crate) fn start(
        name: &Arc<str>,
        processor: P,
        downstream: Downstream<KOut, VOut>,
        stores: ConnectedStores,
        task: &Rc<TaskContext>,
    ) -> Result<Rc<Self>, Error> {
        let node = Rc::new_cyclic(|this| Self {
            name: Arc::clone(name),
            processor: RefCell::new(processor),
            downstream,
            stores,
            task: Rc::clone(task),
            this: Weak::clone(this),
            marker: PhantomData,
        });
        node.call(Processor::init)?;
        Ok(node)
    }

    fn call(&self, work: impl FnOnce(&mut P, &ProcessorContext<'_, KOut, VOut>) -> Result<(), BoxError>) -> Result<(), Error> {
        let punctuate = || self.this.upgrade().map(|node| node as Rc<dyn Punctuate>);
        let context =
            ProcessorContext { downstream: &self.downstream, task: &self.task, stores: &self.stores, node: &self.name, punctuate: &punctuate };
        work(&mut self.processor.borrow_mut(), &context).map_err(|error| blame(error, &self.name))
    }
}

/// An error that came up from a node below keeps its own place; any other is this node's.
pub(crate) fn blame(error: BoxError, node: &Arc<str>) -> Error {
    match error.downcast::<Error>() {
        Ok(error) if error.node().is_some() || error.kind() == ErrorKind::State => *error,
        Ok(error) => error.in_node(node),
        Err(error) => Error::processing(error).in_node(node),
    }
}

impl<P, KIn, VIn, KOut, VOut> Receiver<KIn, VIn> for ProcessNode<P, KIn, VIn, KOut, VOut>
where
    P: Processor<KIn, VIn, KOut, VOut>,
    KIn: 'static,
    VIn: 'static,
    KOut: 'static,
    VOut: 'static,
{
    fn receive(&self, record: Record<KIn, VIn>) -> Result<(), Error> {
        self.task.at(record.timestamp, || self.call(|processor, context| processor.process(record, context)))
    }
}

impl<P, KIn, VIn, KOut, VOut> Punctuate for ProcessNode<P, KIn, VIn, KOut, VOut>
where
    P: Processor<KIn, VIn, KOut, VOut>,
    KIn: 'static,
    VIn: 'static,
    KOut: 'static,
    VOut: 'static,
{
    fn punctuate(&self, timestamp: i64, punctuation: Punctuation) -> Result<(), Error> {
        let note = panicking::note(std::slice::from_ref(&self.name), 0);
        let result = self.task.at(timestamp, || self.call(|processor, context| processor.punctuate(timestamp, punctuation, context)));
        note.forget();
        result
    }
}
