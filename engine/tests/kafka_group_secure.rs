//! Members on a real broker that asks who they are: TLS with client certificates, every SASL mechanism, and what is said when
//! a credential, a certificate or a right is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

#[path = "group_live/authority.rs"]
mod authority;
mod group_live;
mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::{SystemTime, UNIX_EPOCH};

use authority::Authority;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use group_live::{Thread, create_topic, runtime, settings, tasks, until};
use straum::group::{ClientSettings, GroupClient, NoticeKind, SaslSettings, SecurityProtocol};
use support::broker::Broker;

struct Secure {
    broker: Broker,
    folder: PathBuf,
    mutual_tls: u16,
    sasl: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

static SECURE: LazyLock<Secure> = LazyLock::new(|| {
    // Made anew at every run; nobody cleans up after a static.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("group-secure");
    std::fs::create_dir_all(&folder).unwrap();
    let authority = Authority::new(&folder, "ca");
    authority.issue("broker");
    authority.issue("client");
    Authority::new(&folder, "stranger");
    let (mutual_tls, sasl) = (free_port(), free_port());
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let listeners =
        format!("PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller}},MTLS://127.0.0.1:{mutual_tls},SECURE://127.0.0.1:{sasl}");
    let login = "org.apache.kafka.common.security";
    let settings = [
        format!("listeners={listeners}"),
        format!("advertised.listeners={listeners}"),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MTLS:SSL,SECURE:SASL_SSL".to_owned(),
        "listener.name.mtls.ssl.client.auth=required".to_owned(),
        "ssl.keystore.type=PEM".to_owned(),
        format!("ssl.keystore.location={}", file("broker-keystore.pem")),
        "ssl.truststore.type=PEM".to_owned(),
        format!("ssl.truststore.location={}", file("ca.pem")),
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned(),
        format!("listener.name.secure.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_alice=\"wonder\" user_bob=\"build\";"),
        format!("listener.name.secure.scram-sha-256.sasl.jaas.config={login}.scram.ScramLoginModule required;"),
        format!("listener.name.secure.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;"),
        format!(
            "listener.name.secure.oauthbearer.sasl.jaas.config={login}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";"
        ),
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
        "super.users=User:ANONYMOUS;User:alice;User:CN=client".to_owned(),
    ];
    let broker = Broker::start_with("group-secure", &settings.each_ref().map(String::as_str));
    create_topic(broker.bootstrap(), "orders", 2);
    for scram in ["SCRAM-SHA-256=[password=wonder]", "SCRAM-SHA-512=[password=wonder]"] {
        let arguments = ["--bootstrap-server", "{bootstrap}", "--alter", "--add-config", scram, "--entity-type", "users", "--entity-name", "alice"];
        broker.tool("kafka.admin.ConfigCommand", &arguments);
    }
    Secure { broker, folder, mutual_tls, sasl }
});

/// Settings as a user writes them; `<folder>` is that of the certificates.
fn connection(port: u16, settings: &[(&str, &str)]) -> ClientSettings {
    let folder = SECURE.folder.to_str().unwrap();
    let mut all: BTreeMap<String, String> = settings.iter().map(|(name, value)| ((*name).to_owned(), value.replace("<folder>", folder))).collect();
    all.insert("bootstrap.servers".to_owned(), format!("127.0.0.1:{port}"));
    ClientSettings::from_settings(&all).unwrap()
}

const MUTUAL_TLS: &[(&str, &str)] = &[
    ("security.protocol", "SSL"),
    ("ssl.ca.location", "<folder>/ca.pem"),
    ("ssl.certificate.location", "<folder>/client.pem"),
    ("ssl.key.location", "<folder>/client.key"),
];

fn sasl(mechanism: &str, username: &str, password: &str) -> ClientSettings {
    let settings = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", "<folder>/ca.pem"),
        ("sasl.mechanism", mechanism),
        ("sasl.username", username),
        ("sasl.password", password),
    ];
    connection(SECURE.sasl, &settings)
}

fn unsecured_token(subject: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |json: String| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}.", part(r#"{"alg":"none"}"#.to_owned()), part(format!(r#"{{"sub":"{subject}","iat":{now},"exp":{}}}"#, now + 3600)))
}

fn bearer(token: String) -> ClientSettings {
    let provider = SaslSettings::OauthBearer(Arc::new(move || Ok(token.clone())));
    let mut settings = connection(SECURE.sasl, &[("ssl.ca.location", "<folder>/ca.pem")]);
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
        ("mutual-tls", connection(SECURE.mutual_tls, MUTUAL_TLS)),
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
    let without_certificate = connection(SECURE.mutual_tls, &MUTUAL_TLS[..2]);
    let stranger = connection(SECURE.sasl, &[("security.protocol", "SSL"), ("ssl.ca.location", "<folder>/stranger.pem")]);
    let no_file = connection(SECURE.sasl, &[("security.protocol", "SSL"), ("ssl.ca.location", "<folder>/nothing.pem")]);
    let plaintext = connection(SECURE.sasl, &[]);
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
        SECURE.broker.tool(ACL_TOOL, &arguments);
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
