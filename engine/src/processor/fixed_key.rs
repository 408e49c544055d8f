//! Processors that cannot change the key: the record's key stays with the engine.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use straum_state::StateStore;

use crate::error::{BoxError, Error};
use crate::processor::{Child, Headers, KeyValue, ProcessorContext, Punctuation, PunctuationType, Record, RecordMetadata, StoreHandle};
use crate::topology::TaskId;

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
/// Kafka Streams: `FixedKeyProcessorContext`.
///
/// There is no way to forward under another key:
///
/// ```compile_fail,E0599
/// # use straum::{BoxError, processor::*};
/// struct Renames;
/// impl FixedKeyProcessor<String, i64, i64> for Renames {
///     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
///         Ok(context.forward(Record::new("another".to_owned(), value, 0))?)
///     }
/// }
/// ```
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
        match self.out(value) {
            Some(record) => self.context.forward(record),
            None => Ok(()),
        }
    }

    /// As [`FixedKeyProcessorContext::forward_value`], with another timestamp and other headers. Kafka Streams:
    /// `FixedKeyRecord.withTimestamp` and `withHeaders`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl FixedKeyProcessor<String, i64, i64> for Node {
    ///     fn process(&mut self, _: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         Ok(context.forward_value_with(value, 99, Headers::new())?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process_values("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!((records[0].key.as_str(), records[0].value, records[0].timestamp), ("a", 1, 99));
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of a node below, or of a timestamp that is negative.
    pub fn forward_value_with(&self, value: V2, timestamp: i64, headers: Headers) -> Result<(), Error> {
        match self.out(value) {
            Some(record) => self.context.forward(Record { timestamp, headers, ..record }),
            None => Ok(()),
        }
    }

    /// As [`FixedKeyProcessorContext::forward_value`], to one child.
    ///
    /// # Errors
    /// That of a node below.
    pub fn forward_value_to(&self, child: Child, value: V2) -> Result<(), Error> {
        match self.out(value) {
            Some(record) => self.context.forward_to(child, record),
            None => Ok(()),
        }
    }

    fn out(&self, value: V2) -> Option<Record<K, V2>> {
        let (key, timestamp, headers) = self.record?;
        Some(Record { key: key.clone(), value, timestamp, headers: headers.clone() })
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

/// What a processor of any kind can do besides forwarding. Not by `Deref`: that would give `forward` as well.
impl<K, V2> FixedKeyProcessorContext<'_, K, V2> {
    /// As [`ProcessorContext::child`].
    ///
    /// # Errors
    /// When there is no such child.
    pub fn child(&self, name: &str) -> Result<Child, Error> {
        self.context.child(name)
    }

    /// As [`ProcessorContext::store`].
    ///
    /// # Errors
    /// When the node is not connected to the store, or it is of other types.
    pub fn store<SK: 'static, SV: Clone + 'static>(&self, handle: &StoreHandle<SK, SV>) -> Result<KeyValue<SK, SV>, Error> {
        self.context.store(handle)
    }

    /// As [`ProcessorContext::custom_store`].
    ///
    /// # Errors
    /// As [`FixedKeyProcessorContext::store`].
    pub fn custom_store<S: StateStore>(&self, name: &str) -> Result<Rc<RefCell<S>>, Error> {
        self.context.custom_store(name)
    }

    /// As [`ProcessorContext::schedule`]: calls [`FixedKeyProcessor::punctuate`].
    pub fn schedule(&self, interval: Duration, kind: PunctuationType) -> Option<Punctuation> {
        self.context.schedule(interval, kind)
    }

    /// As [`ProcessorContext::cancel`].
    pub fn cancel(&self, punctuation: Punctuation) {
        self.context.cancel(punctuation);
    }

    /// As [`ProcessorContext::request_commit`].
    pub fn request_commit(&self) {
        self.context.request_commit();
    }

    /// As [`ProcessorContext::record_metadata`].
    #[must_use]
    pub fn record_metadata(&self) -> Option<RecordMetadata> {
        self.context.record_metadata()
    }

    /// As [`ProcessorContext::current_stream_time`]: milliseconds, −1 before the first record.
    #[must_use]
    pub fn current_stream_time(&self) -> i64 {
        self.context.current_stream_time()
    }

    /// As [`ProcessorContext::current_system_time`]: milliseconds since the epoch.
    #[must_use]
    pub fn current_system_time(&self) -> i64 {
        self.context.current_system_time()
    }

    /// The task this instance belongs to.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        self.context.task_id()
    }

    /// The application id.
    #[must_use]
    pub fn application_id(&self) -> &str {
        self.context.application_id()
    }

    /// Counts a record that was left out by rule.
    pub fn drop_record(&self) {
        self.context.drop_record();
    }
}
