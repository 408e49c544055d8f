//! Drives one member: its clock, its requests, its talk with the thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until};

use super::handle::MemberEnd;
use crate::group::connection::Coordinator;
use crate::group::member::{Action, Event, Member, Now, RequestNumber, ThreadEvent};
use crate::group::tasks::from_wire;
use crate::group::wire::{DescribedGroup, HeartbeatRequest, HeartbeatResponse};
use crate::group::{ErrorCode, GroupErrorKind, Tasks};

/// Everything a member needs of the world.
pub(super) struct Driver {
    pub(super) member: Member,
    pub(super) coordinator: Arc<Coordinator>,
    pub(super) end: MemberEnd,
}

impl Driver {
    /// Until the member has ended.
    pub(super) async fn run(mut self) {
        let (answers, mut answered) = unbounded_channel();
        self.handle(Event::Tick, &answers);
        while !self.member.has_ended() {
            let deadline = self.member.deadline().map(|at| Instant::from_std(self.end.shared.instant(at)));
            let event = tokio::select! {
                event = self.end.thread_events.recv() => Event::Thread(event.unwrap_or(ThreadEvent::Close { leave: false })),
                Some(event) = answered.recv() => event,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Event::Tick,
            };
            self.handle(event, &answers);
        }
    }

    fn handle(&mut self, event: Event, answers: &UnboundedSender<Event>) {
        let now = Now { at: self.end.shared.now(), jitter: jitter() };
        let mut actions = self.member.handle(Event::Polled(self.end.shared.last_poll()), now);
        actions.extend(self.member.handle(event, now));
        // Before the thread is told: it must not commit by a membership that is over.
        self.end.shared.publish(self.member.membership());
        for action in actions {
            match action {
                Action::Send(number, request) => self.spawn(answers, |coordinator| heartbeat(coordinator, number, request)),
                Action::Describe(number) => {
                    let member_id = self.member.id().to_owned();
                    self.spawn(answers, move |coordinator| describe(coordinator, number, member_id));
                }
                Action::FindCoordinator => self.spawn(answers, find_coordinator),
                Action::FindSourceTopics(topics) => self.spawn(answers, |coordinator| find_source_topics(coordinator, topics)),
                Action::Tell(message) => self.end.tell(message),
            }
        }
    }

    fn spawn<F>(&self, answers: &UnboundedSender<Event>, task: impl FnOnce(Arc<Coordinator>) -> F)
    where
        F: Future<Output = Event> + Send + 'static,
    {
        let work = task(Arc::clone(&self.coordinator));
        let answers = answers.clone();
        tokio::spawn(async move {
            tokio::select! {
                // Only a member that has ended meanwhile does not hear it.
                event = work => { _ = answers.send(event); }
                () = answers.closed() => {}
            }
        });
    }
}

async fn heartbeat(coordinator: Arc<Coordinator>, number: RequestNumber, request: Box<HeartbeatRequest>) -> Event {
    let timeout = coordinator.settings().request_timeout;
    let channel = match coordinator.channel().await {
        Ok(channel) => channel,
        Err(error) => return Event::Lost(number, error.to_string()),
    };
    match channel.call(&*request, timeout).await {
        Ok(response) => {
            if matches!(ErrorCode::from_code(response.error_code), Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable)) {
                coordinator.forget(&channel).await;
            }
            Event::Answered(number, Box::new(response))
        }
        // A broker that does not know the request at all says the same as one on which it is switched off.
        Err(error) if error.kind() == GroupErrorKind::Unsupported => {
            let error_code = ErrorCode::UnsupportedVersion.code();
            Event::Answered(
                number,
                Box::new(HeartbeatResponse { error_code, error_message: Some(error.to_string()), ..HeartbeatResponse::default() }),
            )
        }
        Err(error) => Event::Lost(number, error.to_string()),
    }
}

async fn describe(coordinator: Arc<Coordinator>, number: RequestNumber, member_id: String) -> Event {
    match super::calls::describe_once(&coordinator).await {
        Ok(group) => described(&group, number, &member_id),
        Err(error) => Event::Lost(number, error.to_string()),
    }
}

fn described(group: &DescribedGroup, number: RequestNumber, member_id: &str) -> Event {
    let found = group.members.iter().find(|member| member.member_id == member_id).and_then(|member| {
        let assignment = &member.assignment;
        let (active, standby) = (from_wire(&assignment.active_tasks)?, from_wire(&assignment.standby_tasks)?);
        Some((member.member_epoch, Tasks { active, standby, warmup: from_wire(&assignment.warmup_tasks)? }))
    });
    match found {
        Some((epoch, tasks)) => Event::Described(number, epoch, tasks),
        None => Event::Lost(number, "the group's description lacks the member".to_owned()),
    }
}

/// Until it is found: without it there is nothing a member could do.
async fn find_coordinator(coordinator: Arc<Coordinator>) -> Event {
    let settings = coordinator.settings();
    let mut pause = settings.retry_backoff;
    while let Err(error) = coordinator.channel().await {
        tracing::warn!(group = coordinator.group_id(), error = %error, "cannot find the group's coordinator");
        sleep(pause.mul_f64(0.8 + 0.4 * jitter())).await;
        pause = (pause * 2).min(settings.retry_backoff_max);
    }
    Event::CoordinatorFound
}

async fn find_source_topics(coordinator: Arc<Coordinator>, topics: Vec<String>) -> Event {
    match coordinator.missing_topics(&topics).await {
        Ok(missing) => Event::SourceTopics { missing },
        Err(_) => Event::SourceTopicsUnknown,
    }
}

/// From 0 to 1.
pub(super) fn jitter() -> f64 {
    let random = uuid::Uuid::new_v4().as_u64_pair().1 as u32;
    f64::from(random) / f64::from(u32::MAX)
}

/// A pause before the next try.
pub(super) async fn pause(coordinator: &Coordinator, failures: u32) {
    let settings = coordinator.settings();
    let doubled = settings.retry_backoff.saturating_mul(2_u32.saturating_pow(failures.min(20)));
    let longest: Duration = doubled.min(settings.retry_backoff_max);
    sleep(longest.mul_f64(0.8 + 0.4 * jitter())).await;
}
