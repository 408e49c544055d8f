//! A window store as its authors write one, over overlay, changelog and restore.

mod store;

use straum_state::{CacheSizing, Direction, KeyRange, RecordCache, StateStore, StoreSupplier};

use crate::support::{Disk, Log, Task, text};
use store::{Segments, WindowStore, WindowSupplier};

/// Segments of 10, rows visible for 30.
fn supplier() -> WindowSupplier {
    WindowSupplier { name: "windows".into(), segments: Segments { interval: 10, retention: 30 }, values: text() }
}

fn start(disk: &Disk, log: &Log) -> Task<WindowStore> {
    Task::start(disk, &supplier(), log, RecordCache::new(0, CacheSizing::Estimated))
}

fn disks() -> [Disk; 2] {
    [Disk::memory(&[supplier().spec()]), Disk::folder()]
}

fn local_rows(task: &Task<WindowStore>) -> usize {
    let mut rows = task.state.column("windows").unwrap().scan(&KeyRange::all(), Direction::Forward);
    std::iter::from_fn(|| rows.current().is_some().then(|| rows.advance())).count()
}

#[test]
fn windows_are_found_hidden_and_dropped_by_the_segment() {
    for disk in disks() {
        let mut log = Log::default();
        let task = start(&disk, &log);
        let fetch = |key: &str, from, to| task.store.borrow_mut().fetch(key, from, to);
        let put = |key: &str, start, value| task.store.borrow_mut().put(key, start, Some(value));

        put("a", 0, "zero");
        put("a", 5, "five");
        put("ab", 5, "other");
        put("a", 25, "later");
        assert_eq!(fetch("a", 0, 100), "0:zero 5:five 25:later", "uncommitted, across segments, and no other key");
        task.commit(&mut log);
        assert_eq!((fetch("a", 1, 24), local_rows(&task)), ("5:five".to_owned(), 4));

        put("b", 32, "now");
        assert_eq!(fetch("a", 0, 100), "5:five 25:later", "hidden, though its segment lives");
        put("a", 3, "late but in time");
        put("b", 45, "now");
        put("a", 9, "too late");
        assert_eq!(task.store.borrow().dropped, 1);
        task.commit(&mut log);
        assert_eq!((fetch("a", 0, 100), local_rows(&task)), ("25:later".to_owned(), 3), "the first segment is gone as a whole");
        assert!(log.records.iter().all(|record| record.value.is_some()), "a dropped segment leaves no tombstones");
        drop(task);
    }
}

#[test]
fn a_record_and_a_transaction_take_the_observed_time_back_with_them() {
    let log = Log::default();
    let task = start(&Disk::memory(&[supplier().spec()]), &log);
    let mut store = task.store.borrow_mut();
    store.put("a", 5, Some("kept"));
    task.savepoint.advance();
    store.put("a", 1000, Some("failed"));
    store.revert();
    task.savepoint.advance();
    assert_eq!(store.fetch("a", 0, 2000), "5:kept");
    store.rollback();
    assert_eq!((store.fetch("a", 0, 2000).as_str(), store.observed), ("", -1));
}

#[test]
fn restored_from_its_changelog_it_is_the_same() {
    let mut log = Log::default();
    let task = start(&Disk::memory(&[supplier().spec()]), &log);
    for time in 0..20 {
        task.store.borrow_mut().put("a", time * 3, Some(&time.to_string()));
        task.store.borrow_mut().put("b", time * 3, (time % 3 != 0).then_some("b"));
        if time % 4 == 3 {
            task.commit(&mut log);
        }
    }
    let mut disk = Disk::folder();
    let restored = start(&disk, &log);
    restored.state.flush().unwrap();
    disk.crash();
    let again = start(&disk, &log);
    for (key, windows) in [("a", 10), ("b", 7)] {
        let expected = task.store.borrow_mut().fetch(key, 0, 1000);
        assert_eq!(expected.split(' ').count(), windows);
        assert_eq!(restored.store.borrow_mut().fetch(key, 0, 1000), expected);
        assert_eq!(again.store.borrow_mut().fetch(key, 0, 1000), expected);
    }
    assert_eq!(log.records[0].key, [b"a", &[0; 8][..], &[0; 4]].concat(), "changelog keys have no segment");
}
