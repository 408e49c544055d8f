//! The bytes of changelogs and rows, as Kafka Streams has them.

use straum_state::{ChangelogRecord, RowFormat, StateErrorKind, StateStore};

use crate::support::{Disk, Log, LogRecord, builder, specs, text_task};

fn record(offset: i64, key: &str, value: Option<&str>, timestamp: i64) -> LogRecord {
    let value = value.map(|value| value.as_bytes().to_vec());
    LogRecord { offset, key: key.as_bytes().to_vec(), value, timestamp, committed: true }
}

#[test]
fn a_changelog_value_has_no_timestamp_and_a_timestamped_row_has() {
    for (format, row) in [(RowFormat::Plain, &b"value"[..]), (RowFormat::Timestamped, b"\0\0\0\0\0\0\x30\x39value")] {
        let mut log = Log::default();
        let task = text_task(&Disk::memory(&specs()), &builder(format), &log);
        task.store.borrow_mut().put(&"key".to_owned(), Some("value".to_owned()), 12345).unwrap();
        task.commit(&mut log);
        assert_eq!(log.records, [record(0, "key", Some("value"), 12345)]);
        assert_eq!(task.state.column("store").unwrap().get(b"key").unwrap().as_deref(), Some(row));
    }
}

#[test]
fn a_transaction_leaves_one_record_a_key_in_order_of_the_keys() {
    let mut log = Log::default();
    let task = text_task(&Disk::memory(&specs()), &builder(RowFormat::Timestamped), &log);
    let put = |key: &str, value: Option<&str>, timestamp| {
        task.store.borrow_mut().put(&key.to_owned(), value.map(str::to_owned), timestamp).unwrap();
    };
    put("b", Some("1"), 1);
    put("a", Some("2"), 2);
    put("b", Some("3"), 3);
    put("gone", None, 4);
    task.commit(&mut log);
    task.store.borrow_mut().delete(&"b".to_owned(), 5).unwrap();
    task.commit(&mut log);
    let first = [record(0, "a", Some("2"), 2), record(1, "b", Some("3"), 3), record(2, "gone", None, 4)];
    assert_eq!(log.records, [&first[..], &[record(4, "b", None, 5)]].concat());
}

#[test]
fn a_key_known_to_be_new_and_gone_again_leaves_no_trace() {
    let mut log = Log::default();
    let task = text_task(&Disk::memory(&specs()), &builder(RowFormat::Timestamped), &log);
    assert_eq!(task.store.borrow_mut().put_if_absent(&"key".to_owned(), "value".to_owned(), 1).unwrap(), None);
    task.store.borrow_mut().delete(&"key".to_owned(), 2).unwrap();
    task.commit(&mut log);
    assert_eq!(log.records, []);
}

#[test]
fn a_value_that_serialises_to_null_deletes() {
    let mut log = Log::default();
    let task = text_task(&Disk::memory(&specs()), &builder(RowFormat::Timestamped), &log);
    let key = "key".to_owned();
    task.store.borrow_mut().put(&key, Some("value".to_owned()), 1).unwrap();
    task.commit(&mut log);
    task.store.borrow_mut().put(&key, Some("null".to_owned()), 2).unwrap();
    task.commit(&mut log);
    assert_eq!(log.records.last(), Some(&record(2, "key", None, 2)));
    assert_eq!(task.store.borrow_mut().get(&key).unwrap(), None);
    assert_eq!(task.store.borrow_mut().all().unwrap().count(), 0);
}

#[test]
fn a_value_without_bytes_fails_the_commit_and_names_the_store() {
    let log = Log::default();
    let task = text_task(&Disk::memory(&specs()), &builder(RowFormat::Timestamped), &log);
    let mut store = task.store.borrow_mut();
    store.put(&"good".to_owned(), Some("value".to_owned()), 1).unwrap();
    store.put(&"bad".to_owned(), Some("unserialisable".to_owned()), 1).unwrap();
    let mut ignore = |_: ChangelogRecord<'_>| Ok(());
    let error = store.prepare(&mut task.state.batch(), &mut ignore).unwrap_err();
    assert_eq!((error.kind(), error.store()), (StateErrorKind::Serde, Some("store")));
    assert_eq!(error.to_string(), "store store: expected text, found something else");
    store.rollback();
    assert_eq!((store.get(&"good".to_owned()).unwrap(), store.dirty_bytes()), (None, 0));
}
