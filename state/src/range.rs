//! Ranges of serialised keys, half-open: what both a persistent map and RocksDB's iterator bounds take directly.

/// The keys from `start` (included) to `end` (excluded).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    start: Option<Box<[u8]>>,
    end: Option<Box<[u8]>>,
}

/// The order of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending by serialised key.
    Forward,
    /// Descending by serialised key.
    Reverse,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// From and to both included, as in Kafka Streams' `range`; none is open.
    #[must_use]
    pub fn inclusive(from: Option<&[u8]>, to: Option<&[u8]>) -> Self {
        let end = to.map(|to| {
            let mut end = Vec::with_capacity(to.len() + 1);
            end.extend_from_slice(to);
            end.push(0);
            end.into_boxed_slice()
        });
        Self { start: from.map(Into::into), end }
    }

    /// From `start`, included, to `end`, excluded.
    #[must_use]
    pub fn half_open(start: &[u8], end: &[u8]) -> Self {
        Self { start: Some(start.into()), end: Some(end.into()) }
    }

    /// Every key that begins with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: Some(prefix.into()), end: after_prefix(prefix) }
    }

    /// The first key of the range, if it has one.
    #[must_use]
    pub fn start(&self) -> Option<&[u8]> {
        self.start.as_deref()
    }

    /// The key after the range, if it ends.
    #[must_use]
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Whether no key can lie in it. Kafka Streams warns and gives an empty iterator when from > to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Some(start), Some(end)) => start >= end,
            (None, Some(end)) => end.is_empty(),
            _ => false,
        }
    }
}

/// The least key above every key with the prefix; none if there is no such key (empty, or 0xff throughout).
fn after_prefix(prefix: &[u8]) -> Option<Box<[u8]>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end: Vec<u8> = prefix.iter().take(kept + 1).copied().collect();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Some(end.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_the_next_key_without_it() {
        for (prefix, end) in
            [(&b"a"[..], Some(&b"b"[..])), (b"", None), (b"\xff", None), (b"\xff\xff", None), (b"a\xff", Some(b"b")), (b"a\x00", Some(b"a\x01"))]
        {
            assert_eq!(KeyRange::prefix(prefix).end(), end, "{prefix:?}");
        }
    }

    #[test]
    fn an_inclusive_range_holds_its_last_key_and_nothing_longer() {
        let range = KeyRange::inclusive(Some(b"a"), Some(b"c"));
        assert!(range.end().is_some_and(|end| &b"c"[..] < end && end <= &b"c\x00"[..]));
        assert!(KeyRange::inclusive(Some(b"d"), Some(b"c")).is_empty());
        assert!(!KeyRange::inclusive(Some(b"c"), Some(b"c")).is_empty());
    }
}
