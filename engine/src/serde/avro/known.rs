//! A list that only grows, read without a lock.
//!
//! A serde looks up its schema for every record, on every stream thread, among the few it has met. An entry never
//! moves or goes, so a reference to it lives as long as the list.

use std::sync::OnceLock;

pub(super) struct Known<K, V> {
    first: Link<K, V>,
}

type Link<K, V> = OnceLock<Box<Entry<K, V>>>;

struct Entry<K, V> {
    key: K,
    value: V,
    next: Link<K, V>,
}

impl<K, V> Known<K, V> {
    pub(super) const fn new() -> Self {
        Self { first: OnceLock::new() }
    }

    /// The value of the first key that `is_it` accepts.
    pub(super) fn find(&self, is_it: impl Fn(&K) -> bool) -> Option<&V> {
        let mut link = &self.first;
        while let Some(entry) = link.get() {
            if is_it(&entry.key) {
                return Some(&entry.value);
            }
            link = &entry.next;
        }
        None
    }
}

impl<K: PartialEq, V> Known<K, V> {
    /// Adds a value, unless another thread was faster with this key; then the value is dropped and the other's returned.
    pub(super) fn add(&self, key: K, value: V) -> &V {
        let mut mine = Some(Box::new(Entry { key, value, next: OnceLock::new() }));
        let mut link = &self.first;
        loop {
            if let Some(entry) = mine.take() {
                mine = link.set(entry).err();
            }
            #[expect(clippy::expect_used, reason = "a set either filled the link or found it filled")]
            let there = link.get().expect("a filled link");
            if mine.as_ref().is_none_or(|entry| entry.key == there.key) {
                return &there.value;
            }
            link = &there.next;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn keeps_the_first_value_of_a_key_in_order() {
        let known = Known::new();
        assert_eq!(known.find(|key| *key == 1), None);
        assert_eq!(known.add(1, "one"), &"one");
        assert_eq!(known.add(2, "two"), &"two");
        assert_eq!(known.add(1, "another"), &"one");
        assert_eq!(known.add(2, "another"), &"two");
        assert_eq!(known.find(|key| *key == 2), Some(&"two"));
    }

    #[test]
    fn threads_that_add_at_once_agree() {
        let known = Known::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let known = &known;
                scope.spawn(move || {
                    for key in 0..200 {
                        let value = *known.add(key, thread);
                        assert_eq!(known.find(|other| *other == key), Some(&value));
                    }
                });
            }
        });
        let mut count = 0;
        let mut link = &known.first;
        while let Some(entry) = link.get() {
            count += 1;
            link = &entry.next;
        }
        assert_eq!(count, 200);
    }
}
