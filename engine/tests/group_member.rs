//! The member's state machine, step by step: what it hears, and what it does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use straum::group::member::{Action, AssignmentNumber, Event, Member, MemberSettings, Membership, Now, RequestNumber, ThreadEvent, ThreadMessage};
use straum::group::wire::{
    Endpoint, EndpointPartitions, HeartbeatRequest, HeartbeatResponse, HeartbeatStatus, HeartbeatSubtopology, HeartbeatTopology, TaskIds,
};
use straum::group::{GroupErrorKind, NoticeKind, Tasks};

const INTERVAL: u64 = 500;

/// A member with its clock, and what it did at the last event.
struct Scene {
    member: Member,
    at: u64,
    done: Vec<Action>,
    /// The last assignment that was told.
    assignment: AssignmentNumber,
}

fn topology() -> HeartbeatTopology {
    let subtopology =
        HeartbeatSubtopology { subtopology_id: "0".to_owned(), source_topics: vec!["in".to_owned()], ..HeartbeatSubtopology::default() };
    HeartbeatTopology { epoch: 0, subtopologies: vec![subtopology] }
}

fn settings() -> MemberSettings {
    MemberSettings {
        max_poll_interval: Duration::from_secs(300),
        verify_interval: Duration::from_secs(3000),
        ..MemberSettings::new("app", "p1", "m1", topology())
    }
}

impl Scene {
    fn new(settings: MemberSettings) -> Self {
        let mut scene =
            Self { member: Member::new(settings, Now { at: Duration::ZERO, jitter: 0.5 }), at: 0, done: Vec::new(), assignment: AssignmentNumber(0) };
        scene.hear(Event::Tick);
        scene
    }

    /// A member in the group at epoch 3 that owns these tasks, and the group knows.
    fn owning(tasks: &str) -> Self {
        let mut scene = Self::new(settings());
        scene.answer(assigned(3, tasks));
        scene.owns(tasks);
        if !tasks.is_empty() {
            scene.answer(unchanged(3));
        }
        scene
    }

    fn hear(&mut self, event: Event) -> &mut Self {
        self.done = self.member.handle(event, Now { at: Duration::from_millis(self.at), jitter: 0.5 });
        for action in &self.done {
            if let Action::Tell(ThreadMessage::Assigned { assignment, .. }) = action {
                assert!(*assignment > self.assignment, "assignments are numbered");
                self.assignment = *assignment;
            }
        }
        self
    }

    fn say(&mut self, event: ThreadEvent) -> &mut Self {
        self.hear(Event::Thread(event))
    }

    /// The thread has read all it was told.
    fn owns_all(&mut self, tasks: Tasks) -> &mut Self {
        self.say(ThreadEvent::Owns { assignment: self.assignment, tasks })
    }

    fn owns(&mut self, tasks: &str) -> &mut Self {
        self.owns_all(active(tasks))
    }

    /// Answers the heartbeat that went out last.
    fn answer(&mut self, response: HeartbeatResponse) -> &mut Self {
        let (number, _) = self.sent().expect("a heartbeat is under way");
        self.hear(Event::Answered(number, Box::new(response)))
    }

    fn fail(&mut self, code: i16) -> &mut Self {
        self.answer(HeartbeatResponse { error_code: code, ..HeartbeatResponse::default() })
    }

    fn lose(&mut self) -> &mut Self {
        let (number, _) = self.sent().expect("a heartbeat is under way");
        self.hear(Event::Lost(number, "time-out".to_owned()))
    }

    /// Answers the question about itself that went out last.
    fn described(&mut self, epoch: i32, tasks: &str) -> &mut Self {
        let asked = self.done.iter().find_map(|action| if let Action::Describe(number) = action { Some(*number) } else { None });
        self.hear(Event::Described(asked.expect("it asked"), epoch, active(tasks)))
    }

    /// Lets time pass up to the member's own deadline, and says how long that was.
    fn until_deadline(&mut self) -> u64 {
        let deadline = u64::try_from(self.member.deadline().expect("a deadline").as_millis()).unwrap();
        let passed = deadline.saturating_sub(self.at);
        self.at = self.at.max(deadline);
        self.hear(Event::Tick);
        passed
    }

