//! Opening a task's folder, in whatever condition it is.

use std::path::Path;

use straum_state::{StateErrorKind, StoreSpec, TaskState};
use tempfile::TempDir;

use crate::support::{Clock, options};

fn open(folder: &Path, stores: &[StoreSpec], now: i64) -> Result<TaskState, StateErrorKind> {
    TaskState::open(folder, stores, &options(&Clock::at(now))).map_err(|error| error.kind())
}

fn write(state: &TaskState, store: &str, key: &str, offset: i64) {
    let mut batch = state.batch();
    batch.put(&state.column(store).unwrap(), key.as_bytes(), b"row");
    batch.set_offset(store, offset).unwrap();
    batch.set_metadata(key.as_bytes());
    state.apply(batch).unwrap();
}

fn persistent(names: &[&'static str]) -> Vec<StoreSpec> {
    names.iter().map(|name| StoreSpec::persistent(*name)).collect()
}

#[test]
fn what_was_applied_is_there_again() {
    let folder = TempDir::new().unwrap();
    let stores = [StoreSpec::persistent("disk"), StoreSpec::in_memory("memory"), StoreSpec::persistent("unused")];
    let state = open(folder.path(), &stores, 5_000).unwrap();
    write(&state, "disk", "a", 10);
    write(&state, "memory", "b", 20);
    state.set_topic_identity("disk", b"incarnation").unwrap();
    assert_eq!((state.offset("disk"), state.offset("memory"), state.offset("unused")), (Some(10), Some(20), None));
    state.close().unwrap();

    let state = open(folder.path(), &stores, 9_000).unwrap();
    assert_eq!((state.offset("disk"), state.last_applied("disk")), (Some(10), Some(5_000)));
    assert_eq!((state.topic_identity("disk"), state.metadata()), (Some(b"incarnation".to_vec()), Some(b"b".to_vec())));
    assert_eq!(state.column("disk").unwrap().get(b"a").unwrap(), Some(b"row".to_vec()));
    assert_eq!((state.offset("memory"), state.offset("unused")), (None, None), "memory is restored whole");
    assert_eq!(state.column("memory").unwrap().get(b"b").unwrap(), None);

    state.apply(state.batch()).unwrap();
    assert_eq!(state.last_applied("disk"), Some(9_000), "a task that applies has missed nothing");
    assert_eq!(state.last_applied("unused"), None);
}

#[test]
fn stores_may_come_and_go_and_what_goes_is_kept() {
    let folder = TempDir::new().unwrap();
    write(&open(folder.path(), &persistent(&["old", "kept"]), 1).unwrap(), "old", "a", 3);

    let state = open(folder.path(), &persistent(&["kept", "new"]), 2).unwrap();
    assert_eq!(state.removed_stores().iter().map(|name| &**name).collect::<Vec<_>>(), ["old"]);
    assert_eq!(state.column("old").map(|_| ()).unwrap_err().kind(), StateErrorKind::UnknownStore);
    write(&state, "new", "a", 1);
    drop(state);

    let state = open(folder.path(), &persistent(&["old", "kept", "new"]), 3).unwrap();
    assert_eq!((state.offset("old"), state.last_applied("old")), (Some(3), Some(1)), "its age is known");
    assert!(state.removed_stores().is_empty());
}

#[test]
fn a_wiped_store_is_empty_and_the_others_are_not() {
    let folder = TempDir::new().unwrap();
    let state = open(folder.path(), &persistent(&["one", "two"]), 1).unwrap();
    for (store, keys) in [("one", ["a", "b"]), ("two", ["a", "\u{10ffff}"])] {
        for key in keys {
            write(&state, store, key, 5);
        }
    }
    state.flush().unwrap();
    write(&state, "two", "c", 6);
    state.wipe("two").unwrap();
    drop(state);
    let state = open(folder.path(), &persistent(&["one", "two"]), 1).unwrap();
    let rows = |store: &str| {
        let mut cursor = state.column(store).unwrap().scan(&straum_state::KeyRange::all(), straum_state::Direction::Forward);
        let mut rows = 0;
        while cursor.current().is_some() {
            rows += 1;
            cursor.advance();
        }
        cursor.status().unwrap();
        rows
    };
    assert_eq!((rows("one"), rows("two")), (2, 0));
    assert_eq!((state.offset("one"), state.offset("two")), (Some(5), None));
}

#[test]
fn a_folder_in_use_is_locked_until_the_last_handle_goes() {
    let folder = TempDir::new().unwrap();
    let state = open(folder.path(), &persistent(&["store"]), 1).unwrap();
    let column = state.column("store").unwrap();
    drop(state);
    assert_eq!(open(folder.path(), &persistent(&["store"]), 1).err(), Some(StateErrorKind::Locked));
    drop(column);
    assert!(open(folder.path(), &persistent(&["store"]), 1).is_ok());
}

#[test]
fn another_format_and_damaged_files_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let stores = persistent(&["store"]);
    write(&open(folder.path(), &stores, 1).unwrap(), "store", "a", 1);

    let (other, manifest) = (folder.path().join("other"), folder.path().join("manifest"));
    for copy in [&other, &manifest] {
        std::fs::create_dir(copy).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
    }

    let families = ["default", "store.store"];
    let raw = rocksdb::DB::open_cf(&rocksdb::Options::default(), &other, families).unwrap();
    raw.put("format", 2_u32.to_be_bytes()).unwrap();
    drop(raw);
    let error = TaskState::open(&other, &stores, &options(&Clock::at(1))).map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (StateErrorKind::Version, "expected state format 1, found 2".to_owned()));

    for file in std::fs::read_dir(&manifest).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().starts_with("MANIFEST") {
            std::fs::write(file.path(), b"not a manifest").unwrap();
        }
    }
    assert_eq!(open(&manifest, &stores, 1).err(), Some(StateErrorKind::Corrupt));

    for file in std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().ends_with(".sst") {
            let mut bytes = std::fs::read(file.path()).unwrap();
            let half = bytes.len() / 2;
            bytes.iter_mut().take(half).for_each(|byte| *byte ^= 0x55);
            std::fs::write(file.path(), bytes).unwrap();
        }
    }
    let read = open(folder.path(), &stores, 1).and_then(|state| state.column("store").unwrap().get(b"a").map_err(|error| error.kind()));
    assert_eq!(read.err(), Some(StateErrorKind::Corrupt));

    TaskState::destroy(&manifest).unwrap();
    assert!(!manifest.exists());
    assert!(open(&manifest, &stores, 1).is_ok());
}

#[test]
fn batches_go_in_order_and_to_their_own_task() {
    let specs = persistent(&["store"]);
    let state = TaskState::in_memory(&specs, Clock::at(1).source());
    let other = TaskState::in_memory(&specs, Clock::at(1).source());
    let (first, second) = (state.batch(), state.batch());
    state.apply(second).unwrap();
    assert_eq!(state.apply(first).unwrap_err().kind(), StateErrorKind::Misuse);
    assert_eq!(other.apply(state.batch()).unwrap_err().kind(), StateErrorKind::Misuse);
    assert_eq!(state.batch().set_offset("none", 1).unwrap_err().to_string(), "store none: expected one of [store]");
}
