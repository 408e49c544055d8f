//! The Processor API: what a user implements where the DSL has no operator for it.

use crate::error::BoxError;
use crate::processor::{ProcessorContext, Punctuation, Record};

/// Handles typed records one at a time, with stores, punctuations and the choice of what to forward.
/// Kafka Streams: `api.Processor`.
///
/// A processor keeps what must survive in its stores: an instance may be dropped and made anew at any commit, and a
/// record that fails undoes its store writes, not the fields of the processor.
///
/// ```
/// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
/// struct Double;
/// impl Processor<String, i64, String, i64> for Double {
///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
///         let doubled = record.value.checked_mul(2).ok_or("too large")?;
///         Ok(context.forward(record.with_value(doubled))?)
///     }
/// }
/// # let builder = StreamsBuilder::new();
/// builder.stream("in", Consumed::with(Utf8, I64)).process("double", || Double, &[]).to("out", Produced::with(Utf8, I64));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", i64::MAX), ("c", 2)])?;
/// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 2), ("c".into(), 4)]);
/// # Ok::<(), straum::Error>(())
/// ```
pub trait Processor<KIn, VIn, KOut, VOut>: 'static {
    /// Called once before the first record: find stores and children, schedule punctuations.
    ///
    /// # Errors
    /// Stops the task with this error.
    fn init(&mut self, context: &ProcessorContext<'_, KOut, VOut>) -> Result<(), BoxError> {
        let _ = context;
        Ok(())
    }

    /// Handles one record.
    ///
    /// # Errors
    /// Undoes everything the record has done so far; the processing exception handler decides what follows.
    fn process(&mut self, record: Record<KIn, VIn>, context: &ProcessorContext<'_, KOut, VOut>) -> Result<(), BoxError>;

    /// Handles a punctuation that [`ProcessorContext::schedule`] ordered. `timestamp` is the stream time or the wall clock,
    /// in milliseconds.
    ///
    /// # Errors
    /// As [`Processor::process`].
    fn punctuate(&mut self, timestamp: i64, punctuation: Punctuation, context: &ProcessorContext<'_, KOut, VOut>) -> Result<(), BoxError> {
        let _ = (timestamp, punctuation, context);
        Ok(())
    }
}

/// Makes a processor for each task. Any `Fn` that returns one is a supplier. Kafka Streams: `api.ProcessorSupplier`.
///
/// ```
/// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
/// # use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
/// # struct Idle;
/// # impl Processor<String, i64, String, i64> for Idle {
/// #     fn process(&mut self, _: Record<String, i64>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> { Ok(()) }
/// # }
/// # let builder = StreamsBuilder::new();
/// let made = Arc::new(AtomicU32::new(0));
/// let of_supplier = Arc::clone(&made);
/// let supplier = move || { of_supplier.fetch_add(1, Ordering::Relaxed); Idle };
/// builder.stream("in", Consumed::with(Utf8, I64)).process("idle", supplier, &[]).to("out", Produced::with(Utf8, I64));
/// let driver = TopologyTestDriver::builder(&builder.build()?).partitions(3).start()?;
/// assert_eq!(made.load(Ordering::Relaxed), 3, "one a task");
/// # drop(driver);
/// # Ok::<(), straum::Error>(())
/// ```
pub trait ProcessorSupplier<KIn, VIn, KOut, VOut>: Send + Sync + 'static {
    /// The processor.
    type Processor: Processor<KIn, VIn, KOut, VOut>;

    /// A new instance.
    fn get(&self) -> Self::Processor;
}

impl<F, P, KIn, VIn, KOut, VOut> ProcessorSupplier<KIn, VIn, KOut, VOut> for F
where
    F: Fn() -> P + Send + Sync + 'static,
    P: Processor<KIn, VIn, KOut, VOut>,
{
    type Processor = P;

    fn get(&self) -> P {
        self()
    }
}
