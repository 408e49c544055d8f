//! The embedded log as its clients see it: offsets, isolation, fencing, time-outs, acknowledgement, bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

mod embedded_log;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use embedded_log::*;
use straum::log::embedded::{Acknowledgement, EmbeddedLog, EmbeddedOptions};
use straum::log::{
    GroupMembership, HeaderView, Isolation, Log, LogErrorKind, OutputBatch, ProducerOptions, RecordBatch, StartOffset, TopicPartition, encode_header,
};

fn log() -> EmbeddedLog {
    log_with(EmbeddedOptions::new())
}

fn log_with(options: EmbeddedOptions) -> EmbeddedLog {
    let log = EmbeddedLog::in_memory(options.stable_wait(Duration::ZERO)).unwrap();
    topic(&log, "in", 2, &[]);
    topic(&log, "out", 2, &[]);
    log
}

#[test]
fn records_come_back_with_all_their_parts() {
    let log = log();
    let mut headers = Vec::new();
    encode_header("a", Some(b"1"), &mut headers);
    encode_header("a", None, &mut headers);
    let mut batch = OutputBatch::new();
    let index = batch.topic(&Arc::from("in"));
    batch.push(index, 1, 5, None, Some(b""), HeaderView::new(&headers));
    batch.push(index, 1, 7, Some(b""), None, HeaderView::new(&[]));
    producer(&log, None).send(&batch).unwrap();
    let mut batches = Vec::new();
    consumer(&log, Isolation::ReadCommitted, &[(at("in", 1), StartOffset::Beginning)]).poll(Duration::ZERO, &mut batches).unwrap();
    let [read] = &batches[..] else { panic!("one batch, not {}", batches.len()) };
    let seen: Vec<_> = read.iter().map(|record| (record.offset, record.timestamp, record.key, record.value)).collect();
    assert_eq!(seen, [(0, 5, None, Some(&b""[..])), (1, 7, Some(&b""[..]), None)]);
    let first: Vec<_> = read.get(0).unwrap().headers.iter().collect();
    assert_eq!(first, [("a", Some(&b"1"[..])), ("a", None)]);
    assert_eq!((read.headers(0), read.next_offset()), (headers.into(), 2));
}

#[test]
fn a_marker_takes_an_offset_in_every_partition_touched() {
    let log = log();
    let mut first = producer(&log, Some("t"));
    first.begin().unwrap();
    send(&mut *first, "in", &["0:a=1", "1:b=2", "0:c=3"]).unwrap();
    first.commit().unwrap();
    first.begin().unwrap();
    send(&mut *first, "in", &["0:d=4"]).unwrap();
    first.commit().unwrap();
    assert_eq!(read(&log, &at("in", 0)), ["0:a=1", "1:c=3", "3:d=4"]);
    assert_eq!(read(&log, &at("in", 1)), ["0:b=2"]);
    assert_eq!(log.offsets(&at("in", 0)).unwrap(), (0, 5));
    assert_eq!(log.offsets(&at("in", 1)).unwrap(), (0, 2));
}

#[test]
fn committed_readers_stop_at_the_first_open_transaction() {
    let log = log();
    let mut open = producer(&log, Some("t"));
    open.begin().unwrap();
    send(&mut *producer(&log, None), "in", &["0:a=1"]).unwrap();
    send(&mut *open, "in", &["0:b=2"]).unwrap();
    send(&mut *producer(&log, None), "in", &["0:c=3"]).unwrap();
    assert_eq!(read(&log, &at("in", 0)), ["0:a=1"]);
    assert_eq!(read_all(&log, &at("in", 0)), ["0:a=1", "1:b=2", "2:c=3"]);
    assert_eq!((log.last_stable_offset(&at("in", 0)).unwrap(), log.offsets(&at("in", 0)).unwrap()), (1, (0, 3)));
    open.commit().unwrap();
    assert_eq!(read(&log, &at("in", 0)), ["0:a=1", "1:b=2", "2:c=3"]);
}

#[test]
fn aborted_records_are_hidden_and_positions_pass_them() {
    let log = log();
    let mut aborting = producer(&log, Some("t"));
    aborting.begin().unwrap();
    send(&mut *aborting, "in", &["0:a=1", "0:b=2"]).unwrap();
    aborting.abort().unwrap();
    assert_eq!(read_from(&log, Isolation::ReadCommitted, &at("in", 0), StartOffset::Beginning), (vec![], 3));
    assert_eq!(read_all(&log, &at("in", 0)), ["0:a=1", "1:b=2"]);
}