    fn sent(&self) -> Option<(RequestNumber, &HeartbeatRequest)> {
        self.done.iter().rev().find_map(|action| match action {
            Action::Send(number, request) => Some((*number, &**request)),
            _ => None,
        })
    }

    /// What the thread was told, assignments without their numbers.
    fn told(&self) -> Vec<ThreadMessage> {
        let told = self.done.iter().filter_map(|action| if let Action::Tell(message) = action { Some(message.clone()) } else { None });
        told.map(|message| match message {
            ThreadMessage::Assigned { membership, tasks, ready, .. } => {
                ThreadMessage::Assigned { assignment: AssignmentNumber(0), membership, tasks, ready }
            }
            other => other,
        })
        .collect()
    }

    /// What the last heartbeat said of epoch and owned active tasks, `-` for unchanged; or that there was none.
    fn heartbeat(&self) -> String {
        let Some((_, request)) = self.sent() else { return "none".to_owned() };
        let arrays = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
        assert!(arrays.iter().all(|array| array.is_some()) || arrays.iter().all(|array| array.is_none()), "all three or none");
        format!("{}:{}", request.member_epoch, request.active_tasks.as_deref().map_or("-".to_owned(), shown))
    }

    fn notices(&self) -> Vec<NoticeKind> {
        let last = self.told().into_iter().rev().find_map(|message| if let ThreadMessage::Status(notices) = message { Some(notices) } else { None });
        last.unwrap_or_default().iter().map(straum::group::Notice::kind).collect()
    }
}

fn shown(tasks: &[TaskIds]) -> String {
    let tasks = tasks.iter().flat_map(|of| of.partitions.iter().map(move |partition| format!("{}_{partition}", of.subtopology_id)));
    tasks.collect::<Vec<_>>().join(" ")
}

fn active(tasks: &str) -> Tasks {
    Tasks { active: tasks.split_whitespace().map(|task| task.parse().unwrap()).collect(), ..Tasks::default() }
}

fn on_wire(tasks: &str) -> Option<Vec<TaskIds>> {
    let partitions: Vec<i32> = tasks.split_whitespace().map(|task| task.strip_prefix("0_").unwrap().parse().unwrap()).collect();
    Some(if partitions.is_empty() { Vec::new() } else { vec![TaskIds { subtopology_id: "0".to_owned(), partitions }] })
}

fn unchanged(epoch: i32) -> HeartbeatResponse {
    let heartbeat_interval_ms = i32::try_from(INTERVAL).unwrap();
    HeartbeatResponse {
        member_id: "m1".to_owned(),
        member_epoch: epoch,
        heartbeat_interval_ms,
        status: Some(Vec::new()),
        ..HeartbeatResponse::default()
    }
}

fn assigned(epoch: i32, tasks: &str) -> HeartbeatResponse {
    HeartbeatResponse { active_tasks: on_wire(tasks), standby_tasks: Some(Vec::new()), warmup_tasks: Some(Vec::new()), ..unchanged(epoch) }
}

fn with_status(response: HeartbeatResponse, code: i8) -> HeartbeatResponse {
    HeartbeatResponse { status: Some(vec![HeartbeatStatus { status_code: code, status_detail: "detail".to_owned() }]), ..response }
}

fn membership(number: u32, epoch: i32) -> Membership {
    Membership { number, epoch }
}

fn told_assigned(number: u32, epoch: i32, tasks: &str, ready: bool) -> ThreadMessage {
    ThreadMessage::Assigned { assignment: AssignmentNumber(0), membership: membership(number, epoch), tasks: active(tasks), ready }
}

#[test]
fn a_join_says_everything_and_a_heartbeat_only_who_it_is() {
    let mut scene = Scene::new(settings());
    let (_, join) = scene.sent().unwrap();
    assert_eq!((join.member_epoch, join.rebalance_timeout_ms, join.process_id.as_deref(), join.topology.is_some()), (0, 300_000, Some("p1"), true));
    assert_eq!((join.endpoint_information_epoch, join.client_tags.as_deref(), join.user_endpoint.is_some()), (-1, Some(&[][..]), false));
    assert_eq!(scene.heartbeat(), "0:");
    scene.answer(assigned(3, ""));
    assert_eq!(scene.told(), [told_assigned(1, 3, "", true)]);
    assert_eq!(scene.until_deadline(), INTERVAL);
    let (_, beat) = scene.sent().unwrap();
    assert_eq!(
        (beat.rebalance_timeout_ms, beat.process_id.as_deref(), beat.topology.is_some(), beat.client_tags.is_some()),
        (-1, None, false, false)
    );
    assert_eq!(scene.heartbeat(), "3:-", "nothing owned was told at the join");
}

