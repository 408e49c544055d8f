//! What a test writes into a store of the driver is the task's own: of its transaction, in its changelog, for its processors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::LogErrorKind;
use straum::log::embedded::Acknowledgement;
use straum::query::Rows;
use straum::serde::{I64, SerdeExt, Utf8};
use straum::testing::{DriverBuilder, TestStore, TopologyTestDriver};
use straum::{ErrorKind, Topology};

const COUNTS: &str = "counts";

fn counting() -> Topology {
    let builder = StreamsBuilder::new();
    drop(builder.global_table("given", Consumed::with(Utf8, I64), Materialized::named("rules")));
    builder
        .stream("in", Consumed::with(Utf8, I64))
        .group_by_key("by-key", Grouped::with(Utf8, I64))
        .count(Materialized::named(COUNTS))
        .to_stream()
        .to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

/// In memory, on disk, and with a cache.
fn each_home(run: impl Fn(&dyn Fn() -> DriverBuilder)) {
    let topology = counting();
    run(&|| TopologyTestDriver::builder(&topology));
    let folder = tempfile::tempdir().unwrap();
    run(&|| TopologyTestDriver::builder(&topology).state_folder(folder.path()));
    run(&|| TopologyTestDriver::builder(&topology).configure(|config| config.statestore_cache_max_bytes = 1 << 20));
}

fn counts(driver: &TopologyTestDriver) -> TestStore<String, i64> {
    driver.key_value_store(COUNTS).unwrap()
}

/// What others see: the committed rows.
fn committed(driver: &TopologyTestDriver) -> Rows<String, i64> {
    driver.query(COUNTS).unwrap().all().unwrap()
}

fn rows(rows: &[(&str, i64, i64)]) -> Rows<String, i64> {
    rows.iter().map(|(key, value, timestamp)| ((*key).to_owned(), *value, *timestamp)).collect()
}

fn key(key: &str) -> String {
    key.to_owned()
}

#[test]
fn writes_are_of_the_open_transaction() {
    each_home(|builder| {
        let mut driver = builder().start().unwrap();
        let store = counts(&driver);
        store.put(&mut driver, &key("a"), 1).unwrap();
        store.put_at(&mut driver, &key("b"), 2, 70).unwrap();
        assert_eq!((store.all(&mut driver).unwrap(), committed(&driver)), (rows(&[("a", 1, 0), ("b", 2, 70)]), vec![]));
        driver.crash().unwrap();
        assert_eq!(store.all(&mut driver).unwrap(), vec![], "a crash before the commit takes them away");
        store.put(&mut driver, &key("a"), 1).unwrap();
        store.put_at(&mut driver, &key("b"), 2, 70).unwrap();
        driver.commit().unwrap();
        assert_eq!(committed(&driver), rows(&[("a", 1, 0), ("b", 2, 70)]));
        assert_eq!(store.delete(&mut driver, &key("a")).unwrap(), Some(1));
        assert_eq!((store.get(&mut driver, &key("a")).unwrap(), committed(&driver).len()), (None, 2));
        driver.crash().unwrap();
        assert_eq!(store.get(&mut driver, &key("a")).unwrap(), Some(1), "nor was the deletion committed");
        store.delete(&mut driver, &key("a")).unwrap();
        driver.commit().unwrap();
        driver.crash().unwrap();
        assert_eq!(store.all(&mut driver).unwrap(), rows(&[("b", 2, 70)]));
        let changelog = driver.output("test-counts-changelog", Utf8, I64.nullable()).committed().read(&driver).unwrap();
        let changes: Vec<_> = changelog.iter().map(|record| (record.key.as_str(), record.value, record.timestamp)).collect();
        assert_eq!(changes, [("a", Some(1), 0), ("b", Some(2), 70), ("a", None, 0)]);
        assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver).unwrap(), [], "what a processor writes is not forwarded either");
    });
}

#[test]
fn a_commit_that_fails_takes_them_away() {
    let mut driver = TopologyTestDriver::builder(&counting()).acknowledgement(Acknowledgement::Late).start().unwrap();
    let store = counts(&driver);
    store.put(&mut driver, &key("a"), 1).unwrap();
    driver.log().fail_delivery(LogErrorKind::Abortable);
    driver.commit().unwrap();
    assert_eq!((driver.recoveries(), store.get(&mut driver, &key("a")).unwrap()), (1, None));
    store.put(&mut driver, &key("a"), 1).unwrap();
    driver.commit().unwrap();
    assert_eq!(committed(&driver), rows(&[("a", 1, 0)]));
}

