//! Applications of several instances on a real broker: tasks move between them, and every record counts once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::kafka::{GroupProtocol, KafkaLog, KafkaOptions};
use straum::log::{HeaderView, Log, OutputBatch, TopicSpec};
use straum::runtime::{ProcessingGuarantee, State, Streams, StreamsConfig, StreamsOptions, TaskRole, TopologyOptimization};
use straum::serde::{I64, Utf8};
use straum::topology::TaskId;
use support::application::{Application, CUSTOMERS, Gate, Instance, PARTITIONS, TASKS, wait, wait_for_tasks};
use support::broker::Broker;
use support::reading::{at, producer};

static BROKER: LazyLock<Broker> = LazyLock::new(|| Broker::start("streams"));

/// Counts and their outputs on a log, in one process.
fn run_alone(log: Arc<KafkaLog>, folder: &Path) -> Streams {
    let builder = StreamsBuilder::new();
    let input = builder.stream("alone-in", Consumed::with(Utf8, Utf8));
    input
        .group_by_key("by-key", Grouped::with(Utf8, Utf8))
        .count(Materialized::named("counts"))
        .to_stream()
        .to("alone-out", Produced::with(Utf8, I64));
    let mut config = StreamsConfig::new("alone");
    config.state_dir = folder.to_owned();
    let mut streams = Streams::new(&builder.build().unwrap(), config, log, StreamsOptions::default());
    streams.start().unwrap();
    streams
}

#[test]
fn tasks_move_between_instances_and_every_record_counts_once() {
    let application = Application::new(&BROKER, "moving");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.start(folders[0].path());
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    application.send(500);
    let second = application.start(folders[1].path());
    application.send(500);
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    let mut all = first.tasks();
    all.extend(second.tasks());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), TASKS, "nobody has another's");
    application.send(500);
    let shown = BROKER.tool(
        "org.apache.kafka.tools.streams.StreamsGroupCommand",
        &["--bootstrap-server", "{bootstrap}", "--describe", "--members", "--group", "moving"],
    );
    assert_eq!(shown.lines().filter(|line| line.starts_with("moving")).count(), 2, "{shown}");
    first.streams.close_and_leave().unwrap();
    application.send(500);
    wait_for_tasks("the second has all tasks", &[(&second, TASKS)]);
    application.every_record_counts_once();
    assert!(
        second.streams.restored().iter().any(|(_, restored)| restored.from.is_none() && restored.records > 0),
        "what moved was read from its changelog"
    );
}

#[test]
fn an_instance_that_is_back_has_its_tasks_again_and_nothing_moves() {
    let application = Application::new(&BROKER, "back");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.start(folders[0].path());
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    application.send(500);
    application.every_record_counts_once();
    let (tasks, others) = (first.tasks(), second.tasks());
    second.states.lock().unwrap().clear();
    first.streams.close().unwrap();
    application.send(100);
    let again = application.start(folders[0].path());
    wait_for_tasks("it is back", &[(&again, TASKS / 2)]);
    assert_eq!((again.tasks(), second.tasks()), (tasks, others));
    assert_eq!(*second.states.lock().unwrap(), [], "the other has noticed nothing");
    application.every_record_counts_once();
    let from_the_beginning = again.streams.restored().into_iter().filter(|(_, restored)| restored.from.is_none() && restored.records > 0).count();
    assert_eq!(from_the_beginning, 0, "its state is still there");
}

/// How many tasks an instance keeps copies for that have everything there is.
fn copies(instance: &Instance) -> usize {
    let changelogs = instance.streams.changelogs();
    changelogs.iter().filter(|changelog| changelog.role == TaskRole::Standby && changelog.position >= changelog.end).count()
}

fn rows(instance: &Instance) -> usize {
    instance.streams.store::<String, i64>("counts").map_or(0, |store| store.all().unwrap().len())
}

