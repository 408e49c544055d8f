//! Scans: the changed entries merged over the committed rows, as both were when the scan began.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::StateError;
use crate::persistent_map::SnapshotWalk;
use crate::range::{Direction, KeyRange};
use crate::task_state::ColumnCursor;

use super::codec::ValueCodec;
use super::entries::Overlay;
use super::index::IndexRow;

/// The rows of a range as they were when the scan began. It holds no borrow of the overlay, and survives writes, deletes,
/// commits and rollbacks.
pub struct OverlayIterator<V> {
    changed: SnapshotWalk<IndexRow<V>>,
    committed: ColumnCursor,
    codec: Arc<ValueCodec<V>>,
    direction: Direction,
    failed: bool,
}

impl<V: Clone + 'static, X: Clone + 'static> Overlay<V, X> {
    /// Scans a range. The first scan of an overlay makes its ordered index, which later writes keep up.
    pub fn scan(&mut self, range: &KeyRange, direction: Direction) -> OverlayIterator<V> {
        self.settle();
        if !self.index.is_active() {
            let entries = &mut self.entries;
            self.index.activate(entries.iter_mut().filter(|entry| entry.is_changed()));
        }
        OverlayIterator {
            changed: SnapshotWalk::new(self.index.snapshot(), range.clone(), direction),
            committed: self.column.scan(range, direction),
            codec: Arc::clone(&self.codec),
            direction,
            failed: false,
        }
    }
}

impl<V: Clone + 'static> OverlayIterator<V> {
    /// Reads the next row: `read` is given its key, value and timestamp (−1 where a committed row has none). After an
    /// error there are no more.
    pub fn next_with<R>(&mut self, read: impl FnOnce(&[u8], V, i64) -> R) -> Option<Result<R, StateError>> {
        if self.failed {
            return None;
        }
        let next = self.advance(read);
        self.failed = next.as_ref().is_some_and(Result::is_err);
        next
    }

    fn advance<R>(&mut self, read: impl FnOnce(&[u8], V, i64) -> R) -> Option<Result<R, StateError>> {
        loop {
            let (changed_is_next, hides) = match (self.changed.current(), self.committed.current()) {
                (None, None) => {
                    return self.committed.status().err().map(Err);
                }
                (Some(_), None) => {
                    if let Err(error) = self.committed.status() {
                        return Some(Err(error));
                    }
                    (true, false)
                }
                (None, Some(_)) => (false, false),
                (Some((changed, _)), Some((committed, _))) => {
                    let order = changed.as_slice().cmp(committed);
                    let order = if self.direction == Direction::Reverse { order.reverse() } else { order };
                    (order != Ordering::Greater, order == Ordering::Equal)
                }
            };
            if !changed_is_next {
                let (key, row) = self.committed.current()?;
                let result = self.codec.read(row).map(|(value, timestamp)| read(key, value, timestamp));
                self.committed.advance();
                return Some(result);
            }
            if hides {
                self.committed.advance();
            }
            let (key, row) = self.changed.take()?;
            if let Some(value) = row.value {
                let timestamp = self.codec.read_timestamp(row.timestamp);
                return Some(Ok(read(key.as_slice(), Rc::unwrap_or_clone(value), timestamp)));
            }
        }
    }
}
