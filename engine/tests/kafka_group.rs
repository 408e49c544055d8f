//! Streams groups on a real broker: members join, share, leave, come back, are fenced, and say why they wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod group_live;
mod support;

use std::sync::LazyLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use group_live::raw::Raw;
use group_live::{PATIENCE, Thread, client, create_topic, group, members, settings, topology, until};
use straum::group::member::MemberSettings;
use straum::group::wire::{DescribeRequest, Endpoint, HeartbeatRequest, KeyValue};
use straum::group::{GroupErrorKind, NoticeKind, Tasks};
use straum::log::{CommittedOffset, GroupMembership, TopicPartition};
use support::broker::Broker;

static BROKER: LazyLock<Broker> = LazyLock::new(|| {
    let broker = Broker::start("group");
    create_topic(broker.bootstrap(), "orders", 4);
    broker
});

fn all_tasks() -> Tasks {
    group_live::tasks("0_0 0_1 0_2 0_3")
}

#[test]
fn two_members_share_the_tasks_and_the_last_one_has_them_all() {
    let client = client(BROKER.bootstrap(), "share");
    let mut threads = [Thread::join(&client, settings("p1", "m1", "orders")), Thread::join(&client, settings("p2", "m2", "orders"))];
    until("both have two tasks", &mut threads, |threads| threads.iter().all(|thread| thread.tasks.active.len() == 2));
    let mut both = threads[0].tasks.clone();
    both.active.extend(&threads[1].tasks.active);
    assert_eq!(both, all_tasks(), "disjoint, and all of them");

    until("the group is stable", &mut threads, |_| group(&client).group_state == "Stable");
    let described = group(&client);
    assert_eq!(described.topology.unwrap().subtopologies.unwrap()[0].source_topics, ["orders"]);
    let shown: Vec<_> = described.members.iter().map(|member| (member.member_id.as_str(), member.process_id.as_str(), member.member_epoch)).collect();
    let epoch = threads[0].handle.membership().unwrap().epoch;
    assert_eq!(shown, [("m1", "p1", epoch), ("m2", "p2", epoch)]);

    let [mut first, second] = threads;
    first.tasks = Tasks::default();
    first.handle.close(true);
    let mut threads = [first, second];
    until("the other has all", &mut threads, |threads| threads[0].left && threads[1].tasks == all_tasks());
    assert_eq!(threads[0].handle.membership(), None);
}

#[test]
fn a_restart_under_the_same_id_moves_nothing() {
    let client = client(BROKER.bootstrap(), "restart");
    let mut threads = [Thread::join(&client, settings("p1", "m1", "orders")), Thread::join(&client, settings("p2", "m2", "orders"))];
    until("both have two tasks", &mut threads, |threads| threads.iter().all(|thread| thread.tasks.active.len() == 2));
    until("the group is stable", &mut threads, |_| group(&client).group_state == "Stable");
    let epoch = group(&client).group_epoch;
    let [mut first, other] = threads;
    let before = first.tasks.clone();
    let told_other = other.assignments;
    first.handle.close(false);
    until("it is silent", std::slice::from_mut(&mut first), |threads| threads[0].left);

    let mut threads = [Thread::join(&client, settings("p1", "m1", "orders")), other];
    until("its tasks are back", &mut threads, |threads| threads[0].assignments > 0);
    assert_eq!((threads[0].tasks.clone(), threads[0].handle.membership().unwrap().epoch), (before, epoch), "with its first answer");
    let group = group(&client);
    assert_eq!((group.group_epoch, group.group_state.as_str(), threads[1].assignments), (epoch, "Stable", told_other));
}

#[test]
fn a_member_stopped_past_its_session_is_fenced_commits_nothing_and_rejoins() {
    let alone = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bootstrap = BROKER.bootstrap();
    let stopped_client = straum::group::GroupClient::new(alone.handle().clone(), group_live::connection(bootstrap), "zombie");
    let other_client = client(bootstrap, "zombie");
    let mut threads = [Thread::join(&stopped_client, settings("p1", "m1", "orders")), Thread::join(&other_client, settings("p2", "m2", "orders"))];
    until("both have two tasks", &mut threads, |threads| threads.iter().all(|thread| thread.tasks.active.len() == 2));
    let (stale, task) = (threads[0].handle.membership().unwrap(), *threads[0].tasks.active.first().unwrap());

    // Its runtime has one thread, and that one waits: as if the process were stopped.
    let (wake, sleeping) = mpsc::channel::<()>();
    alone.spawn(async move { _ = sleeping.recv() });
    until("the other has all", &mut threads[1..], |threads| threads[0].tasks == all_tasks());
    let in_its_name = GroupMembership { group: "zombie".to_owned(), member: Some(("m1".to_owned(), stale.epoch)) };
    let refused = other_client.commit_offsets(&in_its_name, &[offset("orders", task.partition, 5)]).wait(PATIENCE).unwrap().unwrap_err();
    assert_eq!(refused.kind(), GroupErrorKind::Fenced, "{refused}");
    println!("the zombie's commit: {refused}");

    drop(wake);
    until("it is fenced, and back", &mut threads, |threads| threads[0].fenced == 1 && threads[0].tasks.active.len() == 2);
    assert_eq!(threads[0].handle.membership().unwrap().number, stale.number + 1, "another membership");
}

