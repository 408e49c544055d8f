//! A runtime in small: one task with its stores, a changelog with transactions, and crashes.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use straum_state::{
    CacheContext, CacheSizing, ChangelogRecord, KeyValueStore, KeyValueStoreBuilder, MemoryBudget, RecordCache, RowFormat, Savepoint, Serde,
    SerdeContext, SerdeError, Serialized, SharedSerde, StateOptions, StateStore, StoreContext, StoreSpec, StoreSupplier, TaskState, WallClock,
};
use tempfile::TempDir;

/// Text as UTF-8.
pub struct Text;

impl Serde for Text {
    type Data = String;

    fn serialize(&self, data: &String, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match data.as_str() {
            "unserialisable" => Err(SerdeError::new("text", "something else")),
            "null" => Ok(Serialized::Null),
            text => {
                out.extend_from_slice(text.as_bytes());
                Ok(Serialized::Bytes)
            }
        }
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<String, SerdeError> {
        let bytes = bytes.ok_or_else(|| SerdeError::null("text"))?;
        String::from_utf8(bytes.to_vec()).map_err(|error| SerdeError::new("UTF-8", "other bytes").with_source(error))
    }
}

/// What the engine would keep with an unforwarded entry; its size as Kafka Streams counts that of a topic of one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(pub u64);

impl CacheContext for Origin {
    fn resident_bytes(&self) -> usize {
        21
    }
}

pub type TextStore = KeyValueStore<String, String, Origin>;
pub type TextBuilder = KeyValueStoreBuilder<String, String, Origin>;

pub fn text() -> SharedSerde<String> {
    Arc::new(Text)
}

/// A wall clock that a test sets.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    pub fn at(now: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }

    pub fn source(&self) -> WallClock {
        let now = Arc::clone(&self.0);
        Arc::new(move || now.load(Ordering::Relaxed))
    }
}

pub fn options(clock: &Clock) -> StateOptions {
    StateOptions::new(MemoryBudget::new(64 << 20), clock.source())
}

/// Where a task's committed state is: what survives a crash.
pub enum Disk {
    Memory(TaskState),
    Folder { root: TempDir, folder: PathBuf, generation: u32 },
}

impl Disk {
    pub fn memory(specs: &[StoreSpec]) -> Self {
        Self::Memory(TaskState::in_memory(specs, Clock::at(1_000).source()))
    }

    pub fn folder() -> Self {
        let root = TempDir::new().unwrap();
        let folder = root.path().join("0");
        Self::Folder { root, folder, generation: 0 }
    }

    pub fn open(&self, specs: &[StoreSpec]) -> TaskState {
        match self {
            Self::Memory(state) => state.clone(),
            Self::Folder { folder, .. } => TaskState::open(folder, specs, &options(&Clock::at(1_000))).unwrap(),
        }
    }

    /// What a process killed at this moment leaves: the files as they are, without what RocksDB holds in memory.
    pub fn crash(&mut self) {
        if let Self::Folder { root, folder, generation } = self {
            *generation += 1;
            let image = root.path().join(generation.to_string());
            copy(folder, &image);
            *folder = image;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if file.file_name() != "LOCK" && !file.file_name().to_string_lossy().starts_with("LOG") {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// A changelog partition: transaction markers take offsets, aborted records stay.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub records: Vec<LogRecord>,
    pub end: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    pub offset: i64,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub timestamp: i64,
    pub committed: bool,
}

impl Log {
    pub fn append(&mut self, record: ChangelogRecord<'_>) {
        let ChangelogRecord { key, value, timestamp } = record;
        self.records.push(LogRecord { offset: self.end, key: key.to_vec(), value: value.map(<[u8]>::to_vec), timestamp, committed: false });
        self.end += 1;
    }

    /// Ends the transaction that began at an offset.
    pub fn end_transaction(&mut self, from: i64, committed: bool) {
        for record in self.records.iter_mut().filter(|record| record.offset >= from) {
            record.committed = committed;
        }
        self.end += 1;
    }

    /// Brings a store up to the end, in batches of a few records.
    pub fn restore(&self, state: &TaskState, supplier: &dyn StoreSupplier) {
        let from = state.offset(supplier.name()).unwrap_or(0);
        let restorer = supplier.restorer();
        let committed: Vec<&LogRecord> = self.records.iter().filter(|record| record.committed && record.offset >= from).collect();
        let mut batches = committed.chunks(3).peekable();
        while let Some(batch) = batches.next() {
            let next = if batches.peek().is_none() { self.end } else { batch.last().unwrap().offset + 1 };
            let mut records =
                batch.iter().map(|record| ChangelogRecord { key: &record.key, value: record.value.as_deref(), timestamp: record.timestamp });
            state.restore(supplier.name(), &*restorer, &mut records, next).unwrap();
        }
    }
}

/// One running task with one store.
pub struct Task<S> {
    pub state: TaskState,
    pub store: Rc<RefCell<S>>,
    pub savepoint: Savepoint,
    pub cache: RecordCache,
}

impl<S: StateStore> Task<S> {
    /// Opens the disk, restores from the log, and makes the store.
    pub fn start(disk: &Disk, supplier: &dyn StoreSupplier, log: &Log, cache: RecordCache) -> Self {
        let state = disk.open(&[supplier.spec()]);
        log.restore(&state, supplier);
        let savepoint = Savepoint::new();
        savepoint.advance();
        let context = StoreContext {
            changelog_topic: "app-store-changelog".into(),
            savepoint: savepoint.clone(),
            budget: MemoryBudget::new(64 << 20),
            record_cache: cache.clone(),
        };
        let built = supplier.build(state.column(supplier.name()).unwrap(), context).unwrap();
        let store = built.typed.downcast::<RefCell<S>>().unwrap();
        Self { state, store, savepoint, cache }
    }

    /// Commits everything, and applies it at once.
    pub fn commit(&self, log: &mut Log) {
        let from = log.end;
        let mut batch = self.state.batch();
        self.store
            .borrow_mut()
            .prepare(&mut batch, &mut |record| {
                log.append(record);
                Ok(())
            })
            .unwrap();
        log.end_transaction(from, true);
        batch.set_offset(&Arc::clone(self.store.borrow().name()), log.end).unwrap();
        self.store.borrow_mut().committed();
        self.state.apply(batch).unwrap();
        self.savepoint.advance();
    }
}

pub fn builder(format: RowFormat) -> TextBuilder {
    TextBuilder::new("store", text(), text()).format(format)
}

pub fn text_task(disk: &Disk, supplier: &TextBuilder, log: &Log) -> Task<TextStore> {
    Task::start(disk, supplier, log, RecordCache::new(10 << 20, CacheSizing::Exact))
}

pub fn specs() -> Vec<StoreSpec> {
    vec![StoreSpec::persistent("store")]
}