#[test]
fn a_new_producer_of_an_id_aborts_and_fences_the_old_one() {
    let log = log();
    let mut old = producer(&log, Some("t"));
    old.begin().unwrap();
    send(&mut *old, "in", &["0:a=1"]).unwrap();
    let mut new = producer(&log, Some("t"));
    assert_eq!(read_from(&log, Isolation::ReadCommitted, &at("in", 0), StartOffset::Beginning), (vec![], 2));
    assert_eq!(send(&mut *old, "in", &["0:b=2"]).unwrap_err().kind(), LogErrorKind::Fenced);
    assert_eq!(old.commit().unwrap_err().kind(), LogErrorKind::Fenced);
    assert_eq!(old.abort().unwrap_err().kind(), LogErrorKind::Fenced);
    new.begin().unwrap();
    send(&mut *new, "in", &["0:c=3"]).unwrap();
    new.commit().unwrap();
    assert_eq!(read(&log, &at("in", 0)), ["2:c=3"]);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_by_the_clock() {
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let log = log_with(EmbeddedOptions::new().clock(move || clock.load(Ordering::Relaxed)));
    let mut slow = producer(&log, Some("t"));
    slow.begin().unwrap();
    send(&mut *slow, "in", &["0:a=1"]).unwrap();
    slow.send_offsets(&group("g"), &[offset(&at("in", 0), 1)]).unwrap();
    send(&mut *producer(&log, None), "in", &["0:b=2"]).unwrap();
    now.store(9_999, Ordering::Relaxed);
    assert_eq!(read(&log, &at("in", 0)), Vec::<String>::new());
    now.store(10_000, Ordering::Relaxed);
    assert_eq!(read(&log, &at("in", 0)), ["1:b=2"]);
    assert_eq!(committed(&log, "g", &at("in", 0)), None);
    assert_eq!(slow.commit().unwrap_err().kind(), LogErrorKind::Fatal);
}

#[test]
fn offsets_are_committed_with_the_records_or_not_at_all() {
    let log = log();
    let mut transactional = producer(&log, Some("t"));
    for (commit, expected) in [(false, None), (true, Some(5))] {
        transactional.begin().unwrap();
        send(&mut *transactional, "in", &["0:a=1"]).unwrap();
        send(&mut *producer(&log, None), "in", &["0:x=1", "0:x=1", "0:x=1", "0:x=1"]).unwrap();
        transactional.send_offsets(&group("g"), &[offset(&at("in", 0), 5)]).unwrap();
        let pending = log.committed("g", &[at("in", 0)]).unwrap_err();
        assert_eq!((pending.kind(), pending.partition()), (LogErrorKind::Retriable, Some(&at("in", 0))));
        assert_eq!(log.committed("g", &[at("in", 1)]).unwrap(), [None], "another partition is not pending");
        if commit {
            transactional.commit().unwrap();
        } else {
            transactional.abort().unwrap();
        }
        assert_eq!(committed(&log, "g", &at("in", 0)), expected);
    }
}

#[test]
fn a_waiting_committed_sees_the_end_of_the_transaction() {
    let log = EmbeddedLog::in_memory(EmbeddedOptions::new().stable_wait(Duration::from_secs(60))).unwrap();
    topic(&log, "in", 1, &[]);
    let mut transactional = producer(&log, Some("t"));
    transactional.begin().unwrap();
    transactional.send_offsets(&group("g"), &[offset(&at("in", 0), 0)]).unwrap();
    let waiting = std::thread::spawn({
        let log = log.clone();
        move || committed(&log, "g", &at("in", 0))
    });
    transactional.commit().unwrap();
    assert_eq!(waiting.join().unwrap(), Some(0));
}

#[test]
fn memberships_are_fenced_by_epoch() {
    let log = log();
    let member = |epoch| GroupMembership { group: "g".into(), member: Some(("m".into(), epoch)) };
    log.commit_offsets(&member(2), &[offset(&at("in", 0), 1)]).unwrap();
    assert_eq!(log.commit_offsets(&member(1), &[offset(&at("in", 0), 9)]).unwrap_err().kind(), LogErrorKind::Fenced);
    let mut transactional = producer(&log, Some("t"));
    transactional.begin().unwrap();
    assert_eq!(transactional.send_offsets(&member(1), &[offset(&at("in", 0), 9)]).unwrap_err().kind(), LogErrorKind::Abortable);
    transactional.abort().unwrap();
    log.raise_group_epoch("g", 3).unwrap();
    assert_eq!(log.commit_offsets(&member(2), &[offset(&at("in", 0), 9)]).unwrap_err().kind(), LogErrorKind::Fenced);
    log.commit_offsets(&group("g"), &[offset(&at("in", 0), 4)]).unwrap();
    assert_eq!(committed(&log, "g", &at("in", 0)), Some(4));
}

#[test]
fn metadata_of_an_offset_is_kept() {
    let log = log();
    let mut with_metadata = offset(&at("in", 0), 3);
    with_metadata.metadata = "AgAAAAAAAAAF".into();
    log.commit_offsets(&group("g"), &[with_metadata.clone()]).unwrap();
    assert_eq!(log.committed("g", &[at("in", 0), at("in", 1)]).unwrap(), [Some(with_metadata), None]);
}

#[test]
fn send_takes_the_records_before_the_one_it_refuses() {
    let log = log();
    topic(&log, "small", 1, &[("max.message.bytes", "40")]);
    let long = format!("0:k={}", "x".repeat(40));
    let error = send(&mut *producer(&log, None), "small", &["0:a=1", &long, "0:c=3"]).unwrap_err();
    assert_eq!((error.kind(), error.record()), (LogErrorKind::RecordTooLarge, Some(1)));
    assert_eq!(read(&log, &at("small", 0)), ["0:a=1"]);
    for (topic, record) in [("in", "2:b=2"), ("none", "0:b=2")] {
        let error = send(&mut *producer(&log, None), topic, &[record]).unwrap_err();
        assert_eq!((error.kind(), error.record()), (LogErrorKind::UnknownTopic, Some(0)));
    }
}

#[test]
fn a_compacted_topic_refuses_records_without_a_key() {
    let log = log();
    topic(&log, "table", 1, &[("cleanup.policy", "compact")]);
    let mut batch = OutputBatch::new();
    let index = batch.topic(&Arc::from("table"));
    batch.push(index, 0, 0, None, Some(b"1"), HeaderView::new(&[]));
    let error = producer(&log, None).send(&batch).unwrap_err();
    assert_eq!((error.kind(), error.record()), (LogErrorKind::Invalid, Some(0)));
}

#[test]
fn an_offset_outside_the_partition_is_reported_once_and_the_others_go_on() {
    let log = log();
    send(&mut *producer(&log, None), "in", &["0:a=1", "1:b=2"]).unwrap();
    let mut reader = consumer(&log, Isolation::ReadCommitted, &[(at("in", 0), StartOffset::At(2)), (at("in", 1), StartOffset::Beginning)]);
    let (mut batches, mut errors) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        errors.extend(reader.poll(Duration::ZERO, &mut batches).err());
    }
    let [error] = &errors[..] else { panic!("one error, not {errors:?}") };
    assert_eq!((error.kind(), error.partition(), error.offset()), (LogErrorKind::OffsetOutOfRange, Some(&at("in", 0)), Some(2)));
    assert_eq!(batches.iter().map(RecordBatch::len).sum::<usize>(), 1);
}

