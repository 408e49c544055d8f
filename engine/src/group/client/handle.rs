//! What a stream thread and its member talk through: an end for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::group::Tasks;
use crate::group::member::{AssignmentNumber, Membership, ThreadEvent, ThreadMessage};

/// What thread and member both see at once.
#[derive(Debug)]
pub(crate) struct Shared {
    origin: Instant,
    /// Of the membership, if there is one: a classic group names its members, and anew in every membership.
    member_id: Mutex<Arc<str>>,
    /// Number and epoch in one word, so that both belong together; number 0 is no membership.
    membership: AtomicU64,
    /// Milliseconds since `origin`.
    last_poll: AtomicU64,
}

impl Shared {
    fn new(member_id: &str) -> Self {
        let member_id = Mutex::new(member_id.into());
        Self { origin: Instant::now(), member_id, membership: AtomicU64::new(0), last_poll: AtomicU64::new(0) }
    }

    /// The member has this id from now on. Only between memberships, so that no commit mixes two.
    pub(crate) fn rename(&self, member_id: &str) {
        *self.member_id.lock() = member_id.into();
    }

    fn member_id(&self) -> Arc<str> {
        Arc::clone(&self.member_id.lock())
    }

    /// The time of the member's clock.
    pub(crate) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// That time as tokio knows it.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.origin + at
    }

    pub(crate) fn publish(&self, membership: Option<Membership>) {
        let word = membership.map_or(0, |Membership { number, epoch }| (u64::from(number) << 32) | u64::from(epoch.cast_unsigned()));
        self.membership.store(word, Ordering::Release);
    }

    fn membership(&self) -> Option<Membership> {
        let word = self.membership.load(Ordering::Acquire);
        let (number, epoch) = ((word >> 32) as u32, (word as u32).cast_signed());
        (number != 0).then_some(Membership { number, epoch })
    }

    pub(crate) fn last_poll(&self) -> Duration {
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
    shared: Arc<Shared>,
    events: UnboundedSender<ThreadEvent>,
    messages: Receiver<ThreadMessage>,
}

/// The member's end.
#[derive(Debug)]
pub(crate) struct MemberEnd {
    pub(crate) shared: Arc<Shared>,
    pub(crate) thread_events: UnboundedReceiver<ThreadEvent>,
    to_thread: Sender<ThreadMessage>,
}

impl MemberEnd {
    /// Tells the thread; one that is gone is told nothing.
    pub(crate) fn tell(&self, message: ThreadMessage) {
        log(&self.shared.member_id(), &message);
        _ = self.to_thread.send(message);
    }
}

fn log(member: &str, message: &ThreadMessage) {
    match message {
        ThreadMessage::Assigned { membership, tasks, ready, .. } => {
            let (active, standby, warmup) = (tasks.active.len(), tasks.standby.len(), tasks.warmup.len());
            tracing::info!(member, epoch = membership.epoch, active, standby, warmup, ready, "tasks assigned");
        }
        ThreadMessage::Epoch(membership) => tracing::debug!(member, epoch = membership.epoch, "new epoch"),
        ThreadMessage::Fenced => tracing::warn!(member, "no longer in the group: dropping all tasks, then joining again"),
        ThreadMessage::Status(notices) => notices.iter().for_each(|notice| tracing::warn!(member, %notice, "the group waits")),
        ThreadMessage::Endpoints(_) => {}
        ThreadMessage::Failed(error) => tracing::error!(member, %error, "the member cannot go on"),
        ThreadMessage::Left => tracing::info!(member, "out of the group"),
    }
}

impl MemberHandle {
    /// Both ends.
    pub(crate) fn pair(member_id: &str) -> (Self, MemberEnd) {
        let shared = Arc::new(Shared::new(member_id));
        let (events, thread_events) = unbounded_channel();
        let (to_thread, messages) = channel();
        (Self { shared: Arc::clone(&shared), events, messages }, MemberEnd { shared, thread_events, to_thread })
    }

    /// The member's id. That of a classic group's member is known, and its own, as long as there is a
    /// [membership](MemberHandle::membership).
    #[must_use]
    pub fn member_id(&self) -> Arc<str> {
        self.shared.member_id()
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
