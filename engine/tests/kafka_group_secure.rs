//! Members on a real broker that asks who they are: TLS with client certificates, every SASL mechanism, and what is said when
//! a credential, a certificate or a right is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod group_live;
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use group_live::{Thread, create_topic, runtime, settings, tasks, until};
use straum::group::{ClientSettings, GroupClient, NoticeKind, SaslSettings, SecurityProtocol};
use support::broker::Broker;

/// Beside the script's users and mechanisms, tokens that nobody signs, and one who may do nothing yet.
static SECURE: LazyLock<Broker> = LazyLock::new(|| {
    let login = "org.apache.kafka.common.security";
    let settings: [&str; 5] = [
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        &format!("listener.name.login.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_alice=\"wonder\" user_bob=\"build\";"),
        &format!(
            "listener.name.login.oauthbearer.sasl.jaas.config={login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
        ),
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS;User:alice;User:CN=client",
    ];
    let broker = Broker::start_secure("group-secure", &settings);
    create_topic(broker.bootstrap(), "orders", 2);
    broker
});

/// Settings as a user writes them; a file is one of the broker's certificates.
fn connection(address: &str, settings: &[(&str, &str)]) -> ClientSettings {
    let value = |name: &str, value: &str| if name.ends_with(".location") { SECURE.certificate(value) } else { value.to_owned() };
    let mut all: BTreeMap<String, String> = settings.iter().map(|(name, given)| ((*name).to_owned(), value(name, given))).collect();
    all.insert("bootstrap.servers".to_owned(), address.to_owned());
    ClientSettings::from_settings(&all).unwrap()
}

const MUTUAL_TLS: &[(&str, &str)] =
    &[("security.protocol", "SSL"), ("ssl.ca.location", "ca.pem"), ("ssl.certificate.location", "client.pem"), ("ssl.key.location", "client.key")];

fn sasl(mechanism: &str, username: &str, password: &str) -> ClientSettings {
    let settings = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", "ca.pem"),
        ("sasl.mechanism", mechanism),
        ("sasl.username", username),
        ("sasl.password", password),
    ];
    connection(SECURE.login(), &settings)
}

fn unsecured_token(subject: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", part(r#"{"alg":"none"}"#.to_owned()), part(format!(r#"{{"sub":"{subject}","iat":{now},"exp":{}}}"#, now + 3600)))
}

fn bearer(token: String) -> ClientSettings {
    let provider = SaslSettings::OauthBearer(Arc::new(move || Ok(token.clone())));
    let mut settings = connection(SECURE.login(), &[("ssl.ca.location", "ca.pem")]);
    settings.security_protocol = SecurityProtocol::SaslSsl;
    settings.sasl = Some(provider);
    settings
}

fn join(connection: ClientSettings, group: &str) -> [Thread; 1] {
    let client = GroupClient::new(runtime().handle().clone(), connection, group);
    [Thread::join(&client, settings("p1", "m1", "orders"))]
}

#[test]
fn every_way_to_log_in_leads_to_the_tasks() {
    for (name, connection) in [
        ("mutual-tls", connection(SECURE.tls(), MUTUAL_TLS)),
        ("plain", sasl("PLAIN", "alice", "wonder")),
        ("scram-256", sasl("SCRAM-SHA-256", "alice", "wonder")),
        ("scram-512", sasl("SCRAM-SHA-512", "alice", "wonder")),
        ("oauth", bearer(unsecured_token("alice"))),
    ] {
        let mut threads = join(connection, name);
        until(&format!("{name} has the tasks"), &mut threads, |threads| threads[0].tasks == tasks("0_0 0_1"));
        threads[0].handle.close(true);
        until("it leaves", &mut threads, |threads| threads[0].left);
    }
}

#[test]
fn a_wrong_credential_is_told_with_what_to_change_and_tried_again() {
    let without_certificate = connection(SECURE.tls(), &MUTUAL_TLS[..2]);
    let stranger = connection(SECURE.login(), &[("security.protocol", "SSL"), ("ssl.ca.location", "stranger-ca.pem")]);
    let no_file = connection(SECURE.login(), &[("security.protocol", "SSL"), ("ssl.ca.location", "nothing.pem")]);
    let plaintext = connection(SECURE.login(), &[]);
    for (name, connection, expected) in [
        ("no certificate", without_certificate, "ssl.certificate.location"),
        ("unknown authority", stranger, "ssl.ca.location"),
        ("missing file", no_file, "nothing.pem"),
        ("plaintext", plaintext, "security.protocol"),
        ("wrong password", sasl("PLAIN", "alice", "wrong"), "sasl.password"),
        ("wrong SCRAM password", sasl("SCRAM-SHA-512", "alice", "wrong"), "SCRAM-SHA-512"),
        ("wrong token", bearer("no.token.".to_owned()), "token"),
    ] {
        let mut threads = join(connection, "wrong");
        until(&format!("{name} is told"), &mut threads, |threads| threads[0].notices.iter().any(|notice| notice.kind() == NoticeKind::Trouble));
        let shown = threads[0].notices[0].to_string();
        println!("{name}: {shown}");
        assert!(shown.contains(expected) && !shown.contains("wonder"), "{name}: {shown}");
        assert!(threads[0].failed.is_none(), "{name}: it lives");
    }
}

#[test]
fn a_right_that_is_granted_later_is_noticed() {
    let mut threads = join(sasl("PLAIN", "bob", "build"), "granted");
    until("it is refused", &mut threads, |threads| threads[0].notices.iter().any(|notice| notice.detail().contains("GROUP_AUTHORIZATION_FAILED")));
    println!("{}", threads[0].notices[0]);
    let grant = |resource: &str, name: &str, operation: &str| {
        let arguments = ["--bootstrap-server", "{bootstrap}", "--add", "--allow-principal", "User:bob", resource, name, "--operation", operation];
        SECURE.tool(ACL_TOOL, &arguments);
    };
    grant("--group", "granted", "Read");
    until("the topic is refused", &mut threads, |threads| {
        threads[0].notices.iter().any(|notice| notice.detail().contains("TOPIC_AUTHORIZATION_FAILED"))
    });
    println!("{}", threads[0].notices[0]);
    grant("--topic", "orders", "Describe");
    until("the tasks come", &mut threads, |threads| threads[0].tasks == tasks("0_0 0_1") && threads[0].notices.is_empty());
}

const ACL_TOOL: &str = "AclCommand";
