//! Owned iteration over a snapshot of an [`imbl::OrdMap`].
//!
//! The map's own iterators borrow it; a store's iterator must not. A clone of the map is O(1), and rows are copied out
//! of it a handful at a time, so that the look-up of where to go on is paid once a handful.

use std::collections::VecDeque;
use std::ops::Bound;

use imbl::OrdMap;

use crate::key_bytes::KeyBytes;
use crate::range::{Direction, KeyRange};

const HANDFUL: usize = 32;

/// Walks the rows of a range of a map as it was when the walk began.
pub(crate) struct SnapshotWalk<V: Clone> {
    rows: OrdMap<KeyBytes, V>,
    range: KeyRange,
    direction: Direction,
    ahead: VecDeque<(KeyBytes, V)>,
    done: bool,
}

impl<V: Clone> SnapshotWalk<V> {
    pub(crate) fn new(rows: OrdMap<KeyBytes, V>, range: KeyRange, direction: Direction) -> Self {
        let done = range.is_empty() || rows.is_empty();
        let mut walk = Self { rows, range, direction, ahead: VecDeque::new(), done };
        walk.fill(None);
        walk
    }

    /// The row the walk stands on.
    pub(crate) fn current(&self) -> Option<&(KeyBytes, V)> {
        self.ahead.front()
    }

    /// Steps on, giving the row it stood on.
    pub(crate) fn take(&mut self) -> Option<(KeyBytes, V)> {
        let taken = self.ahead.pop_front()?;
        if self.ahead.is_empty() {
            self.fill(Some(taken.0.as_slice()));
        }
        Some(taken)
    }

    fn fill(&mut self, after: Option<&[u8]>) {
        if self.done {
            return;
        }
        let start = self.range.start().map_or(Bound::Unbounded, Bound::Included);
        let end = self.range.end().map_or(Bound::Unbounded, Bound::Excluded);
        let copied = |(key, value): (&KeyBytes, &V)| (key.clone(), value.clone());
        match self.direction {
            Direction::Forward => {
                let from = after.map_or(start, Bound::Excluded);
                self.ahead.extend(self.rows.range::<_, [u8]>((from, end)).take(HANDFUL).map(copied));
            }
            Direction::Reverse => {
                let to = after.map_or(end, Bound::Excluded);
                self.ahead.extend(self.rows.range::<_, [u8]>((start, to)).rev().take(HANDFUL).map(copied));
            }
        }
        self.done = self.ahead.len() < HANDFUL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_gives_the_range_in_order_whatever_its_size() {
        for size in [0_u16, 1, 31, 32, 33, 64, 200] {
            let rows: OrdMap<KeyBytes, u16> = (0..size).map(|number| (KeyBytes::new(&number.to_be_bytes()), number)).collect();
            let range = KeyRange::half_open(&3_u16.to_be_bytes(), &150_u16.to_be_bytes());
            let expected: Vec<u16> = (0..size).filter(|number| (3..150).contains(number)).collect();

            let mut forward = SnapshotWalk::new(rows.clone(), range.clone(), Direction::Forward);
            let ascending: Vec<u16> = std::iter::from_fn(|| forward.take()).map(|(_, number)| number).collect();
            assert_eq!(ascending, expected);

            let mut reverse = SnapshotWalk::new(rows, range, Direction::Reverse);
            let mut descending: Vec<u16> = std::iter::from_fn(|| reverse.take()).map(|(_, number)| number).collect();
            descending.reverse();
            assert_eq!(descending, expected);
        }
    }
}
