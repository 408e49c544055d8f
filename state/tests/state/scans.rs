//! An iterator sees the store as it was when it was opened.

use straum_state::{RowFormat, StateStore, StoreIterator};

use crate::support::{Disk, Log, builder, specs, text_task};

fn keys(rows: StoreIterator<String, String>) -> String {
    rows.map(|row| row.map(|(key, value, _)| format!("{key}{value}")).unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn iterators_survive_whatever_happens_to_the_store() {
    for disk in [Disk::memory(&specs()), Disk::folder()] {
        let mut log = Log::default();
        let task = text_task(&disk, &builder(RowFormat::Timestamped), &log);
        let put = |key: &str, value: Option<&str>| task.store.borrow_mut().put(&key.to_owned(), value.map(str::to_owned), 1).unwrap();
        let all = || task.store.borrow_mut().all().unwrap();

        ["a", "b", "c"].into_iter().for_each(|key| put(key, Some("1")));
        task.commit(&mut log);
        let committed = all();
        put("b", None);
        put("d", Some("1"));
        let mut changed = all();
        assert_eq!(changed.next().unwrap().unwrap(), ("a".to_owned(), "1".to_owned(), 1));
        put("a", Some("2"));
        put("c", Some("2"));
        let reversed = task.store.borrow_mut().reverse_all().unwrap();
        task.commit(&mut log);
        let later = all();
        put("c", None);
        task.store.borrow_mut().rollback();

        assert_eq!(keys(committed), "a1 b1 c1");
        assert_eq!(keys(changed), "c1 d1");
        assert_eq!(keys(reversed), "d1 c2 a2");
        assert_eq!(keys(later), "a2 c2 d1");
        drop(task);
    }
}

#[test]
fn ranges_are_inclusive_and_backwards_ones_are_empty() {
    let log = Log::default();
    let task = text_task(&Disk::memory(&specs()), &builder(RowFormat::Timestamped), &log);
    let mut store = task.store.borrow_mut();
    for key in ["a", "aa", "b", "c"] {
        store.put(&key.to_owned(), Some(String::new()), 1).unwrap();
    }
    for (from, to, expected) in
        [(Some("aa"), Some("b"), "aa b"), (None, Some("a"), "a"), (Some("b"), None, "b c"), (Some("c"), Some("a"), ""), (None, None, "a aa b c")]
    {
        let rows = store.range(from.map(str::to_owned).as_ref(), to.map(str::to_owned).as_ref()).unwrap();
        assert_eq!(keys(rows), expected);
    }
}
