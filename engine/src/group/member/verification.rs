//! Whether the member and the group agree on the member's tasks.
//!
//! A coordinator tells a member its tasks once, in the answer to the heartbeat that changed them, and never again until the
//! member joins anew (Kafka 4.3). If that answer is lost, the member would neither open what it was given nor give up what
//! was taken. So it asks for the group's description after every loss, and now and then besides: a heartbeat that was given
//! up may arrive much later, and its answer goes nowhere.

use std::time::Duration;

use super::{Action, Member, MemberSettings, Membership, Now, RequestNumber, State};
use crate::group::Tasks;

#[derive(Debug, Default)]
pub(super) struct Verification {
    /// `None` while a heartbeat has to be answered first.
    due: Option<Duration>,
}

impl Verification {
    /// An answer was lost.
    pub(super) fn doubt(&mut self) {
        self.due = None;
    }

    /// A heartbeat was answered, with tasks or without.
    pub(super) fn heard(&mut self, with_tasks: bool, settings: &MemberSettings, now: Now) {
        if with_tasks {
            self.due = Some(now.at.saturating_add(settings.verify_interval));
        } else {
            self.due.get_or_insert(now.at);
        }
    }
}

impl Member {
    pub(super) fn verification_due(&self) -> Option<Duration> {
        self.verification.due.filter(|_| matches!(self.state, State::Joined { .. }) && self.schedule.is_idle())
    }

    pub(super) fn verify(&mut self) {
        let number = self.schedule.issue();
        self.schedule.asked = Some(number);
        self.actions.push(Action::Describe(number));
    }

    pub(super) fn described(&mut self, number: RequestNumber, described_epoch: i32, tasks: Tasks, now: Now) {
        if !self.is_answer(number, now) {
            return;
        }
        let State::Joined { epoch } = self.state else { return };
        if described_epoch != epoch {
            // Only a heartbeat can tell what an epoch means for the tasks that are open: the group takes it, or fences.
            self.acknowledged = None;
            self.verification.doubt();
            self.schedule.soon(now);
            return;
        }
        let ready = self.target.as_ref().is_none_or(|(_, ready)| *ready);
        self.allow(Some((tasks, ready)), Membership { number: self.number, epoch });
    }

    pub(super) fn not_described(&mut self, number: RequestNumber, now: Now) {
        if self.is_answer(number, now) {
            self.verification.doubt();
        }
    }

    fn is_answer(&mut self, number: RequestNumber, now: Now) -> bool {
        let is_answer = self.schedule.asked.take_if(|asked| *asked == number).is_some();
        if is_answer {
            self.verification.due = Some(now.at.saturating_add(self.settings.verify_interval));
        }
        is_answer
    }
}