#[test]
fn an_assignment_is_acknowledged_at_once_when_the_thread_has_it() {
    let mut scene = Scene::new(settings());
    scene.answer(assigned(3, "0_0 0_1"));
    assert_eq!(scene.told(), [told_assigned(1, 3, "0_0 0_1", true)]);
    assert_eq!(scene.heartbeat(), "none", "the thread has not opened them yet");
    scene.owns("0_0 0_1");
    assert_eq!(scene.heartbeat(), "3:0_0 0_1");
    scene.answer(unchanged(3)).until_deadline();
    assert_eq!(scene.heartbeat(), "3:-");
}

#[test]
fn a_task_is_released_only_when_the_thread_has_given_it_up() {
    let mut scene = Scene::owning("0_0 0_1");
    scene.until_deadline();
    scene.answer(assigned(3, "0_0"));
    assert_eq!(scene.told(), [told_assigned(1, 3, "0_0", true)]);
    scene.until_deadline();
    assert_eq!(scene.heartbeat(), "3:-", "heartbeats go on while the thread commits");
    scene.answer(unchanged(3)).owns("0_0");
    assert_eq!(scene.heartbeat(), "3:0_0");
    scene.answer(unchanged(4));
    assert_eq!(scene.told(), [ThreadMessage::Epoch(membership(1, 4))]);
    assert_eq!(scene.member.membership(), Some(membership(1, 4)));
}

#[test]
fn a_task_the_thread_may_still_open_counts_as_owned() {
    // The thread has not read the assignment when a failure makes the member tell everything again.
    let mut scene = Scene::owning("0_0");
    let read = scene.assignment;
    scene.until_deadline();
    scene.answer(assigned(4, "0_0 0_1")).until_deadline();
    assert_eq!(scene.heartbeat(), "4:-", "no news from the thread");
    scene.lose().until_deadline();
    assert_eq!(scene.heartbeat(), "4:0_0 0_1", "had it left out 0_1, the group could give it away");
    // Nor does an answer to an older assignment change that.
    scene.answer(unchanged(4)).described(4, "0_0 0_1").say(ThreadEvent::Owns { assignment: read, tasks: active("0_0") });
    assert_eq!(scene.heartbeat(), "none");
    scene.owns("0_0");
    assert_eq!(scene.heartbeat(), "4:0_0", "now it has read it, and says that it will not open the other");
}

#[test]
fn a_task_given_and_taken_back_before_the_thread_looked_is_acknowledged() {
    let mut scene = Scene::new(settings());
    scene.answer(assigned(3, "0_0")).until_deadline();
    scene.answer(assigned(3, ""));
    assert_eq!(scene.owns("").heartbeat(), "3:", "the group waits to hear that it is gone");
}

#[test]
fn what_happens_during_a_heartbeat_is_said_right_after_it() {
    let mut scene = Scene::owning("0_0 0_1");
    scene.until_deadline();
    let (number, _) = scene.sent().unwrap();
    scene.owns("0_0");
    assert_eq!(scene.heartbeat(), "none", "one heartbeat at a time");
    scene.hear(Event::Answered(number, Box::new(unchanged(3))));
    assert_eq!(scene.heartbeat(), "3:0_0");
}

#[test]
fn a_delayed_assignment_is_not_no_work() {
    for status in [1, 2, 3, 5] {
        let mut scene = Scene::new(settings());
        scene.answer(with_status(assigned(2, ""), status));
        assert_eq!(scene.told().last(), Some(&told_assigned(1, 2, "", false)), "status {status}");
        assert_eq!(scene.notices().len(), 1);
        // Ready, with the same tasks and no new assignment: it is told again.
        scene.until_deadline();
        scene.answer(unchanged(2));
        assert!(scene.told().contains(&told_assigned(1, 2, "", true)), "status {status}");
        assert_eq!(scene.notices(), []);
    }
}

