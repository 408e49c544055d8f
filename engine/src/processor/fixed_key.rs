//! Processors that cannot change the key: the record's key stays with the engine.

use std::ops::Deref;

use crate::error::{BoxError, Error};
use crate::processor::{Headers, ProcessorContext, Punctuation, Record};

/// Handles the values of a stream, key by key. Kafka Streams: `FixedKeyProcessor`.
///
/// ```
/// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
/// struct Even;
/// impl FixedKeyProcessor<String, i64, bool> for Even {
///     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, bool>) -> Result<(), BoxError> {
///         Ok(context.forward_value(value % 2 == 0)?)
///     }
/// }
/// # let builder = StreamsBuilder::new();
/// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
/// numbers.process_values("even", || Even, &[]).to("out", Produced::with(Utf8, Bool));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
/// assert_eq!(driver.output("out", Utf8, Bool).read_pairs(&driver)?, [("a".into(), false), ("b".into(), true)]);
/// # Ok::<(), straum::Error>(())
/// ```
pub trait FixedKeyProcessor<K, V, V2>: 'static {
    /// Called once before the first record.
    ///
    /// # Errors
    /// Stops the task with this error.
    fn init(&mut self, context: &FixedKeyProcessorContext<'_, K, V2>) -> Result<(), BoxError> {
        let _ = context;
        Ok(())
    }

    /// Handles one value.
    ///
    /// # Errors
    /// Undoes everything the record has done so far; the processing exception handler decides what follows.
    fn process(&mut self, key: &K, value: V, context: &FixedKeyProcessorContext<'_, K, V2>) -> Result<(), BoxError>;

    /// Handles a punctuation. Nothing can be forwarded from one: there is no key to forward it under.
    ///
    /// # Errors
    /// As [`FixedKeyProcessor::process`].
    fn punctuate(&mut self, timestamp: i64, punctuation: Punctuation, context: &FixedKeyProcessorContext<'_, K, V2>) -> Result<(), BoxError> {
        let _ = (timestamp, punctuation, context);
        Ok(())
    }
}

/// Makes a fixed-key processor for each task. Any `Fn` that returns one is a supplier.
pub trait FixedKeyProcessorSupplier<K, V, V2>: Send + Sync + 'static {
    /// The processor.
    type Processor: FixedKeyProcessor<K, V, V2>;

    /// A new instance.
    fn get(&self) -> Self::Processor;
}

impl<F, P, K, V, V2> FixedKeyProcessorSupplier<K, V, V2> for F
where
    F: Fn() -> P + Send + Sync + 'static,
    P: FixedKeyProcessor<K, V, V2>,
{
    type Processor = P;

    fn get(&self) -> P {
        self()
    }
}

/// The context of a fixed-key processor: that of any processor, but what it forwards goes out under the record's own key.
pub struct FixedKeyProcessorContext<'a, K, V2> {
    context: &'a ProcessorContext<'a, K, V2>,
    record: Option<(&'a K, i64, &'a Headers)>,
}

impl<'a, K: Clone, V2> FixedKeyProcessorContext<'a, K, V2> {
    pub(crate) const fn new(context: &'a ProcessorContext<'a, K, V2>, record: Option<(&'a K, i64, &'a Headers)>) -> Self {
        Self { context, record }
    }

    /// Hands a value to every child, with the key, timestamp and headers of the record in progress. Nothing happens in a
    /// punctuation, which has no record.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl FixedKeyProcessor<String, i64, i64> for Node {
    ///     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         (0..value).try_for_each(|part| context.forward_value(part))?;
    ///         Ok(())
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process_values("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64);
    /// input.pipe(&mut driver, &TestRecord::new("a".to_owned(), 2, 70))?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!(records.iter().map(|record| (record.value, record.timestamp)).collect::<Vec<_>>(), [(0, 70), (1, 70)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of a node below.
    pub fn forward_value(&self, value: V2) -> Result<(), Error> {
        match self.record {
            Some((key, timestamp, headers)) => self.context.forward(Record { key: key.clone(), value, timestamp, headers: headers.clone() }),
            None => Ok(()),
        }
    }

    /// The timestamp of the record in progress, `None` in a punctuation.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.record.map(|(_, timestamp, _)| timestamp)
    }

    /// The headers of the record in progress.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl FixedKeyProcessor<String, i64, i64> for Node {
    ///     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let weight = context.headers().and_then(|headers| headers.last("weight").flatten()).map_or(0, |weight| weight.len() as i64);
    ///         Ok(context.forward_value(value + weight)?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process_values("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut record = TestRecord::new("a".to_owned(), 2, 0);
    /// record.headers.add("weight", Some(b"xxx"));
    /// driver.input("in", Utf8, I64).pipe(&mut driver, &record)?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!(records.iter().map(|record| record.value).collect::<Vec<_>>(), [5]);
    /// // They travel on with the record.
    /// assert_eq!(records[0].headers, record.headers);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn headers(&self) -> Option<&Headers> {
        self.record.map(|(_, _, headers)| headers)
    }
}

impl<'a, K, V2> Deref for FixedKeyProcessorContext<'a, K, V2> {
    type Target = ProcessorContext<'a, K, V2>;

    fn deref(&self) -> &Self::Target {
        self.context
    }
}
