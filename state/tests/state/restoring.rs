//! A changelog replayed from the stored offset gives the state; replayed from further back, too.

use straum_state::{
    ChangelogRecord, ChangelogRestorer, RowFormat, RowSink, StateError, StateErrorKind, StoreSpec, StoreSupplier, StoreView, TaskState,
};

use crate::support::{Clock, Disk, Log, builder, specs, text, text_task};

fn rows(state: &TaskState) -> Vec<(String, String, i64)> {
    let view = StoreView::new(state.column("store").unwrap(), "topic".into(), text(), text(), RowFormat::Timestamped);
    view.range(None, None).unwrap().map(Result::unwrap).collect()
}

fn history() -> (Log, Vec<(String, String, i64)>) {
    let mut log = Log::default();
    let task = text_task(&Disk::memory(&specs()), &builder(RowFormat::Timestamped), &log);
    for round in 0..20_i64 {
        for key in 0..5_i64 {
            let value = ((round + key) % 4 != 0).then(|| format!("{round}"));
            task.store.borrow_mut().put(&format!("k{key}"), value, round).unwrap();
        }
        task.commit(&mut log);
    }
    let expected = rows(&task.state);
    (log, expected)
}

#[test]
fn replaying_from_anywhere_before_the_end_gives_the_same_rows() {
    let (log, expected) = history();
    assert!(!expected.is_empty() && expected.len() < 5);
    for back in 0..30 {
        let state = TaskState::in_memory(&specs(), Clock::at(1).source());
        log.restore(&state, &builder(RowFormat::Timestamped));
        let from = (log.end - back).max(0);
        let mut tail = log.records.iter().filter(|record| record.offset >= from);
        let mut tail = std::iter::from_fn(|| {
            let record = tail.next()?;
            Some(ChangelogRecord { key: &record.key, value: record.value.as_deref(), timestamp: record.timestamp })
        });
        state.restore("store", &*builder(RowFormat::Timestamped).restorer(), &mut tail, log.end).unwrap();
        assert_eq!((rows(&state), state.offset("store")), (expected.clone(), Some(log.end)));
    }
}

#[test]
fn a_restore_killed_anywhere_goes_on_where_it_was() {
    let (log, expected) = history();
    let supplier = builder(RowFormat::Timestamped);
    let mut disk = Disk::folder();
    for end in [10, 35, 60, log.end] {
        let state = disk.open(&specs());
        let so_far = Log { records: log.records.iter().filter(|record| record.offset < end).cloned().collect(), end };
        so_far.restore(&state, &supplier);
        if end == 35 {
            state.flush().unwrap();
        }
        disk.crash();
    }
    let state = disk.open(&specs());
    assert!(state.offset("store").is_some_and(|offset| offset >= 35), "what was flushed is not restored again");
    log.restore(&state, &supplier);
    assert_eq!((rows(&state), state.offset("store")), (expected, Some(log.end)));
}

struct RefusesTheLetterB;

impl ChangelogRestorer for RefusesTheLetterB {
    fn restore(&self, record: ChangelogRecord<'_>, rows: &mut dyn RowSink) -> Result<(), StateError> {
        if record.key == b"b" {
            return Err(StateError::new(StateErrorKind::Serde, "expected another letter, found b"));
        }
        rows.put(&[record.key], &[record.value.unwrap_or_default()]);
        Ok(())
    }
}

#[test]
fn a_batch_with_a_bad_record_changes_nothing() {
    let state = TaskState::in_memory(&[StoreSpec::persistent("store")], Clock::at(1).source());
    let records = [b"a", b"b"].map(|key| ChangelogRecord { key, value: Some(b"row"), timestamp: 1 });
    let error = state.restore("store", &RefusesTheLetterB, &mut records.into_iter(), 2).unwrap_err();
    assert_eq!((error.kind(), error.store()), (StateErrorKind::Serde, Some("store")));
    assert_eq!((state.offset("store"), state.column("store").unwrap().get(b"a").unwrap()), (None, None));
}

#[test]
fn a_store_in_memory_forgets_and_is_restored_whole() {
    let (log, expected) = history();
    let supplier = builder(RowFormat::Timestamped).persistent(false);
    let disk = Disk::folder();
    for _ in 0..2 {
        let state = disk.open(&[supplier.spec()]);
        assert_eq!(state.offset("store"), None);
        log.restore(&state, &supplier);
        assert_eq!(rows(&state), expected);
        state.close().unwrap();
    }
}
