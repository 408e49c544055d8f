//! Retention, compaction and deletion of the embedded log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

mod embedded_log;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use embedded_log::*;
use straum::log::embedded::fault::{FaultyStorage, Loss};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{HeaderView, Isolation, Log, LogErrorKind, OutputBatch, StartOffset};

/// A log whose disk and clock are in the hands of the test.
struct Bench {
    storage: FaultyStorage,
    now: Arc<AtomicI64>,
    log: EmbeddedLog,
}

fn options(now: &Arc<AtomicI64>) -> EmbeddedOptions {
    let clock = Arc::clone(now);
    EmbeddedOptions::new().clean_at_roll(false).clock(move || clock.load(Ordering::Relaxed))
}

fn bench(config: &[(&str, &str)]) -> Bench {
    let (storage, now) = (FaultyStorage::new(0), Arc::new(AtomicI64::new(0)));
    let log = EmbeddedLog::with_storage(Arc::new(storage.clone()), options(&now)).unwrap();
    topic(&log, "t", 1, config);
    Bench { storage, now, log }
}

impl Bench {
    /// Sends records one by one; with small segments each has its own.
    fn send(&self, records: &[&str]) {
        let mut plain = producer(&self.log, None);
        records.iter().for_each(|record| send(&mut *plain, "t", &[&format!("0:{record}")]).unwrap());
    }

    fn read(&self) -> Vec<String> {
        read(&self.log, &at("t", 0))
    }

    fn files(&self) -> usize {
        self.storage.paths().iter().filter(|path| path.ends_with(".segment")).count()
    }

    fn reopen(self) -> Self {
        let Self { storage, now, log } = self;
        drop(log);
        let storage = storage.survivor(Loss::Nothing);
        let log = EmbeddedLog::with_storage(Arc::new(storage.clone()), options(&now)).unwrap();
        Self { storage, now, log }
    }
}

const COMPACT: [(&str, &str); 3] = [("cleanup.policy", "compact"), ("segment.bytes", "1"), ("delete.retention.ms", "100")];

#[test]
fn compaction_keeps_the_newest_of_each_key_and_its_offset() {
    let bench = bench(&[("cleanup.policy", "compact"), ("segment.bytes", "250")]);
    bench.send(&["a=1", "b=1", "a=2", "c=1", "b=2", "d=1", "end=1"]);
    bench.log.clean().unwrap();
    assert_eq!(bench.read(), ["2:a=2", "3:c=1", "4:b=2", "5:d=1", "6:end=1"]);
    let bench = bench.reopen();
    assert_eq!(bench.read(), ["2:a=2", "3:c=1", "4:b=2", "5:d=1", "6:end=1"]);
    assert_eq!(read_from(&bench.log, Isolation::ReadCommitted, &at("t", 0), StartOffset::At(1)).0[0], "2:a=2", "offset 1 is a gap");
}

#[test]
fn the_segment_that_is_written_to_is_not_compacted() {
    let bench = bench(&[("cleanup.policy", "compact")]);
    bench.send(&["a=1", "a=2"]);
    bench.log.clean().unwrap();
    assert_eq!(bench.read(), ["0:a=1", "1:a=2"]);
}

#[test]
fn a_tombstone_stays_for_its_retention_after_it_was_first_compacted() {
    let bench = bench(&COMPACT);
    bench.send(&["a=1", "b=1", "a=-", "end=1"]);
    bench.now.store(1_000, Ordering::Relaxed);
    bench.log.clean().unwrap();
    assert_eq!(bench.read(), ["1:b=1", "2:a=-", "3:end=1"]);
    bench.now.store(1_099, Ordering::Relaxed);
    bench.log.clean().unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.read(), ["1:b=1", "2:a=-", "3:end=1"]);
    bench.now.store(1_100, Ordering::Relaxed);
    bench.log.clean().unwrap();
    assert_eq!(bench.read(), ["1:b=1", "3:end=1"]);
}

