//! One member of a streams group, as a pure state machine: events in, actions out, no clock, no socket, no chance.
//!
//! A stream thread has one member, as in Kafka Streams: the thread is the unit of capacity, of liveness and of fencing. The
//! member never decides what a thread has open. It passes on what the group allows, waits until the thread says what it
//! has, and only then lets the group know; and when the group has given the member up, it waits until the thread has
//! dropped everything before it joins again. The rest of this folder is about doing so while answers get lost.
//!
//! Followed here: KIP-1071, and Kafka Streams' `StreamsMembershipManager` and `StreamsGroupHeartbeatRequestManager`. Unlike
//! these a member may keep its id across restarts, an UNKNOWN_SERVER_ERROR is retried, and a coordinator that is
//! said to have moved twice in a row is asked again only after a pause.

mod request;
mod response;
mod schedule;
mod settings;
mod verification;
mod vocabulary;

use std::time::Duration;

use request::SourceTopics;
use schedule::{InFlight, Schedule};
use verification::Verification;

pub use settings::MemberSettings;
pub use vocabulary::{Action, AssignmentNumber, Event, Membership, Now, RequestNumber, ThreadEvent, ThreadMessage};

use crate::group::{Notice, NoticeKind, Tasks};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not in the group, nothing is owned; a heartbeat with epoch 0 is due or under way.
    Joining,
    /// In the group.
    Joined { epoch: i32 },
    /// Out of the group, and the thread has not confirmed yet that it dropped everything.
    Fenced,
    /// The last heartbeat is under way.
    Leaving(RequestNumber),
    /// Left, or failed.
    Ended,
}

/// A member. See the [module](self).
#[derive(Debug)]
pub struct Member {
    settings: MemberSettings,
    state: State,
    /// Which membership this is, or will be once joined.
    number: u32,
    /// What the thread has open or will open of what it has read, as it last said.
    owned: Tasks,
    /// What it was told since: it may open any of it without being asked again.
    unread: Vec<(AssignmentNumber, Tasks)>,
    /// What the thread said is not sent yet.
    owns_news: bool,
    /// The owned tasks that the group is known to know.
    acknowledged: Option<Tasks>,
    /// What the group allows, as last heard in this membership, and whether it was ready.
    target: Option<(Tasks, bool)>,
    /// The same as last told to the thread.
    told: Option<(Tasks, bool)>,
    assignments: AssignmentNumber,
    schedule: Schedule,
    verification: Verification,
    last_poll: Duration,
    source_topics: SourceTopics,
    endpoint_told: bool,
    endpoint_epoch: i32,
    shutdown_asked: bool,
    /// What the group last said.
    statuses: Vec<Notice>,
    /// What the thread was last told of the group's state.
    notices: Vec<Notice>,
    actions: Vec<Action>,
}

