//! Applications of several instances on a broker without streams groups: a classic group hands out the tasks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use straum::log::Log;
use straum::log::kafka::{GroupProtocol, KafkaOptions};
use straum::runtime::{ProcessingGuarantee, State, StreamsConfig};
use support::application::{Application, Gate, Instance, PARTITIONS, TASKS, wait, wait_for_tasks};
use support::broker::Broker;
use support::reading::at;

static BROKER: LazyLock<Broker> = LazyLock::new(|| Broker::start_with("classic", &["group.coordinator.rebalance.protocols=classic,consumer"]));

fn classic(options: KafkaOptions) -> KafkaOptions {
    // Members hear of a rebalance by their next heartbeat, which comes every three seconds unless told otherwise.
    options.group_protocol(GroupProtocol::Classic).with("heartbeat.interval.ms", "200").with("session.timeout.ms", "6000")
}

fn application(id: &'static str) -> Application {
    Application::new(&BROKER, id).reaching(classic)
}

fn at_least_once(config: &mut StreamsConfig) {
    config.processing_guarantee = ProcessingGuarantee::AtLeastOnce;
    config.commit_interval = Duration::from_millis(50);
}

/// How many records of the input are committed.
fn committed(application: &Application) -> i64 {
    let input: Vec<_> = (0..PARTITIONS).map(|partition| at(&application.topic("in").into(), partition)).collect();
    application.log.committed(application.id, &input).unwrap().into_iter().flatten().map(|offset| offset.offset).sum()
}

/// The members that the broker shows.
fn members(group: &str) -> usize {
    let arguments = ["--bootstrap-server", "{bootstrap}", "--describe", "--members", "--group", group];
    let shown = BROKER.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &arguments);
    shown.lines().filter(|line| line.starts_with(group)).count()
}

fn have_all(instances: &[&Instance]) {
    let tasks: Vec<_> = instances.iter().flat_map(|instance| instance.tasks()).collect();
    assert_eq!((tasks.len(), tasks.into_iter().collect::<BTreeSet<_>>().len()), (TASKS, TASKS), "each task is someone's, and nobody has another's");
}

#[test]
fn a_second_instance_takes_its_share_and_hands_it_back_and_every_record_counts_once() {
    let application = application("moving");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = application.start(folders[0].path());
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    application.send(500);
    let mut second = application.start(folders[1].path());
    application.send(500);
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    have_all(&[&first, &second]);
    assert_eq!(members("moving"), 2);
    application.send(500);
    application.every_record_counts_once();
    // It leaves however it is closed.
    second.streams.close().unwrap();
    application.send(500);
    wait_for_tasks("the first has all tasks again", &[(&first, TASKS)]);
    application.every_record_counts_once();
    let read_in_part = first.streams.restored().iter().filter(|(_, restored)| restored.from.is_some()).count();
    assert!(read_in_part > 0, "what had been there before was restored from the state on disk");
}

#[test]
fn threads_of_a_process_share_its_tasks_and_a_restart_goes_on() {
    let application = application("threads");
    let folder = tempfile::tempdir().unwrap();
    let threads = |config: &mut StreamsConfig| config.num_stream_threads = 3;
    let mut first = application.instance(folder.path(), &Arc::default(), threads);
    wait_for_tasks("it has all tasks", &[(&first, TASKS)]);
    assert_eq!(members("threads"), 3);
    application.send(300);
    application.every_record_counts_once();
    first.streams.close().unwrap();
    assert_eq!(members("threads"), 0);
    let again = application.instance(folder.path(), &Arc::default(), threads);
    application.send(300);
    wait_for_tasks("it has all tasks again", &[(&again, TASKS)]);
    application.every_record_counts_once();
}

#[test]
fn at_least_once_commits_in_the_members_name() {
    let application = application("at-least-once");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.instance(folders[0].path(), &Arc::default(), at_least_once);
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    application.send(300);
    let mut second = application.instance(folders[1].path(), &Arc::default(), at_least_once);
    application.send(300);
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    application.send(300);
    // Nobody was killed, so nothing comes twice.
    application.every_record_counts_once();
    first.streams.close().unwrap();
    second.streams.close().unwrap();
    assert_eq!(committed(&application), 900);
}

#[test]
fn a_thread_that_hangs_commits_nothing_and_joins_again() {
    let application = application("hanging");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let gate = Arc::new(Gate::default());
    let hanging = application.instance(folders[0].path(), &gate, |config| config.max_poll_interval = Duration::from_secs(2));
    let other = application.outlives_a_thread_that_hangs(&hanging, &gate, folders[1].path());
    have_all(&[&hanging, &other]);
}

#[test]
fn a_thread_that_hangs_at_least_once_commits_nothing_in_anothers_place() {
    let application = application("hanging-at-least-once");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let gate = Arc::new(Gate::default());
    let hanging = application.instance(folders[0].path(), &gate, |config| {
        at_least_once(config);
        config.max_poll_interval = Duration::from_secs(2);
    });
    wait_for_tasks("the first has all tasks", &[(&hanging, TASKS)]);
    gate.set(true);
    application.send(100);
    wait("it is named", || hanging.streams.troubles().iter().any(|trouble| trouble.contains("thread 1 ")));
    let mut other = application.instance(folders[1].path(), &Arc::default(), at_least_once);
    application.send(100);
    wait("the other has done more than the first had read", || committed(&application) == 200);
    // Nobody is left in the group who would be in the way of an offset.
    other.streams.close().unwrap();
    gate.set(false);
    wait_for_tasks("it is back", &[(&hanging, TASKS)]);
    wait("it has nothing to do", || hanging.streams.is_idle());
    let again = hanging.streams.tasks().iter().filter(|task| task.id.subtopology == 0).map(|task| task.processed).sum::<u64>();
    assert_eq!((again, committed(&application)), (0, 200), "it goes on where the other ended");
}

#[test]
fn members_that_lose_the_coordinator_drop_everything_and_join_again() {
    let broker = Broker::start_with("classic-lost", &["group.coordinator.rebalance.protocols=classic,consumer"]);
    let application = Application::new(&broker, "lost").reaching(classic);
    let folder = tempfile::tempdir().unwrap();
    let instance = application.start(folder.path());
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
    application.send(200);
    application.every_record_counts_once();
    broker.kill();
    wait("the session has timed out", || instance.streams.state() == State::Rebalancing && instance.tasks().is_empty());
    broker.start_again();
    wait_for_tasks("it has all tasks again", &[(&instance, TASKS)]);
    application.send(200);
    application.every_record_counts_once();
}

#[test]
fn without_the_setting_the_error_names_it() {
    let application = Application::new(&BROKER, "streams");
    let folder = tempfile::tempdir().unwrap();
    let mut refused = application.start(folder.path());
    wait("the application has ended", || refused.streams.state() == State::Error);
    let errors = refused.streams.errors().join("; ");
    assert!(errors.contains("group.protocol=classic") && errors.contains("group.coordinator.rebalance.protocols"), "{errors}");
    assert!(refused.streams.close().is_err());
}
