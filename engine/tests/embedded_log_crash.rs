//! A crash at every operation of a scenario, with every kind of loss, and again during recovery: what was reported as
//! committed is there, and every transaction is there wholly or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::shadow_unrelated)]

mod embedded_log;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use embedded_log::*;
use straum::log::embedded::fault::{Fault, FaultyStorage, Loss};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{Isolation, Log, LogError, LogErrorKind, StartOffset};

const PARTITIONS: u32 = 3;
const ROUNDS: u32 = 8;

fn options() -> EmbeddedOptions {
    // A small journal, so that it is written anew in the middle of the scenario.
    EmbeddedOptions::new().journal_bytes(600).clock(|| 0)
}

fn open(storage: &FaultyStorage) -> Result<EmbeddedLog, LogError> {
    EmbeddedLog::with_storage(Arc::new(storage.clone()), options())
}

/// What the scenario was told.
#[derive(Debug, Default)]
struct Told {
    /// Rounds whose commit was reported.
    committed: BTreeSet<u32>,
    /// Rounds that were aborted.
    aborted: BTreeSet<u32>,
    /// Records outside transactions that were flushed.
    flushed: BTreeSet<u32>,
}

/// Transactions over all partitions with offsets: some aborted, some beside plain records, small segments, deletions.
fn scenario(storage: &FaultyStorage, told: &mut Told) -> Result<(), LogError> {
    let log = open(storage)?;
    log.create_topic(&spec("t", PARTITIONS, &[("segment.bytes", "700")]))?;
    log.create_topic(&spec("plain", 1, &[]))?;
    log.create_topic(&spec("table", 1, &[("segment.bytes", "300"), ("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0")]))?;
    let mut transactional = log.producer(&embedded_log::options(Some("id")))?;
    let mut plain = log.producer(&embedded_log::options(None))?;
    for round in 0..ROUNDS {
        send(&mut *plain, "plain", &[&format!("0:{round}=plain")])?;
        transactional.begin()?;
        for partition in 0..PARTITIONS {
            send(&mut *transactional, "t", &[&format!("{partition}:{round}=first"), &format!("{partition}:{round}=second")])?;
        }
        send(&mut *transactional, "table", &[&format!("0:key={round}")])?;
        transactional.send_offsets(&group("g"), &[offset(&at("plain", 0), i64::from(round) + 1), offset(&at("t", 0), i64::from(round))])?;
        if round % 4 == 2 {
            transactional.abort()?;
            told.aborted.insert(round);
        } else {
            transactional.commit()?;
            told.committed.insert(round);
        }
        if round % 4 == 3 {
            plain.flush()?;
            told.flushed.extend(0..=round);
        }
        if round == 5 {
            log.delete_records(&[(at("t", 2), 2)])?;
        }
    }
    Ok(())
}

/// The rounds seen in a partition of `t`, each of which must be whole.
fn rounds(log: &EmbeddedLog, partition: u32) -> Result<BTreeSet<u32>, String> {
    let records = read(log, &at("t", partition));
    let mut rounds = BTreeSet::new();
    let texts: Vec<&str> = records.iter().map(|record| record.split_once(':').unwrap().1).collect();
    for pair in texts.chunks(2) {
        let round = pair[0].split_once('=').unwrap().0;
        if pair != [format!("{round}=first"), format!("{round}=second")] || !rounds.insert(round.parse().unwrap()) {
            return Err(format!("partition {partition} holds {texts:?}"));
        }
    }
    Ok(rounds)
}

/// Everything that must hold after a crash, whatever was lost.
fn check(storage: &FaultyStorage, told: &Told) -> Result<(), String> {
    let log = open(storage).map_err(|error| format!("cannot open: {error}"))?;
    if log.partitions("table").unwrap().is_none() {
        return if told.committed.is_empty() { Ok(()) } else { Err("topics are lost".into()) };
    }
    let first = rounds(&log, 0)?;
    for partition in 1..PARTITIONS {
        let other = rounds(&log, partition)?;
        let start = log.offsets(&at("t", partition)).unwrap().0;
        let missing: Vec<u32> = first.symmetric_difference(&other).copied().collect();
        // The deletion takes the first round out of partition 2.
        if !(missing.is_empty() || start == 2 && missing == [0]) {
            return Err(format!("partition 0 has rounds {first:?}, partition {partition} {other:?}"));
        }
    }
    if !told.committed.is_subset(&first) || first.iter().any(|round| told.aborted.contains(round)) {
        return Err(format!("rounds {first:?}, told {told:?}"));
    }
    let last = first.last().copied();
    let (plain, t) = (committed(&log, "g", &at("plain", 0)), committed(&log, "g", &at("t", 0)));
    if plain != last.map(|last| i64::from(last) + 1) || t != last.map(i64::from) {
        return Err(format!("rounds up to {last:?}, committed offsets {plain:?} and {t:?}"));
    }
    let table = newest(&read(&log, &at("table", 0)));
    if table.get("key") != last.map(|last| last.to_string()).as_ref() {
        return Err(format!("rounds up to {last:?}, table {table:?}"));
    }
    // What a commit may depend on is not lost: every plain record before the last committed round, and all flushed.
    let plain: BTreeSet<u32> = read(&log, &at("plain", 0)).iter().map(|record| record.split([':', '=']).nth(1).unwrap().parse().unwrap()).collect();
    let expected = last.into_iter().flat_map(|last| 0..=last).chain(told.flushed.iter().copied());
    if let Some(lost) = expected.into_iter().find(|round| !plain.contains(round)) {
        return Err(format!("plain record {lost} is lost, there are {plain:?}"));
    }
    goes_on(&log)
}

