//! `count` by key, the thin slice: through a repartition topic, its state on disk, across crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::serde::{I64, Utf8};
use straum::testing::{TestRecord, TopologyTestDriver};

fn count_by_value() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream("words", Consumed::with(Utf8, Utf8))
        .filter(|_, word| !word.is_empty())
        .group_by("by-word", |_, word| word.clone(), Grouped::with(Utf8, Utf8))
        .count(Materialized::named("counts"))
        .to_stream()
        .to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

fn pipe(driver: &mut TopologyTestDriver, words: &[(&str, i64)]) {
    let input = driver.input("words", Utf8, Utf8);
    for (word, timestamp) in words {
        input.pipe(driver, &TestRecord::new("k".to_owned(), (*word).to_owned(), *timestamp)).unwrap();
    }
}

#[test]
fn every_update_goes_out_without_caching() {
    let mut driver = TopologyTestDriver::new(&count_by_value()).unwrap();
    pipe(&mut driver, &[("a", 1), ("b", 2), ("", 3), ("a", 4)]);
    driver.settle().unwrap();
    let out = driver.output("out", Utf8, I64).read(&driver).unwrap();
    let out: Vec<_> = out.into_iter().map(|record| (record.key, record.value, record.timestamp)).collect();
    assert_eq!(out, [("a".to_owned(), 1, 1), ("b".to_owned(), 1, 2), ("a".to_owned(), 2, 4)]);
}

#[test]
fn caching_sends_one_update_a_key_and_commit() {
    let mut driver = TopologyTestDriver::builder(&count_by_value()).configure(|config| config.statestore_cache_max_bytes = 1 << 20).start().unwrap();
    pipe(&mut driver, &[("a", 1), ("b", 2), ("a", 4)]);
    driver.settle().unwrap();
    let out = driver.output("out", Utf8, I64).read_pairs(&driver).unwrap();
    assert_eq!(out, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
}

#[test]
fn a_crash_at_any_point_changes_no_count() {
    let words = ["a", "b", "a", "c", "a", "b"];
    for crash_after in 0..words.len() {
        for commit_after in 0..=crash_after {
            let folder = tempfile::tempdir().unwrap();
            let mut driver = TopologyTestDriver::builder(&count_by_value()).state_folder(folder.path()).partitions(3).threads(2).start().unwrap();
            for (index, word) in words.iter().enumerate() {
                pipe(&mut driver, &[(word, 0)]);
                if index == commit_after {
                    driver.commit().unwrap();
                }
                if index == crash_after {
                    driver.crash().unwrap();
                }
            }
            driver.settle().unwrap();
            let mut rows = driver.store::<String, i64>("counts").unwrap().all().unwrap();
            rows.sort();
            assert_eq!(rows, [("a".to_owned(), 3, 0), ("b".to_owned(), 2, 0), ("c".to_owned(), 1, 0)], "crash {crash_after}, commit {commit_after}");
            let committed = driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap();
            for key in ["a", "b", "c"] {
                let counts: Vec<i64> = committed.iter().filter(|(of, _)| of == key).map(|(_, count)| *count).collect();
                let expected: Vec<i64> = (1..=i64::try_from(counts.len()).unwrap()).collect();
                assert_eq!(counts, expected, "each count once, in order");
            }
        }
    }
}

#[test]
fn a_crash_inside_a_record_leaves_nothing_of_it() {
    for output in 0..4 {
        let mut driver = TopologyTestDriver::new(&count_by_value()).unwrap();
        driver.crash_at_output(output);
        pipe(&mut driver, &[("a", 0), ("a", 0), ("a", 0)]);
        driver.settle().unwrap();
        assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(3), "crash at output {output}");
    }
}

#[test]
fn a_log_that_fails_loses_and_doubles_nothing() {
    use straum::log::LogErrorKind;
    for kind in [LogErrorKind::Abortable, LogErrorKind::Fatal, LogErrorKind::Fenced, LogErrorKind::Retriable, LogErrorKind::DiskFull] {
        let late = straum::log::embedded::Acknowledgement::Late;
        let mut driver = TopologyTestDriver::builder(&count_by_value()).acknowledgement(late).start().unwrap();
        let mut failed = 0;
        for round in 0..6 {
            pipe(&mut driver, &[("a", round), ("b", round)]);
            if round % 2 == 1 {
                driver.log().fail_delivery(kind);
            }
            // A commit that fails is rolled back; what it held is processed again.
            let before = driver.recoveries();
            driver.commit().unwrap();
            failed += driver.recoveries() - before;
        }
        assert!(failed > 0, "no delivery failed: {kind:?}");
        driver.settle().unwrap();
        let committed = driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap();
        for key in ["a", "b"] {
            let counts: Vec<i64> = committed.iter().filter(|(of, _)| of == key).map(|(_, count)| *count).collect();
            assert_eq!(counts, [1, 2, 3, 4, 5, 6], "{kind:?}");
        }
        assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(6), "{kind:?}");
    }
}

#[test]
fn merged_topics_may_have_unequally_many_partitions() {
    let builder = StreamsBuilder::new();
    let few = builder.stream("few", Consumed::with(Utf8, I64));
    builder.stream("many", Consumed::with(Utf8, I64)).merge(few).to("out", Produced::with(Utf8, I64));
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).topic("few", 2).topic("many", 5).start().unwrap();
    for topic in ["few", "many"] {
        driver.input(topic, Utf8, I64).pipe_values(&mut driver, (0..20).map(|number| (format!("{topic}{number}"), number))).unwrap();
    }
    driver.crash().unwrap();
    driver.settle().unwrap();
    let mut keys: Vec<String> = driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap().into_iter().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 40);
}
