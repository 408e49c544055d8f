//! Every scenario file passes, and with crashes everywhere; a wrong expectation fails and says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};

use serde_json::json;
use straum_topologies::scenario::file::Step;
use straum_topologies::scenario::{Failure, Scenario, check, crash, lists};

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Runs every file, a thread for each of two halves, and gives what failed.
fn failures(check: impl Fn(&Scenario) -> Result<(), Failure> + Sync) -> Vec<String> {
    let files = files();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some(path) = files.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            match Scenario::read(path) {
                Err(invalid) => failed.push(invalid.to_string()),
                Ok(scenario) => failed.extend(check(&scenario).err().map(|failure| failure.to_string())),
            }
        }
        failed
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn every_file_passes() {
    let failed = failures(check);
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// The lines of files that the steps of a case send.
fn lines_sent(scenario: &Scenario) -> u64 {
    let files = scenario.case.steps.iter().filter_map(|step| if let Step::SendFile(send) = &step.value { Some(send) } else { None });
    let lines = files.map(|send| match send.lines {
        Some(lines) => lines.last + 1 - lines.first,
        None => std::fs::read_to_string(scenario.beside(&send.file)).unwrap().lines().count(),
    });
    lines.sum::<usize>().try_into().unwrap()
}

#[test]
fn every_file_passes_with_a_crash_anywhere() {
    let failed = failures(|scenario| {
        let tried = crash::check_everywhere(scenario)?;
        let place = scenario.path.display();
        let lines = lines_sent(scenario);
        assert!(tried.runs > 3 && tried.crashes > 0, "{place}: {tried:?}");
        assert!(tried.lines == lines && tried.crashes >= lines, "{place}: {tried:?}, expected a crash inside each of {lines} lines");
        Ok(())
    });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

const HEAD: &str = "topology: count\nnow: 2026-01-26T08:00:00+01:00\nsteps:\n  - send: { topic: words, value: { text: foss } }\n";

fn failure(step: &str) -> String {
    let scenario = Scenario::parse(Path::new("seeded.yaml"), &format!("{HEAD}  - {step}\n")).unwrap();
    let failure = check(&scenario).expect_err(step);
    assert_eq!((failure.step, failure.line), (2, 5), "{failure}");
    failure.to_string()
}

#[test]
fn a_wrong_expectation_fails_and_says_why() {
    for (step, says) in [
        (
            "expect: { topic: counts, records: [ { key: foss, value: 2 } ] }",
            &["step 2", "-  \"value\": 2", "+  \"value\": 1", "   \"key\": \"foss\""][..],
        ),
        ("expect: { topic: counts, records: [] }", &["1 records in counts", "+  \"value\": 1"]),
        ("expect: { topic: counts, match: subset, records: [ { key: elv } ] }", &["-  \"key\": \"elv\"", "+  \"key\": \"foss\""]),
        ("expect: { topic: counts, match: unordered, records: [ { value: null } ] }", &["-  \"value\": null", "+  \"value\": 1"]),
        ("expect: { topic: counts, records: [ { key: foss, timestamp: 2026-01-26T07:00:01Z } ] }", &["-  \"timestamp\": \"2026-01-26T07:00:01Z\""]),
        ("expect: { topic: counts, records: [ { key: foss, headers: { h: v } } ] }", &["-    \"h\": \"v\""]),
        ("expect: { topic: count, records: [] }", &["no topic \"count\"", "counts"]),
        ("expect_count: { topic: counts, records: 2 }", &["1 records in counts, expected 2", "foss"]),
        ("expect_count: { topic: counts, value: 2, records: 1 }", &["0 records in counts, expected 1"]),
        ("crash: { reread: word }", &["no topic \"word\"", "words"]),
        ("crash: { config: { nope: 1 } }", &["no setting \"nope\""]),
        ("store: { name: words-counted, key: foss, value: 7 }", &["row of foss", "-7", "+1"]),
        ("store: { name: words-counted, key: foss, absent: true }", &["has a row of foss, expected none"]),
        ("store: { name: words-counted, key: elv, value: 1 }", &["no row of elv", "[foss]"]),
        ("store: { name: words-counted, count: 2 }", &["1 rows in store words-counted, expected 2"]),
        ("store: { name: words, count: 1 }", &["no store \"words\"", "words-counted"]),
        ("http: { path: /graphql, status: 200 }", &["no query API"]),
        ("send: { topic: words, value: { hex: f } }", &["pairs of hexadecimal digits"]),
        ("send: { topic: word, value: 1 }", &["no topic \"word\""]),
        ("send_file: { topic: words, file: missing.txt }", &["missing.txt cannot be read"]),
        ("advance: { to: 2026-01-26T07:59:59+01:00 }", &["before the clock's"]),
    ] {
        let text = failure(step);
        for part in says {
            assert!(text.contains(part), "{step}\n{text}\nmisses {part}");
        }
    }
}

#[test]
fn what_is_no_scenario_is_refused_with_its_line() {
    for (text, says) in [
        ("topology: count\nnow: 2026-01-26T08:00:00+01:00\nstep: []\n", &["step", "steps", "3"][..]),
        (&format!("{HEAD}  - sendd: {{ topic: words }}\n"), &["sendd", "send_file", "5"]),
        (&format!("{HEAD}  - send: {{ topic: words, vale: 1 }}\n"), &["vale", "value", "5"]),
        (&format!("{HEAD}  - store: {{ name: s, key: k }}\n"), &["line 5", "expected a key with value"]),
        (&format!("{HEAD}  - store: {{ name: s, key: k, count: 1 }}\n"), &["line 5", "without a key"]),
        (&format!("{HEAD}  - send_file: {{ topic: t, file: f, lines: 4-3 }}\n"), &["4-3", "5"]),
        (&format!("{HEAD}  - crash: {{ until: 2026-01-27T08:00:00Z, config: {{}} }}\n"), &["line 5", "expected one of them"]),
        ("topology: count\nnow: yesterday\nsteps: []\n", &["2", "yesterday"]),
        ("topology: [\n", &["seeded.yaml"]),
        ("topology: coun\nnow: 2026-01-26T08:00:00+01:00\nsteps: []\n", &["no topology \"coun\"", "count"]),
        ("topology: count\nnow: 2026-01-26T08:00:00+01:00\nconfig: { nope: 1 }\nsteps: []\n", &["line 3: config:", "no setting \"nope\""]),
        ("topology: datadeling\nnow: 2026-01-26T08:00:00+01:00\nconfig:\n  maks-rader: x\nsteps: []\n", &["line 3: config:", "maks-rader"]),
    ] {
        let invalid = Scenario::parse(Path::new("seeded.yaml"), text).expect_err(text).to_string();
        for part in says {
            assert!(invalid.contains(part), "{text}\n{invalid}\nmisses {part}");
        }
    }
}

#[test]
fn lists_are_counted() {
    let answer = json!({ "data": { "all": [
        { "id": "a", "kind": "x", "from": "2024-02-28", "to": "2024-03-01" },
        { "id": "b", "kind": "x", "from": "2024-01-01", "to": "2024-01-01" },
        { "id": "c", "kind": "y", "from": null, "to": "2024-01-01" },
    ] } });
    let span = |shortest: i32, longest: i32| json!({ "at": "/data/all", "where": { "kind": "x" }, "span": { "from": "from", "to": "to", "shortest": shortest, "longest": longest } });
    for (expected, says) in [
        (json!({ "at": "/data/all", "rows": 3, "distinct": { "id": 3, "kind": 2 } }), None),
        (json!({ "at": "/data/all", "where": { "kind": "x" }, "rows": 2, "distinct": { "kind": 1 } }), None),
        (span(1, 3), None),
        (json!({ "at": "/data/all", "rows": 2 }), Some("3 elements at /data/all, expected 2")),
        (json!({ "at": "/data/all", "where": { "kind": "y" }, "rows": 2 }), Some("1 elements at /data/all with {\"kind\":\"y\"}, expected 2")),
        (json!({ "at": "/data/all", "distinct": { "kind": 3 } }), Some("2 different kind at /data/all, expected 3")),
        (json!({ "at": "/data/none" }), Some("no list at /data/none")),
        (span(1, 4), Some("spans of 1 to 3 days, expected 1 to 4")),
        (
            json!({ "at": "/data/all", "span": { "from": "from", "to": "to", "shortest": 1, "longest": 3 } }),
            Some("an element without the dates from and to"),
        ),
    ] {
        let wrong = lists::check(&answer, &serde_json::from_value(expected.clone()).unwrap()).err();
        match says {
            None => assert_eq!(wrong, None, "{expected}"),
            Some(says) => assert!(wrong.as_ref().is_some_and(|wrong| wrong.contains(says)), "{expected}: {wrong:?}"),
        }
    }
}

#[test]
fn an_expectation_that_a_crash_breaks_is_found() {
    // Without a crash the rows come in one commit; the check is that every plan really runs the steps.
    let text = format!("{HEAD}  - expect: {{ topic: counts, records: [ {{ value: 1 }} ] }}\n  - expect_count: {{ topic: counts, records: 1 }}\n");
    let scenario = Scenario::parse(Path::new("seeded.yaml"), &text).unwrap();
    assert_eq!(crash::check_everywhere(&scenario).expect_err("seeded").step, 3);
}