impl Member {
    /// A member that is about to join. [`Event::Tick`] sets it going.
    #[must_use]
    pub fn new(settings: MemberSettings, now: Now) -> Self {
        Self {
            settings,
            state: State::Joining,
            number: 1,
            owned: Tasks::default(),
            unread: Vec::new(),
            owns_news: false,
            acknowledged: None,
            target: None,
            told: None,
            assignments: AssignmentNumber(0),
            schedule: Schedule::starting(now),
            verification: Verification::default(),
            last_poll: now.at,
            source_topics: SourceTopics::Unknown,
            endpoint_told: false,
            endpoint_epoch: -1,
            shutdown_asked: false,
            statuses: Vec::new(),
            notices: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.settings.member_id
    }

    /// The membership a commit may use now; `None` while not in the group.
    #[must_use]
    pub fn membership(&self) -> Option<Membership> {
        match self.state {
            State::Joined { epoch } => Some(Membership { number: self.number, epoch }),
            State::Joining | State::Fenced | State::Leaving(_) | State::Ended => None,
        }
    }

    /// Whether it has left or failed: it will do nothing more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// When [`Event::Tick`] is wanted at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            State::Joining => self.schedule.due(),
            State::Joined { .. } => [self.schedule.due(), self.verification_due()].into_iter().flatten().chain([self.poll_deadline()]).min(),
            State::Fenced | State::Leaving(_) | State::Ended => None,
        }
    }

    /// Takes an event in and says what is to be done, in this order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Action> {
        match event {
            Event::Tick => {}
            Event::Polled(at) => self.last_poll = self.last_poll.max(at),
            Event::Thread(event) => self.thread_says(event, now),
            Event::Answered(number, response) => self.answered(number, &response, now),
            Event::Described(number, epoch, tasks) => self.described(number, epoch, tasks, now),
            Event::Lost(number, why) => self.lost(number, why, now),
            Event::CoordinatorFound => self.schedule.moved(&self.settings, now),
            Event::SourceTopics { missing } => self.heard_of_topics(&missing, now),
            Event::SourceTopicsUnknown => self.topics_are(SourceTopics::Missing, now),
        }
        self.pass_time(now);
        #[cfg(feature = "faults")]
        if self.settings.rejoin_before_abort && self.state == State::Fenced {
            self.join_again(now);
        }
        std::mem::take(&mut self.actions)
    }

    fn pass_time(&mut self, now: Now) {
        if matches!(self.state, State::Joined { .. }) && now.at >= self.poll_deadline() {
            self.send_leave();
            self.fence();
            let silent = now.at.saturating_sub(self.last_poll).as_millis();
            self.trouble(Some(format!("the thread has not polled for {silent} ms (max.poll.interval.ms): its tasks go to others")));
            return;
        }
        if self.schedule.due().is_some_and(|due| due <= now.at) {
            self.send_heartbeat();
        } else if self.verification_due().is_some_and(|due| due <= now.at) {
            self.verify();
        }
    }

    fn poll_deadline(&self) -> Duration {
        self.last_poll.saturating_add(self.settings.max_poll_interval)
    }

    fn thread_says(&mut self, event: ThreadEvent, now: Now) {
        self.last_poll = self.last_poll.max(now.at);
        match event {
            ThreadEvent::Owns { assignment, tasks } => {
                // Said before the thread heard of the fence: everything is dropped anyway.
                if let State::Joined { .. } = self.state {
                    // Every assignment is acknowledged, also one that changed nothing in the end: a group that has given a task
                    // and taken it back waits to hear that it is gone.
                    let confirms = self.unread.extract_if(.., |(number, _)| *number <= assignment).count() > 0;
                    self.owned = tasks;
                    self.owns_news |= confirms || self.acknowledged.as_ref() != Some(&self.claimed());
                    if self.has_something_to_say() {
                        self.schedule.soon(now);
                    }
                }
            }
            ThreadEvent::Aborted => {
                if self.state == State::Fenced {
                    self.join_again(now);
                }
            }
            ThreadEvent::ShutdownApplication => {
                self.shutdown_asked = true;
                self.schedule.soon(now);
            }
            ThreadEvent::Close { leave } => self.close(leave),
        }
    }

    fn has_something_to_say(&self) -> bool {
        self.owns_news || self.endpoint_waits() || self.shutdown_asked
    }

    fn endpoint_waits(&self) -> bool {
        self.settings.user_endpoint.is_some() && self.source_topics == SourceTopics::Present && !self.endpoint_told
    }

    /// What the thread has open, or may open before it hears anything else. The group may not take less for the truth: it
    /// would give the rest away.
    fn claimed(&self) -> Tasks {
        let mut claimed = self.owned.clone();
        self.unread.iter().for_each(|(_, tasks)| claimed.extend(tasks));
        claimed
    }

    /// The membership is over. It is not renewed before the thread has confirmed that nothing of it is left.
    fn fence(&mut self) {
        self.state = State::Fenced;
        self.schedule.abandon();
        self.tell(ThreadMessage::Fenced);
    }

    fn join_again(&mut self, now: Now) {
        self.state = State::Joining;
        self.number = self.number.saturating_add(1);
        self.owned = Tasks::default();
        self.unread.clear();
        self.owns_news = false;
        self.acknowledged = None;
        self.target = None;
        self.told = None;
        self.source_topics = SourceTopics::Unknown;
        self.endpoint_told = false;
        self.endpoint_epoch = -1;
        self.schedule.at(now.at);
    }

    fn close(&mut self, leave: bool) {
        match self.state {
            State::Joining | State::Joined { .. } if leave => self.state = State::Leaving(self.send_leave()),
            // Silent, or not in the group any more.
            State::Joining | State::Joined { .. } | State::Fenced => self.end(),
            State::Leaving(_) | State::Ended => {}
        }
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.schedule.abandon();
        self.tell(ThreadMessage::Left);
    }

    fn heard_of_topics(&mut self, missing: &[String], now: Now) {
        if missing.is_empty() {
            return self.topics_are(SourceTopics::Present, now);
        }
        if self.source_topics == SourceTopics::Asked {
            self.statuses = vec![Notice::new(NoticeKind::MissingSourceTopics, missing.join(", "))];
            self.trouble(None);
        }
        self.topics_are(SourceTopics::Missing, now);
    }

    fn topics_are(&mut self, topics: SourceTopics, now: Now) {
        if self.source_topics == SourceTopics::Asked {
            self.source_topics = topics;
            self.schedule.at(now.at);
        }
    }

    /// Tells the thread what there is to know, if that is new: what the group says, and what the client has met.
    fn trouble(&mut self, trouble: Option<String>) {
        let trouble = trouble.map(|detail| Notice::new(NoticeKind::Trouble, detail));
        let notices: Vec<Notice> = self.statuses.iter().cloned().chain(trouble).collect();
        if notices != self.notices {
            self.notices.clone_from(&notices);
            self.tell(ThreadMessage::Status(notices));
        }
    }

    fn tell(&mut self, message: ThreadMessage) {
        self.actions.push(Action::Tell(message));
    }
}