#[test]
fn a_standby_task_becomes_active_with_the_copy_it_has() {
    let application = Application::new(&BROKER, "standby");
    BROKER.tool(
        "kafka.admin.ConfigCommand",
        &[
            "--bootstrap-server",
            "{bootstrap}",
            "--alter",
            "--entity-type",
            "groups",
            "--entity-name",
            "standby",
            "--add-config",
            "streams.num.standby.replicas=1",
        ],
    );
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.start(folders[0].path());
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    application.send(500);
    application.every_record_counts_once();
    wait("each state has a copy", || copies(&first) + copies(&second) == PARTITIONS as usize);
    wait("the copies answer no queries", || rows(&first) + rows(&second) == CUSTOMERS);
    let copied: Vec<TaskId> = second.streams.changelogs().iter().map(|changelog| changelog.task).collect();
    assert!(!copied.is_empty());
    first.streams.close_and_leave().unwrap();
    wait_for_tasks("the second has all tasks", &[(&second, TASKS)]);
    let promoted: Vec<_> = second.streams.restored().into_iter().filter(|(task, _)| copied.contains(task)).collect();
    assert_eq!(promoted.len(), copied.len());
    for (task, restored) in &promoted {
        // A partition that no customer falls into has nothing to copy.
        assert!((restored.from.is_some() || restored.end == 0) && restored.bytes == 0, "{task} had everything: {restored:?}");
    }
    assert!(promoted.iter().any(|(_, restored)| restored.from.is_some()), "{promoted:?}");
    assert_eq!(rows(&second), CUSTOMERS);
    application.send(200);
    application.every_record_counts_once();
}

/// Where the copies of the table stand, all together.
fn copied(instances: &[&Instance]) -> i64 {
    let changelogs = instances.iter().flat_map(|instance| instance.streams.changelogs());
    changelogs.filter(|changelog| changelog.role == TaskRole::Standby && &*changelog.store == "rows").map(|changelog| changelog.position).sum()
}

#[test]
fn a_table_is_restored_and_copied_from_its_source_topic_up_to_what_was_processed() {
    let application = Application::new(&BROKER, "reusing");
    let group = ["--entity-type", "groups", "--entity-name", "reusing", "--add-config", "streams.num.standby.replicas=1"];
    BROKER.tool("kafka.admin.ConfigCommand", &[&["--bootstrap-server", "{bootstrap}", "--alter"], &group[..]].concat());
    let mut config = StreamsConfig::new("reusing");
    config.topology_optimization = TopologyOptimization::ReuseSourceTopics;
    let builder = StreamsBuilder::new();
    // Every key is new: a row that is there before its record is processed is taken from its customer's count first.
    let table = builder.table(application.topic("in"), Consumed::with(Utf8, Utf8), Materialized::named("rows"));
    // Only a sub-topology with a changelog of its own is one that the broker hands out copies of.
    let kept = table.filter(|_, _| true).materialize(Materialized::with("kept", Utf8));
    let grouped = kept.group_by("by-customer", |_, customer| (customer.clone(), customer.clone()), Grouped::with(Utf8, Utf8));
    grouped.count(Materialized::named("counts")).to_stream().to(application.topic("out"), Produced::with(Utf8, I64));
    let topology = builder.build_for(&config).unwrap();
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let start = |folder: &tempfile::TempDir| {
        application.instance_of(&topology, folder.path(), |config| config.topology_optimization = TopologyOptimization::ReuseSourceTopics)
    };
    let rows = |instance: &Instance| instance.streams.store::<String, String>("rows").map_or(0, |store| store.all().unwrap().len());

    let mut first = start(&folders[0]);
    let mut second = start(&folders[1]);
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    application.send(300);
    application.every_record_counts_once();
    wait("the table's copies have followed", || copied(&[&first, &second]) == 300);
    first.streams.close_and_leave().unwrap();
    application.send(100);
    wait_for_tasks("the second has all tasks", &[(&second, TASKS)]);
    application.every_record_counts_once();
    assert_eq!(rows(&second), 400);
    second.streams.close_and_leave().unwrap();

    application.send(50);
    let third = start(&folders[2]);
    wait_for_tasks("the third has all tasks", &[(&third, TASKS)]);
    let restored = third.streams.restored().into_iter().map(|(_, restored)| restored).filter(|restored| &*restored.store == "rows");
    assert_eq!(restored.map(|restored| (restored.from, restored.records)).fold((None, 0), |sum, one| (sum.0.or(one.0), sum.1 + one.1)), (None, 400));
    application.every_record_counts_once();
    assert_eq!(rows(&third), 450);
    let topics = BROKER.tool("org.apache.kafka.tools.TopicCommand", &["--bootstrap-server", "{bootstrap}", "--list"]);
    assert!(topics.contains("reusing-counts-changelog") && topics.contains("reusing-kept-changelog") && !topics.contains("reusing-rows"), "{topics}");
}

#[test]
fn state_of_tasks_that_have_moved_away_is_deleted_after_a_delay() {
    let application = Application::new(&BROKER, "cleaned");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let cleaned = |config: &mut StreamsConfig| config.state_cleanup_delay = Duration::from_millis(100);
    let first = application.instance(folders[0].path(), &Arc::default(), cleaned);
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    let on_disk = || {
        let entries = std::fs::read_dir(folders[0].path().join(application.id)).unwrap();
        let mut tasks: Vec<TaskId> = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
        tasks.sort();
        tasks
    };
    assert_eq!(on_disk(), first.tasks());
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    wait("what has moved is deleted", || on_disk() == first.tasks());
}

