//! The application's group where brokers know no streams groups: each stream thread is a member of a classic consumer group,
//! whose partitions stand for tasks ([`LeadTopics`](crate::group::LeadTopics)).
//!
//! The member only takes part: it reads nothing. Rebalances are eager and in two phases: the group waits until the thread has
//! committed and closed everything, so that whoever has a task next begins where it ended. A thread that does not answer in
//! `max.poll.interval.ms` is given up and its member leaves; it joins again when everything is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::types::RDKafkaErrorCode as Code;
use tokio::sync::mpsc::error::TryRecvError;

use crate::group::member::{AssignmentNumber, MemberSettings, Membership, ThreadEvent, ThreadMessage};
use crate::group::{GroupError, GroupErrorKind, MemberEnd, MemberHandle, Notice, NoticeKind, Tasks};
use crate::log::{CommittedOffset, GroupMembership, LogError, LogErrorKind, TopicPartition};

use super::errors;
use super::native::{CallError, Client, GroupEvent, Subscriber};
use super::offsets::commit_through;
use super::options::KafkaOptions;
use super::settings;

/// How long what the thread says may wait to be heard.
const SLICE: Duration = Duration::from_millis(20);

/// The generation of each member, and the client that commits in its name.
type Members = Arc<Mutex<BTreeMap<String, (i32, Arc<Client>)>>>;

/// The members of this process.
pub(super) struct ClassicGroup {
    options: KafkaOptions,
    members: Members,
}

impl fmt::Debug for ClassicGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClassicGroup")
    }
}

impl ClassicGroup {
    pub(super) fn new(options: &KafkaOptions) -> Self {
        Self { options: options.clone(), members: Members::default() }
    }

    pub(super) fn join(&self, settings: MemberSettings) -> Result<MemberHandle, LogError> {
        let subscriber = Subscriber::new(&settings::of_member(&self.options, &settings.group_id, settings.max_poll_interval))
            .map_err(|reason| LogError::new(LogErrorKind::Invalid, format!("making the group's client failed: {reason}")))?;
        let (handle, end) = MemberHandle::pair(&settings.member_id);
        let members = Arc::clone(&self.members);
        let membership = Membership { number: 0, epoch: 0 };
        let driver =
            Driver { settings, subscriber, end, members, registered: None, membership, assignment: AssignmentNumber::default(), returning: None };
        let thread = std::thread::Builder::new().name("straum-member".to_owned()).spawn(move || driver.run());
        thread.map_err(|error| LogError::new(LogErrorKind::Io, "cannot start a thread").with_source(error))?;
        Ok(handle)
    }

    /// Commits in a member's name, which the group's coordinator checks with its generation.
    pub(super) fn commit(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        let member = membership.member.as_ref();
        let client =
            member.and_then(|(id, generation)| self.members.lock().get(id).filter(|known| known.0 == *generation).map(|known| Arc::clone(&known.1)));
        let client = client.ok_or_else(|| LogError::new(LogErrorKind::Fenced, "the membership in whose name offsets are committed is over"))?;
        commit_through(&client, &membership.group, offsets)
    }
}

/// One member, on a thread of its own.
struct Driver {
    settings: MemberSettings,
    subscriber: Subscriber,
    end: MemberEnd,
    members: Members,
    /// The id under which others find the client.
    registered: Option<String>,
    /// The one there is, or was last.
    membership: Membership,
    /// The last that the thread was told.
    assignment: AssignmentNumber,
    /// The group waits for the thread to be done with this assignment, which has no tasks.
    returning: Option<AssignmentNumber>,
}

/// What a member hears, from either side.
enum Heard {
    Nothing,
    Group(GroupEvent),
    Owns(AssignmentNumber),
    Aborted,
    /// The thread has ended, or wants to.
    Closed,
}

/// How a membership ends.
enum Over {
    Closed,
    /// The group has given the tasks to others, or is about to.
    Fenced,
    Failed(GroupError),
}

impl Driver {
    fn run(mut self) {
        let last = loop {
            match self.take_part() {
                Over::Fenced if self.start_over() => {}
                Over::Closed | Over::Fenced => break ThreadMessage::Left,
                Over::Failed(error) => break ThreadMessage::Failed(error),
            }
        };
        self.withdraw();
        let Self { subscriber, end, .. } = self;
        warn_of("leaving the group", subscriber.close());
        end.tell(last);
    }

