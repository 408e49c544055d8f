//! What goes wrong between an application and its cluster: it is told with its remedy, the process lives, and once it is mended
//! every record counts once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::{HeaderView, Log, OutputBatch, TopicSpec};
use straum::runtime::{State, StreamsConfig};
use straum::serde::{I64, Utf8};
use support::application::{Application, Gate, TASKS, told, wait, wait_for_tasks, wait_until_told};
use support::broker::Broker;
use support::reading::producer;

/// Everyone may do everything, but for one who has to be allowed.
static BROKER: LazyLock<Broker> = LazyLock::new(|| {
    let listeners = format!("PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},LOGIN://127.0.0.1:{}", *LOGIN);
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"build\";";
    let settings = [
        format!("listeners={listeners}"),
        format!("advertised.listeners={listeners}"),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT".to_owned(),
        "sasl.enabled.mechanisms=PLAIN".to_owned(),
        format!("listener.name.login.plain.sasl.jaas.config={login}"),
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
        "super.users=User:ANONYMOUS".to_owned(),
    ];
    Broker::start_with("troubles", &settings.each_ref().map(String::as_str))
});

/// Where one has to log in.
static LOGIN: LazyLock<u16> = LazyLock::new(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());

#[test]
fn an_internal_topic_with_the_wrong_number_of_partitions_is_named_until_it_is_deleted() {
    let application = Application::new(&BROKER, "partitions");
    let changelog = "partitions-counts-changelog";
    application.log.create_topic(&TopicSpec { name: changelog.to_owned(), partitions: 3, config: BTreeMap::new() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let instance = application.start(folder.path());
    wait_until_told(&instance, &[changelog, "3", "4"]);
    assert_eq!((instance.streams.state(), instance.tasks()), (State::Rebalancing, Vec::new()));
    BROKER.tool("TopicCommand", &["--bootstrap-server", "{bootstrap}", "--delete", "--topic", changelog]);
    application.send(100);
    wait_for_tasks("the broker has made it as it should be", &[(&instance, TASKS)]);
    application.every_record_counts_once();
}

#[test]
fn a_changed_topology_is_refused_with_what_can_be_done() {
    let application = Application::new(&BROKER, "changed");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = application.start(folders[0].path());
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    let builder = StreamsBuilder::new();
    let input = builder.stream(application.topic("in"), Consumed::with(Utf8, Utf8));
    let counts = input.group_by_key("by-key", Grouped::with(Utf8, Utf8)).count(Materialized::named("others"));
    counts.to_stream().to(application.topic("out"), Produced::with(Utf8, I64));
    let mut second = application.instance_of(&builder.build().unwrap(), folders[1].path(), |_| {});
    wait("it is refused", || second.streams.state() == State::Error);
    let told = told(&second);
    assert!(told.contains("topology") && told.contains("application.id") && told.contains("straum reset"), "{told}");
    assert!(second.streams.close().is_err());
    application.send(100);
    application.every_record_counts_once();
    assert_eq!(first.streams.state(), State::Running);
}

#[test]
fn a_broker_that_cannot_be_reached_is_waited_for() {
    let broker = Broker::start("away");
    let application = Application::new(&broker, "away");
    let folder = tempfile::tempdir().unwrap();
    broker.kill();
    let instance = application.start(folder.path());
    wait_until_told(&instance, &["bootstrap.servers"]);
    assert_eq!(instance.streams.state(), State::Rebalancing);
    broker.start_again();
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
    application.send(100);
    application.every_record_counts_once();
    // In the middle of its work, too.
    broker.kill();
    wait("it says so", || !told(&instance).is_empty());
    broker.start_again();
    application.send(100);
    application.every_record_counts_once();
}

#[test]
fn an_output_that_the_broker_finds_too_large_is_told_until_it_takes_it() {
    let id = "large";
    let application = Application::new(&BROKER, id);
    let out = application.topic("out");
    let limit = |bytes: &str| {
        let setting = format!("max.message.bytes={bytes}");
        let arguments = ["--bootstrap-server", "{bootstrap}", "--alter", "--entity-type", "topics", "--entity-name", &out, "--add-config", &setting];
        BROKER.tool("kafka.admin.ConfigCommand", &arguments);
    };
    limit("1000");
    let builder = StreamsBuilder::new();
    builder.stream(application.topic("in"), Consumed::with(Utf8, Utf8)).to(&*out, Produced::with(Utf8, Utf8));
    let folder = tempfile::tempdir().unwrap();
    let instance = application.instance_of(&builder.build().unwrap(), folder.path(), |_| {});
    let mut producer = producer(&*application.log, None);
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&application.topic("in").into());
    batch.push(topic, 0, 1_000, Some(b"k"), Some(&vec![b'x'; 10_000]), HeaderView::new(&[]));
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
    wait_until_told(&instance, &[&out, "max.message.bytes"]);
    assert_ne!(instance.streams.state(), State::Error);
    limit("1000000");
    let partition = support::reading::at(&out.as_str().into(), 0);
    let read = || {
        support::reading::read(&*application.log, straum::log::Isolation::ReadCommitted, &partition, application.log.offsets(&partition).unwrap().1)
    };
    let rows = support::reading::wait_for("the record", || Some(read()).filter(|rows| !rows.is_empty()));
    assert_eq!(rows.iter().map(|(_, row)| row.value.as_ref().unwrap().len()).collect::<Vec<_>>(), [10_000]);
}

#[test]
fn a_transaction_that_expires_is_begun_anew_and_counts_once() {
    let application = Application::new(&BROKER, "expired");
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let short = |config: &mut StreamsConfig| {
        config.transaction_timeout = Duration::from_secs(1);
        config.commit_interval = Duration::from_millis(400);
    };
    let instance = application.instance(folder.path(), &gate, short);
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
    application.send(200);
    application.every_record_counts_once();
    // A closure takes longer than a transaction may.
    gate.set(true);
    application.send(200);
    let since = Instant::now();
    wait("the broker has ended the transaction", || since.elapsed() > Duration::from_secs(3));
    gate.set(false);
    application.send(200);
    application.every_record_counts_once();
    assert_eq!(instance.streams.state(), State::Running);
}

#[test]
fn a_right_that_is_missing_is_named_and_waited_for() {
    let login = format!("127.0.0.1:{}", *LOGIN);
    let application = Application::new(&BROKER, "rights").reaching(|mut options| {
        options.bootstrap_servers = login;
        let options = options.with("security.protocol", "SASL_PLAINTEXT").with("sasl.mechanism", "PLAIN");
        options.with("sasl.username", "bob").with("sasl.password", "build")
    });
    let grant = |rights: &[&str]| {
        let arguments = ["--bootstrap-server", "{bootstrap}", "--add", "--allow-principal", "User:bob", "--resource-pattern-type", "prefixed"];
        BROKER.tool("AclCommand", &[&arguments, rights].concat());
    };
    let folder = tempfile::tempdir().unwrap();
    let instance = application.start(folder.path());
    wait_until_told(&instance, &["TransactionalIdAuthorizationFailed", "grant WRITE and DESCRIBE"]);
    assert_eq!(instance.streams.state(), State::Rebalancing);
    grant(&["--transactional-id", "rights", "--operation", "All"]);
    wait_until_told(&instance, &["GROUP_AUTHORIZATION_FAILED"]);
    grant(&["--group", "rights", "--operation", "All"]);
    wait_until_told(&instance, &["TOPIC_AUTHORIZATION_FAILED"]);
    grant(&["--topic", "rights", "--operation", "All"]);
    application.send(100);
    application.every_record_counts_once();
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
}