#[test]
fn a_thread_that_hangs_loses_its_tasks_until_it_is_back_and_what_it_had_begun_counts_for_nothing() {
    let application = Application::new(&BROKER, "hanging");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let gate = Arc::new(Gate::default());
    let hanging = application.instance(folders[0].path(), &gate, |config| {
        let settings = [("application.id", "hanging"), ("max.poll.interval.ms", "2000")];
        config.max_poll_interval = StreamsConfig::from_settings(settings).unwrap().max_poll_interval;
    });
    application.outlives_a_thread_that_hangs(&hanging, &gate, folders[1].path());
}

#[test]
fn an_application_that_is_paused_keeps_its_place_in_the_group() {
    let application = Application::new(&BROKER, "paused");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = application.instance(folders[0].path(), &Arc::default(), |config| config.max_poll_interval = Duration::from_secs(1));
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    first.streams.pause();
    application.send(100);
    let rounds = first.streams.rounds();
    let since = Instant::now();
    // Longer than a thread may be silent.
    wait("it has been paused for a while", || since.elapsed() > Duration::from_secs(2) && first.streams.rounds() > rounds + 10);
    assert_eq!((first.tasks().len(), first.streams.state()), (TASKS, State::Running));
    // It lets go of what the group gives to another, paused as it is.
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    first.streams.resume();
    application.every_record_counts_once();
}

#[test]
fn a_source_topic_that_is_missing_is_named_and_waited_for() {
    let application = Application::without_input(&BROKER, "waiting");
    let folder = tempfile::tempdir().unwrap();
    let instance = application.start(folder.path());
    wait("the topic is named", || instance.streams.notices().iter().any(|notice| notice.contains("waiting-in")));
    assert_eq!((instance.streams.state(), instance.tasks()), (State::Rebalancing, Vec::new()));
    application.create_topic("in");
    application.send(50);
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
    application.every_record_counts_once();
    assert_eq!(instance.streams.notices(), [""; 0]);
}

#[test]
fn a_broker_without_streams_groups_is_named_and_one_process_runs_on_it() {
    let broker = Broker::start_with("no-streams", &["group.coordinator.rebalance.protocols=classic,consumer"]);
    let options = || KafkaOptions::new(broker.bootstrap(), "alone");
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(KafkaLog::connect(options()).unwrap());
    for name in ["alone-in", "alone-out"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
    }
    let mut refused = run_alone(Arc::clone(&log), folder.path());
    wait("the application has ended", || refused.state() == State::Error);
    let errors = refused.errors().join("; ");
    assert!(errors.contains("group.protocol=classic") && errors.contains("group.coordinator.rebalance.protocols"), "{errors}");
    assert!(refused.close().is_err());

    let fixed = Arc::new(KafkaLog::connect(options().group_protocol(GroupProtocol::Fixed)).unwrap());
    let alone = run_alone(fixed, folder.path());
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"alone-in".into());
    batch.push(topic, 0, 1_000, Some(b"a"), Some(b"x"), HeaderView::new(&[]));
    let mut producer = producer(&*log, None);
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
    wait("it has counted", || alone.store::<String, i64>("counts").is_ok_and(|counts| counts.get(&"a".to_owned()).unwrap() == Some(1)));
}

#[test]
fn offsets_outside_transactions_are_committed_in_the_members_name() {
    let application = Application::new(&BROKER, "at-least-once");
    let folder = tempfile::tempdir().unwrap();
    let configure = |config: &mut StreamsConfig| {
        config.processing_guarantee = ProcessingGuarantee::AtLeastOnce;
        config.commit_interval = Duration::from_millis(50);
    };
    let mut first = application.instance(folder.path(), &Arc::default(), configure);
    application.send(300);
    application.every_record_counts_once();
    first.streams.close().unwrap();
    // Nothing is lost, and since nobody was killed nothing comes twice.
    let input: Vec<_> = (0..PARTITIONS).map(|partition| at(&application.topic("in").into(), partition)).collect();
    let committed = application.log.committed(application.id, &input).unwrap();
    assert_eq!(committed.into_iter().map(|offset| offset.unwrap().offset).sum::<i64>(), 300);
    let _again = application.instance(folder.path(), &Arc::default(), configure);
    application.send(100);
    application.every_record_counts_once();
}