/// The recovered log takes transactions again, and nothing holds readers back.
fn goes_on(log: &EmbeddedLog) -> Result<(), String> {
    let run = || {
        let mut transactional = log.producer(&embedded_log::options(Some("id")))?;
        transactional.begin()?;
        send(&mut *transactional, "t", &["0:99=first", "0:99=second", "1:99=first"])?;
        transactional.commit()
    };
    run().map_err(|error: LogError| format!("does not go on: {error}"))?;
    for partition in 0..2 {
        let end = log.offsets(&at("t", partition)).unwrap().1;
        let (records, position) = read_from(log, Isolation::ReadCommitted, &at("t", partition), StartOffset::Beginning);
        if position != end || !records.last().unwrap().contains(":99=") {
            return Err(format!("readers of partition {partition} stop at {position} of {end}"));
        }
    }
    Ok(())
}

const LOSSES: [Loss; 4] = [Loss::Nothing, Loss::Suffix, Loss::Subset, Loss::Everything];

fn operations() -> u64 {
    let storage = FaultyStorage::new(0);
    scenario(&storage, &mut Told::default()).unwrap();
    storage.operations()
}

/// Crashes at operation `number` and gives the disk, not yet recovered.
fn crash_at(number: u64, seed: u64, lying: bool) -> (FaultyStorage, Told) {
    let storage = FaultyStorage::new(seed);
    storage.lie_about_sync(lying);
    storage.fault_at(number, Fault::Crash);
    let mut told = Told::default();
    let outcome = scenario(&storage, &mut told);
    assert!(outcome.is_err() || number > operations() - 20, "operation {number} did not crash");
    (storage, told)
}

#[test]
fn a_crash_at_any_operation_keeps_all_or_nothing() {
    let operations = operations();
    assert!(operations > 100, "{operations} operations");
    for number in 1..=operations {
        for (seed, loss) in (0..3).flat_map(|seed| LOSSES.map(|loss| (seed * 1000 + number, loss))) {
            let (storage, told) = crash_at(number, seed, false);
            if let Err(broken) = check(&storage.survivor(loss), &told) {
                panic!("crash at operation {number} of {operations}, {loss:?}, seed {seed}: {broken}");
            }
        }
    }
}

#[test]
fn a_crash_during_recovery_changes_nothing() {
    for number in (1..=operations()).step_by(3) {
        for loss in [Loss::Nothing, Loss::Subset] {
            let (storage, told) = crash_at(number, number, false);
            let first = storage.survivor(loss);
            for again in 1..40 {
                let second = first.survivor(Loss::Nothing);
                second.fault_at(again, Fault::Crash);
                let opened = open(&second).is_ok();
                if let Err(broken) = check(&second.survivor(loss), &told) {
                    panic!("crash at operation {number}, then at {again} of recovery, {loss:?}: {broken}");
                }
                if opened {
                    break;
                }
            }
        }
    }
}

#[test]
fn the_check_notices_a_disk_that_lies_about_syncs() {
    let broken = (1..=operations()).filter(|number| {
        let (storage, told) = crash_at(*number, *number, true);
        check(&storage.survivor(Loss::Subset), &told).is_err()
    });
    assert!(broken.count() > 10, "a lying disk must be found out");
}

