//! The record cache against Kafka Streams' rules, written down once more and naively: `NamedCache` and `ThreadCache`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use straum_state::{CacheSizing, RecordCache, RowFormat, StateStore};

use crate::support::{Disk, Log, Origin, Task, TextStore, builder, specs};

/// Key, what downstream saw last, what there is, context.
type Forwarded = (String, Option<String>, Option<String>, u64);

#[derive(Default)]
struct NamedCache {
    max_bytes: usize,
    /// Most recently used first.
    nodes: Vec<Node>,
    dirty: Vec<String>,
    underlying: BTreeMap<String, String>,
}

struct Node {
    key: String,
    value: Option<String>,
    origin: u64,
    bytes: usize,
}

impl NamedCache {
    fn get(&mut self, key: &str) -> (Option<String>, Vec<Forwarded>) {
        if let Some(at) = self.nodes.iter().position(|node| node.key == key) {
            let node = self.nodes.remove(at);
            let value = node.value.clone();
            self.nodes.insert(0, node);
            return (value, Vec::new());
        }
        let Some(value) = self.underlying.get(key).cloned() else { return (None, Vec::new()) };
        let bytes = key.len() + 24 + 1 + 8 + value.len() + 20;
        self.nodes.insert(0, Node { key: key.to_owned(), value: Some(value.clone()), origin: 0, bytes });
        (Some(value), self.maybe_evict())
    }

    fn put(&mut self, key: &str, value: Option<String>, origin: u64) -> Vec<Forwarded> {
        let bytes = key.len() + 24 + 1 + value.as_ref().map_or(0, |value| 8 + value.len()) + 21;
        self.nodes.retain(|node| node.key != key);
        self.nodes.insert(0, Node { key: key.to_owned(), value, origin, bytes });
        self.dirty.retain(|dirty| dirty != key);
        self.dirty.push(key.to_owned());
        self.maybe_evict()
    }

    fn maybe_evict(&mut self) -> Vec<Forwarded> {
        let mut forwarded = Vec::new();
        while self.used() > self.max_bytes {
            let Some(eldest) = self.nodes.pop() else { break };
            if self.dirty.contains(&eldest.key) {
                self.dirty.retain(|dirty| *dirty != eldest.key);
                forwarded.extend(self.forward(&eldest.key, eldest.value, eldest.origin));
                forwarded.extend(self.flush());
            }
        }
        forwarded
    }

    fn flush(&mut self) -> Vec<Forwarded> {
        let mut forwarded = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            let node = self.nodes.iter().find(|node| node.key == key).unwrap();
            let (value, origin) = (node.value.clone(), node.origin);
            if value.is_none() {
                self.nodes.retain(|node| node.key != key);
            }
            forwarded.extend(self.forward(&key, value, origin));
        }
        forwarded
    }

    fn forward(&mut self, key: &str, new: Option<String>, origin: u64) -> Option<Forwarded> {
        let old = match &new {
            Some(value) => self.underlying.insert(key.to_owned(), value.clone()),
            None => self.underlying.remove(key),
        };
        (old.is_some() || new.is_some()).then(|| (key.to_owned(), old, new, origin))
    }

    fn used(&self) -> usize {
        self.nodes.iter().map(|node| node.bytes).sum()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    Put(u8, Option<u8>),
    Commit,
    Rollback,
}

fn evicted(store: &mut TextStore) -> Vec<Forwarded> {
    let next = || store.next_evicted().unwrap();
    std::iter::from_fn(next).map(|due| (due.key, due.old.map(|old| old.value), due.new, due.context.0)).collect()
}

fn drained(store: &mut TextStore) -> Vec<Forwarded> {
    let next = || store.drain_unforwarded().unwrap();
    std::iter::from_fn(next).map(|due| (due.key, due.old.map(|old| old.value), due.new, due.context.0)).collect()
}

fn caching_task(max_bytes: u64, log: &Log) -> Task<TextStore> {
    let supplier = builder(RowFormat::Timestamped).with_caching(true);
    Task::start(&Disk::memory(&specs()), &supplier, log, RecordCache::new(max_bytes, CacheSizing::Exact))
}

fn compare(max_bytes: u16, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut log = Log::default();
    let task = caching_task(u64::from(max_bytes), &log);
    let mut named = NamedCache { max_bytes: usize::from(max_bytes), ..NamedCache::default() };
    let mut committed = named.underlying.clone();
    for (number, step) in (1..).zip(steps) {
        let mut store = task.store.borrow_mut();
        match step {
            Step::Get(key) => {
                let key = format!("k{key}");
                let (value, forwarded) = named.get(&key);
                prop_assert_eq!(store.get(&key).unwrap(), value);
                prop_assert_eq!(evicted(&mut store), forwarded);
            }
            Step::Put(key, value) => {
                let key = format!("k{key}");
                let value = value.map(|length| "v".repeat(usize::from(length)));
                let forwarded = named.put(&key, value.clone(), number);
                store.put_cached(&key, value, 5, Origin(number)).unwrap();
                prop_assert_eq!(evicted(&mut store), forwarded);
            }
            Step::Commit => {
                prop_assert_eq!(drained(&mut store), named.flush());
                drop(store);
                task.commit(&mut log);
                committed = named.underlying.clone();
            }
            Step::Rollback => {
                store.rollback();
                // The peer would lose its state here; ours goes back, and what is in the cache is clean or gone.
                named = NamedCache { max_bytes: usize::from(max_bytes), underlying: committed, ..NamedCache::default() };
                drop(store);
                return reread(&task, &named);
            }
        }
        task.savepoint.advance();
        prop_assert_eq!(task.cache.used() as usize, named.used(), "bytes after step {}", number);
    }
    Ok(())
}