#[test]
fn compaction_drops_aborted_records_and_stops_at_open_transactions() {
    let bench = bench(&COMPACT);
    let mut transactional = producer(&bench.log, Some("id"));
    for (record, commit) in [("0:a=1", true), ("0:a=aborted", false), ("0:b=1", true), ("0:b=2", true)] {
        transactional.begin().unwrap();
        send(&mut *transactional, "t", &[record]).unwrap();
        if commit { transactional.commit().unwrap() } else { transactional.abort().unwrap() }
    }
    transactional.begin().unwrap();
    send(&mut *transactional, "t", &["0:a=open"]).unwrap();
    bench.send(&["b=3", "c=1"]);
    bench.log.clean().unwrap();
    assert_eq!(read_all(&bench.log, &at("t", 0)), ["0:a=1", "6:b=2", "8:a=open", "9:b=3", "10:c=1"]);
    assert_eq!(bench.read(), ["0:a=1", "6:b=2"]);
    transactional.commit().unwrap();
    bench.send(&["end=1"]);
    bench.log.clean().unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.read(), ["8:a=open", "9:b=3", "10:c=1", "12:end=1"]);
}

#[test]
fn compaction_merges_small_files() {
    let bench = bench(&[("cleanup.policy", "compact"), ("segment.bytes", "300")]);
    for round in 0..50 {
        bench.send(&[&format!("a={round}"), "b=1"]);
    }
    let before = bench.files();
    bench.log.clean().unwrap();
    bench.log.clean().unwrap();
    assert!(bench.files() <= before / 4, "{} files of {before}", bench.files());
    let kept = bench.read();
    assert_eq!(newest(&kept), newest(&["98:a=49".to_owned(), "99:b=1".to_owned()]));
}

#[test]
fn records_younger_than_the_compaction_lag_stay() {
    let bench = bench(&[("cleanup.policy", "compact"), ("segment.bytes", "1"), ("min.compaction.lag.ms", "50")]);
    bench.send(&["a=1", "a=2", "a=3"]);
    for (now, kept) in [(49, 3), (50, 2)] {
        bench.now.store(now, Ordering::Relaxed);
        bench.log.clean().unwrap();
        assert_eq!(bench.read().len(), kept, "at {now}");
    }
}

#[test]
fn compaction_of_many_keys_is_what_a_map_says() {
    let bench = bench(&[("cleanup.policy", "compact"), ("segment.bytes", "20000")]);
    let mut plain = producer(&bench.log, None);
    for round in 0..40 {
        let records: Vec<String> = (0..100).map(|key| format!("0:{}={round}", key * (round + 1) % 631)).collect();
        send(&mut *plain, "t", &records.iter().map(String::as_str).collect::<Vec<&str>>()).unwrap();
    }
    let before = bench.read();
    bench.log.clean().unwrap();
    let after = bench.read();
    assert!(after.len() < before.len());
    assert_eq!(newest(&after), newest(&before));
}

#[test]
fn a_segment_is_full_by_its_age_and_not_by_the_times_of_its_records() {
    let bench = bench(&[("segment.ms", "1000")]);
    let mut plain = producer(&bench.log, None);
    let mut send_at = |timestamp: i64| {
        let mut batch = OutputBatch::new();
        let topic = batch.topic(&"t".into());
        batch.push(topic, 0, timestamp, Some(b"k"), Some(b"v"), HeaderView::new(&[]));
        plain.send(&batch).unwrap();
    };
    for (now, timestamp, files) in [(0, 0, 1), (10, 5_000_000, 1), (1000, 1, 1), (1001, 0, 2), (1002, 9_000_000, 2)] {
        bench.now.store(now, Ordering::Relaxed);
        send_at(timestamp);
        assert_eq!(bench.files(), files, "at {now}, with a record of {timestamp}");
    }
    // The age outlives the process.
    let bench = bench.reopen();
    bench.now.store(2002, Ordering::Relaxed);
    bench.send(&["k=v"]);
    assert_eq!(bench.files(), 3);
}

#[test]
fn old_segments_go_by_time_and_by_size() {
    for (setting, value, kept) in [("retention.ms", "10", 2), ("retention.bytes", "300", 3), ("retention.ms", "-1", 6)] {
        let bench = bench(&[("segment.bytes", "1"), (setting, value)]);
        let mut plain = producer(&bench.log, None);
        for timestamp in 0..6 {
            let mut batch = OutputBatch::new();
            let index = batch.topic(&Arc::from("t"));
            batch.push(index, 0, timestamp, Some(b"k"), Some(b"v"), HeaderView::new(&[]));
            plain.send(&batch).unwrap();
        }
        bench.now.store(14, Ordering::Relaxed);
        bench.log.clean().unwrap();
        let (start, end) = bench.log.offsets(&at("t", 0)).unwrap();
        assert_eq!((end - start, end, bench.read().len()), (kept, 6, usize::try_from(kept).unwrap()), "{setting}={value}");
        let bench = bench.reopen();
        assert_eq!(bench.log.offsets(&at("t", 0)).unwrap(), (6 - kept, 6), "{setting}={value}");
    }
}