#[test]
fn a_null_status_is_ready_and_an_unknown_one_is_information() {
    for status in [None, Some(vec![HeartbeatStatus { status_code: 77, status_detail: "new".to_owned() }])] {
        let mut scene = Scene::new(settings());
        scene.answer(HeartbeatResponse { status: status.clone(), ..assigned(3, "0_0") });
        assert!(scene.told().contains(&told_assigned(1, 3, "0_0", true)), "{status:?}");
    }
}

#[test]
fn after_any_failure_the_owned_tasks_are_told_again() {
    let broken = || HeartbeatResponse { active_tasks: on_wire("0_0"), ..unchanged(3) };
    let unknown_task =
        || HeartbeatResponse { active_tasks: Some(vec![TaskIds { subtopology_id: "x".to_owned(), partitions: vec![0] }]), ..assigned(3, "") };
    type Failure<'a> = &'a dyn Fn(&mut Scene);
    let failures: [(&str, Failure<'_>); 7] = [
        ("lost", &|scene| _ = scene.lose()),
        ("loading", &|scene| _ = scene.fail(14)),
        ("server error", &|scene| _ = scene.fail(-1)),
        ("topic authorisation", &|scene| _ = scene.fail(29)),
        ("moved", &|scene| _ = scene.fail(16).hear(Event::CoordinatorFound)),
        ("a mix of arrays", &|scene| _ = scene.answer(broken())),
        ("an unknown task", &|scene| _ = scene.answer(unknown_task())),
    ];
    for (name, failure) in failures {
        let mut scene = Scene::owning("0_0");
        scene.until_deadline();
        assert_eq!(scene.heartbeat(), "3:-", "{name}");
        failure(&mut scene);
        if scene.heartbeat() == "none" {
            scene.until_deadline();
        }
        assert_eq!(scene.heartbeat(), "3:0_0", "{name}");
        assert_eq!(scene.member.membership(), Some(membership(1, 3)), "{name}");
    }
}

#[test]
fn what_a_lost_answer_said_is_asked_for() {
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    scene.lose().until_deadline();
    assert_eq!(scene.heartbeat(), "3:0_0");
    scene.answer(unchanged(4));
    assert!(scene.member.deadline().unwrap() >= Duration::from_secs(300), "no heartbeat meanwhile: it could change the answer");
    scene.described(4, "0_0 0_1");
    assert_eq!(scene.told(), [told_assigned(1, 4, "0_0 0_1", true)]);
}

#[test]
fn a_question_that_is_not_answered_is_asked_again_after_the_next_heartbeat() {
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    scene.lose().until_deadline();
    scene.answer(unchanged(3));
    let Some(Action::Describe(number)) = scene.done.last().cloned() else { panic!("{:?}", scene.done) };
    scene.hear(Event::Lost(number, "time-out".to_owned())).until_deadline();
    assert_eq!(scene.heartbeat(), "3:-", "the owned tasks are known since the last heartbeat");
    scene.answer(unchanged(3)).described(3, "0_0");
    assert_eq!(scene.done, [], "they agree");
}

#[test]
fn an_epoch_is_never_taken_from_a_description() {
    let mut scene = Scene::new(MemberSettings { verify_interval: Duration::from_millis(400), ..settings() });
    scene.answer(assigned(3, "0_0")).owns("0_0").answer(unchanged(3));
    assert_eq!(scene.until_deadline(), 400, "now and then it asks without a reason");
    scene.described(4, "");
    assert_eq!((scene.heartbeat().as_str(), scene.told().len(), scene.member.membership()), ("3:0_0", 0, Some(membership(1, 3))));
    assert_eq!(scene.fail(110).told(), [ThreadMessage::Fenced], "the group says what it means");
}

#[test]
fn failures_in_a_row_wait_longer_up_to_a_limit() {
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    let waits: Vec<u64> = (0..6).map(|_| scene.lose().until_deadline()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    scene.answer(unchanged(3)).described(3, "0_0").until_deadline();
    assert_eq!(scene.lose().until_deadline(), 100, "success starts anew");
    scene.lose();
    assert_eq!(scene.owns("").heartbeat(), "none", "news do not cut a back-off short");
}

#[test]
fn chance_spreads_the_waits() {
    for (jitter, expected) in [(0.0, 80), (0.5, 100), (1.0, 120)] {
        let now = Now { at: Duration::ZERO, jitter };
        let mut member = Member::new(settings(), now);
        member.handle(Event::Tick, now);
        member.handle(Event::Lost(RequestNumber(1), String::new()), now);
        assert_eq!(member.deadline(), Some(Duration::from_millis(expected)));
    }
}

#[test]
fn a_coordinator_that_moved_is_asked_at_once_and_the_second_time_after_a_pause() {
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    scene.fail(16);
    assert_eq!(scene.done, [Action::FindCoordinator]);
    assert!(scene.member.deadline().unwrap() >= Duration::from_secs(300), "nothing is sent before it is found");
    scene.hear(Event::CoordinatorFound);
    assert_eq!(scene.heartbeat(), "3:0_0");
    scene.fail(15).hear(Event::CoordinatorFound);
    assert_eq!((scene.heartbeat().as_str(), scene.until_deadline()), ("none", 200));
}

#[test]
fn a_fenced_member_rejoins_only_when_the_thread_has_dropped_everything() {
    for code in [25, 110, 22, 113] {
        let mut scene = Scene::owning("0_0 0_1");
        scene.until_deadline();
        scene.fail(code);
        assert_eq!(scene.told(), [ThreadMessage::Fenced], "{code}");
        assert_eq!((scene.member.membership(), scene.member.deadline()), (None, None), "{code}");
        scene.at += 10_000;
        assert_eq!(scene.hear(Event::Tick).heartbeat(), "none", "{code}");
        assert_eq!(scene.owns("0_0").heartbeat(), "none", "{code}: said before the thread heard of it");
        assert_eq!(scene.say(ThreadEvent::Aborted).heartbeat(), "0:", "{code}");
        scene.answer(assigned(7, "0_1"));
        assert_eq!(scene.told(), [told_assigned(2, 7, "0_1", true)], "{code}: another membership");
    }
}

#[test]
fn a_late_answer_of_a_membership_that_is_over_changes_nothing() {
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    let (old, _) = scene.sent().unwrap();
    scene.lose().until_deadline();
    scene.fail(110).say(ThreadEvent::Aborted);
    assert_eq!(scene.hear(Event::Answered(old, Box::new(assigned(3, "0_0 0_1")))).done, []);
    assert_eq!(scene.member.membership(), None);
}

#[test]
fn a_silent_thread_loses_its_tasks_and_the_member_rejoins_when_it_wakes() {
    let mut scene = Scene::new(MemberSettings { max_poll_interval: Duration::from_secs(1), ..settings() });
    scene.answer(assigned(3, "0_0")).owns("0_0").answer(unchanged(3));
    scene.at = 700;
    scene.hear(Event::Polled(Duration::from_millis(600)));
    scene.answer(unchanged(3));
    scene.at = 1599;
    scene.hear(Event::Tick);
    assert_eq!(scene.heartbeat(), "3:-", "999 ms of silence are allowed");
    scene.answer(unchanged(3)).until_deadline();
    assert_eq!((scene.at, scene.heartbeat().as_str()), (1600, "-1:-"));
    assert!(scene.told().contains(&ThreadMessage::Fenced));
    assert_eq!((scene.notices(), scene.member.membership()), (vec![NoticeKind::Trouble], None));
    assert_eq!(scene.lose().heartbeat(), "none", "the leave is not sent again");
    scene.at = 9000;
    assert_eq!(scene.say(ThreadEvent::Aborted).heartbeat(), "0:");
}

#[test]
fn a_close_leaves_once_or_stays_silently() {
    for (leave, heartbeat, told) in [(true, "-1:-", false), (false, "none", true)] {
        let mut scene = Scene::owning("0_0");
        scene.say(ThreadEvent::Close { leave });
        assert_eq!((scene.heartbeat().as_str(), scene.told() == [ThreadMessage::Left]), (heartbeat, told));
        assert_eq!(scene.member.membership(), None);
        if leave {
            scene.lose();
            assert_eq!(scene.done, [Action::Tell(ThreadMessage::Left)], "not retried");
        }
        assert!(scene.member.has_ended());
        assert_eq!((scene.member.deadline(), scene.hear(Event::Tick).done.len()), (None, 0));
    }
    // Out of the group already: there is nothing to leave.
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    scene.fail(25).say(ThreadEvent::Close { leave: true });
    assert_eq!(scene.done, [Action::Tell(ThreadMessage::Left)]);
}

#[test]
fn what_a_person_must_mend_ends_the_member_and_says_so() {
    for (code, kind, remedy) in [
        (30, GroupErrorKind::Unauthorized, "grant READ on the group"),
        (31, GroupErrorKind::Unauthorized, "grant CREATE"),
        (35, GroupErrorKind::Unsupported, "streams.version=1"),
        (42, GroupErrorKind::Fatal, "straum reset"),
        (81, GroupErrorKind::Fatal, "group.streams.max.size"),
        (111, GroupErrorKind::Fatal, "group.instance.id"),
        (130, GroupErrorKind::Fatal, "contradict"),
        (9999, GroupErrorKind::Fatal, "refuses"),
    ] {
        let mut scene = Scene::new(settings());
        scene.answer(HeartbeatResponse { error_code: code, error_message: Some("Says the broker.".to_owned()), ..HeartbeatResponse::default() });
        let told = scene.told();
        let [ThreadMessage::Failed(error)] = &told[..] else { panic!("{code}: {:?}", scene.done) };
        assert_eq!(error.kind(), kind, "{code}");
        assert!(error.to_string().contains(remedy) && error.to_string().contains("Says the broker"), "{error}");
        assert!(scene.member.has_ended());
    }
}

fn with_endpoint() -> MemberSettings {
    MemberSettings { user_endpoint: Some(Endpoint { host: "h".to_owned(), port: 1 }), ..settings() }
}

#[test]
fn an_endpoint_is_told_at_the_join_when_the_source_topics_exist() {
    let mut scene = Scene::new(with_endpoint());
    assert_eq!(scene.done, [Action::FindSourceTopics(vec!["in".to_owned()])]);
    scene.hear(Event::SourceTopics { missing: Vec::new() });
    assert!(scene.sent().unwrap().1.user_endpoint.is_some());
    scene.answer(assigned(3, "")).until_deadline();
    assert!(scene.sent().unwrap().1.user_endpoint.is_none(), "once");
}

#[test]
fn an_endpoint_waits_until_the_source_topics_exist() {
    for heard in [Event::SourceTopics { missing: vec!["in".to_owned()] }, Event::SourceTopicsUnknown] {
        let mut scene = Scene::new(with_endpoint());
        scene.hear(heard.clone());
        let expected = if heard == Event::SourceTopicsUnknown { vec![] } else { vec![NoticeKind::MissingSourceTopics] };
        assert_eq!((scene.notices(), scene.sent().unwrap().1.user_endpoint.is_none()), (expected, true));
        scene.answer(with_status(assigned(2, ""), 1)).until_deadline();
        assert!(scene.sent().unwrap().1.user_endpoint.is_none(), "still missing");
        scene.answer(assigned(3, "0_0"));
        assert_eq!((scene.told(), scene.heartbeat().as_str()), (vec![ThreadMessage::Status(Vec::new())], "0:"), "a join makes it known to all");
        assert!(scene.sent().unwrap().1.user_endpoint.is_some());
        scene.answer(assigned(4, "0_0"));
        assert_eq!(scene.told(), [told_assigned(1, 4, "0_0", true)]);
    }
}

#[test]
fn a_member_with_tasks_does_not_join_again_for_its_endpoint() {
    let mut scene = Scene::new(with_endpoint());
    scene.hear(Event::SourceTopicsUnknown).answer(with_status(assigned(3, "0_0"), 1)).owns("0_0").answer(unchanged(3));
    assert!(scene.heartbeat() == "3:-" && scene.sent().unwrap().1.user_endpoint.is_some(), "{:?}", scene.done);
}

#[test]
fn a_join_that_the_coordinator_fails_on_looks_at_the_topics_again() {
    let mut scene = Scene::new(with_endpoint());
    scene.hear(Event::SourceTopics { missing: Vec::new() }).fail(-1);
    assert_eq!(scene.notices(), [NoticeKind::Trouble]);
    assert_eq!(scene.until_deadline(), 100);
    assert_eq!(scene.done, [Action::FindSourceTopics(vec!["in".to_owned()])]);
}

#[test]
fn the_endpoint_map_is_passed_on_and_its_epoch_returned() {
    let map = vec![EndpointPartitions { user_endpoint: Endpoint { host: "h".to_owned(), port: 1 }, ..EndpointPartitions::default() }];
    let mut scene = Scene::owning("0_0");
    scene.until_deadline();
    scene.answer(HeartbeatResponse { endpoint_information_epoch: 5, partitions_by_user_endpoint: Some(map.clone()), ..unchanged(3) });
    assert_eq!(scene.told(), [ThreadMessage::Endpoints(map)]);
    scene.until_deadline();
    assert_eq!(scene.sent().unwrap().1.endpoint_information_epoch, 5);
}

#[test]
fn standby_and_warm_up_tasks_are_tasks_too() {
    let tasks = Tasks { active: active("0_0").active, standby: active("0_1").active, warmup: active("0_2").active };
    let mut scene = Scene::new(settings());
    scene.answer(HeartbeatResponse { standby_tasks: on_wire("0_1"), warmup_tasks: on_wire("0_2"), ..assigned(3, "0_0") });
    assert_eq!(
        scene.told(),
        [ThreadMessage::Assigned { assignment: AssignmentNumber(0), membership: membership(1, 3), tasks: tasks.clone(), ready: true }]
    );
    scene.owns_all(tasks);
    let (_, beat) = scene.sent().unwrap();
    assert_eq!([&beat.active_tasks, &beat.standby_tasks, &beat.warmup_tasks], [&on_wire("0_0"), &on_wire("0_1"), &on_wire("0_2")]);
}

#[test]
fn the_groups_interval_and_throttling_are_followed() {
    for (interval, throttle, expected) in [(200, 0, 200), (500, 2000, 2000), (0, 0, 5000), (-5, 0, 5000), (1, 0, 10)] {
        let mut scene = Scene::new(settings());
        scene.answer(HeartbeatResponse { heartbeat_interval_ms: interval, throttle_time_ms: throttle, ..assigned(3, "") });
        assert_eq!(scene.until_deadline(), expected, "interval {interval}, throttle {throttle}");
    }
}

#[test]
fn a_request_to_stop_the_application_is_said_until_it_arrives() {
    let mut scene = Scene::owning("0_0");
    scene.say(ThreadEvent::ShutdownApplication);
    assert!(scene.sent().unwrap().1.shutdown_application);
    scene.lose().until_deadline();
    assert!(scene.sent().unwrap().1.shutdown_application);
    scene.answer(with_status(unchanged(3), 4));
    assert_eq!(scene.notices(), [NoticeKind::ShutdownApplication]);
    scene.until_deadline();
    assert!(!scene.sent().unwrap().1.shutdown_application);
}

#[test]
fn a_jvm_session_drives_the_member_to_the_tasks_the_jvm_had() {
    let session = include_str!("fixtures/kip1071/kip1071-jvm-session.txt");
    let responses: Vec<HeartbeatResponse> =
        session.lines().filter_map(|line| line.strip_prefix("< ")).map(|json| serde_json::from_str(json).unwrap()).collect();
    for (member, expected) in [("pZFuxpipTBCagAwvG0rsQA", "0_1 1_0 1_2"), ("OmvyCJtPQTuxsMBEdSSeNQ", "0_0 0_2 1_1")] {
        let mut scene = Scene::new(settings());
        let mut owned = Tasks::default();
        for response in responses.iter().filter(|response| response.member_id == member && response.member_epoch > 0) {
            if scene.sent().is_none() {
                scene.until_deadline();
            }
            scene.answer(response.clone());
            let assigned = scene
                .told()
                .into_iter()
                .rev()
                .find_map(|message| if let ThreadMessage::Assigned { tasks, .. } = message { Some(tasks) } else { None });
            if let Some(tasks) = assigned {
                owned = tasks;
                scene.owns_all(owned.clone());
            }
        }
        assert_eq!((owned, scene.member.membership()), (active(expected), Some(membership(1, 4))), "{member}");
    }
}