#[test]
fn a_topology_goes_on_from_what_was_seeded_and_is_seen_at_once() {
    each_home(|builder| {
        let mut driver = builder().start().unwrap();
        let store = counts(&driver);
        store.put(&mut driver, &key("a"), 40).unwrap();
        let input = driver.input("in", Utf8, I64);
        input.pipe_values(&mut driver, [("a", 5), ("b", 5), ("b", 5)]).unwrap();
        assert_eq!(store.all(&mut driver).unwrap(), rows(&[("a", 41, 0), ("b", 2, 0)]));
        store.delete(&mut driver, &key("b")).unwrap();
        input.pipe_values(&mut driver, [("b", 5)]).unwrap();
        driver.commit().unwrap();
        let told: Vec<(String, i64)> = driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap();
        let last = |wanted: &str| told.iter().rev().find(|(key, _)| key == wanted).map(|(_, count)| *count);
        assert_eq!((last("a"), last("b"), committed(&driver)), (Some(41), Some(1), rows(&[("a", 41, 0), ("b", 1, 0)])));
    });
}

#[test]
fn rows_of_the_transaction_and_of_the_disk_are_one() {
    each_home(|builder| {
        let mut driver = builder().start().unwrap();
        let store = counts(&driver);
        let wish = |key: &str, value: Option<i64>| (key.to_owned(), value);
        store.put_all(&mut driver, [wish("a1", Some(1)), wish("a2", Some(2)), wish("b1", Some(3))]).unwrap();
        driver.commit().unwrap();
        store.put_all(&mut driver, [wish("a2", None), wish("b2", Some(4))]).unwrap();
        assert_eq!(store.put_if_absent(&mut driver, &key("a1"), 9).unwrap(), Some(1));
        assert_eq!(store.put_if_absent(&mut driver, &key("a2"), 9).unwrap(), None);
        let (from, to) = (key("a2"), key("b1"));
        let (first, second, third, fourth) = (("a1", 1, 0), ("a2", 9, 0), ("b1", 3, 0), ("b2", 4, 0));
        let driver = &mut driver;
        assert_eq!(store.all(driver).unwrap(), rows(&[first, second, third, fourth]));
        assert_eq!(store.reverse_all(driver).unwrap(), rows(&[fourth, third, second, first]));
        assert_eq!(store.range(driver, Some(&from), Some(&to)).unwrap(), rows(&[second, third]));
        assert_eq!(store.reverse_range(driver, Some(&from), None).unwrap(), rows(&[fourth, third, second]));
        assert_eq!(store.prefix_scan(driver, b"a").unwrap(), rows(&[first, second]));
        assert_eq!(store.get_with_timestamp(driver, &key("b2")).unwrap().map(|found| (found.value, found.timestamp)), Some((4, 0)));
    });
}

#[test]
fn a_write_that_fails_leaves_nothing() {
    let mut driver = TopologyTestDriver::new(&counting()).unwrap();
    let store = counts(&driver);
    let broken = [("a", Some(1)), ("b", None)].into_iter().map(|(key, value)| (key.to_owned(), Some(value.expect("seeded"))));
    let error = store.put_all(&mut driver, broken).unwrap_err();
    assert!(error.to_string().contains("in task 1_0: panicked: seeded"), "{error}");
    let error = store.put_at(&mut driver, &key("a"), 1, -1).unwrap_err();
    assert_eq!((error.kind(), error.task().map(|task| task.to_string())), (ErrorKind::State, Some("1_0".to_owned())));
    assert_eq!(store.all(&mut driver).unwrap(), vec![]);
    driver.commit().unwrap();
    assert_eq!(committed(&driver), vec![]);
}

#[test]
fn of_several_tasks_one_is_chosen() {
    let mut driver = TopologyTestDriver::builder(&counting()).partitions(3).threads(2).start().unwrap();
    let store = counts(&driver);
    let [second, third, fourth] = [1, 2, 3].map(|partition| store.clone().in_partition(partition));
    second.put(&mut driver, &key("a"), 1).unwrap();
    third.put(&mut driver, &key("a"), 2).unwrap();
    driver.commit().unwrap();
    driver.crash().unwrap();
    assert_eq!([&second, &third].map(|store| store.get(&mut driver, &key("a")).unwrap()), [Some(1), Some(2)]);
    assert_eq!(committed(&driver).len(), 2);
    for (store, asked) in [(store, "no partition is chosen"), (fourth, "no task of partition 3 has it")] {
        let error = store.get(&mut driver, &key("a")).unwrap_err();
        let expected = format!("{asked}, expected TestStore::in_partition with one of [0, 1, 2] in store counts");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidState, expected));
    }
}

#[test]
fn a_store_that_cannot_be_written_is_refused_with_its_reason() {
    let driver = TopologyTestDriver::new(&counting()).unwrap();
    let global = driver.key_value_store::<String, i64>("rules").err();
    let unknown = driver.key_value_store::<String, i64>("count").err();
    let other = driver.key_value_store::<String, String>(COUNTS).err();
    for (error, says) in [
        (global, "a global store cannot be written, expected a store of a task"),
        (unknown, "no such store, expected one of [counts, rules]"),
        (other, "expected the types it was declared with"),
    ] {
        let error = error.expect("it is refused");
        assert!(error.kind() == ErrorKind::InvalidState && error.to_string().contains(says), "{error}");
    }
}