#[test]
fn when_all_is_too_old_nothing_is_left_but_the_end() {
    let bench = bench(&[("retention.ms", "10")]);
    bench.send(&["a=1", "a=2"]);
    bench.now.store(100, Ordering::Relaxed);
    bench.log.clean().unwrap();
    let bench = bench.reopen();
    assert_eq!((bench.log.offsets(&at("t", 0)).unwrap(), bench.read()), ((2, 2), vec![]));
    bench.send(&["a=3"]);
    assert_eq!(bench.read(), ["2:a=3"]);
}

#[test]
fn deleted_records_stay_deleted() {
    let bench = bench(&[("segment.bytes", "200")]);
    bench.send(&["a=1", "a=2", "a=3", "a=4", "a=5"]);
    let files = bench.files();
    bench.log.delete_records(&[(at("t", 0), 3)]).unwrap();
    bench.log.delete_records(&[(at("t", 0), 1)]).unwrap();
    assert!(bench.files() < files);
    let error = bench.log.delete_records(&[(at("t", 0), 6)]).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::OffsetOutOfRange);
    let bench = bench.reopen();
    assert_eq!((bench.log.offsets(&at("t", 0)).unwrap(), bench.read()), ((3, 5), vec!["3:a=4".to_owned(), "4:a=5".to_owned()]));
    let mut reader = consumer(&bench.log, Isolation::ReadCommitted, &[(at("t", 0), StartOffset::At(2))]);
    assert_eq!(reader.poll(Duration::ZERO, &mut Vec::new()).unwrap_err().kind(), LogErrorKind::OffsetOutOfRange);
}

#[test]
fn purging_a_topic_frees_its_disk() {
    let bench = bench(&[]);
    let value = "x".repeat(10_000);
    let record = format!("k={value}");
    for _ in 0..5 {
        bench.send(&vec![&record[..]; 200]);
        let end = bench.log.offsets(&at("t", 0)).unwrap().1;
        bench.log.delete_records(&[(at("t", 0), end)]).unwrap();
    }
    assert!(bench.storage.used() < 10_000, "{} bytes", bench.storage.used());
    let bench = bench.reopen();
    assert_eq!(bench.log.offsets(&at("t", 0)).unwrap(), (1000, 1000));
}

#[test]
fn full_segments_are_cleaned_without_being_asked() {
    let storage = FaultyStorage::new(0);
    let log = EmbeddedLog::with_storage(Arc::new(storage.clone()), EmbeddedOptions::new()).unwrap();
    topic(&log, "t", 1, &[("cleanup.policy", "compact"), ("segment.bytes", "10000")]);
    let mut plain = producer(&log, None);
    for round in 0..5000 {
        send(&mut *plain, "t", &[&format!("0:k{}={round}", round % 10)]).unwrap();
    }
    assert!(storage.used() < 40_000, "{} bytes", storage.used());
    assert_eq!(newest(&read(&log, &at("t", 0))).len(), 10);
}

#[test]
fn a_reader_that_is_behind_reads_on_through_compaction() {
    let bench = bench(&COMPACT);
    bench.send(&["a=1", "b=1", "a=2", "b=2", "c=1"]);
    let mut reader = consumer(&bench.log, Isolation::ReadCommitted, &[(at("t", 0), StartOffset::At(1))]);
    bench.log.clean().unwrap();
    let mut batches = Vec::new();
    while reader.position(&at("t", 0)) != Some(5) {
        reader.poll(Duration::ZERO, &mut batches).unwrap();
    }
    let offsets: Vec<i64> = batches.iter().flat_map(|batch| batch.iter().map(|record| record.offset).collect::<Vec<_>>()).collect();
    assert_eq!(offsets, [2, 3, 4]);
}