    /// From joining until the membership is over.
    fn take_part(&mut self) -> Over {
        self.membership.number += 1;
        if let Err(error) = self.subscriber.subscribe(self.settings.lead_topics.names()) {
            return Over::Failed(GroupError::new(GroupErrorKind::Fatal, format!("joining the group failed: {}", error.message)));
        }
        loop {
            match self.hear() {
                Heard::Group(GroupEvent::Assigned(partitions)) => self.hand_out(&partitions),
                Heard::Group(GroupEvent::Revoked { lost: true }) => return Over::Fenced,
                Heard::Group(GroupEvent::Revoked { lost: false }) => self.take_back(),
                Heard::Group(GroupEvent::Failed(error)) if is_refusal(&error) => {
                    return Over::Failed(GroupError::new(GroupErrorKind::Fatal, format!("the group refuses this member: {}", error.message)));
                }
                Heard::Group(GroupEvent::Failed(error)) => self.report(&error),
                Heard::Owns(done) if self.returning.is_some_and(|awaited| done >= awaited) => {
                    self.returning = None;
                    warn_of("giving up what was revoked", self.subscriber.release());
                }
                Heard::Closed => return Over::Closed,
                Heard::Nothing | Heard::Owns(_) | Heard::Aborted => {}
            }
            if self.end.shared.now().saturating_sub(self.end.shared.last_poll()) > self.settings.max_poll_interval {
                tracing::warn!("the stream thread has been silent for longer than max.poll.interval.ms: its member leaves the group");
                return Over::Fenced;
            }
        }
    }

    /// What there is, waiting a moment for it.
    fn hear(&mut self) -> Heard {
        match self.end.thread_events.try_recv() {
            Ok(ThreadEvent::Owns { assignment, .. }) => Heard::Owns(assignment),
            Ok(ThreadEvent::Aborted) => Heard::Aborted,
            Ok(ThreadEvent::Close { .. }) | Err(TryRecvError::Disconnected) => Heard::Closed,
            // A classic group has no word for it.
            Ok(ThreadEvent::ShutdownApplication) => Heard::Nothing,
            Err(TryRecvError::Empty) => self.subscriber.poll(SLICE).map_or(Heard::Nothing, Heard::Group),
        }
    }

    fn hand_out(&mut self, partitions: &[TopicPartition]) {
        // Read before the answer: only then can no later generation have begun.
        let identity = self.subscriber.identity();
        warn_of("accepting an assignment", self.subscriber.accept());
        // Out of the group meanwhile: what is lost is told next.
        let Some((member, generation)) = identity else { return };
        self.withdraw();
        self.members.lock().insert(member.clone(), (generation, Arc::clone(self.subscriber.client())));
        self.end.shared.rename(&member);
        self.membership.epoch = generation;
        self.end.shared.publish(Some(self.membership));
        self.registered = Some(member);
        self.end.tell(ThreadMessage::Status(Vec::new()));
        let active = self.settings.lead_topics.tasks(partitions);
        self.assign(Tasks { active, ..Tasks::default() }, true);
    }

    /// Asks the thread to commit and close everything, for which the group waits.
    fn take_back(&mut self) {
        self.assign(Tasks::default(), false);
        self.returning = Some(self.assignment);
    }

    fn assign(&mut self, tasks: Tasks, ready: bool) {
        self.assignment.0 += 1;
        self.end.tell(ThreadMessage::Assigned { assignment: self.assignment, membership: self.membership, tasks, ready });
    }

    /// Nothing is committed in the member's name any more.
    fn withdraw(&mut self) {
        self.end.shared.publish(None);
        if let Some(member) = self.registered.take() {
            self.members.lock().remove(&member);
        }
    }

    /// Leaves, so that others have the tasks at once, and waits until the thread has dropped them. False when it ends instead.
    fn start_over(&mut self) -> bool {
        self.withdraw();
        self.returning = None;
        self.end.tell(ThreadMessage::Fenced);
        warn_of("leaving the group", self.subscriber.leave());
        loop {
            match self.hear() {
                Heard::Aborted => return true,
                Heard::Closed => return false,
                // What was on its way.
                Heard::Group(GroupEvent::Assigned(_) | GroupEvent::Revoked { .. }) => warn_of("leaving the group", self.subscriber.release()),
                Heard::Group(GroupEvent::Failed(_)) | Heard::Nothing | Heard::Owns(_) => {}
            }
        }
    }

    /// librdkafka logs what it mends by itself; the rest an operator should know of.
    fn report(&self, error: &CallError) {
        if errors::kind(error.code) != LogErrorKind::Retriable {
            let detail = format!("{}{}", error.message, errors::remedy(error.code));
            self.end.tell(ThreadMessage::Status(vec![Notice::new(NoticeKind::Trouble, detail)]));
        }
    }
}

/// What trying again does not change.
fn is_refusal(error: &CallError) -> bool {
    error.fatal || matches!(error.code, Code::InconsistentGroupProtocol | Code::InvalidSessionTimeout | Code::InvalidGroupId)
}

fn warn_of(doing: &str, result: Result<(), CallError>) {
    if let Err(error) = result {
        tracing::warn!(error = %error.message, "{doing} failed");
    }
}
