//! Splits a stream into branches: every record goes to the first whose predicate holds.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dsl::{KStream, StreamsBuilder};
use crate::error::{BoxError, Error};
use crate::processor::edge::{Downstream, Receiver};
use crate::processor::{Outcome, Record};
use crate::topology::{NodeId, NodeKind};

type Predicate<K, V> = Arc<dyn Fn(&K, &V) -> Result<bool, BoxError> + Send + Sync>;

impl<K: 'static, V: 'static> KStream<K, V> {
    /// Splits the stream. Kafka Streams: `KStream.split`.
    ///
    /// Kafka Streams returns a map of branches by name; here they come as a list, in the order they were declared.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let mut branches = numbers.split().branch(|_, number| *number < 0).branch(|_, number| *number < 10).default_branch().into_iter();
    /// for topic in ["negative", "small", "large"] {
    ///     branches.next().unwrap().to(topic, Produced::with(Utf8, I64));
    /// }
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", -1), ("b", 1), ("c", 10)])?;
    /// // The first branch that holds takes a record: -1 is not among the small ones.
    /// assert_eq!(driver.output("negative", Utf8, I64).read_pairs(&driver)?, [("a".into(), -1)]);
    /// assert_eq!(driver.output("small", Utf8, I64).read_pairs(&driver)?, [("b".into(), 1)]);
    /// assert_eq!(driver.output("large", Utf8, I64).read_pairs(&driver)?, [("c".into(), 10)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn split(self) -> BranchedKStream<K, V> {
        let name = self.builder.new_name("KSTREAM-BRANCH-");
        let predicates: Arc<Mutex<Vec<Option<Predicate<K, V>>>>> = Arc::default();
        let of_node = Arc::clone(&predicates);
        let node = self.builder.add_node(Arc::clone(&name), NodeKind::Processor, &[self.node], move |instance| {
            let predicates = of_node.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(Rc::new(BranchNode { name: instance.name(), predicates, downstream: instance.downstream::<K, V>()? }))
        });
        // Only one child gets a record: no copy is ever made.
        self.builder.with_graph(|graph| graph.set_branches(node));
        BranchedKStream { builder: self.builder, node, name, rekeyed: self.rekeyed, predicates, branches: Vec::new() }
    }
}

/// A stream being split. Kafka Streams: `BranchedKStream`.
#[must_use = "a split without a branch drops every record"]
pub struct BranchedKStream<K, V> {
    builder: StreamsBuilder,
    node: NodeId,
    name: Arc<str>,
    rekeyed: bool,
    predicates: Arc<Mutex<Vec<Option<Predicate<K, V>>>>>,
    branches: Vec<KStream<K, V>>,
}

impl<K: 'static, V: 'static> BranchedKStream<K, V> {
    /// Adds a branch for the records that no earlier one took and for which the predicate holds. Kafka Streams:
    /// `BranchedKStream.branch`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let branches = numbers.split().branch(|_, number| *number > 1).no_default_branch();
    /// branches.into_iter().for_each(|large| large.to("large", Produced::with(Utf8, I64)));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("large", Utf8, I64).read_pairs(&driver)?, [("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn branch<R, M>(self, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M>,
    {
        let suffix = format!("-{}", self.branches.len() + 1);
        self.branch_named(&suffix, predicate)
    }

    /// As [`BranchedKStream::branch`], with `suffix` at the end of the node's name. Kafka Streams: `Branched.as`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let branches = numbers.split().branch_named("-large", |_, number| *number > 1).no_default_branch();
    /// branches.into_iter().for_each(|large| large.to("large", Produced::with(Utf8, I64)));
    /// let topology = builder.build()?;
    /// assert!(topology.describe().to_string().contains("KSTREAM-BRANCH-0000000001-large"));
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("large", Utf8, I64).read_pairs(&driver)?, [("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn branch_named<R, M>(mut self, suffix: &str, predicate: impl Fn(&K, &V) -> R + Send + Sync + 'static) -> Self
    where
        R: Outcome<bool, M>,
    {
        self.add(suffix, Some(Arc::new(move |key, value| predicate(key, value).into_result())));
        self
    }

    /// Ends the split with a branch for all other records, which is the last of the list. Kafka Streams: `defaultBranch`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let branches = numbers.split().branch(|_, number| *number > 1).default_branch();
    /// assert_eq!(branches.len(), 2);
    /// branches.into_iter().last().unwrap().to("others", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("others", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn default_branch(self) -> Vec<KStream<K, V>> {
        self.default_branch_named("-0")
    }

    /// As [`BranchedKStream::default_branch`], with `suffix` at the end of the node's name.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let branches = numbers.split().branch(|_, number| *number > 1).default_branch_named("-others");
    /// branches.into_iter().last().unwrap().to("others", Produced::with(Utf8, I64));
    /// let topology = builder.build()?;
    /// assert!(topology.describe().to_string().contains("KSTREAM-BRANCH-0000000001-others"));
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("others", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn default_branch_named(mut self, suffix: &str) -> Vec<KStream<K, V>> {
        self.add(suffix, None);
        self.branches
    }

    /// Ends the split; other records are dropped. Kafka Streams: `noDefaultBranch`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let branches = numbers.split().branch(|_, number| *number > 1).no_default_branch();
    /// assert_eq!(branches.len(), 1);
    /// branches.into_iter().for_each(|large| large.to("out", Produced::with(Utf8, I64)));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("b", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn no_default_branch(self) -> Vec<KStream<K, V>> {
        self.branches
    }

    fn add(&mut self, suffix: &str, predicate: Option<Predicate<K, V>>) {
        // Kafka Streams uses up a number for each branch, though its name is the split's.
        self.builder.with_graph(crate::topology::Graph::burn_name);
        self.predicates.lock().unwrap_or_else(PoisonError::into_inner).push(predicate);
        let branch = KStream::new(&self.builder, self.node, self.rekeyed).pass_through(format!("{}{suffix}", self.name).into());
        self.branches.push(branch);
    }
}

struct BranchNode<K, V> {
    name: Arc<str>,
    predicates: Vec<Option<Predicate<K, V>>>,
    downstream: Downstream<K, V>,
}

impl<K, V> Receiver<K, V> for BranchNode<K, V> {
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        for (index, predicate) in self.predicates.iter().enumerate() {
            let holds = match predicate {
                Some(predicate) => predicate(&record.key, &record.value).map_err(|error| Error::processing(error).in_node(&self.name))?,
                None => true,
            };
            if holds {
                return self.downstream.forward_to(index, record);
            }
        }
        Ok(())
    }
}