#[test]
fn paused_partitions_keep_their_position() {
    let log = log();
    let mut sender = producer(&log, None);
    send(&mut *sender, "in", &["0:a=1", "1:b=2"]).unwrap();
    let mut reader = consumer(&log, Isolation::ReadCommitted, &[(at("in", 0), StartOffset::Beginning), (at("in", 1), StartOffset::Beginning)]);
    reader.pause(&[at("in", 0)]).unwrap();
    let mut batches = Vec::new();
    reader.poll(Duration::ZERO, &mut batches).unwrap();
    assert_eq!((batches.len(), reader.position(&at("in", 0)), reader.end_offset(&at("in", 0))), (1, Some(0), None));
    reader.resume(&[at("in", 0)]).unwrap();
    reader.poll(Duration::ZERO, &mut batches).unwrap();
    assert_eq!((batches.len(), reader.position(&at("in", 0)), reader.end_offset(&at("in", 0))), (2, Some(1), Some(1)));
}

#[test]
fn starts_are_where_they_were_asked_for() {
    let log = log();
    let mut open = producer(&log, Some("t"));
    open.begin().unwrap();
    send(&mut *producer(&log, None), "in", &["0:a=1"]).unwrap();
    send(&mut *open, "in", &["0:b=2"]).unwrap();
    for (isolation, start, expected) in [
        (Isolation::ReadCommitted, StartOffset::Beginning, 0),
        (Isolation::ReadCommitted, StartOffset::End, 1),
        (Isolation::ReadUncommitted, StartOffset::End, 2),
        (Isolation::ReadUncommitted, StartOffset::At(1), 1),
    ] {
        let reader = consumer(&log, isolation, &[(at("in", 0), start)]);
        assert_eq!(reader.position(&at("in", 0)), Some(expected), "{isolation:?} {start:?}");
        assert_eq!(reader.position(&at("in", 1)), None);
    }
    let mut reader = consumer(&log, Isolation::ReadCommitted, &[]);
    assert_eq!(reader.assign(&[(at("in", 7), StartOffset::End)]).unwrap_err().kind(), LogErrorKind::UnknownTopic);
}

