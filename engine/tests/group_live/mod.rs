//! Stream threads as far as a group needs them, and a runtime for their members.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod raw;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use straum::group::member::{MemberSettings, ThreadMessage};
use straum::group::wire::{DescribedGroup, DescribedMember, EndpointPartitions, HeartbeatSubtopology, HeartbeatTopology};
use straum::group::{ClientSettings, GroupClient, GroupError, MemberHandle, Notice, Tasks};
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{Log, TopicSpec};
use tokio::runtime::Runtime;

/// How long something may take that a healthy group does within a session. A slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    &RUNTIME
}

pub(crate) fn connection(bootstrap: &str) -> ClientSettings {
    ClientSettings::new(bootstrap, "group-test")
}

pub(crate) fn client(bootstrap: &str, group: &str) -> GroupClient {
    GroupClient::new(runtime().handle().clone(), connection(bootstrap), group)
}

pub(crate) fn create_topic(bootstrap: &str, name: &str, partitions: u32) {
    let log = KafkaLog::connect(KafkaOptions::new(bootstrap, "group-test")).unwrap();
    log.create_topic(&TopicSpec { name: name.to_owned(), partitions, config: [].into() }).unwrap();
}

/// One sub-topology that reads one topic.
pub(crate) fn topology(source: &str) -> HeartbeatTopology {
    let subtopology =
        HeartbeatSubtopology { subtopology_id: "0".to_owned(), source_topics: vec![source.to_owned()], ..HeartbeatSubtopology::default() };
    HeartbeatTopology { epoch: 0, subtopologies: vec![subtopology] }
}

pub(crate) fn settings(process: &str, member: &str, source: &str) -> MemberSettings {
    MemberSettings::new("", process, member, topology(source))
}

pub(crate) fn tasks(active: &str) -> Tasks {
    Tasks { active: active.split_whitespace().map(|task| task.parse().unwrap()).collect(), ..Tasks::default() }
}

pub(crate) fn group(client: &GroupClient) -> DescribedGroup {
    let mut group = client.describe().wait(PATIENCE).expect("an answer in time").unwrap();
    group.members.sort_by(|left, right| left.member_id.cmp(&right.member_id));
    group
}

pub(crate) fn members(client: &GroupClient) -> Vec<DescribedMember> {
    group(client).members
}

/// A stream thread that opens and closes tasks in no time.
pub(crate) struct Thread {
    pub(crate) handle: MemberHandle,
    pub(crate) tasks: Tasks,
    pub(crate) ready: Option<bool>,
    pub(crate) assignments: usize,
    pub(crate) fenced: usize,
    pub(crate) notices: Vec<Notice>,
    pub(crate) endpoints: Vec<EndpointPartitions>,
    pub(crate) failed: Option<GroupError>,
    pub(crate) left: bool,
}

impl Thread {
    pub(crate) fn join(client: &GroupClient, settings: MemberSettings) -> Self {
        let handle = client.join(settings);
        let (notices, endpoints) = (Vec::new(), Vec::new());
        Self { handle, tasks: Tasks::default(), ready: None, assignments: 0, fenced: 0, notices, endpoints, failed: None, left: false }
    }

    fn turn(&mut self) {
        match self.handle.poll_for(Duration::from_millis(20)) {
            Some(ThreadMessage::Assigned { assignment, tasks, ready, .. }) => {
                self.handle.owns(assignment, tasks.clone());
                (self.tasks, self.ready) = (tasks, Some(ready));
                self.assignments += 1;
            }
            Some(ThreadMessage::Fenced) => {
                self.tasks = Tasks::default();
                self.fenced += 1;
                self.handle.aborted();
            }
            Some(ThreadMessage::Status(notices)) => self.notices = notices,
            Some(ThreadMessage::Endpoints(endpoints)) => self.endpoints = endpoints,
            Some(ThreadMessage::Failed(error)) => self.failed = Some(error),
            Some(ThreadMessage::Left) => self.left = true,
            Some(ThreadMessage::Epoch(_)) | None => {}
        }
    }
}

/// Lets the threads run until it is so.
pub(crate) fn until(what: &str, threads: &mut [Thread], mut holds: impl FnMut(&[Thread]) -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds(threads) {
        threads.iter_mut().for_each(Thread::turn);
        let seen: Vec<_> =
            threads.iter().map(|thread| (thread.handle.member_id(), &thread.tasks.active, thread.fenced, &thread.notices, &thread.failed)).collect();
        assert!(Instant::now() < give_up, "waited in vain until {what}: {seen:?}");
    }
}
