//! `straum` on a real broker: it runs and ends with every record counted once, shows and resets its group, says what a cluster
//! lacks, and the scenario files pass unchanged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[allow(missing_docs, dead_code, unreachable_pub, clippy::shadow_unrelated, reason = "the engine's own, of which this uses a part")]
#[path = "../../engine/tests/support/broker.rs"]
mod broker;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use broker::Broker;
use serde_json::Value;
use straum::log::kafka::{GroupProtocol, KafkaLog, KafkaOptions};
use straum::log::{ConsumerOptions, HeaderView, Isolation, Log, OutputBatch, ProducerOptions, StartOffset, TopicPartition, TopicSpec};

/// How long something may take that a healthy cluster does at once. A slow machine is not a failure.
const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: u32 = 2;
const WORDS: [&str; 3] = ["foss", "elv", "bekk"];

/// Thousands of partitions come and go: each is given less room beforehand.
static BROKER: LazyLock<Broker> = LazyLock::new(|| Broker::start_with("straum-cli", &["log.index.size.max.bytes=262144"]));

fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_straum"));
    command.args(arguments).env("STRAUM_DATA", data).env_remove("RUST_LOG");
    command
}

/// Exit code, standard output, standard error.
fn straum(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = command(data, arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A process that runs, what it has said, and where it listens; killed when dropped.
struct Running {
    child: Child,
    address: String,
    /// What it has said on standard error.
    said: Arc<Mutex<String>>,
    says: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = command(data, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "{arguments:?} ended before it listened: {:?}", child.wait());
        }
        let address = line.split_once("http://").unwrap().1.split(';').next().unwrap().trim().to_owned();
        let error = BufReader::new(child.stderr.take().unwrap());
        let said: Arc<Mutex<String>> = Arc::default();
        let hears = Arc::clone(&said);
        // Its pipes are read on, so that it never waits for them.
        let says = std::thread::spawn(move || error.lines().for_each(|line| hears.lock().unwrap().push_str(&(line.unwrap() + "\n"))));
        std::thread::spawn(move || out.read_to_string(&mut String::new()));
        Self { child, address, said, says: Some(says) }
    }

    /// The status and body of one of its pages.
    fn page(&self, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn wait_until_ready(&self) {
        wait("ready", || self.page("/internal/isready").contains(" 200 "));
    }

    /// SIGTERM; its exit code, how long it took, and what it said.
    fn terminate(mut self) -> (Option<i32>, Duration, String) {
        let since = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        let took = since.elapsed();
        self.says.take().unwrap().join().unwrap();
        (code, took, self.said.lock().unwrap().clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn connect(broker: &Broker) -> KafkaLog {
    KafkaLog::connect(KafkaOptions::new(broker.bootstrap(), "test").group_protocol(GroupProtocol::Fixed)).unwrap()
}

fn make(log: &KafkaLog, topics: &[&str]) {
    for topic in topics {
        log.create_topic(&TopicSpec { name: (*topic).to_owned(), partitions: PARTITIONS, config: BTreeMap::new() }).unwrap();
    }
}

/// Sends words in turn to the partitions.
fn send(log: &KafkaLog, count: usize) {
    let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(60) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&Arc::from("words"));
    for number in 0..count {
        let word = WORDS[number % WORDS.len()];
        batch.push(topic, number as u32 % PARTITIONS, 1_000, None, Some(word.as_bytes()), HeaderView::new(&[]));
    }
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
}

/// Waits until every word's count has reached what was sent, and holds that counts never repeat or go back.
fn counts(log: &KafkaLog, each: i64) {
    let mut consumer = log.consumer(&ConsumerOptions { client_id: "test".to_owned(), isolation: Isolation::ReadCommitted }).unwrap();
    let start = |partition| (TopicPartition::new("counts", partition), StartOffset::Beginning);
    consumer.assign(&(0..PARTITIONS).map(start).collect::<Vec<_>>()).unwrap();
    let (mut last, mut batches): (BTreeMap<String, i64>, Vec<_>) = (BTreeMap::new(), Vec::new());
    wait(&format!("each is counted {each} times"), || {
        consumer.poll(Duration::from_millis(50), &mut batches).unwrap();
        for batch in batches.drain(..) {
            for record in batch.iter() {
                let word = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
                let count: i64 = serde_json::from_slice(record.value.unwrap()).unwrap();
                let before = last.insert(word.clone(), count).unwrap_or(0);
                assert!(count > before, "{word}: {count} after {before}");
            }
        }
        assert!(last.values().all(|count| *count <= each), "{last:?}, expected {each} each");
        last.len() == WORDS.len() && last.values().all(|count| *count == each)
    });
}

#[test]
fn metrics_show_how_far_a_copy_is_and_what_the_clients_do() {
    let broker = Broker::start_with("straum-copies", &["group.streams.num.standby.replicas=1"]);
    let log = connect(&broker);
    make(&log, &["words", "counts"]);
    send(&log, 300);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let arguments = ["run", "count", "--brokers", broker.bootstrap(), "--config", "statistics.interval.ms=100"];
    let processes = folders.each_ref().map(|folder| Running::start(folder.path(), &arguments));
    let client = |name: &str, kind: &str| -> Vec<i64> {
        let figures = processes.each_ref().map(|process| {
            let page = process.page("/internal/metrics");
            let of_kind =
                page.lines().filter(|line| line.starts_with(&format!("{name}{{client=\"count-")) && line.contains(&format!("kind=\"{kind}\"")));
            of_kind.map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap()).sum()
        });
        figures.to_vec()
    };
    // One to the leader and one to the coordinator.
    wait("a working producer's connections", || client("straum_client_brokers_up", "producer").iter().all(|count| *count >= 2));
    counts(&log, 100);
    wait("what was read", || client("straum_client_records", "consumer").iter().sum::<i64>() >= 300);
    wait("what was written", || client("straum_client_records", "producer").iter().sum::<i64>() >= 300);
    // A producer makes connections that rest anew. That it says so twice, since the first may be about the work before, shows that it
    // is heard while nothing is written.
    for _ in 0..2 {
        let before = client("straum_client_requests", "producer");
        let more = || client("straum_client_requests", "producer").iter().zip(&before).all(|(now, before)| now > before);
        wait("resting producers' requests", more);
    }
    // Each of the two has a task with a state, and a copy of the other's.
    let copy = |line: &&str| line.starts_with("straum_changelog_lag_records{") && line.contains("role=\"standby\"") && line.ends_with(" 0");
    wait("each has a copy that has it all", || processes.iter().all(|process| process.page("/internal/metrics").lines().filter(copy).count() == 1));
    let read: i64 = processes
        .iter()
        .flat_map(|process| process.page("/internal/metrics").lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("straum_changelog_read_bytes{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap())
        .sum();
    assert!(read > 0, "the copies were made by reading changelogs");
}

#[test]
fn a_topology_runs_ends_on_sigterm_and_is_shown_and_reset() {
    let (folder, log) = (tempfile::tempdir().unwrap(), connect(&BROKER));
    let (data, brokers) = (folder.path(), BROKER.bootstrap());
    let on = |arguments: &[&str]| straum(data, &[arguments, &["--brokers", brokers]].concat());
    make(&log, &["counts"]);

    let (code, out, _) = on(&["doctor", "count"]);
    assert!(code == 1 && out.contains("words is missing") && out.contains("kafka-topics --create --topic words"), "{out}");
    let (code, _, error) = on(&["group", "describe", "count"]);
    assert!(code == 1 && error.contains("no streams group count"), "{error}");

    // It waits for its source, alive and not ready, and goes on when it is made.
    let waiting = Running::start(data, &["run", "count", "--brokers", brokers, "--threads", "2"]);
    assert!(waiting.page("/internal/isalive").contains(" 200 ") && waiting.page("/internal/isready").contains(" 503 "));
    wait("it has said what it waits for", || waiting.said.lock().unwrap().contains("topic words is missing; make it"));
    make(&log, &["words"]);
    waiting.wait_until_ready();
    send(&log, 300);
    counts(&log, 100);
    let (code, out, _) = straum(data, &["store", "get", "words-counted", "foss", "--json"]);
    assert!(code == 0 && serde_json::from_str::<Value>(&out).unwrap()["value"] == 100, "{out}");
    let (code, out, error) = on(&["group", "describe", "count", "--json"]);
    let described: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{error}"));
    assert_eq!((described["state"].as_str(), described["members"].as_array().unwrap().len()), (Some("Stable"), 2), "{out}");
    assert!(described["offsets"].as_array().unwrap().iter().any(|row| row["topic"] == "words" && row["lag"] == 0), "{out}");
    let (code, _, error) = on(&["reset", "count", "--execute"]);
    assert!(code == 1 && error.contains("has 2 members"), "{error}");
    let (code, out, _) = on(&["adopt", "count", "--execute"]);
    assert!(code == 1 && out.contains("has 2 members") && out.contains("Nothing has been done"), "{out}");

    // Ended under load, and started again: every word counts once.
    send(&log, 30_000);
    let (code, took, said) = waiting.terminate();
    assert!(code == Some(0) && took < Duration::from_secs(30), "{code:?} after {took:?}: {said}");
    let again = Running::start(data, &["run", "count", "--brokers", brokers, "--threads", "2"]);
    again.wait_until_ready();
    counts(&log, 10_100);
    let (code, out, _) = on(&["doctor", "count"]);
    assert!(code == 0 && !out.contains("fail "), "{out}");
    let (code, took, said) = again.terminate();
    assert!(code == Some(0) && took < Duration::from_secs(30), "{code:?} after {took:?}: {said}");

    // Members that have not left are there until the session time-out.
    wait("the group is empty", || on(&["reset", "count"]).0 == 0);
    // It changes hands: no longer a streams group, and the next to start goes on where it was.
    let (code, out, error) = on(&["adopt", "count", "--json"]);
    let plan: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{error}"));
    assert_eq!((&plan["standing"]["protocol"], &plan["executed"]), (&Value::from("streams"), &Value::from(false)), "{out}");
    assert!(on(&["group", "describe", "count"]).0 == 0, "it was only shown");
    let (code, out, error) = on(&["adopt", "count", "--execute"]);
    assert!(code == 0 && out.contains("count-words-counted-changelog") && out.contains("Done."), "{out}{error}");
    assert_eq!(on(&["group", "describe", "count"]).0, 1, "it has no topology any more");
    let (code, out, _) = on(&["doctor", "count"]);
    assert!(code == 0 && out.contains("goes on at its offsets"), "{out}");
    let (_, out, _) = on(&["adopt", "count", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["offsets"], plan["offsets"], "{out}");
    let (_, out, _) = on(&["reset", "count"]);
    assert!(out.contains("count-words-counted-changelog") && out.contains("Nothing has been done"), "{out}");
    assert!(log.partitions("count-words-counted-changelog").unwrap().is_some());
    let (code, out, error) = on(&["reset", "count", "--execute"]);
    assert!(code == 0 && out.contains("Done."), "{out}{error}");
    wait("its internal topics are gone", || log.partitions("count-words-counted-changelog").unwrap().is_none());
    assert!(!data.join("state/count").exists());
    let fresh = Running::start(data, &["run", "count", "--brokers", brokers]);
    let row = || straum(data, &["store", "get", "words-counted", "foss", "--json"]);
    wait("all is counted anew, once", || serde_json::from_str::<Value>(&row().1).is_ok_and(|row| row["value"] == 10_100));
    drop(fresh);
}

#[test]
fn what_cannot_be_run_is_said_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    for (arguments, code, says) in [
        (&["run", "count", "--threads", "0"][..], 2, &["--threads"][..]),
        (&["run", "count", "--config", "num.stream.thread=2"], 1, &["--config: ", "did you mean num.stream.threads"]),
        (&["run", "count", "--config", "application.id=x"], 1, &["application.id is x", "topology count has count"]),
        (&["run", "count", "--config-file", "none.properties"], 1, &["none.properties"]),
        (&["reset", "count"], 1, &["bootstrap.servers is missing"]),
        (&["group", "describe", "count"], 1, &["bootstrap.servers is missing"]),
        (&["adopt", "count"], 1, &["bootstrap.servers is missing"]),
    ] {
        let (actual, out, error) = straum(&data, arguments);
        assert_eq!(actual, code, "{arguments:?}: {out}{error}");
        for part in says {
            assert!(error.contains(part), "{arguments:?}: {error}\nmisses {part}");
        }
        assert!(!data.exists(), "{arguments:?} left a folder");
    }
}

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<PathBuf> = ["count", "datadeling"]
        .iter()
        .flat_map(|topology| std::fs::read_dir(folder.join(topology)).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() > 40);
    files
}

/// Checks files on the broker; what came of each.
fn check(options: &[&str], files: &[PathBuf]) -> Vec<Value> {
    let files: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let (code, out, error) = straum(Path::new("unused"), &[&["check", "--json", "--kafka", BROKER.bootstrap()], options, &files].concat());
    let results: Vec<Value> = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code}: {out}{error}"));
    assert_eq!(results.len(), files.len());
    results
}

fn failed(results: &[Value]) -> Vec<&str> {
    results.iter().filter(|result| result["result"] != "passed").map(|result| result["detail"].as_str().unwrap()).collect()
}

/// What one check leaves behind is looked for while no other makes topics.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn every_scenario_file_passes_on_a_broker() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let failed = check(&[], &scenarios()).iter().filter(|result| result["result"] != "passed").map(ToString::to_string).collect::<Vec<_>>();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    let left: Vec<String> = connect(&BROKER).topics().unwrap().into_iter().filter(|topic| topic.starts_with("straum-check-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn ten_scenario_files_pass_on_a_broker_with_crashes() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let sampled: Vec<PathBuf> = scenarios().into_iter().step_by(5).take(10).collect();
    let results = check(&["--crash-everywhere"], &sampled);
    assert!(failed(&results).is_empty(), "{}", failed(&results).join("\n\n"));
    assert_eq!(results.len(), 10);
    for result in &results {
        assert!(result["detail"].as_str().unwrap().starts_with("3 runs, "), "{result}");
    }
    assert!(results.iter().any(|result| !result["detail"].as_str().unwrap().ends_with(" 0 crashes")), "{results:?}");
}

#[test]
fn a_wrong_expectation_fails_on_a_broker_and_says_why() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let head = "topology: count\nnow: 2026-01-26T08:00:00+01:00\nsteps:\n  - send: { topic: words, value: { text: foss } }\n";
    let steps = [
        ("expect: { topic: counts, records: [ { key: foss, value: 2 } ] }", "+  \"value\": 1"),
        ("expect_count: { topic: counts, records: 2 }", "1 records in counts, expected 2"),
        ("store: { name: words-counted, key: foss, value: 7 }", "row of foss"),
        ("send: { topic: word, value: 1 }", "no topic \"word\""),
    ];
    let files: Vec<PathBuf> = (0..steps.len()).map(|number| folder.path().join(format!("{number}.yaml"))).collect();
    for (path, (step, _)) in files.iter().zip(&steps) {
        std::fs::write(path, format!("{head}  - {step}\n")).unwrap();
    }
    for (result, (step, says)) in check(&[], &files).iter().zip(&steps) {
        let detail = result["detail"].as_str().unwrap();
        assert!(result["result"] == "failed" && detail.contains("step 2") && detail.contains(says), "{step}: {result}");
    }
}