#[test]
fn a_missing_source_topic_is_named_and_the_tasks_come_when_it_is_made() {
    let client = client(BROKER.bootstrap(), "missing");
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: 7070 };
    let tags = vec![KeyValue { key: "zone".to_owned(), value: "a".to_owned() }];
    let member = MemberSettings { user_endpoint: Some(endpoint.clone()), client_tags: tags.clone(), ..settings("p1", "m1", "late-orders") };
    let mut threads = [Thread::join(&client, member)];
    until("it says so", &mut threads, |threads| {
        threads[0].notices.iter().any(|notice| notice.kind() == NoticeKind::MissingSourceTopics && notice.detail().contains("late-orders"))
    });
    until("the group says so", &mut threads, |threads| threads[0].ready == Some(false));
    assert!(threads[0].tasks.is_empty());
    println!("{}", threads[0].notices[0]);

    create_topic(BROKER.bootstrap(), "late-orders", 2);
    until("the tasks come", &mut threads, |threads| threads[0].tasks == group_live::tasks("0_0 0_1") && threads[0].ready == Some(true));
    until("all is said", &mut threads, |threads| threads[0].notices.is_empty());
    until("the endpoint is known", &mut threads, |threads| threads[0].endpoints.iter().any(|known| known.user_endpoint == endpoint));
    let described = members(&client);
    assert_eq!((described[0].user_endpoint.as_ref(), &described[0].client_tags), (Some(&endpoint), &tags));
}

#[test]
fn offsets_are_committed_by_members_at_their_epoch() {
    let client = client(BROKER.bootstrap(), "offsets");
    let mut threads = [Thread::join(&client, settings("p1", "m1", "orders"))];
    until("it has all", &mut threads, |threads| threads[0].tasks == all_tasks());
    let epoch = threads[0].handle.membership().unwrap().epoch;
    let as_member = |id: &str, epoch| GroupMembership { group: "offsets".to_owned(), member: Some((id.to_owned(), epoch)) };
    let commit = |membership: &GroupMembership| {
        client.commit_offsets(membership, &[offset("orders", 1, 42)]).wait(PATIENCE).unwrap().map_err(|error| error.kind())
    };
    assert_eq!(commit(&as_member("m1", epoch)), Ok(()));
    assert_eq!(commit(&as_member("m1", epoch + 1)), Err(GroupErrorKind::StaleEpoch));
    assert_eq!(commit(&as_member("m9", epoch)), Err(GroupErrorKind::Fenced));
    let nobody = GroupMembership { group: "offsets".to_owned(), member: None };
    assert_eq!(commit(&nobody), Err(GroupErrorKind::Fenced), "the group has members");

    let partitions = [TopicPartition::new("orders", 0), TopicPartition::new("orders", 1)];
    let fetch = |membership: &GroupMembership| client.fetch_offsets(membership, &partitions).wait(PATIENCE).unwrap();
    assert_eq!(fetch(&as_member("m1", epoch)).unwrap(), [None, Some(offset("orders", 1, 42))]);
    assert_eq!(fetch(&nobody).unwrap(), [None, Some(offset("orders", 1, 42))]);
    assert_eq!(fetch(&as_member("m1", epoch + 1)).unwrap_err().kind(), GroupErrorKind::StaleEpoch);

    assert!(client.delete().wait(PATIENCE).unwrap().is_err(), "it has members");
    threads[0].handle.close(true);
    until("it has left", &mut threads, |threads| threads[0].left);
    assert_eq!(commit(&nobody), Ok(()), "an administrator's commit to an empty group");
    client.delete().wait(PATIENCE).unwrap().unwrap();
    assert_eq!(fetch(&nobody).unwrap(), [None, None]);
}

#[test]
fn another_topology_is_refused_with_a_remedy() {
    let client = client(BROKER.bootstrap(), "changed");
    let mut threads = [Thread::join(&client, settings("p1", "m1", "orders"))];
    until("it is in", &mut threads, |threads| threads[0].assignments > 0);
    create_topic(BROKER.bootstrap(), "other", 1);
    let mut changed = [Thread::join(&client, settings("p2", "m2", "other"))];
    until("it is refused", &mut changed, |threads| threads[0].failed.is_some());
    let error = changed[0].failed.clone().unwrap();
    assert_eq!(error.kind(), GroupErrorKind::Fatal);
    assert!(error.to_string().contains("straum reset"), "{error}");
}

