//! How RocksDB is set up for a task, and why.

use std::sync::Arc;

use rocksdb::{BlockBasedOptions, DBCompactionStyle, DBCompressionType, LogLevel, Options, UniversalCompactOptions};

use crate::memory::MemoryBudget;

/// Wall clock in milliseconds since the epoch, injected.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What every task of a process is opened with.
#[derive(Clone)]
pub struct StateOptions {
    pub(crate) budget: MemoryBudget,
    pub(crate) clock: WallClock,
}

impl StateOptions {
    /// The process' budget and clock.
    #[must_use]
    pub fn new(budget: MemoryBudget, clock: WallClock) -> Self {
        Self { budget, clock }
    }
}

/// Files a database keeps open; the rest are reopened when read. 64 tasks stay below common limits.
const OPEN_FILES: i32 = 48;
/// Memtables grow by this much: 64 idle tasks with a few stores each must not take a megabyte a store.
const ARENA_BLOCK: usize = 32 * 1024;
/// Bounds of a memtable: a thirty-second of the budget between them.
const SMALLEST_BUFFER: usize = 1 << 20;
const LARGEST_BUFFER: usize = 32 << 20;

pub(crate) fn database_options(budget: &MemoryBudget) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // The changelog is the log, so there is none here; all column families must then be flushed together, or a store
    // and its offset part company in a crash.
    options.set_atomic_flush(true);
    options.set_write_buffer_manager(budget.write_buffers());
    options.set_max_open_files(OPEN_FILES);
    options.set_max_file_opening_threads(1);
    options.set_max_background_jobs(2);
    // Of each file that is compacted: the default of 2 MiB, times a dozen files, would be no small part of a small budget.
    options.set_compaction_readahead_size(128 * 1024);
    // One thread writes a task.
    options.set_allow_concurrent_memtable_write(false);
    options.set_table_cache_num_shard_bits(2);
    options.set_log_level(LogLevel::Error);
    options.set_keep_log_file_num(1);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_skip_stats_update_on_db_open(true);
    options.set_manifest_preallocation_size(64 * 1024);
    options
}

/// Of the metadata: a few rows, looked up when a task is opened.
pub(crate) fn metadata_options(budget: &MemoryBudget) -> Options {
    let mut options = column_options(budget);
    options.set_memtable_whole_key_filtering(false);
    options.set_memtable_prefix_bloom_ratio(0.0);
    options
}

pub(crate) fn column_options(budget: &MemoryBudget) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(budget.block_cache());
    blocks.set_block_size(4 * 1024);
    blocks.set_bloom_filter(10.0, false);
    // Indexes and filters of every file count against the budget too.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);

    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    // The flush scheduler decides, unless a task has so much alone that nothing is gained by waiting.
    let buffer = usize::try_from(budget.limit() / 32).unwrap_or(LARGEST_BUFFER).clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
    options.set_write_buffer_size(buffer);
    options.set_arena_block_size(ARENA_BLOCK);
    // A new key is looked for in vain in the memtable first: without a filter that is half of what such a key costs. It
    // is made at a memtable's first row, at a fiftieth of the buffer.
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.02);
    options.set_max_write_buffer_number(6);
    // As in the JVM. With a budget of bytes a process, flushed files are small; levelled compaction would rewrite a
    // level ten times their size for each of them, universal compaction merges files of like size.
    options.set_compaction_style(DBCompactionStyle::Universal);
    let mut universal = UniversalCompactOptions::default();
    universal.set_max_size_amplification_percent(100);
    options.set_universal_compaction_options(&universal);
    options
}

/// What a batch's rows take in a memtable: their bytes, and RocksDB's node, sequence number and lengths a row.
pub(crate) const fn memtable_bytes(batch_bytes: u64, rows: u64) -> u64 {
    batch_bytes + rows * 40
}
