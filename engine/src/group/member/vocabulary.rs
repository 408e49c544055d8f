//! What a member, its stream thread and the network say to each other.

use std::time::Duration;

use crate::group::wire::{EndpointPartitions, HeartbeatRequest, HeartbeatResponse};
use crate::group::{GroupError, Notice, Tasks};

/// A membership at one moment: what a commit carries besides the member id.
///
/// A transaction belongs to the membership in which it began. The epoch may rise while that membership lives, and a commit
/// takes the latest; but a transaction whose membership has another `number` than the current one must be aborted: the
/// broker would take its old work under the new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    /// Which membership of this process it is: 1 for the first, one more for every join after a fence.
    pub number: u32,
    /// The member's epoch, as last heard.
    pub epoch: i32,
}

/// Numbers the assignments that a member tells its thread.
///
/// The thread may be busy while several are told. Until it has said that it read one, every task of it counts as owned: it
/// could open it at any moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssignmentNumber(pub u64);

/// What a stream thread tells its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadEvent {
    /// The thread has closed what an assignment no longer has. A task that is missing here goes to others, so everything of it
    /// is committed before; what is new may still be on its way to being opened.
    Owns {
        /// The last assignment the thread has read.
        assignment: AssignmentNumber,
        /// What the thread has open, or is about to open.
        tasks: Tasks,
    },
    /// Every task is dropped and the transaction aborted, as [`ThreadMessage::Fenced`] asked.
    Aborted,
    /// The whole application is to stop, on every instance.
    ShutdownApplication,
    /// The thread ends. Everything is committed and closed before.
    Close {
        /// Whether the tasks go to others at once. If not, they wait for this member's return until the session time-out.
        leave: bool,
    },
}

/// What a member tells its stream thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThreadMessage {
    /// What the thread may have open from now on. It commits and closes what is not in it, says so ([`ThreadEvent::Owns`]),
    /// and opens the rest.
    Assigned {
        /// Which assignment of the member it is.
        assignment: AssignmentNumber,
        /// The membership it belongs to.
        membership: Membership,
        /// The tasks.
        tasks: Tasks,
        /// `false`: the group holds tasks back, [`ThreadMessage::Status`] says why. No tasks is no verdict then.
        ready: bool,
    },
    /// The membership goes on with another epoch and the same tasks.
    Epoch(Membership),
    /// The membership is over: abort, drop every task without committing, then say [`ThreadEvent::Aborted`].
    Fenced,
    /// All there is to know about why the group waits; replaces what was said before.
    Status(Vec<Notice>),
    /// Which process answers for which partitions; replaces what was said before.
    Endpoints(Vec<EndpointPartitions>),
    /// The member cannot go on, and says nothing more. Abort and drop every task.
    Failed(GroupError),
    /// The member has ended, as [`ThreadEvent::Close`] asked, and says nothing more.
    Left,
}

/// Numbers the requests of one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestNumber(pub u64);

/// What a member hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Time has passed: [`Member::deadline`](super::Member::deadline) is there.
    Tick,
    /// The thread polled, at this time.
    Polled(Duration),
    /// The thread speaks.
    Thread(ThreadEvent),
    /// A request is answered.
    Answered(RequestNumber, Box<HeartbeatResponse>),
    /// What the group thinks this member may own, and at which epoch.
    Described(RequestNumber, i32, Tasks),
    /// A request will not be answered, or not in time. It may have arrived.
    Lost(RequestNumber, String),
    /// A coordinator is known again.
    CoordinatorFound,
    /// The source topics that do not exist.
    SourceTopics {
        /// Their names; empty when all exist.
        missing: Vec<String>,
    },
    /// Nobody could say whether the source topics exist.
    SourceTopicsUnknown,
}

/// What a member wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send this; answer with [`Event::Answered`] or [`Event::Lost`].
    Send(RequestNumber, Box<HeartbeatRequest>),
    /// Describe the group and find this member in it; answer with [`Event::Described`] or [`Event::Lost`].
    Describe(RequestNumber),
    /// Forget the coordinator and find the new one; answer with [`Event::CoordinatorFound`].
    FindCoordinator,
    /// See which of these topics do not exist; answer with [`Event::SourceTopics`] or [`Event::SourceTopicsUnknown`].
    FindSourceTopics(Vec<String>),
    /// Tell the thread.
    Tell(ThreadMessage),
}

/// The moment of an event, and chance: both come from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Now {
    /// Time since a moment that stays the same for one member.
    pub at: Duration,
    /// A random number from 0 to 1, new for every event.
    pub jitter: f64,
}
