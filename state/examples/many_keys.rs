//! Many distinct keys over many tasks within a small budget: how fast, how much memory, how many files.
//!
//! ```text
//! cargo run --release -p straum-state --example many_keys -- [keys in millions] [tasks] [budget in MiB]
//! ```
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use straum_state::{
    CacheSizing, KeyValueStore, KeyValueStoreBuilder, MemoryBudget, MemoryPart, RecordCache, Savepoint, Serde, SerdeContext, SerdeError, Serialized,
    StateOptions, StateStore, StoreContext, StoreSupplier, TaskState,
};

struct Fixed<const N: usize>;

impl<const N: usize> Serde for Fixed<N> {
    type Data = [u8; N];

    fn serialize(&self, data: &[u8; N], _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        out.extend_from_slice(data);
        Ok(Serialized::Bytes)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<[u8; N], SerdeError> {
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| SerdeError::new("bytes of fixed length", "others"))
    }
}

type Store = KeyValueStore<[u8; 32], [u8; 8]>;

fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0_u64) / 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn files(folder: &Path) -> (usize, u64) {
    let mut found = (0, 0);
    for task in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        for file in std::fs::read_dir(task.path()).unwrap().map(Result::unwrap) {
            if file.file_name().to_string_lossy().ends_with(".sst") {
                found = (found.0 + 1, found.1 + file.metadata().unwrap().len() / 1024);
            }
        }
    }
    found
}

/// Reads, then writes: an aggregation's one step.
fn count(store: &mut Store, key: &[u8; 32], number: u64) {
    let entry = store.entry(key).unwrap();
    let count = entry.value().map_or(0, |count| u64::from_be_bytes(*count)) + 1;
    entry.put(Some(count.to_be_bytes()), i64::try_from(number).unwrap_or(0));
}

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let argument = |at: usize, default: u64| arguments.get(at).copied().unwrap_or(default);
    let (keys, tasks, budget_mib) = (argument(0, 30) * 1_000_000, argument(1, 64), argument(2, 256));
    let folder = tempfile::TempDir::new().unwrap();
    let budget = MemoryBudget::new(budget_mib << 20);
    let clock = Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(0)));
    let options = StateOptions::new(budget.clone(), clock);
    let builder: KeyValueStoreBuilder<[u8; 32], [u8; 8]> = KeyValueStoreBuilder::new("counts", Arc::new(Fixed::<32>), Arc::new(Fixed::<8>));
    let (start_resident, _) = resident();

    let opening = Instant::now();
    let opened: Vec<_> = (0..tasks)
        .map(|task| {
            let state = TaskState::open(&folder.path().join(task.to_string()), &[builder.spec()], &options).unwrap();
            let context = StoreContext {
                changelog_topic: "app-counts-changelog".into(),
                savepoint: Savepoint::new(),
                budget: budget.clone(),
                record_cache: RecordCache::new(0, CacheSizing::Estimated),
            };
            let built = builder.build(state.column("counts").unwrap(), context).unwrap();
            (state, built.typed.downcast::<std::cell::RefCell<Store>>().unwrap())
        })
        .collect();
    println!("opened {tasks} tasks in {:.1?}, resident {} MiB (before: {start_resident})", opening.elapsed(), resident().0);

    let filling = Instant::now();
    let mut seed = 1_u64;
    let (mut changelog_bytes, mut offset) = (0_u64, 0_i64);
    for number in 0..keys {
        // splitmix64: keys arrive in no order.
        let mut key = [0; 32];
        for part in key.chunks_exact_mut(8) {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
        }
        count(&mut opened[usize::from(key[7]) % opened.len()].1.borrow_mut(), &key, number);
        if number % 50_000 == 49_999 {
            for (state, store) in &opened {
                let mut batch = state.batch();
                let mut changelog = |record: straum_state::ChangelogRecord<'_>| {
                    changelog_bytes += (record.key.len() + record.value.map_or(0, <[u8]>::len)) as u64;
                    Ok(())
                };
                store.borrow_mut().prepare(&mut batch, &mut changelog).unwrap();
                offset += 1;
                batch.set_offset("counts", offset).unwrap();
                store.borrow_mut().committed();
                state.apply(batch).unwrap();
            }
        }
        if number % 3_000_000 == 2_999_999 {
            let ((now, peak), (number_of_files, kib)) = (resident(), files(folder.path()));
            let part = |part| budget.used(part) >> 20;
            println!(
                "{:>3} M keys, {:.2} µs a key; resident {now} MiB, peak {peak}; overlays {} buffers {} blocks {} MiB; {number_of_files} files of {} KiB on average",
                (number + 1) / 1_000_000,
                filling.elapsed().as_secs_f64() * 1e6 / (number + 1) as f64,
                part(MemoryPart::Overlays),
                part(MemoryPart::WriteBuffers),
                part(MemoryPart::BlockCache),
                kib.checked_div(number_of_files as u64).unwrap_or(0),
            );
        }
    }
    let closing = Instant::now();
    for (state, _) in &opened {
        state.flush().unwrap();
    }
    println!("flushed in {:.1?}; {} MiB of changelog; peak resident {} MiB", closing.elapsed(), changelog_bytes >> 20, resident().1);
}
