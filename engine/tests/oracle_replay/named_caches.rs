//! A model of Kafka Streams' caches (`ThreadCache`, `NamedCache`, `CachingKeyValueStore`) before a join of two tables, written
//! from its source, for what we do not do as it does.
//!
//! With [`Faults::Kept`] it gives, record for record, what Kafka Streams gave. Both faults show when a table is looked up while a
//! change of its own is on its way downstream, which needs a cache of a few entries:
//! - what waits in the cache is marked clean when the flush begins but written below one entry at a time, so an entry that is
//!   evicted in between is looked up as it was before its update, and cached so;
//! - the thread's sum is told the difference in the store's size from before an eviction to after it, although what was read
//!   meanwhile has told its part: that counts twice for good.

use std::collections::BTreeMap;

use super::fixture::{Fixture, HeaderTexts, Row, Step, Text};
use super::functions::joiner;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    Kept,
    Repaired,
}

#[derive(Clone)]
struct Entry {
    key: String,
    value: Text,
    timestamp: i64,
    headers: HeaderTexts,
    topic: String,
    dirty: bool,
}

impl Entry {
    fn bytes(&self) -> i64 {
        let value = self.value.as_ref().map_or(0, |value| 8 + value.len());
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len)).sum();
        i64::try_from(self.key.len() + 24 + 1 + value + 8 + 8 + 4 + self.topic.len() + headers).unwrap()
    }
}

/// A store, and the cache above it.
#[derive(Default)]
struct Store {
    /// Least recently used first.
    cached: Vec<Entry>,
    /// Keys downstream has not seen, in order of their last put.
    dirty: Vec<String>,
    below: BTreeMap<String, (String, i64)>,
    /// What of its size the thread's sum was told.
    told: i64,
}

impl Store {
    fn size(&self) -> i64 {
        self.cached.iter().map(Entry::bytes).sum()
    }

    fn take(&mut self, key: &str) -> Option<Entry> {
        let place = self.cached.iter().position(|entry| entry.key == key)?;
        Some(self.cached.remove(place))
    }

    fn write(&mut self, entry: &Entry) {
        match &entry.value {
            Some(value) => drop(self.below.insert(entry.key.clone(), (value.clone(), entry.timestamp))),
            None => drop(self.below.remove(&entry.key)),
        }
    }
}

const LEFT: usize = 0;
const RIGHT: usize = 1;
const JOINED: usize = 2;

type Joiner = Box<dyn Fn(Option<&str>, Option<&str>) -> Text>;

struct Model {
    faults: Faults,
    max: i64,
    used: i64,
    stores: [Store; 3],
    op: String,
    stored: bool,
    joiner: Joiner,
    output: Vec<Row>,
}

/// What a join of two tables gives, none of it committed before the end.
pub(crate) fn join_of_tables(fixture: &Fixture, faults: Faults) -> Vec<Row> {
    let join = fixture.topology.iter().find(|node| node["op"].as_str().unwrap().ends_with("join")).unwrap();
    let joiner = joiner(&join["joiner"]);
    let left = fixture.topology.iter().find(|node| node["id"] == join["from"]).unwrap()["topic"].as_str().unwrap();
    let mut model = Model {
        faults,
        max: fixture.cache_bytes.try_into().unwrap(),
        used: 0,
        stores: Default::default(),
        op: join["op"].as_str().unwrap().to_owned(),
        stored: !join["store"].is_null(),
        joiner: Box::new(move |left, right| joiner(left, right)),
        output: Vec::new(),
    };
    for step in &fixture.steps {
        let Step::Send { topic, key: Some(key), value, timestamp, headers } = step else { continue };
        let side = if topic == left { LEFT } else { RIGHT };
        model.get(side, key);
        let (topic, headers) = (topic.clone(), headers.clone());
        model.put(side, Entry { key: key.clone(), value: value.clone(), timestamp: *timestamp, headers, topic, dirty: true });
    }
    for store in [LEFT, RIGHT, JOINED] {
        model.told_after(store, |model| model.flush(store, None));
    }
    model.output
}

