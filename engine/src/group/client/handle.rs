//! A stream thread's end of its member.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::group::Tasks;
use crate::group::member::{AssignmentNumber, Membership, ThreadEvent, ThreadMessage};

/// What thread and member both see at once.
#[derive(Debug)]
pub(super) struct Shared {
    origin: Instant,
    /// Number and epoch in one word, so that both belong together; number 0 is no membership.
    membership: AtomicU64,
    /// Milliseconds since `origin`.
    last_poll: AtomicU64,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { origin: Instant::now(), membership: AtomicU64::new(0), last_poll: AtomicU64::new(0) }
    }

    /// The time of the member's clock.
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// That time as tokio knows it.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.origin + at
    }

    pub(super) fn publish(&self, membership: Option<Membership>) {
        let word = membership.map_or(0, |Membership { number, epoch }| (u64::from(number) << 32) | u64::from(epoch.cast_unsigned()));
        self.membership.store(word, Ordering::Release);
    }

    fn membership(&self) -> Option<Membership> {
        let word = self.membership.load(Ordering::Acquire);
        let (number, epoch) = ((word >> 32) as u32, (word as u32).cast_signed());
        (number != 0).then_some(Membership { number, epoch })
    }

    pub(super) fn last_poll(&self) -> Duration {
        Duration::from_millis(self.last_poll.load(Ordering::Relaxed))
    }

    fn polled(&self) {
        let now = u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX);
        self.last_poll.store(now, Ordering::Relaxed);
    }
}

/// A stream thread's end of its member. Nothing here waits. Dropped without [`MemberHandle::close`], the member falls silent:
/// its tasks wait for its return until the session time-out.
#[derive(Debug)]
pub struct MemberHandle {
    pub(super) member_id: String,
    pub(super) shared: Arc<Shared>,
    pub(super) events: UnboundedSender<ThreadEvent>,
    pub(super) messages: Receiver<ThreadMessage>,
}

impl MemberHandle {
    /// The member's id.
    #[must_use]
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// The membership a commit may use now; `None` while the member is not in the group. A transaction that began under
    /// another [`number`](Membership::number) must be aborted.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        self.shared.membership()
    }

    /// What the member has to say, in order. Also tells the member that the thread is alive.
    #[must_use]
    pub fn poll(&self) -> Option<ThreadMessage> {
        self.shared.polled();
        self.messages.try_recv().ok()
    }

    /// Tells the member that the thread is alive, without asking what it has to say.
    pub fn alive(&self) {
        self.shared.polled();
    }

    /// As [`MemberHandle::poll`], waiting for something to be said, at most so long.
    #[must_use]
    pub fn poll_for(&self, timeout: Duration) -> Option<ThreadMessage> {
        self.shared.polled();
        self.messages.recv_timeout(timeout).ok()
    }

    /// What the thread has open or is about to open, after it has closed what an assignment no longer has.
    pub fn owns(&self, assignment: AssignmentNumber, tasks: Tasks) {
        self.say(ThreadEvent::Owns { assignment, tasks });
    }

    /// Everything is dropped, the transaction aborted.
    pub fn aborted(&self) {
        self.say(ThreadEvent::Aborted);
    }

    /// Asks every instance of the application to stop.
    pub fn shutdown_application(&self) {
        self.say(ThreadEvent::ShutdownApplication);
    }

    /// Ends the member; [`ThreadMessage::Left`] is the last it says. With `leave` its tasks go to others at once, without
    /// they wait for its return until the session time-out.
    pub fn close(&self, leave: bool) {
        self.say(ThreadEvent::Close { leave });
    }

    fn say(&self, event: ThreadEvent) {
        // A member that has ended hears nothing any more, and has said so.
        _ = self.events.send(event);
    }
}
