//! Stores: the overlay alone, and through it RocksDB.

use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use straum::serde::{I64, U64};
use straum_state::{
    CacheSizing, KeyValueStore, KeyValueStoreBuilder, MemoryBudget, RecordCache, Savepoint, SharedSerde, StateOptions, StateStore, StoreContext,
    StoreSupplier, TaskState,
};

/// Records between two commits.
const TRANSACTION: u64 = 10_000;
const COMMITTED: u64 = 200_000;

/// One task with one store.
pub(crate) struct Task<K, V> {
    pub(crate) state: TaskState,
    pub(crate) store: Rc<RefCell<KeyValueStore<K, V>>>,
    pub(crate) savepoint: Savepoint,
}

impl<K: 'static, V: Clone + 'static> Task<K, V> {
    /// On disk in `folder`, or in memory.
    pub(crate) fn open(folder: Option<&Path>, keys: SharedSerde<K>, values: SharedSerde<V>) -> Self {
        let budget = MemoryBudget::new(512 << 20);
        let builder: KeyValueStoreBuilder<K, V> = KeyValueStoreBuilder::new("store", keys, values);
        let clock: straum_state::WallClock = Arc::new(|| 0);
        let state = match folder {
            Some(folder) => TaskState::open(folder, &[builder.spec()], &StateOptions::new(budget.clone(), clock)).unwrap(),
            None => TaskState::in_memory(&[builder.spec()], clock),
        };
        let savepoint = Savepoint::new();
        let record_cache = RecordCache::new(0, CacheSizing::Estimated);
        let context = StoreContext { changelog_topic: "app-store-changelog".into(), savepoint: savepoint.clone(), budget, record_cache };
        let built = builder.build(state.column("store").unwrap(), context).unwrap();
        Self { state, store: built.typed.downcast().unwrap(), savepoint }
    }

    /// Writes the transaction out, as changelog records and to the state.
    pub(crate) fn commit(&self) {
        let mut batch = self.state.batch();
        let mut store = self.store.borrow_mut();
        store
            .prepare(&mut batch, &mut |record| {
                black_box(record.key);
                Ok(())
            })
            .unwrap();
        store.committed();
        self.state.apply(batch).unwrap();
    }

    pub(crate) fn put(&self, key: &K, value: V) {
        self.store.borrow_mut().put(key, Some(value), 1).unwrap();
        self.savepoint.advance();
    }
}

fn task(folder: Option<&Path>) -> Task<u64, i64> {
    Task::open(folder, Arc::new(U64), Arc::new(I64))
}

/// Keys in no order.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Times `step` once an iteration, in transactions; `between` is not timed.
fn in_transactions(iterations: u64, mut step: impl FnMut(u64), mut between: impl FnMut()) -> Duration {
    let mut spent = Duration::ZERO;
    let mut done = 0;
    while done < iterations {
        let count = TRANSACTION.min(iterations - done);
        let began = Instant::now();
        (0..count).for_each(&mut step);
        spent += began.elapsed();
        between();
        done += count;
    }
    spent
}

pub(crate) fn overlay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("overlay");
    let task = task(None);
    (0..TRANSACTION).for_each(|number| task.put(&scattered(number), 1));
    let mut number = 0;
    group.bench_function("get, hit", |bencher| {
        bencher.iter(|| {
            number = (number + 1) % TRANSACTION;
            task.store.borrow_mut().peek(&scattered(number)).unwrap().map(|(count, _)| *count)
        });
    });
    group.bench_function("put, hit", |bencher| {
        bencher.iter(|| {
            number = (number + 1) % TRANSACTION;
            task.put(&scattered(number), 2);
        });
    });
    task.store.borrow_mut().rollback();
    let forget = || {
        task.store.borrow_mut().rollback();
        task.store.borrow_mut().evict_clean(u64::MAX);
    };
    group.bench_function("get, miss (no such key in the store in memory)", |bencher| {
        let get = |number| {
            black_box(task.store.borrow_mut().peek(&scattered(number)).unwrap());
        };
        bencher.iter_custom(|iterations| in_transactions(iterations, get, forget));
    });
    group.bench_function("put, miss", |bencher| {
        bencher.iter_custom(|iterations| in_transactions(iterations, |number| task.put(&scattered(number), 1), forget));
    });
    group.finish();
}

pub(crate) fn rocksdb(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rocksdb through a store");
    let folder = tempfile::tempdir().unwrap();
    let task = task(Some(folder.path()));
    let forget = || {
        task.store.borrow_mut().evict_clean(u64::MAX);
    };
    for number in 0..COMMITTED {
        task.put(&scattered(number), 1);
        if number % TRANSACTION == TRANSACTION - 1 {
            task.commit();
            forget();
        }
    }
    task.state.flush().unwrap();
    group.bench_function("get of a key in 200,000", |bencher| {
        let mut at = 0;
        let mut get = |_| {
            at = (at + 7919) % COMMITTED;
            black_box(task.store.borrow_mut().peek(&scattered(at)).unwrap());
        };
        bencher.iter_custom(|iterations| in_transactions(iterations, &mut get, forget));
    });
    group.bench_function("put, changelog and apply, 10,000 a commit", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations.div_ceil(TRANSACTION) {
                let began = Instant::now();
                (0..TRANSACTION).for_each(|number| task.put(&scattered(number), 3));
                task.commit();
                spent += began.elapsed();
                forget();
            }
            // Whole transactions are timed, whatever number was asked for.
            spent.mul_f64(iterations as f64 / (iterations.div_ceil(TRANSACTION) * TRANSACTION) as f64)
        });
    });
    group.finish();
}

pub(crate) fn scan(criterion: &mut Criterion) {
    const DIRTY: u64 = 1_000_000;
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(DIRTY));
    let task = task(None);
    (0..DIRTY).for_each(|number| task.put(&scattered(number), 1));
    group.bench_function("1 M dirty entries", |bencher| {
        bencher.iter(|| {
            let rows = task.store.borrow_mut().all().unwrap().map(Result::unwrap).count();
            assert_eq!(rows as u64, DIRTY);
        });
    });
    group.finish();
}