fn reread(task: &Task<TextStore>, named: &NamedCache) -> Result<(), TestCaseError> {
    let mut store = task.store.borrow_mut();
    prop_assert_eq!(drained(&mut store), Vec::<Forwarded>::new());
    let rows: BTreeMap<String, String> = store.all().unwrap().map(|row| row.map(|(key, value, _)| (key, value)).unwrap()).collect();
    prop_assert_eq!(&rows, &named.underlying);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    #[test]
    fn entries_leave_when_and_as_kafka_streams_lets_them(
        max_bytes in 0_u16..600,
        steps in proptest::collection::vec(
            prop_oneof![
                10 => (0_u8..8, proptest::option::weighted(0.75, 0_u8..60)).prop_map(|(key, value)| Step::Put(key, value)),
                5 => (0_u8..8).prop_map(Step::Get),
                1 => Just(Step::Commit),
                1 => Just(Step::Rollback),
            ],
            0..120,
        ),
    ) {
        compare(max_bytes, &steps)?;
    }
}

#[test]
fn downstream_sees_one_change_a_key_in_order_of_the_latest_write() {
    let task = caching_task(1 << 20, &Log::default());
    let mut store = task.store.borrow_mut();
    for (number, (key, value)) in
        (1..).zip([("A", Some("1")), ("D", Some("5")), ("A", Some("20")), ("X", Some("9")), ("X", None), ("A", Some("300"))])
    {
        store.put_cached(&key.to_owned(), value.map(str::to_owned), number, Origin(number.unsigned_abs())).unwrap();
        assert!(evicted(&mut store).is_empty());
    }
    let seen = |key: &str, value: &str, origin| (key.to_owned(), None, Some(value.to_owned()), origin);
    assert_eq!(drained(&mut store), [seen("D", "5", 2), seen("A", "300", 6)]);
}

#[test]
fn a_reverted_eviction_is_due_again() {
    let task = caching_task(150, &Log::default());
    let mut store = task.store.borrow_mut();
    for (key, origin) in [("a", 1), ("b", 2)] {
        store.put_cached(&key.to_owned(), Some("1".to_owned()), 1, Origin(origin)).unwrap();
        assert!(evicted(&mut store).is_empty());
        task.savepoint.advance();
    }
    store.put_cached(&"c".to_owned(), Some("1".to_owned()), 1, Origin(3)).unwrap();
    assert_eq!(evicted(&mut store).len(), 3);
    store.revert();
    task.savepoint.advance();
    let seen = |key: &str, origin| (key.to_owned(), None, Some("1".to_owned()), origin);
    assert_eq!(drained(&mut store), [seen("a", 1), seen("b", 2)]);
}

#[test]
fn what_is_read_while_a_change_is_forwarded_makes_room_without_forwarding() {
    let task = caching_task(150, &Log::default());
    let mut store = task.store.borrow_mut();
    for (key, origin) in [("a", 1), ("b", 2), ("c", 3)] {
        store.put_cached(&key.to_owned(), Some("1".to_owned()), 1, Origin(origin)).unwrap();
        task.savepoint.advance();
    }
    let first = store.next_evicted().unwrap().map(|due| due.key);
    assert_eq!(first.as_deref(), Some("a"));
    assert!(store.is_flushing() && task.cache.is_over(), "an entry counts until it is forwarded");
    assert_eq!(store.get(&"none".to_owned()).unwrap(), None);
    assert!(!store.has_loaded());
    assert_eq!(store.get(&"a".to_owned()).unwrap().as_deref(), Some("1"));
    assert!(store.has_loaded());
    store.drop_flushed();
    assert!(!task.cache.is_over());
    assert_eq!(store.get(&"b".to_owned()).unwrap().as_deref(), Some("1"), "what was dropped is the newest all the same");
    let seen = |key: &str, origin| (key.to_owned(), None, Some("1".to_owned()), origin);
    assert_eq!(evicted(&mut store), [seen("b", 2), seen("c", 3)]);
    assert!(!store.is_flushing());
    assert_eq!(drained(&mut store), Vec::<Forwarded>::new());
}

#[test]
fn estimated_sizes_follow_what_was_serialised() {
    let supplier = builder(RowFormat::Timestamped).with_caching(true);
    let cache = RecordCache::new(1 << 20, CacheSizing::Estimated);
    let mut log = Log::default();
    let task: Task<TextStore> = Task::start(&Disk::memory(&specs()), &supplier, &log, cache.clone());
    for _ in 0..2 {
        task.store.borrow_mut().put_cached(&"key".to_owned(), Some("v".repeat(500)), 1, Origin(1)).unwrap();
        drained(&mut task.store.borrow_mut());
        task.commit(&mut log);
    }
    assert_eq!(cache.used(), 3 + 24 + 1 + 8 + 500 + 21);
    drop(task);
    assert_eq!(cache.used(), 0, "a store that closes leaves the cache");
}