/// One operation fails; the scenario goes on as a client would: by opening the log again after a fatal error, otherwise
/// with a new producer.
#[test]
fn a_failure_at_any_operation_keeps_all_or_nothing() {
    for fault in [Fault::Fail, Fault::Short, Fault::DiskFull] {
        for number in 1..=operations() {
            let storage = FaultyStorage::new(number);
            storage.fault_at(number, fault);
            let mut told = Told::default();
            let outcome = scenario(&storage, &mut told);
            for loss in LOSSES {
                if let Err(broken) = check(&storage.survivor(loss), &told) {
                    panic!("{fault:?} at operation {number}, {loss:?}, {:?}: {broken}", outcome.as_ref().err());
                }
            }
        }
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_same_call_succeeds_with_space() {
    let storage = FaultyStorage::new(0);
    let log = open(&storage).unwrap();
    topic(&log, "t", 2, &[]);
    let mut transactional = producer(&log, Some("id"));
    let mut expected = [Vec::new(), Vec::new()];
    let (mut full_sends, mut full_commits) = (0, 0);
    for (round, spare) in (0..100_u64).map(|round| (round, round * 3 % 150)) {
        storage.set_capacity(Some(storage.used() + spare));
        transactional.begin().unwrap();
        let records = [format!("0:{round}=a"), format!("1:{round}=b")];
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        if let Err(error) = send(&mut *transactional, "t", &records) {
            assert_eq!(error.kind(), LogErrorKind::DiskFull, "{error}");
            full_sends += 1;
            storage.set_capacity(Some(storage.used() + 1000));
            send(&mut *transactional, "t", &records).unwrap();
            storage.set_capacity(Some(storage.used() + spare / 2));
        }
        if let Err(error) = transactional.commit() {
            assert_eq!(error.kind(), LogErrorKind::DiskFull, "{error}");
            full_commits += 1;
            storage.set_capacity(None);
            transactional.commit().unwrap();
        }
        storage.set_capacity(None);
        for partition in 0..2 {
            expected[partition as usize].push(format!("{round}={}", ["a", "b"][partition as usize]));
            let seen: Vec<String> = read(&log, &at("t", partition)).iter().map(|record| record.split_once(':').unwrap().1.to_owned()).collect();
            assert_eq!(seen, expected[partition as usize], "round {round}");
        }
    }
    assert!(full_sends > 3 && full_commits > 3, "{full_sends} sends and {full_commits} commits met a full disk");
}

/// The commit is decided, the disk refuses its marker, and the journal is written anew meanwhile.
#[test]
fn a_marker_that_is_owed_is_not_forgotten() {
    let storage = FaultyStorage::new(0);
    let log = open(&storage).unwrap();
    topic(&log, "t", 1, &[]);
    topic(&log, "other", 1, &[]);
    let (mut owing, mut other) = (producer(&log, Some("owing")), producer(&log, Some("other")));
    owing.begin().unwrap();
    send(&mut *owing, "t", &["0:a=1"]).unwrap();
    // The syncs of the partition and the journal, the journal's write between them; then the marker.
    storage.fault_at(storage.operations() + 4, Fault::DiskFull);
    owing.commit().unwrap();
    assert_eq!(log.last_stable_offset(&at("t", 0)).unwrap(), 0, "the marker is owed");
    for round in 0..50 {
        other.begin().unwrap();
        send(&mut *other, "other", &[&format!("0:a={round}")]).unwrap();
        other.commit().unwrap();
    }
    assert!(!storage.paths().contains(&"journal-1".to_owned()), "the journal was written anew");
    for loss in LOSSES {
        assert_eq!(read(&open(&storage.survivor(loss)).unwrap(), &at("t", 0)), ["0:a=1"], "{loss:?}");
    }
    assert_eq!(read(&log, &at("t", 0)), ["0:a=1"], "it is written as soon as the disk lets us");
}

#[test]
fn a_torn_tail_is_cut_and_damage_before_it_and_another_format_are_named() {
    let storage = FaultyStorage::new(0);
    let path = "topics/t/0/00000000000000000000.segment";
    {
        let log = open(&storage).unwrap();
        topic(&log, "t", 1, &[]);
        let mut plain = producer(&log, None);
        for value in ["1", "2", "3"] {
            send(&mut *plain, "t", &[&format!("0:a={value}")]).unwrap();
        }
    }
    let damaged = storage.survivor(Loss::Nothing);
    assert!(damaged.flip_bit(path, 138), "the second frame");
    let error = open(&damaged).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt);
    assert!(error.to_string().contains(&format!("{path} is corrupt at byte 130")), "{error}");
    let journal = storage.paths().into_iter().find(|path| path.starts_with("journal-")).unwrap();
    let damaged = storage.survivor(Loss::Nothing);
    assert!(damaged.flip_bit(&journal, 14));
    assert_eq!(open(&damaged).unwrap_err().kind(), LogErrorKind::Corrupt);
    let of_another_version = storage.survivor(Loss::Nothing);
    assert!(of_another_version.flip_bit(&journal, 3), "the format");
    let error = open(&of_another_version).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Version);
    assert!(error.to_string().contains(&format!("{journal} has format Sjn")), "{error}");
}

#[test]
fn a_consumer_names_the_damage_it_meets() {
    let storage = FaultyStorage::new(0);
    let log = open(&storage).unwrap();
    topic(&log, "t", 1, &[]);
    send(&mut *producer(&log, None), "t", &["0:a=1"]).unwrap();
    assert!(storage.flip_bit("topics/t/0/00000000000000000000.segment", 129));
    let error = consumer(&log, Isolation::ReadCommitted, &[(at("t", 0), StartOffset::Beginning)]).poll(Duration::ZERO, &mut Vec::new()).unwrap_err();
    assert_eq!((error.kind(), error.partition()), (LogErrorKind::Corrupt, Some(&at("t", 0))));
}
