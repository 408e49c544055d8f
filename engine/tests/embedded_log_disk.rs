//! The embedded log in a folder: it comes back, one process has it, `kill -9` loses what it should, idle logs are small.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

mod embedded_log;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use embedded_log::*;
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions, SyncPolicy, Unsynced};
use straum::log::{Log, LogErrorKind};

fn open(folder: &Path) -> EmbeddedLog {
    EmbeddedLog::open(folder, EmbeddedOptions::new()).unwrap()
}

#[test]
fn everything_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = open(folder.path());
        topic(&log, "t", 2, &[("cleanup.policy", "delete"), ("segment.bytes", "500")]);
        let mut transactional = producer(&log, Some("id"));
        for (value, commit) in [("1", true), ("2", false), ("3", true)] {
            transactional.begin().unwrap();
            send(&mut *transactional, "t", &[&format!("0:a={value}"), &format!("1:b={value}")]).unwrap();
            transactional.send_offsets(&group("g"), &[offset(&at("t", 0), value.parse().unwrap())]).unwrap();
            if commit { transactional.commit().unwrap() } else { transactional.abort().unwrap() }
        }
        transactional.begin().unwrap();
        send(&mut *transactional, "t", &["0:a=left open"]).unwrap();
    }
    let log = open(folder.path());
    assert_eq!(read(&log, &at("t", 0)), ["0:a=1", "4:a=3"]);
    assert_eq!(read(&log, &at("t", 1)), ["0:b=1", "4:b=3"]);
    assert_eq!(committed(&log, "g", &at("t", 0)), Some(3));
    assert_eq!(log.offsets(&at("t", 0)).unwrap(), (0, 8), "the transaction left open is aborted");
    assert_eq!(log.describe().unwrap()[0].config["cleanup.policy"], "delete");
}

#[test]
fn one_process_has_the_folder_and_the_others_are_told_who() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let error = EmbeddedLog::open(folder.path(), EmbeddedOptions::new()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Locked);
    let expected = format!("held by process {} since 20", std::process::id());
    assert!(error.to_string().contains(&expected) && error.to_string().contains("command embedded_log_disk"), "{error}");
    drop(log);
    open(folder.path());
}

/// Not a test by itself: the process that the next tests kill.
#[test]
fn victim() {
    let Ok(folder) = std::env::var("STRAUM_TEST_VICTIM") else { return };
    let log = EmbeddedLog::open(folder, EmbeddedOptions::new().unsynced(Unsynced::HeldInMemory)).unwrap();
    topic(&log, "t", 2, &[]);
    let mut transactional = producer(&log, Some("id"));
    let mut plain = producer(&log, None);
    let rounds = std::env::var("STRAUM_TEST_ROUNDS").map_or(i64::MAX, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        transactional.begin().unwrap();
        send(&mut *transactional, "t", &[&format!("0:a={round}"), &format!("1:b={round}")]).unwrap();
        transactional.send_offsets(&group("g"), &[offset(&at("t", 0), round)]).unwrap();
        transactional.commit().unwrap();
        send(&mut *plain, "t", &["0:lost=1"]).unwrap();
        eprintln!("committed {round}");
    }
    std::thread::park();
}

/// Kills a victim once it has told of so many commits, and gives the last.
fn kill_after(folder: &Path, commits: usize, rounds: i64) -> i64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture"])
        .env("STRAUM_TEST_VICTIM", folder)
        .env("STRAUM_TEST_ROUNDS", rounds.to_string())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("committed ")?.parse::<i64>().ok());
    let last = told.nth(commits - 1).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    last
}

#[test]
fn kill_9_loses_what_is_unsynced_and_nothing_that_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    for kill in 1..=3 {
        let told = kill_after(folder.path(), 20 * kill, i64::MAX);
        let log = open(folder.path());
        let reached = committed(&log, "g", &at("t", 0)).unwrap();
        let last = |partition| {
            read(&log, &at("t", partition))
                .iter()
                .rev()
                .find(|record| !record.contains("lost"))
                .unwrap()
                .split_once('=')
                .unwrap()
                .1
                .parse::<i64>()
                .unwrap()
        };
        assert!(reached >= told, "kill {kill}: offset {reached}, told {told}");
        assert_eq!((last(0), last(1)), (reached, reached), "kill {kill}");
    }
    // One that had nothing more to do: nobody has synced its last record.
    kill_after(folder.path(), 5, 5);
    let records = read(&open(folder.path()), &at("t", 0));
    assert!(!records.last().unwrap().contains("lost"), "what was not synced is lost: {:?}", records.last());
}

#[test]
fn an_idle_log_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for number in 0..50 {
        topic(&log, &format!("topic-{number}"), 12, &[]);
    }
    let mut bytes = 0;
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { bytes += entry.metadata().unwrap().len() }
        }
    }
    assert!(bytes < 10_000, "{bytes} bytes");
}

#[test]
fn without_syncs_a_process_that_dies_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = || EmbeddedOptions::new().sync(SyncPolicy::Never);
    {
        let log = EmbeddedLog::open(folder.path(), options()).unwrap();
        topic(&log, "t", 1, &[]);
        send(&mut *producer(&log, None), "t", &["0:a=1"]).unwrap();
    }
    assert_eq!(read(&EmbeddedLog::open(folder.path(), options()).unwrap(), &at("t", 0)), ["0:a=1"]);
}

#[test]
fn the_journal_does_not_grow_with_the_commits() {
    let folder = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions::new().sync(SyncPolicy::Never).journal_bytes(4096);
    let log = EmbeddedLog::open(folder.path(), options).unwrap();
    topic(&log, "t", 1, &[]);
    let mut transactional = producer(&log, Some("id"));
    for round in 0..2000 {
        transactional.begin().unwrap();
        send(&mut *transactional, "t", &["0:a=1"]).unwrap();
        transactional.send_offsets(&group("g"), &[offset(&at("t", 0), round)]).unwrap();
        transactional.commit().unwrap();
    }
    let journals: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("journal"))
        .collect();
    assert_eq!(journals.len(), 1);
    assert!(journals[0].metadata().unwrap().len() < 5000);
    drop((transactional, log));
    assert_eq!(committed(&open(folder.path()), "g", &at("t", 0)), Some(1999));
}
