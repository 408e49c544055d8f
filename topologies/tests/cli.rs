//! `straum` as a user meets it: exit codes, what is said, what is shown of persons, and that nothing is taken from another process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// Exit code, standard output, standard error.
fn straum(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_straum")).args(arguments).env("STRAUM_DATA", data).env_remove("RUST_LOG").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Standard output of a command that is done.
fn done(data: &Path, arguments: &[&str]) -> String {
    let (code, out, error) = straum(data, arguments);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    out
}

/// A process that runs, its address, and what it says; killed when dropped.
struct Running {
    child: Child,
    address: String,
    /// Open as long as it runs: it may say more.
    _says: BufReader<ChildStdout>,
}

impl Running {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_straum")).args(arguments).env("STRAUM_DATA", data).stdout(Stdio::piped()).spawn().unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while says.read_line(&mut line).unwrap() > 0 {
            if let Some((_, rest)) = line.split_once("http://") {
                let address = format!("http://{}", rest.split(['/', ';']).next().unwrap());
                return Self { child, address, _says: says };
            }
            line.clear();
        }
        panic!("{arguments:?} ended before it listened: {:?}", child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    for (arguments, code, says) in [
        (&["nope"][..], 2, &["nope"][..]),
        (&["run", "nope"], 2, &["nope", "datadeling", "count"]),
        (&["describe", "nope"], 2, &["nope", "datadeling", "count"]),
        (&["generate", "nope"], 2, &["nope", "datadeling", "count"]),
        (&["run", "count", "--set", "nope"], 2, &["nope", "expected name=value"]),
        (&["run", "count", "--set", "nope=1"], 1, &["no setting \"nope\", expected none"]),
        (&["run", "datadeling", "--set", "epok=1"], 1, &["no setting \"epok\", expected one of [epoke, "]),
        (&["run", "datadeling", "--set", "maks-rader=x"], 1, &["setting maks-rader is \"x\", expected a positive number"]),
        (&["store", "list"], 1, &["nothing has run in", "straum run TOPOLOGY"]),
        (&["topic", "tail", "words"], 1, &["nothing has run in"]),
        (&["topic", "produce", "words"], 2, &["--value", "--file", "--null"]),
        (&["topic", "produce", "words", "--value", "a", "--null"], 2, &["--value", "--null", "cannot be used with"]),
        (&["check", "missing.yaml"], 2, &[]),
    ] {
        let (actual, out, error) = straum(&data, arguments);
        assert_eq!(actual, code, "{arguments:?}: {out}{error}");
        for part in says {
            assert!(error.contains(part), "{arguments:?}: {error}\nmisses {part}");
        }
        assert!(!data.exists(), "{arguments:?} left a folder");
    }
}

#[test]
fn a_folder_answers_with_its_process_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let running = Running::start(data, &["run", "count"]);
    assert_eq!(done(data, &["topic", "produce", "words", "--value", "foss elv"]), "1 record written to words\n");
    let row = |data: &Path| straum(data, &["store", "get", "words-counted", "foss elv", "--json"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while row(data).0 != 0 {
        assert!(std::time::Instant::now() < deadline, "it is not counted");
    }
    let found: Value = serde_json::from_str(&row(data).1).unwrap();
    assert_eq!((&found["key"], &found["value"]), (&json!("foss elv"), &json!(1)));
    assert_eq!(
        straum(data, &["store", "get", "words-counted", "stryk"]),
        (1, String::new(), "no row of this key in store words-counted\n".to_owned())
    );
    let held = format!("is held by process {} since", running.child.id());
    for (arguments, says) in [
        (&["store", "get", "words", "foss"][..], "no store \"words\", expected one of [words-counted]"),
        (&["topic", "tail", "wordz"], "no topic \"wordz\", expected one of ["),
        (&["run", "datadeling"], "is the folder of topology count, expected datadeling"),
        (&["run", "count"], held.as_str()),
    ] {
        let (code, _, error) = straum(data, arguments);
        assert!(code == 1 && error.contains(says), "{arguments:?}: {error}");
    }
    // Without its address the process cannot be asked, and its folder is not opened beside it.
    std::fs::remove_file(data.join("process.json")).unwrap();
    let (code, _, error) = straum(data, &["store", "list"]);
    assert!(code == 1 && error.contains(&held), "{error}");
    drop(running);
    let found: Value = serde_json::from_str(&row(data).1).unwrap();
    assert_eq!(found["value"], json!(1), "a process that was killed has left what it committed");
}

#[test]
fn a_range_is_read_from_either_end_with_a_process_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let running = Running::start(data, &["run", "count"]);
    let mut words = ["os", "foss", "elv", "stryk", "kulp"];
    words.iter().for_each(|word| drop(done(data, &["topic", "produce", "words", "--value", word])));
    let keys = |arguments: &[&str]| -> Vec<String> {
        let rows: Vec<Value> = serde_json::from_str(&done(data, &[&["store", "range", "words-counted", "--json"], arguments].concat())).unwrap();
        rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while keys(&[]).len() < words.len() {
        assert!(std::time::Instant::now() < deadline, "they are not counted");
    }
    let mut both_ways = || {
        let partition = |word: &str| straum::log::partitioner::partition_for_key(word.as_bytes(), 2);
        words.sort_by_key(|word| (partition(word), *word));
        assert_eq!(keys(&[]), words);
        words.sort_by_key(|word| (partition(word), std::cmp::Reverse(*word)));
        assert_eq!(keys(&["--reverse"]), words);
        assert_eq!(keys(&["--reverse", "--limit", "2"]), words[..2]);
        let between: Vec<&str> = words.into_iter().filter(|word| ("f".."p").contains(word)).collect();
        assert_eq!(keys(&["--reverse", "--from", "f", "--to", "p"]), between);
    };
    both_ways();
    drop(running);
    both_ways();
}

#[test]
fn a_demonstration_takes_nothing_from_one_that_is_running_and_is_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let running = Running::start(data, &["demo", "--serve"]);
    let held = format!("is held by process {} since", running.child.id());
    for again in [&["demo"][..], &["demo", "--fresh"]] {
        let (code, _, error) = straum(data, again);
        assert!(code == 1 && error.contains(&held), "{again:?}: {error}");
    }
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let query = json!({ "query": "{ antall(dato: \"2021-06-15\") { antallAvtaler antallPersoner } }" });
    let mut answer = agent.post(format!("{}/graphql", running.address)).send_json(&query).unwrap();
    let answer: Value = answer.body_mut().read_json().unwrap();
    assert_eq!(answer["data"]["antall"].as_array().unwrap().last().unwrap(), &json!({ "antallAvtaler": 86, "antallPersoner": 20 }));
    assert_eq!(agent.get(format!("{}/internal/isready", running.address)).call().unwrap().status().as_u16(), 200);
    let metrics = agent.get(format!("{}/internal/metrics", running.address)).call().unwrap().body_mut().read_to_string().unwrap();
    for line in [
        "straum_running 1\n",
        "straum_task_processed_records{task=\"0_0\"} 751\n",
        "straum_task_failing{task=\"0_0\"} 0\n",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    // Personal ids and what is said of a person are masked; ids of agreements are not.
    let first = |arguments: &[&str]| serde_json::from_str::<Value>(&done(data, arguments)).unwrap()[0].clone();
    let prefix = ["store", "range", "person", "--limit", "1", "--json", "--prefix", "01098522006/104e330a-e90d-4d0e-aaf8-a53427434477"];
    let row = first(&prefix);
    assert_eq!(row["key"], json!("***********/104e330a-e90d-4d0e-aaf8-a53427434477"));
    assert_eq!((&row["value"]["rad"]["deltakerFnr"], &row["timestamp"]), (&json!("***********"), &Value::Null));
    let shown = first(&[&prefix[..], &["--show-personal"]].concat());
    assert_eq!(shown["value"]["rad"]["deltakerFnr"], json!("01098522006"));
    let tail = ["topic", "tail", "arbeidsgiver.tiltak-avtale-hendelse-compact", "--json", "-n", "1"];
    let (masked, shown) = (first(&tail), first(&[&tail[..], &["--show-personal"]].concat()));
    for field in ["deltakerFnr", "deltakerFornavn", "deltakerEtternavn", "veilederNavIdent", "arbeidsgiverFornavn"] {
        assert!(shown["value"][field].is_string(), "{field} is not in the message");
        assert_eq!(masked["value"][field], json!("***********"), "{field}");
    }
    assert_eq!(masked["value"]["avtaleId"], shown["value"]["avtaleId"]);
    // What only the topology can read it reads for us, with a process and without.
    let read_by_type = |arguments: &[&str]| {
        let tail = ["topic", "tail", "tiltak-datadeling-person-inn-repartition", "--json", "-n", "1"];
        let row = first(&[&tail[..], arguments].concat());
        (row["value"]["legg"]["rad"]["deltakerFnr"].clone(), row["value"]["legg"]["rad"]["versjon"].is_u64())
    };
    let of_process = (read_by_type(&[]), read_by_type(&["--show-personal"]));
    assert_eq!(of_process.0, (json!("***********"), true));
    assert!(of_process.1.0.as_str().is_some_and(|fnr| fnr.len() == 11 && fnr.bytes().all(|digit| digit.is_ascii_digit())));
    drop(running);
    assert_eq!((read_by_type(&[]), read_by_type(&["--show-personal"])), of_process);
    let again = done(data, &["demo"]);
    assert!(again.contains("1 of them could not be used and is a dead letter"), "{again}");
    let fresh: Value = serde_json::from_str(&done(data, &["demo", "--fresh", "--json"])).unwrap();
    assert_eq!(fresh["read"], json!(751), "once it has ended it can be forgotten");
}

#[test]
fn text_and_json_can_be_told_apart_and_an_empty_range_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let running = Running::start(data, &["run", "count"]);
    for value in ["foss", "\"foss\"", "{\"text\":\"foss\"}", "17"] {
        done(data, &["topic", "produce", "words", "--partition", "0", "--value", value]);
    }
    let tailed = done(data, &["topic", "tail", "words"]);
    let values: Vec<&str> = tailed.lines().filter_map(|line| line.split(['│', '┆']).nth(4)).map(str::trim).collect();
    assert_eq!(values, ["value", "foss", "\"foss\"", "{\"text\":\"foss\"}", "17"], "{tailed}");
    let shown: Vec<Value> = serde_json::from_str(&done(data, &["topic", "tail", "words", "--json"])).unwrap();
    let values: Vec<&Value> = shown.iter().map(|row| &row["value"]).collect();
    assert_eq!(values, [&json!({"text": "foss"}), &json!("foss"), &json!({"json": {"text": "foss"}}), &json!(17)]);
    for (arguments, says) in [(&["--from", "z", "--to", "a"][..], "no rows: --from z comes after --to a\n"), (&["--from", "a", "--to", "a"], "")] {
        let (code, _, error) = straum(data, &[&["store", "range", "words-counted"], arguments].concat());
        assert_eq!((code, error.as_str()), (0, says), "{arguments:?}");
    }
    drop(running);
}

#[test]
fn what_is_generated_can_be_produced() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let running = Running::start(data, &["run", "count"]);
    let words = done(data, &["generate", "count", "--records", "3", "--whole"]);
    assert_eq!(words.lines().count(), 3);
    assert_eq!(done(data, &["generate", "count", "--records", "3", "--json"]), words);
    let mut child = Command::new(env!("CARGO_BIN_EXE_straum"))
        .args(["topic", "produce", "words", "--file", "-", "--whole", "--json"])
        .env("STRAUM_DATA", data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(words.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!({ "topic": "words", "records": 3 }));
    for arguments in [&["topic", "produce", "words", "--value", "a", "--partition", "9"][..], &["topic", "tail", "words", "--partition", "9"]] {
        let (code, _, error) = straum(data, arguments);
        assert!(code == 1 && error.contains("no partition 9 of topic words, expected less than 2"), "{arguments:?}: {error}");
    }
    drop(running);
}

#[test]
fn a_failed_scenario_shows_no_personal_id_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.yaml");
    let case = "topology: count\nnow: 2026-01-26T08:00:00Z\nsteps:\n  - send: { topic: words, value: { text: \"01810000001\" } }\n  - expect_count: { topic: counts, records: 9 }\n  - store: { name: words-counted, key: \"01810000001\", value: 2 }\n";
    // The record that is too few, and the row that differs, are both shown.
    for case in [case.to_owned(), case.replace("records: 9", "records: 1")] {
        std::fs::write(&file, case).unwrap();
        let path = file.to_str().unwrap();
        let (code, masked, _) = straum(folder.path(), &["check", path]);
        assert!(code == 1 && !masked.contains("01810000001"), "{masked}");
        let (code, shown, _) = straum(folder.path(), &["check", "--show-personal", path]);
        assert!(code == 1 && shown.contains("01810000001") == masked.contains("***********"), "{shown}");
    }
}
