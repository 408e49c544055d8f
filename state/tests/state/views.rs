//! Queries see what is committed and applied, from any thread, while the task goes on.

use straum_state::{RowFormat, StoreView};

use crate::support::{Disk, Log, builder, specs, text, text_task};

#[test]
fn a_view_sees_committed_rows_only() {
    for disk in [Disk::memory(&specs()), Disk::folder()] {
        let mut log = Log::default();
        let task = text_task(&disk, &builder(RowFormat::Timestamped), &log);
        let view = StoreView::new(task.state.column("store").unwrap(), "topic".into(), text(), text(), RowFormat::Timestamped);
        let put = |key: &str, value: &str, at| task.store.borrow_mut().put(&key.to_owned(), Some(value.to_owned()), at).unwrap();
        let get = |key: &str| {
            let (view, key) = (view.clone(), key.to_owned());
            let found = std::thread::spawn(move || view.get(&key).unwrap()).join().unwrap();
            found.map(|found| (found.value, found.timestamp))
        };

        put("a", "1", 7);
        assert_eq!(get("a"), None);
        task.commit(&mut log);
        assert_eq!(get("a"), Some(("1".to_owned(), 7)));

        put("b", "1", 8);
        task.commit(&mut log);
        let open = view.range(None, None).unwrap();
        put("a", "2", 9);
        put("c", "2", 9);
        task.commit(&mut log);
        let rows = std::thread::spawn(move || open.map(Result::unwrap).collect::<Vec<_>>()).join().unwrap();
        let row = |key: &str, value: &str, at| (key.to_owned(), value.to_owned(), at);
        assert_eq!(rows, [row("a", "1", 7), row("b", "1", 8)]);
        let now: Vec<_> = view.reverse_range(Some(&"b".to_owned()), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(now, [row("c", "2", 9), row("b", "1", 8)]);
        assert_eq!(view.prefix_scan_bytes(b"a").count(), 1);
        assert!(view.approximate_count() >= 1);
        drop(task);
    }
}
