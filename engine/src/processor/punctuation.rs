//! Scheduled calls to processors, by stream time or by the wall clock.

use std::rc::{Rc, Weak};

use crate::error::Error;

/// By which time a punctuation is due. Kafka Streams: `PunctuationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PunctuationType {
    /// Stream time: advances with the records' timestamps only. Aligned to 0, first due as soon as there is a stream time.
    StreamTime,
    /// Wall-clock time: first due one interval from now.
    WallClockTime,
}

/// A scheduled punctuation, told apart by this in [`Processor::punctuate`](crate::processor::Processor::punctuate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Punctuation(u64);

/// A node that can be punctuated.
pub(crate) trait Punctuate {
    fn punctuate(&self, timestamp: i64, punctuation: Punctuation) -> Result<(), Error>;
}

/// A punctuation whose time has come.
pub(crate) struct Due {
    pub(crate) node: Rc<dyn Punctuate>,
    pub(crate) punctuation: Punctuation,
    pub(crate) timestamp: i64,
    /// When it was scheduled for.
    scheduled: i64,
}

struct Schedule {
    id: Punctuation,
    /// The task's graph has it. The node has the task's context, and this with it: a node kept here would never be let go.
    node: Weak<dyn Punctuate>,
    kind: PunctuationType,
    interval: i64,
    next: i64,
}

/// The punctuations of one task.
#[derive(Default)]
pub(crate) struct Punctuations {
    schedules: Vec<Schedule>,
    next_id: u64,
}

impl Punctuations {
    /// `now` is the wall clock. `interval` is at least 1 ms.
    pub(crate) fn schedule(&mut self, node: &Rc<dyn Punctuate>, interval: i64, kind: PunctuationType, now: i64) -> Punctuation {
        let id = Punctuation(self.next_id);
        self.next_id += 1;
        let interval = interval.max(1);
        let next = match kind {
            PunctuationType::StreamTime => 0,
            PunctuationType::WallClockTime => now.saturating_add(interval),
        };
        self.schedules.push(Schedule { id, node: Rc::downgrade(node), kind, interval, next });
        id
    }

    /// One that could not be done is due again, if it has not been cancelled.
    pub(crate) fn put_back(&mut self, due: &Due) {
        if let Some(schedule) = self.schedules.iter_mut().find(|schedule| schedule.id == due.punctuation) {
            schedule.next = due.scheduled;
        }
    }

    pub(crate) fn cancel(&mut self, punctuation: Punctuation) {
        self.schedules.retain(|schedule| schedule.id != punctuation);
    }

    /// Takes the first punctuation of this kind that is due at `now`. Ticks that were missed collapse into one, and the
    /// next stays on the grid.
    pub(crate) fn take_due(&mut self, kind: PunctuationType, now: i64) -> Option<Due> {
        self.schedules.retain(|schedule| schedule.node.strong_count() > 0);
        for schedule in self.schedules.iter_mut().filter(|schedule| schedule.kind == kind) {
            // Further away only after the clock was set back: it would be silent for as long as it was set.
            schedule.next = schedule.next.min(now.saturating_add(schedule.interval));
        }
        let due = self.schedules.iter_mut().filter(|schedule| schedule.kind == kind && schedule.next <= now).min_by_key(|schedule| schedule.next)?;
        let (node, scheduled) = (due.node.upgrade()?, due.next);
        let missed = (now - due.next) / due.interval;
        due.next = due.next.saturating_add(due.interval.saturating_mul(missed + 1));
        Some(Due { node, punctuation: due.id, timestamp: now, scheduled })
    }
}
