//! What an answer, or its absence, changes.

use std::time::Duration;

use super::{Action, InFlight, Member, Membership, Now, RequestNumber, SourceTopics, State, ThreadMessage};
use crate::group::tasks::from_wire;
use crate::group::wire::HeartbeatResponse;
use crate::group::{ErrorAction, ErrorCode, GroupError, Notice, NoticeKind, Tasks};

/// The interval of a group whose answer names none that makes sense: Kafka's default, and the least that is followed.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
const LEAST_INTERVAL: Duration = Duration::from_millis(10);

impl Member {
    pub(super) fn answered(&mut self, number: RequestNumber, response: &HeartbeatResponse, now: Now) {
        if self.state == State::Leaving(number) {
            return self.end();
        }
        // The answer to a heartbeat that was given up, or of a membership that is over.
        let Some(request) = self.schedule.in_flight.take_if(|in_flight| in_flight.number == number) else { return };
        if let Some(error) = ErrorCode::from_code(response.error_code) {
            self.acknowledged = None;
            return self.refused(error, response, now);
        }
        match tasks_of(response) {
            Some(assigned) => self.accepted(request, response, assigned, now),
            None => self.unclear(format!("the coordinator's answer is broken: {}", broken(response)), now),
        }
    }

    pub(super) fn lost(&mut self, number: RequestNumber, why: String, now: Now) {
        if self.state == State::Leaving(number) {
            return self.end();
        }
        if self.schedule.in_flight.take_if(|in_flight| in_flight.number == number).is_some() {
            self.unclear(why, now);
        } else {
            self.not_described(number, now);
        }
    }

    /// The request may have arrived or not: what was told counts as untold, and is told again.
    fn unclear(&mut self, why: String, now: Now) {
        self.acknowledged = None;
        self.verification.doubt();
        self.schedule.back_off(&self.settings, now);
        self.trouble(Some(why));
    }

    fn accepted(&mut self, request: InFlight, response: &HeartbeatResponse, assigned: Option<Tasks>, now: Now) {
        if let Some(told) = request.tasks {
            self.acknowledged = Some(told);
        }
        self.endpoint_told |= request.endpoint;
        self.shutdown_asked &= !request.shutdown;
        self.schedule.succeeded();
        self.verification.heard(assigned.is_some(), &self.settings, now);
        let interval =
            u64::try_from(response.heartbeat_interval_ms).ok().filter(|interval| *interval > 0).map_or(DEFAULT_INTERVAL, Duration::from_millis);
        let throttle = Duration::from_millis(u64::try_from(response.throttle_time_ms).unwrap_or_default());
        self.schedule.at(now.at.saturating_add(interval.max(LEAST_INTERVAL).max(throttle)));
        if self.state == State::Joining {
            self.last_poll = self.last_poll.max(now.at);
        }
        let known = self.membership();
        self.state = State::Joined { epoch: response.member_epoch };
        let membership = Membership { number: self.number, epoch: response.member_epoch };

        let notices: Vec<Notice> = response.status.iter().flatten().map(Notice::from).collect();
        let ready = !notices.iter().any(|notice| notice.kind().holds_tasks_back());
        let missing = notices.iter().any(|notice| notice.kind() == NoticeKind::MissingSourceTopics);
        self.source_topics = if missing { SourceTopics::Missing } else { SourceTopics::Present };
        self.statuses = notices;
        self.trouble(None);

        if self.endpoint_waits() && self.claimed().is_empty() {
            return self.join_with_endpoint(now);
        }
        let target = assigned.or_else(|| self.target.take().map(|(tasks, _)| tasks)).map(|tasks| (tasks, ready));
        if !self.allow(target, membership) && known != Some(membership) {
            self.tell(ThreadMessage::Epoch(membership));
        }
        if let Some(endpoints) = &response.partitions_by_user_endpoint {
            self.endpoint_epoch = response.endpoint_information_epoch;
            self.tell(ThreadMessage::Endpoints(endpoints.clone()));
        }
        if self.has_something_to_say() {
            self.schedule.soon(now);
        }
    }

    /// The group allows these tasks. Says whether that was news for the thread.
    pub(super) fn allow(&mut self, target: Option<(Tasks, bool)>, membership: Membership) -> bool {
        self.target.clone_from(&target);
        let Some((tasks, ready)) = target.filter(|target| self.told.as_ref() != Some(target)) else { return false };
        self.told = Some((tasks.clone(), ready));
        self.assignments.0 += 1;
        self.unread.push((self.assignments, tasks.clone()));
        self.tell(ThreadMessage::Assigned { assignment: self.assignments, membership, tasks, ready });
        true
    }

    /// An endpoint that is told later than the join is made known to others only when the member's tasks change (Kafka 4.3).
    /// Nothing is owned and nothing told, so a join drops nothing, and its answer brings the tasks again.
    fn join_with_endpoint(&mut self, now: Now) {
        self.state = State::Joining;
        self.acknowledged = None;
        self.endpoint_epoch = -1;
        self.schedule.at(now.at);
    }

    fn refused(&mut self, error: ErrorCode, response: &HeartbeatResponse, now: Now) {
        let said = GroupError::of_code("the heartbeat", error, response.error_message.as_deref());
        match error.action() {
            ErrorAction::Retry | ErrorAction::Report => {
                self.source_topics = SourceTopics::Unknown;
                self.schedule.back_off(&self.settings, now);
                self.trouble(Some(said.to_string()));
            }
            ErrorAction::FindCoordinator => {
                self.schedule.wait();
                self.actions.push(Action::FindCoordinator);
            }
            ErrorAction::Fenced | ErrorAction::RefreshEpoch => match self.state {
                // Nothing is owned yet, so there is nothing to drop.
                State::Joining => {
                    self.schedule.back_off(&self.settings, now);
                    self.trouble(Some(said.to_string()));
                }
                _ => self.fence(),
            },
            ErrorAction::FallBack | ErrorAction::Fatal => {
                self.state = State::Ended;
                self.schedule.abandon();
                self.tell(ThreadMessage::Failed(said));
            }
        }
    }
}

/// The tasks of an answer, if it has any; `None` overall when it is broken: all three arrays are there, or none is.
fn tasks_of(response: &HeartbeatResponse) -> Option<Option<Tasks>> {
    match (&response.active_tasks, &response.standby_tasks, &response.warmup_tasks) {
        (None, None, None) => Some(None),
        (Some(active), Some(standby), Some(warmup)) => {
            Some(Some(Tasks { active: from_wire(active)?, standby: from_wire(standby)?, warmup: from_wire(warmup)? }))
        }
        _ => None,
    }
}

fn broken(response: &HeartbeatResponse) -> String {
    let arrays = [&response.active_tasks, &response.standby_tasks, &response.warmup_tasks];
    match arrays.iter().filter(|tasks| tasks.is_some()).count() {
        3 => "it names tasks that no topology has".to_owned(),
        present => format!("{present} of 3 task arrays are there, expected all or none"),
    }
}