#[test]
fn polls_are_bounded_by_records_and_bytes() {
    let value = "x".repeat(100);
    let records: Vec<String> = (0..5000).map(|number| format!("0:{number}={value}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    for (bytes, most, expected) in [(usize::MAX >> 8, 700, 500), (1, 10_000, 1), (1 << 20, 1_000_000, 5000)] {
        let log = log_with(EmbeddedOptions::new().fetch(bytes, most));
        send(&mut *producer(&log, None), "in", &records).unwrap();
        let mut reader = consumer(&log, Isolation::ReadCommitted, &[(at("in", 0), StartOffset::Beginning)]);
        let (mut total, mut greatest) = (0, 0);
        while total < 5000 {
            let mut batches = Vec::new();
            reader.poll(Duration::ZERO, &mut batches).unwrap();
            assert_eq!(batches[0].get(0).unwrap().offset, i64::try_from(total).unwrap());
            greatest = greatest.max(batches[0].len());
            total += batches[0].len();
        }
        assert!(greatest >= expected && greatest <= most, "{greatest} records in a batch of at most {most} and {bytes} bytes");
    }
}

#[test]
fn a_poll_that_waits_is_woken_by_a_commit() {
    let log = log();
    let mut transactional = producer(&log, Some("t"));
    transactional.begin().unwrap();
    send(&mut *transactional, "in", &["0:a=1"]).unwrap();
    let mut reader = consumer(&log, Isolation::ReadCommitted, &[(at("in", 0), StartOffset::Beginning)]);
    let waiting = std::thread::spawn(move || {
        let mut batches = Vec::new();
        reader.poll(Duration::from_secs(60), &mut batches).unwrap();
        batches.len()
    });
    transactional.commit().unwrap();
    assert_eq!(waiting.join().unwrap(), 1);
}

#[test]
fn late_acknowledgement_comes_when_it_is_let() {
    let log = log_with(EmbeddedOptions::new().acknowledgement(Acknowledgement::Late));
    let mut sender = producer(&log, None);
    send(&mut *sender, "in", &["0:a=1"]).unwrap();
    send(&mut *sender, "in", &["0:b=2"]).unwrap();
    assert_eq!((sender.acknowledged(&at("in", 0)), log.offsets(&at("in", 0)).unwrap().1), (None, 0));
    assert_eq!(log.deliver(1).unwrap(), 1);
    assert_eq!((sender.acknowledged(&at("in", 0)), log.offsets(&at("in", 0)).unwrap().1), (Some(0), 1));
    sender.flush().unwrap();
    assert_eq!((sender.acknowledged(&at("in", 0)), sender.acknowledged(&at("in", 1))), (Some(1), None));
}

#[test]
fn a_failed_delivery_is_told_at_flush_and_spoils_the_transaction() {
    let log = log_with(EmbeddedOptions::new().acknowledgement(Acknowledgement::Late));
    let mut transactional = producer(&log, Some("t"));
    transactional.begin().unwrap();
    send(&mut *transactional, "in", &["0:a=1"]).unwrap();
    send(&mut *transactional, "in", &["0:b=2"]).unwrap();
    log.fail_delivery(LogErrorKind::Unauthorized);
    assert_eq!(transactional.flush().unwrap_err().kind(), LogErrorKind::Unauthorized);
    assert_eq!(transactional.commit().unwrap_err().kind(), LogErrorKind::Abortable);
    transactional.abort().unwrap();
    transactional.begin().unwrap();
    send(&mut *transactional, "in", &["0:c=3"]).unwrap();
    transactional.commit().unwrap();
    assert_eq!(read(&log, &at("in", 0)), ["2:c=3"]);
}

#[test]
fn calls_out_of_order_are_refused() {
    let log = log();
    let mut plain = producer(&log, None);
    assert_eq!(plain.begin().unwrap_err().kind(), LogErrorKind::Invalid);
    let mut transactional = producer(&log, Some("t"));
    assert_eq!(send(&mut *transactional, "in", &["0:a=1"]).unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!(transactional.commit().unwrap_err().kind(), LogErrorKind::Invalid);
    transactional.begin().unwrap();
    assert_eq!(transactional.begin().unwrap_err().kind(), LogErrorKind::Invalid);
    transactional.commit().unwrap();
}

#[test]
fn topics_are_made_once_with_their_settings() {
    let log = log();
    log.create_topic(&spec("in", 2, &[])).unwrap();
    assert_eq!(log.create_topic(&spec("in", 3, &[])).unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!(log.create_topic(&spec("new", 0, &[])).unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!(log.create_topic(&spec("new", 1, &[("retention", "1")])).unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!((log.partitions("in").unwrap(), log.partitions("new").unwrap()), (Some(2), None));
    assert_eq!(log.topics().unwrap(), ["in", "out"]);
}

#[test]
fn people_see_topics_groups_and_the_last_records() {
    let log = log();
    let mut transactional = producer(&log, Some("t"));
    for (value, commit) in [("1", true), ("2", false), ("3", true)] {
        transactional.begin().unwrap();
        send(&mut *transactional, "in", &[&format!("0:a={value}"), &format!("0:b={value}")]).unwrap();
        if commit { transactional.commit().unwrap() } else { transactional.abort().unwrap() }
    }
    log.commit_offsets(&group("g"), &[offset(&at("in", 0), 3)]).unwrap();
    let described = log.describe().unwrap();
    let seen: Vec<_> = described
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(|p| (&topic.name[..], p.partition, p.records, p.start, p.high_watermark)))
        .collect();
    assert_eq!(seen, [("in", 0, 4, 0, 9), ("in", 1, 0, 0, 0), ("out", 0, 0, 0, 0), ("out", 1, 0, 0, 0)]);
    assert_eq!(log.groups()["g"], [offset(&at("in", 0), 3)]);
    let tail = |count| -> Vec<i64> {
        log.tail(&at("in", 0), count).unwrap().iter().flat_map(|batch| batch.iter().map(|record| record.offset).collect::<Vec<_>>()).collect()
    };
    assert_eq!((tail(1), tail(3), tail(100)), (vec![7], vec![1, 6, 7], vec![0, 1, 6, 7]));
}

#[test]
fn every_thread_commits_its_own() {
    let log = log();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || {
                let mut own = producer(&log, Some(&format!("t{thread}")));
                for round in 0..200 {
                    own.begin().unwrap();
                    send(&mut *own, "in", &[&format!("0:{thread}={round}")]).unwrap();
                    send(&mut *own, "out", &[&format!("1:{thread}={round}")]).unwrap();
                    own.send_offsets(&group(&format!("g{thread}")), &[offset(&at("in", 0), round)]).unwrap();
                    if round % 3 == 0 { own.abort().unwrap() } else { own.commit().unwrap() }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for partition in [at("in", 0), at("out", 1)] {
        let records = read(&log, &partition);
        for thread in 0..4 {
            let own: Vec<u32> = records.iter().filter_map(|record| record.split_once(&format!(":{thread}="))?.1.parse().ok()).collect();
            let expected: Vec<u32> = (0..200).filter(|round| round % 3 != 0).collect();
            assert_eq!(own, expected, "{partition:?} {thread}");
        }
    }
    assert_eq!(committed(&log, "g2", &at("in", 0)), Some(199));
}

#[test]
fn a_log_in_memory_costs_microseconds() {
    let started = std::time::Instant::now();
    for _ in 0..1000 {
        let log = EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap();
        topic(&log, "in", 8, &[]);
        drop(producer(&log, Some("t")));
    }
    let each = started.elapsed() / 1000;
    assert!(each < Duration::from_millis(1), "{each:?} for a log with a topic and a producer");
}

#[test]
fn options_of_a_producer_are_its_own() {
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let log = log_with(EmbeddedOptions::new().clock(move || clock.load(Ordering::Relaxed)));
    let short = ProducerOptions { transaction_timeout: Duration::from_millis(5), ..options(Some("short")) };
    let mut short = log.producer(&short).unwrap();
    let mut long = producer(&log, Some("long"));
    for producer in [&mut short, &mut long] {
        producer.begin().unwrap();
        send(&mut **producer, "in", &["0:a=1"]).unwrap();
    }
    now.store(5, Ordering::Relaxed);
    log.expire_transactions();
    assert_eq!(short.commit().unwrap_err().kind(), LogErrorKind::Fatal);
    long.commit().unwrap();
    let partition: TopicPartition = at("in", 0);
    assert_eq!(read(&log, &partition), ["1:a=1"]);
}
