//! Connections to brokers that misbehave: the client finds another way, or says what is wrong, and never hangs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use straum::ErrorKind;
use straum::group::wire::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, Coordinator, DescribeRequest, DescribeResponse, DescribedGroup, FindCoordinatorRequest,
    FindCoordinatorResponse, Reader, Request, RequestHeader, Wire, Writer,
};
use straum::group::{ClientSettings, GroupClient, GroupErrorKind, SaslSettings, SecurityProtocol};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(120);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// What a broker does with a request: its number of this kind on this broker, and an answer, or `None` to hang up.
type Behaviour = dyn Fn(i16, usize) -> Option<Vec<u8>> + Send + Sync;

/// A broker of a few lines.
struct Fake {
    address: String,
    connections: Arc<AtomicUsize>,
}

fn body<T: Wire>(message: &T, version: i16) -> Vec<u8> {
    let mut writer = Writer::new();
    message.write(&mut writer, version);
    writer.into_bytes()
}

/// A response header with tags, and the message.
fn tagged<T: Wire>(message: &T, version: i16) -> Option<Vec<u8>> {
    Some([vec![0], body(message, version)].concat())
}

impl Fake {
    fn start(behaviour: impl Fn(i16, usize) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, behaviour): (_, Arc<Behaviour>) = (Arc::clone(&connections), Arc::new(behaviour));
        let seen = Arc::new(Mutex::new(BTreeMap::new()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (behaviour, seen) = (Arc::clone(&behaviour), Arc::clone(&seen));
                std::thread::spawn(move || serve(&stream.unwrap(), &*behaviour, &seen));
            }
        });
        Self { address, connections }
    }
}

fn serve(mut stream: &TcpStream, behaviour: &Behaviour, seen: &Mutex<BTreeMap<i16, usize>>) -> Option<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).ok()?;
        let header = RequestHeader::read::<DescribeRequest>(&mut Reader::new(&frame)).unwrap();
        let count = {
            let mut seen = seen.lock().unwrap();
            let count = seen.entry(header.api_key).or_default();
            *count += 1;
            *count
        };
        let answer = behaviour(header.api_key, count)?;
        let frame = [header.correlation_id.to_be_bytes().to_vec(), answer].concat();
        stream.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes()).ok()?;
        stream.write_all(&frame).ok()?;
    }
}

fn versions(error_code: i16) -> Option<Vec<u8>> {
    let known = |key, version| ApiVersion { api_key: key, min_version: 0, max_version: version };
    let api_keys = vec![known(FindCoordinatorRequest::API.key, 6), known(DescribeRequest::API.key, 0)];
    Some(body(&ApiVersionsResponse { error_code, api_keys, ..ApiVersionsResponse::default() }, 3))
}

fn coordinator(address: &str) -> Option<Vec<u8>> {
    let (host, port) = address.rsplit_once(':').unwrap();
    let found = Coordinator { key: "g".to_owned(), host: host.to_owned(), port: port.parse().unwrap(), ..Coordinator::default() };
    tagged(&FindCoordinatorResponse { throttle_time_ms: 0, coordinators: vec![found] }, 4)
}

fn described(error_code: i16, state: &str) -> Option<Vec<u8>> {
    let group = DescribedGroup { error_code, group_id: "g".to_owned(), group_state: state.to_owned(), ..DescribedGroup::default() };
    tagged(&DescribeResponse { throttle_time_ms: 0, groups: vec![group] }, 0)
}

fn settings(address: &str) -> ClientSettings {
    let mut settings = ClientSettings::new(address, "test");
    settings.request_timeout = Duration::from_millis(300);
    settings.default_api_timeout = Duration::from_millis(1500);
    (settings.retry_backoff, settings.retry_backoff_max) = (Duration::from_millis(1), Duration::from_millis(10));
    settings
}

/// The group's state, as the client hears it.
fn state(settings: ClientSettings) -> Result<String, (GroupErrorKind, String)> {
    let client = GroupClient::new(RUNTIME.handle().clone(), settings, "g");
    let answer = client.describe().wait(PATIENCE).expect("it never hangs");
    answer.map(|group| group.group_state).map_err(|error| (error.kind(), error.to_string()))
}

#[test]
fn a_coordinator_that_moved_is_followed() {
    let second = Fake::start(|api, _| match api {
        18 => versions(0),
        89 => described(0, "Stable"),
        _ => None,
    });
    let to = second.address.clone();
    // The first names itself, then the second; asked as the coordinator, it says that it is not.
    let own = Arc::new(Mutex::new(String::new()));
    let itself = Arc::clone(&own);
    let first = Fake::start(move |api, count| match (api, count) {
        (18, _) => versions(0),
        (10, 1) => coordinator(&itself.lock().unwrap()),
        (10, _) => coordinator(&to),
        (89, _) => described(16, ""),
        _ => None,
    });
    own.lock().unwrap().clone_from(&first.address);
    assert_eq!(state(settings(&first.address)), Ok("Stable".to_owned()));
    assert_eq!((first.connections.load(Ordering::SeqCst), second.connections.load(Ordering::SeqCst)), (2, 1));
}

