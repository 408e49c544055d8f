//! When the next heartbeat goes out: one at a time, at the group's interval, at once when there is something to say, later
//! after a failure.

use std::time::Duration;

use super::{MemberSettings, Now, RequestNumber};
use crate::group::Tasks;

/// A heartbeat that is under way, and what is known once it is answered.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) number: RequestNumber,
    /// The owned tasks it told; `None` when it told nothing of them.
    pub(super) tasks: Option<Tasks>,
    pub(super) endpoint: bool,
    pub(super) shutdown: bool,
}

#[derive(Debug)]
enum Next {
    At(Duration),
    /// A failure: not before this time, whatever there is to say.
    BackOff(Duration),
    /// Not before something else has happened.
    Waiting,
}

#[derive(Debug)]
pub(super) struct Schedule {
    next: Next,
    failures: u32,
    issued: u64,
    pub(super) in_flight: Option<InFlight>,
    /// A question about this member that is under way. No heartbeat may change the answer meanwhile.
    pub(super) asked: Option<RequestNumber>,
}

impl Schedule {
    pub(super) fn starting(now: Now) -> Self {
        Self { next: Next::At(now.at), failures: 0, issued: 0, in_flight: None, asked: None }
    }

    pub(super) fn issue(&mut self) -> RequestNumber {
        self.issued += 1;
        RequestNumber(self.issued)
    }

    /// When a heartbeat may go out; `None` while one is under way or something is waited for.
    pub(super) fn due(&self) -> Option<Duration> {
        match &self.next {
            Next::At(at) | Next::BackOff(at) if self.is_idle() => Some(*at),
            _ => None,
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.asked.is_none()
    }

    /// Whatever is under way does not matter any more, and nothing goes out before something else has happened.
    pub(super) fn abandon(&mut self) {
        self.in_flight = None;
        self.asked = None;
        self.next = Next::Waiting;
    }

    /// There is something to say; a back-off stays.
    pub(super) fn soon(&mut self, now: Now) {
        if let Next::At(at) = &mut self.next {
            *at = now.at.min(*at);
        }
    }

    pub(super) fn at(&mut self, at: Duration) {
        self.next = Next::At(at);
    }

    pub(super) fn wait(&mut self) {
        self.next = Next::Waiting;
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// A pause, longer after each failure in a row, a fifth more or less by chance.
    pub(super) fn back_off(&mut self, settings: &MemberSettings, now: Now) {
        self.failures = self.failures.saturating_add(1);
        let doubled = settings.retry_backoff.saturating_mul(1_u32.checked_shl((self.failures - 1).min(20)).unwrap_or(u32::MAX));
        let pause = doubled.min(settings.retry_backoff_max).mul_f64(0.8 + 0.4 * now.jitter.clamp(0.0, 1.0));
        self.next = Next::BackOff(now.at.saturating_add(pause));
    }

    /// The coordinator has moved: the first time there is no pause, after that there is, for a broker may be wrong about it.
    pub(super) fn moved(&mut self, settings: &MemberSettings, now: Now) {
        if self.failures == 0 {
            self.failures = 1;
            self.next = Next::At(now.at);
        } else {
            self.back_off(settings, now);
        }
    }
}
