//! Retention: whole segments go, from the oldest. Never what is not decided yet, never the segment that is written to.

use std::sync::Arc;

use super::core::Core;
use super::failure::failed;
use super::partition::{Partition, State};
use super::segment::Segment;
use crate::log::LogError;

impl Core {
    /// Retention and compaction of all partitions. The first error is given, after all have been tried.
    pub(super) fn clean(&self) -> Result<(), LogError> {
        self.check()?;
        let mut outcome = Ok(());
        for partition in self.partitions() {
            outcome = outcome.and(self.clean_partition(&partition, true));
        }
        outcome
    }

    /// Retention and compaction as the topic's settings say; `asked` compacts even when little is to be gained.
    pub(super) fn clean_partition(&self, partition: &Arc<Partition>, asked: bool) -> Result<(), LogError> {
        if partition.config.delete {
            self.retain(partition)?;
        }
        if partition.config.compact {
            self.compact(partition, asked)?;
        }
        Ok(())
    }

    fn retain(&self, partition: &Partition) -> Result<(), LogError> {
        let mut state = partition.lock();
        let oldest = partition.config.retention_ms.map(|retention| self.now().saturating_sub(retention));
        let expired = |segment: &Segment| oldest.is_some_and(|oldest| segment.records > 0 && segment.max_timestamp < oldest);
        // Where everything is too old, the segment that is written to goes too, by being no longer that.
        if state.segments.last().is_some_and(&expired) && state.segments.iter().all(&expired) && state.open.is_empty() {
            state.roll(self, partition)?;
        }
        let mut bytes: u64 = state.segments.iter().map(|segment| segment.size).sum();
        let mut gone = 0;
        let stable = state.last_stable();
        for segment in state.segments.iter().take(state.segments.len().saturating_sub(1)) {
            let too_much = partition.config.retention_bytes.is_some_and(|most| bytes - segment.size >= most);
            if segment.next > stable || !(expired(segment) || segment.records == 0 || too_much) {
                break;
            }
            bytes -= segment.size;
            gone += 1;
        }
        self.drop_segments(&mut state, gone)
    }

    /// Drops the oldest `count` segments.
    fn drop_segments(&self, state: &mut State, count: usize) -> Result<(), LogError> {
        for segment in state.segments.drain(..count).collect::<Vec<Segment>>() {
            state.start = state.start.max(segment.next);
            // A file that is left is found and deleted when the log is opened.
            self.storage().delete(&segment.path).map_err(|error| failed("delete", &segment.path, error))?;
        }
        state.forget_aborted();
        Ok(())
    }

    /// Drops the segments before the start of the partition, which the journal knows.
    pub(super) fn drop_deleted(&self, partition: &Partition) -> Result<(), LogError> {
        const WORTH_IT: u64 = 1 << 20;
        let mut state = partition.lock();
        let all_gone = state.segments.last().is_some_and(|active| active.size >= WORTH_IT && active.next <= state.start);
        if all_gone && state.open.is_empty() {
            state.roll(self, partition)?;
        }
        // A transaction whose beginning is gone would have no end after a restart.
        let (start, count) = (state.start.min(state.last_stable()), state.segments.len().saturating_sub(1));
        let gone = state.segments.iter().take(count).take_while(|segment| segment.next <= start).count();
        self.drop_segments(&mut state, gone)
    }
}
