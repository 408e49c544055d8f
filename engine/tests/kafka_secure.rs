//! Applications on a broker that asks who they are: what they read and write and the group they are in take the same settings,
//! every record counts once, and what is not accepted is told with its remedy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::LazyLock;

use straum::log::kafka::KafkaOptions;
use straum::runtime::{ConfigSources, State};
use support::application::{Application, TASKS, told, wait, wait_for_tasks, wait_until_told};
use support::broker::Broker;

static BROKER: LazyLock<Broker> = LazyLock::new(|| Broker::start_secure("secure", &[]));

/// As an operator gives them.
type Variables = Vec<(&'static str, String)>;

/// As NAIS gives them: who one is, and who the broker is, by PEM files.
fn by_certificate(own: &str, authority: &str) -> Variables {
    vec![
        ("KAFKA_BROKERS", BROKER.tls().to_owned()),
        ("KAFKA_CA_PATH", BROKER.certificate(&format!("{authority}.pem"))),
        ("KAFKA_CERTIFICATE_PATH", BROKER.certificate(&format!("{own}.pem"))),
        ("KAFKA_PRIVATE_KEY_PATH", BROKER.certificate(&format!("{own}.key"))),
    ]
}

fn by_password(user: &str, password: &str) -> Variables {
    vec![
        ("STRAUM_BOOTSTRAP_SERVERS", BROKER.login().to_owned()),
        ("STRAUM_SECURITY_PROTOCOL", "SASL_SSL".to_owned()),
        ("STRAUM_SSL_CA_LOCATION", BROKER.certificate("ca.pem")),
        ("STRAUM_SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
        ("STRAUM_SASL_USERNAME", user.to_owned()),
        ("STRAUM_SASL_PASSWORD", password.to_owned()),
    ]
}

/// The test itself goes by the open listener.
fn application(id: &'static str, variables: &Variables) -> Application {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let options: KafkaOptions = ConfigSources::new().environment(variables).unwrap().kafka(id).unwrap();
    Application::new(&BROKER, id).reaching(|_| options)
}

#[test]
fn tasks_move_between_instances_and_every_record_counts_once() {
    for (id, variables) in [("by-certificate", by_certificate("client", "ca")), ("by-password", by_password("alice", "wonder"))] {
        let application = application(id, &variables);
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut first = application.start(folders[0].path());
        let second = application.start(folders[1].path());
        application.send(300);
        wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
        application.every_record_counts_once();
        first.streams.close_and_leave().unwrap();
        application.send(300);
        wait_for_tasks("the second has all tasks", &[(&second, TASKS)]);
        application.every_record_counts_once();
        assert_eq!(told(&second), "", "{id}");
    }
}

#[test]
fn what_is_not_accepted_is_told_with_its_remedy_and_the_application_lives() {
    for (id, variables, words) in [
        ("wrong-password", by_password("alice", "hunter2"), &["SCRAM-SHA-512", "check security.protocol, sasl.*"][..]),
        ("strange-client", by_certificate("stranger", "ca"), &["ssl.certificate.location"]),
        ("strange-broker", by_certificate("client", "stranger-ca"), &["ssl.ca.location"]),
    ] {
        let application = application(id, &variables);
        let folder = tempfile::tempdir().unwrap();
        let mut instance = application.start(folder.path());
        wait_until_told(&instance, words);
        assert!(!told(&instance).contains("hunter2"), "{}", told(&instance));
        assert_eq!((instance.streams.state(), instance.tasks()), (State::Rebalancing, Vec::new()), "{id}");
        instance.streams.close().unwrap();
    }
}

#[test]
fn a_user_whom_the_broker_learns_of_later_is_let_in() {
    let application = application("newcomer", &by_password("carol", "hunter2"));
    let folder = tempfile::tempdir().unwrap();
    let instance = application.start(folder.path());
    wait_until_told(&instance, &["sasl.*"]);
    application.send(100);
    let user = ["--entity-type", "users", "--entity-name", "carol", "--add-config", "SCRAM-SHA-512=[password=hunter2]"];
    BROKER.tool("kafka.admin.ConfigCommand", &[&["--bootstrap-server", "{bootstrap}", "--alter"][..], &user].concat());
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
    application.every_record_counts_once();
    wait("it has nothing to tell", || told(&instance).is_empty());
}