/// A coordinator that answers the first time as `first` says, and then as it should.
fn hiccup(first: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static) -> Fake {
    let own = Arc::new(Mutex::new(String::new()));
    let itself = Arc::clone(&own);
    let fake = Fake::start(move |api, count| match (api, count) {
        (18, _) => versions(0),
        (10, _) => coordinator(&itself.lock().unwrap()),
        (89, 1) => first(),
        (89, _) => described(0, "Stable"),
        _ => None,
    });
    own.lock().unwrap().clone_from(&fake.address);
    fake
}

#[test]
fn a_broker_that_hangs_up_or_speaks_nonsense_is_asked_again_on_a_new_connection() {
    type Answer = fn() -> Option<Vec<u8>>;
    let hiccups: [(&str, Answer); 4] = [
        ("hangs up", || None),
        ("says nonsense", || Some(vec![0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("says nothing", || Some(Vec::new())),
        ("is loading", || described(14, "")),
    ];
    for (name, answer) in hiccups {
        let broker = hiccup(answer);
        assert_eq!(state(settings(&broker.address)), Ok("Stable".to_owned()), "{name}");
        let connections = broker.connections.load(Ordering::SeqCst);
        assert_eq!(connections, if name == "is loading" { 1 } else { 2 }, "{name}");
    }
}

#[test]
fn a_broker_that_does_not_answer_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut patient = settings(&silent.local_addr().unwrap().to_string());
    patient.connection_setup_timeout = Duration::from_millis(200);
    let (kind, message) = state(patient).unwrap_err();
    assert_eq!(kind, GroupErrorKind::Retriable);
    assert!(message.contains("200 ms"), "{message}");
}

#[test]
fn a_frame_of_gigabytes_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let streams = listener.incoming().map(|stream| {
            let mut stream = stream.unwrap();
            stream.write_all(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]).unwrap();
            stream
        });
        // They stay open: it is the client that must hang up.
        streams.collect::<Vec<TcpStream>>()
    });
    let (kind, message) = state(settings(&address)).unwrap_err();
    assert_eq!(kind, GroupErrorKind::Retriable);
    assert!(message.contains("connection broke"), "{message}");
}

#[test]
fn a_broker_too_old_for_the_request_says_so() {
    // It does not even know version 3 of ApiVersions, and answers in version 0's form.
    let old = Fake::start(|api, _| if api == ApiVersionsRequest::API.key { versions(35) } else { None });
    let own = Fake::start(|api, _| match api {
        18 => Some(body(&ApiVersionsResponse { error_code: 35, ..ApiVersionsResponse::default() }, 3)),
        _ => None,
    });
    let (kind, message) = state(settings(&own.address)).unwrap_err();
    assert!(kind == GroupErrorKind::Unsupported && message.contains("FindCoordinator"), "{message}");
    assert!(matches!(state(settings(&old.address)), Err((GroupErrorKind::Retriable, _))), "it knows FindCoordinator, and hangs up on it");
}

#[test]
fn the_first_server_that_answers_is_enough() {
    let broker = hiccup(|| described(0, "Stable"));
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(state(settings(&format!("{dead}, {}", broker.address))), Ok("Stable".to_owned()));
}

#[test]
fn settings_go_by_kafkas_names() {
    let read = |settings: &[(&str, &str)]| {
        let settings: BTreeMap<String, String> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ClientSettings::from_settings(&settings)
    };
    let servers = ("bootstrap.servers", "a:1,b:2");
    let plain = read(&[servers, ("request.timeout.ms", "1234"), ("fetch.queue.backoff.ms", "5")]).unwrap();
    assert_eq!(
        (plain.security_protocol, plain.request_timeout, plain.sasl.is_none()),
        (SecurityProtocol::Plaintext, Duration::from_millis(1234), true)
    );
    let sasl =
        [servers, ("security.protocol", "sasl_ssl"), ("sasl.mechanisms", "SCRAM-SHA-256"), ("sasl.username", "u"), ("sasl.password", "hidden")];
    let secure = read(&sasl).unwrap();
    assert!(matches!(secure.sasl, Some(SaslSettings::ScramSha256 { .. })));
    assert!(!format!("{secure:?}").contains("hidden"));
    for (wrong, named) in [
        (vec![], "bootstrap.servers"),
        (vec![servers, ("security.protocol", "TLS")], "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        (vec![servers, ("request.timeout.ms", "soon")], "milliseconds"),
        (sasl[..4].to_vec(), "sasl.password"),
        (vec![servers, sasl[1]], "sasl.mechanism"),
        (vec![servers, sasl[1], ("sasl.mechanism", "GSSAPI")], "GSSAPI"),
    ] {
        let error = read(&wrong).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(named), "{error}");
    }
}
