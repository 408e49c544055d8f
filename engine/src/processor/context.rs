//! What a processor can do: forward, schedule, ask for a commit, reach its stores, read where its record came from.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use straum_state::StateStore;

use crate::error::{Error, ErrorKind};
use crate::processor::Record;
use crate::processor::edge::Downstream;
use crate::processor::punctuation::{Punctuate, Punctuation, PunctuationType};
use crate::processor::store::{ConnectedStores, KeyValue, StoreHandle};
use crate::processor::task_context::{RecordMetadata, TaskContext};
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
    /// Timestamp and headers are those of the record given. Kafka Streams: `ProcessorContext.forward`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let mut other = record.clone();
    ///         other.headers.add("copy", Some(b"1"));
    ///         context.forward(record)?;
    ///         Ok(context.forward(other.with_timestamp(99))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!(records.iter().map(|record| record.timestamp).collect::<Vec<_>>(), [0, 99]);
    /// assert_eq!(records[1].headers.last("copy"), Some(Some(b"1".as_slice())));
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// That of a node below, or of a timestamp that is negative. Return it: the record in progress is then undone as a whole.
    pub fn forward(&self, record: Record<K, V>) -> Result<(), Error> {
        self.check(&record)?;
        self.downstream.forward(record)
    }

    /// Hands a record to one child.
    ///
    /// Kafka Streams: `ProcessorContext.forward` with a child's name.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// #[derive(Default)]
    /// struct Node { even: Option<Child>, odd: Option<Child> }
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         self.odd = Some(context.child("KSTREAM-FILTER-0000000001")?);
    ///         self.even = Some(context.child("KSTREAM-SINK-0000000003")?);
    ///         Ok(())
    ///     }
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let child = if record.value % 2 == 0 { self.even } else { self.odd };
    ///         Ok(context.forward_to(child.ok_or("init was not called")?, record)?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let routed = numbers.process("route", Node::default, &[]);
    /// routed.clone().filter(|_, _| true).to("odd", Produced::with(Utf8, I64));
    /// routed.to("even", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("odd", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// assert_eq!(driver.output("even", Utf8, I64).read_pairs(&driver)?, [("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ProcessorContext::forward`].
    pub fn forward_to(&self, child: Child, record: Record<K, V>) -> Result<(), Error> {
        self.check(&record)?;
        self.downstream.forward_to(child.0, record)
    }

    /// No log takes a negative timestamp: told here, it is this node's. Kafka Streams' `Record` cannot be made with one.
    #[inline]
    fn check(&self, record: &Record<K, V>) -> Result<(), Error> {
        if record.timestamp < 0 { Err(self.negative(record.timestamp)) } else { Ok(()) }
    }

    #[cold]
    fn negative(&self, timestamp: i64) -> Error {
        let message = format!("cannot forward: timestamp {timestamp} is negative, expected milliseconds since the epoch");
        Error::new(ErrorKind::Processing, message).in_node(self.node)
    }

    /// Finds a child by the name of its node; to be called in `init`, so that forwarding looks up no name.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         context.child("nobody")?;
    ///         Ok(())
    ///     }
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         Ok(context.forward(record)?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// # use straum::ErrorKind;
    /// let error = TopologyTestDriver::new(&builder.build()?).err().expect("init fails");
    /// assert!(error.kind() == ErrorKind::Topology && error.to_string().contains("KSTREAM-SINK-0000000001"), "{error}");
    /// # Ok::<(), straum::Error>(())
    /// ```
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
    /// A global store needs no connecting and can be read only. Kafka Streams: `ProcessorContext.getStateStore`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// # use std::sync::Arc;
    /// struct Node { sums: StoreHandle<String, i64>, rows: Option<KeyValue<String, i64>> }
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         self.rows = Some(context.store(&self.sums)?);
    ///         Ok(())
    ///     }
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let rows = self.rows.as_ref().ok_or("init was not called")?;
    ///         let sum = rows.get(&record.key)?.unwrap_or(0) + record.value;
    ///         rows.put(&record.key, sum)?;
    ///         Ok(context.forward(record.with_value(sum))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let sums = builder.add_state_store(KeyValueStoreBuilder::new("sums", Arc::new(Utf8), Arc::new(I64)));
    /// numbers.process("node", move || Node { sums: sums.clone(), rows: None }, &["sums"]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("a", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("a".into(), 3)]);
    /// driver.commit()?;
    /// driver.crash()?;
    /// assert_eq!(driver.store::<String, i64>("sums")?.get(&"a".to_owned())?, Some(3));
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Topology`](crate::ErrorKind::Topology) when the store is not connected to this processor or is of
    /// another type.
    pub fn store<SK: 'static, SV: Clone + 'static>(&self, handle: &StoreHandle<SK, SV>) -> Result<KeyValue<SK, SV>, Error> {
        self.stores.key_value(handle.name()).map_err(|error| error.in_node(self.node))
    }

    /// The store of this name, of a type of its own: one added with
    /// [`StreamsBuilder::add_custom_store`](crate::dsl::StreamsBuilder::add_custom_store). It can be kept: call this in `init`.
    ///
    /// # Errors
    /// As [`ProcessorContext::store`].
    pub fn custom_store<S: StateStore>(&self, name: &str) -> Result<Rc<RefCell<S>>, Error> {
        self.stores.custom(name).map_err(|error| error.in_node(self.node))
    }

    /// Calls [`Processor::punctuate`](crate::processor::Processor::punctuate) every `interval` (at least 1 ms) of this kind of time.
    ///
    /// Schedules are not state: a task that is made anew runs `init` and schedules again.
    ///
    /// Ticks that were missed collapse into one. Kafka Streams: `ProcessorContext.schedule`; there each has a callback of its own, here
    /// `punctuate` is told which one it is by the [`Punctuation`].
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// # use std::time::Duration;
    /// #[derive(Default)]
    /// struct Node { sum: i64 }
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         context.schedule(Duration::from_secs(10), PunctuationType::WallClockTime);
    ///         Ok(())
    ///     }
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         self.sum += record.value;
    ///         Ok(())
    ///     }
    ///     fn punctuate(&mut self, timestamp: i64, _: Punctuation, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         Ok(context.forward(Record::new("sum".to_owned(), self.sum, timestamp))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", Node::default, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// driver.advance_wall_clock(Duration::from_secs(9))?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, []);
    /// driver.advance_wall_clock(Duration::from_secs(1))?;
    /// let records = driver.output("out", Utf8, I64).read(&driver)?;
    /// assert_eq!(records.iter().map(|record| (record.value, record.timestamp)).collect::<Vec<_>>(), [(3, 10_000)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn schedule(&self, interval: Duration, kind: PunctuationType) -> Option<Punctuation> {
        let node = (self.punctuate)()?;
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
        Some(self.task.punctuations.borrow_mut().schedule(&node, interval, kind, self.task.clock.now()))
    }

    /// Ends a schedule.
    ///
    /// Kafka Streams: `Cancellable.cancel`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// # use std::time::Duration;
    /// #[derive(Default)]
    /// struct Node { schedule: Option<Punctuation> }
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         self.schedule = context.schedule(Duration::from_secs(10), PunctuationType::WallClockTime);
    ///         Ok(())
    ///     }
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let _ = (record, context);
    ///         Ok(())
    ///     }
    ///     fn punctuate(&mut self, timestamp: i64, _: Punctuation, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         self.schedule.take().into_iter().for_each(|schedule| context.cancel(schedule));
    ///         Ok(context.forward(Record::new("tick".to_owned(), timestamp, timestamp))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", Node::default, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.advance_wall_clock(Duration::from_secs(10))?;
    /// driver.advance_wall_clock(Duration::from_secs(10))?;
    /// let ticks = driver.output("out", Utf8, I64).read_pairs(&driver)?;
    /// assert_eq!(ticks, [("tick".into(), 10_000)], "only the first");
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn cancel(&self, punctuation: Punctuation) {
        self.task.punctuations.borrow_mut().cancel(punctuation);
    }

    /// Asks for a commit as soon as this record is through. Kafka Streams: `ProcessorContext.commit`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         if record.value == 2 {
    ///             context.request_commit();
    ///         }
    ///         Ok(context.forward(record)?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut committed = driver.output("out", Utf8, I64).committed();
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(committed.read_pairs(&driver)?, []);
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("b", 2)])?;
    /// assert_eq!(committed.read_pairs(&driver)?, [("a".into(), 1), ("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn request_commit(&self) {
        self.task.commit_requested.set(true);
    }

    /// Where the record in progress was read from; `None` in a punctuation.
    ///
    /// Kafka Streams: `ProcessorContext.recordMetadata`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let source = context.record_metadata().ok_or("not in a record")?;
    ///         Ok(context.forward(Record::new(source.partition.topic.to_string(), source.offset, record.timestamp))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("in".into(), 0), ("in".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn record_metadata(&self) -> Option<RecordMetadata> {
        self.task.metadata()
    }

    /// The largest timestamp the task has taken for processing, in milliseconds; −1 before the first record.
    ///
    /// Kafka Streams: `ProcessorContext.currentStreamTimeMs`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let stream_time = context.current_stream_time();
    ///         Ok(context.forward(record.with_value(stream_time))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64);
    /// input.pipe(&mut driver, &TestRecord::new("a".to_owned(), 0, 70))?;
    /// input.pipe(&mut driver, &TestRecord::new("late".to_owned(), 0, 50))?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 70), ("late".into(), 70)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn current_stream_time(&self) -> i64 {
        self.task.stream_time.get()
    }

    /// The wall clock, in milliseconds since the epoch.
    ///
    /// Kafka Streams: `ProcessorContext.currentSystemTimeMs`.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Node;
    /// impl Processor<String, i64, String, i64> for Node {
    ///     fn process(&mut self, record: Record<String, i64>, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let now = context.current_system_time();
    ///         Ok(context.forward(record.with_value(now))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process("node", || Node, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.advance_wall_clock(std::time::Duration::from_secs(3))?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 3_000)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
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