#[test]
fn a_thread_that_does_not_poll_loses_its_tasks_to_others() {
    let client = client(BROKER.bootstrap(), "silent");
    let impatient = MemberSettings { max_poll_interval: Duration::from_secs(2), ..settings("p1", "m1", "orders") };
    let mut threads = [Thread::join(&client, impatient), Thread::join(&client, settings("p2", "m2", "orders"))];
    until("both have two tasks", &mut threads, |threads| threads.iter().all(|thread| thread.tasks.active.len() == 2));
    // Only the second is polled.
    until("the other has all", &mut threads[1..], |threads| threads[0].tasks == all_tasks());
    assert_eq!(threads[0].handle.membership(), None);
    until("it is back", &mut threads, |threads| threads[0].fenced == 1 && threads[0].tasks.active.len() == 2);
}

#[test]
fn a_coordinator_does_not_repeat_what_a_lost_answer_said() {
    // What the member's verification is for. Should a broker begin to repeat itself, nothing breaks.
    let mut raw = Raw::connect(BROKER.bootstrap(), "repeats");
    let beat = |epoch| HeartbeatRequest {
        group_id: "repeats".to_owned(),
        member_id: "m1".to_owned(),
        member_epoch: epoch,
        endpoint_information_epoch: -1,
        rebalance_timeout_ms: -1,
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        ..HeartbeatRequest::default()
    };
    let join = HeartbeatRequest {
        rebalance_timeout_ms: 60_000,
        topology: Some(topology("orders")),
        process_id: Some("p1".to_owned()),
        client_tags: Some(Vec::new()),
        ..beat(0)
    };
    let mut answer = raw.ask(&join, 0);
    let deadline = Instant::now() + PATIENCE;
    // The first to ask for a group's coordinator may be told before it knows that it is.
    while matches!(answer.error_code, 14..=16) && Instant::now() < deadline {
        answer = raw.ask(&join, 0);
    }
    for _ in 0..100 {
        if answer.active_tasks.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
            break;
        }
        assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
        answer = raw.ask(&beat(answer.member_epoch), 0);
    }
    assert!(answer.active_tasks.is_some_and(|tasks| !tasks.is_empty()), "it has tasks");
    // As if that answer had been lost: the owned tasks are told again, and are none.
    let again = raw.ask(&beat(answer.member_epoch), 0);
    assert_eq!((again.error_code, again.member_epoch, again.active_tasks), (0, answer.member_epoch, None));
    let described = raw.ask(&DescribeRequest { group_ids: vec!["repeats".to_owned()], include_authorized_operations: false }, 0);
    assert_eq!(described.groups[0].members[0].assignment.active_tasks[0].partitions, [0, 1, 2, 3]);
}

#[test]
fn a_broker_without_streams_groups_says_fall_back() {
    let broker = Broker::start_with("group-classic", &["group.coordinator.rebalance.protocols=classic,consumer"]);
    create_topic(broker.bootstrap(), "orders", 1);
    let mut threads = [Thread::join(&client(broker.bootstrap(), "classic"), settings("p1", "m1", "orders"))];
    until("it is refused", &mut threads, |threads| threads[0].failed.is_some());
    let error = threads[0].failed.clone().unwrap();
    assert_eq!(error.kind(), GroupErrorKind::Unsupported, "{error}");
    println!("{error}");
}

#[test]
fn members_outlive_a_restart_of_their_broker() {
    let broker = Broker::start("group-restart");
    create_topic(broker.bootstrap(), "orders", 4);
    let client = client(broker.bootstrap(), "outlive");
    let mut threads = [Thread::join(&client, settings("p1", "m1", "orders")), Thread::join(&client, settings("p1", "m2", "orders"))];
    until("both have two tasks", &mut threads, |threads| threads.iter().all(|thread| thread.tasks.active.len() == 2));
    broker.kill();
    until("they notice", &mut threads, |threads| {
        threads.iter().all(|thread| thread.notices.iter().any(|notice| notice.kind() == NoticeKind::Trouble))
    });
    println!("{}", threads[0].notices[0]);
    broker.start_again();
    until("all is well again", &mut threads, |threads| threads.iter().all(|thread| thread.notices.is_empty() && thread.tasks.active.len() == 2));
    until("the group is stable", &mut threads, |_| group(&client).group_state == "Stable");
}

fn offset(topic: &str, partition: u32, offset: i64) -> CommittedOffset {
    CommittedOffset { partition: TopicPartition::new(topic, partition), offset, metadata: "m".to_owned() }
}