impl Model {
    fn get(&mut self, store: usize, key: &str) -> Option<(String, i64)> {
        let of = &mut self.stores[store];
        if let Some(entry) = of.take(key) {
            of.cached.push(entry.clone());
            return entry.value.map(|value| (value, entry.timestamp));
        }
        let (value, timestamp) = of.below.get(key)?.clone();
        let read = Entry { key: key.to_owned(), value: Some(value.clone()), timestamp, headers: Vec::new(), topic: String::new(), dirty: false };
        self.put(store, read);
        Some((value, timestamp))
    }

    fn put(&mut self, store: usize, entry: Entry) {
        self.told_after(store, |model| {
            let of = &mut model.stores[store];
            of.take(&entry.key);
            if entry.dirty {
                of.dirty.retain(|key| *key != entry.key);
                of.dirty.push(entry.key.clone());
            }
            of.cached.push(entry);
        });
        while self.used > self.max && !self.stores[store].cached.is_empty() {
            self.told_after(store, |model| {
                let eldest = model.stores[store].cached.remove(0);
                if eldest.dirty {
                    model.flush(store, Some(eldest));
                }
            });
        }
    }

    /// Works, and tells the sum by how much the store's size has changed.
    fn told_after(&mut self, store: usize, work: impl FnOnce(&mut Self)) {
        let before = self.stores[store].size();
        work(self);
        let of = &mut self.stores[store];
        let size = of.size();
        self.used += match self.faults {
            Faults::Kept => size - before,
            Faults::Repaired => size - of.told,
        };
        of.told = size;
    }

    fn flush(&mut self, store: usize, evicted: Option<Entry>) {
        let of = &mut self.stores[store];
        of.dirty.retain(|key| evicted.as_ref().is_none_or(|evicted| evicted.key != *key));
        let mut entries: Vec<Entry> = evicted.into_iter().collect();
        let mut deleted = Vec::new();
        for key in std::mem::take(&mut of.dirty) {
            let entry = of.cached.iter_mut().find(|entry| entry.key == key).unwrap();
            entry.dirty = false;
            entries.push(entry.clone());
            deleted.extend(entry.value.is_none().then_some(key));
        }
        let mut changes: Vec<(Entry, Text)> = Vec::new();
        for entry in entries {
            let old = of.below.get(&entry.key).map(|(value, _)| value.clone());
            if self.faults == Faults::Repaired {
                of.write(&entry);
            }
            if entry.value.is_some() || old.is_some() {
                changes.push((entry, old));
            }
        }
        for (entry, old) in changes {
            self.stores[store].write(&entry);
            self.forward(store, entry, old);
        }
        for key in deleted {
            self.stores[store].take(&key);
        }
    }

    fn forward(&mut self, store: usize, entry: Entry, old: Text) {
        if store == JOINED {
            let Entry { key, value, timestamp, headers, .. } = entry;
            return self.output.push(Row { step: -1, key: Some(key), value, timestamp, headers });
        }
        let other = self.get(if store == LEFT { RIGHT } else { LEFT }, &entry.key);
        let needs_other = self.op == "join" || self.op == "left_join" && store == RIGHT;
        if other.is_none() && (needs_other || entry.value.is_none() && old.is_none()) {
            return;
        }
        let timestamp = other.as_ref().map_or(entry.timestamp, |(_, timestamp)| entry.timestamp.max(*timestamp));
        let (this, other) = (entry.value.as_deref(), other.as_ref().map(|(value, _)| value.as_str()));
        let (left, right) = if store == LEFT { (this, other) } else { (other, this) };
        let is_row = match self.op.as_str() {
            "join" => left.is_some() && right.is_some(),
            "left_join" => left.is_some(),
            _ => left.is_some() || right.is_some(),
        };
        let value = if is_row { (self.joiner)(left, right) } else { None };
        let joined = Entry { value, timestamp, dirty: true, ..entry };
        if self.stored { self.put(JOINED, joined) } else { self.forward(JOINED, joined, None) }
    }
}
