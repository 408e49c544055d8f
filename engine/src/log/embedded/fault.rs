//! A disk that fails on purpose: any operation can fail, be cut short, find the disk full, or be the last before a power
//! cut that loses a seeded part of what was not synced.
//!
//! Everything is in memory. Each file has what is durable, and the writes since; [`FaultyStorage::survivor`] is the disk
//! as the next process finds it. Operations that change something are counted from 1, so that a test can run a scenario
//! once, ask how many there were, and then crash at every single one.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::storage::{Storage, StorageFile, folder_of};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has changed nothing.
    Fail,
    /// A write stops half-way and fails; other operations fail.
    Short,
    /// It fails for lack of space; a write stops half-way.
    DiskFull,
    /// The power goes: the operation may be done in part, and everything after it fails.
    Crash,
}

/// What a crash takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Only the process died (`kill -9`): the operating system still writes everything.
    Nothing,
    /// In every file, all unsynced writes from some point on.
    Suffix,
    /// In every file, any of the unsynced writes, by sectors.
    Subset,
    /// All that was not synced.
    Everything,
}

const SECTOR: usize = 512;

/// A disk in memory that fails on purpose. Cloning shares it.
#[derive(Clone, Debug)]
pub struct FaultyStorage {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: VecDeque<NameChange>,
    operations: u64,
    faults: BTreeMap<u64, Fault>,
    capacity: Option<u64>,
    lying: bool,
    crashed: bool,
    random: Random,
}

#[derive(Clone, Debug, Default)]
struct File {
    current: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Put(String, usize),
    Remove(String),
    Rename(String, String),
}

impl FaultyStorage {
    /// An empty disk that works. `seed` decides what a crash loses.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { disk: Arc::new(Mutex::new(Disk { random: Random(seed), ..Disk::default() })) }
    }

    /// Lets the `number`th operation, counted from 1, go wrong.
    pub fn fault_at(&self, number: u64, fault: Fault) {
        self.disk.lock().faults.insert(number, fault);
    }

    /// How many operations there were.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.disk.lock().operations
    }

    /// True once a [`Fault::Crash`] has happened.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.disk.lock().crashed
    }

    /// Lets the power go now.
    pub fn crash(&self) {
        self.disk.lock().crashed = true;
    }

    /// All files together hold at most this many bytes; `None` is without end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk.lock().capacity = bytes;
    }

    /// The bytes of all files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.disk.lock().used()
    }

    /// From now on syncs say that they are done and do nothing: a bug for a checker to find.
    pub fn lie_about_sync(&self, lying: bool) {
        self.disk.lock().lying = lying;
    }

    /// Flips one bit of a file, in what is durable too. False when there is no such byte.
    #[must_use]
    pub fn flip_bit(&self, path: &str, position: usize) -> bool {
        let mut disk = self.disk.lock();
        let Some(&file) = disk.names.get(path) else { return false };
        let Some(file) = disk.files.get_mut(file) else { return false };
        file.durable.clone_from(&file.current);
        file.unsynced.clear();
        match (file.current.get_mut(position), file.durable.get_mut(position)) {
            (Some(current), Some(durable)) => {
                *current ^= 1;
                *durable ^= 1;
                true
            }
            _ => false,
        }
    }

    /// The paths of all files.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.disk.lock().names.keys().cloned().collect()
    }

    /// The disk that the next process finds, after this one lost `loss`. It works, and counts its operations from 1.
    #[must_use]
    pub fn survivor(&self, loss: Loss) -> Self {
        let mut disk = self.disk.lock();
        let mut random = Random(disk.random.next());
        let files: Vec<File> = disk.files.iter().map(|file| file.survivor(loss, &mut random)).collect();
        let mut names = disk.durable_names.clone();
        let kept = match loss {
            Loss::Nothing => disk.unsynced_names.len(),
            Loss::Everything => 0,
            Loss::Suffix | Loss::Subset => random.below(disk.unsynced_names.len() + 1),
        };
        for change in disk.unsynced_names.iter().take(kept) {
            change.apply(&mut names);
        }
        let survivor = Disk { files, durable_names: names.clone(), names, capacity: disk.capacity, random, ..Disk::default() };
        Self { disk: Arc::new(Mutex::new(survivor)) }
    }
}

impl File {
    fn survivor(&self, loss: Loss, random: &mut Random) -> Self {
        let mut content = self.durable.clone();
        let kept = match loss {
            Loss::Nothing | Loss::Subset => self.unsynced.len(),
            Loss::Everything => 0,
            Loss::Suffix => random.below(self.unsynced.len() + 1),
        };
        for change in self.unsynced.iter().take(kept) {
            match change {
                Change::Write(position, data) if loss == Loss::Subset => {
                    for (sector, part) in data.chunks(SECTOR).enumerate() {
                        if random.below(2) == 0 {
                            write(&mut content, position + sector * SECTOR, part);
                        }
                    }
                }
                Change::Truncate(_) if loss == Loss::Subset && random.below(2) == 0 => {}
                Change::Write(position, data) => write(&mut content, *position, data),
                Change::Truncate(length) => content.truncate(*length),
            }
        }
        if loss == Loss::Suffix
            && let Some(Change::Write(position, data)) = self.unsynced.get(kept)
        {
            let part = random.below(data.len());
            write(&mut content, *position, data.get(..part).unwrap_or_default());
        }
        Self { current: content.clone(), durable: content, unsynced: Vec::new() }
    }
}

fn write(content: &mut Vec<u8>, position: usize, data: &[u8]) {
    let end = position + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(position..end) {
        place.copy_from_slice(data);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Put(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

impl Disk {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(*file)).map(|file| file.current.len() as u64).sum()
    }

    /// Counts an operation: what is to happen to it, or an error when the power is already gone.
    fn operation(&mut self) -> io::Result<Option<Fault>> {
        if self.crashed {
            return Err(gone());
        }
        self.operations += 1;
        let fault = self.faults.remove(&self.operations);
        self.crashed = fault == Some(Fault::Crash);
        Ok(fault)
    }

    /// An operation that is done wholly or not at all.
    fn whole(&mut self, act: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        match self.operation()? {
            None => act(self),
            Some(Fault::Crash) => {
                if self.random.below(2) == 0 {
                    act(self)?;
                }
                Err(gone())
            }
            Some(Fault::DiskFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Fail | Fault::Short) => Err(io::Error::other("injected fault")),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push_back(change);
    }

    fn file(&mut self, file: usize) -> io::Result<&mut File> {
        self.files.get_mut(file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn append(&mut self, file: usize, position: u64, data: &[u8]) -> io::Result<()> {
        let fault = self.operation()?;
        let free = self.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()));
        let part = match fault {
            None if data.len() as u64 <= free => data.len(),
            None => usize::try_from(free).unwrap_or(0),
            Some(Fault::Fail) => 0,
            Some(Fault::Short | Fault::DiskFull) => data.len() / 2,
            Some(Fault::Crash) => self.random.below(data.len() + 1),
        };
        let position = usize::try_from(position).map_err(io::Error::other)?;
        let written = data.get(..part).unwrap_or_default();
        let file = self.file(file)?;
        write(&mut file.current, position, written);
        file.unsynced.push(Change::Write(position, written.to_vec()));
        match fault {
            None if part == data.len() => Ok(()),
            None | Some(Fault::DiskFull) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Crash) => Err(gone()),
            Some(Fault::Fail | Fault::Short) => Err(io::Error::other("injected fault")),
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the power is gone")
}

impl Storage for FaultyStorage {
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let disk = self.disk.lock();
        let file = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FaultyFile { disk: Arc::clone(&self.disk), file }))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut disk = self.disk.lock();
        disk.whole(|disk| {
            disk.files.push(File::default());
            disk.change_name(NameChange::Put(path.to_owned(), disk.files.len() - 1));
            Ok(())
        })?;
        Ok(Arc::new(FaultyFile { disk: Arc::clone(&self.disk), file: disk.files.len() - 1 }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let disk = self.disk.lock();
        let inside = disk.names.keys().filter(|path| folder_of(path) == folder);
        Ok(inside.filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.lock().whole(|disk| {
            disk.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
            Ok(())
        })
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        self.disk.lock().whole(|disk| {
            disk.change_name(NameChange::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        self.disk.lock().whole(|disk| {
            if !disk.lying {
                disk.durable_names.clone_from(&disk.names);
                disk.unsynced_names.clear();
            }
            Ok(())
        })
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    file: usize,
}

impl StorageFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock().file(self.file)?.current.len() as u64)
    }

    fn read(&self, position: u64, length: usize) -> io::Result<Bytes> {
        let mut disk = self.disk.lock();
        let content = &disk.file(self.file)?.current;
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(content.len());
        let end = start.saturating_add(length).min(content.len());
        Ok(Bytes::copy_from_slice(content.get(start..end).unwrap_or_default()))
    }

    fn append(&self, position: u64, data: &[u8]) -> io::Result<()> {
        self.disk.lock().append(self.file, position, data)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.lock().whole(|disk| {
            let length = usize::try_from(length).map_err(io::Error::other)?;
            let file = disk.file(self.file)?;
            file.current.truncate(length);
            file.unsynced.push(Change::Truncate(length));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.lock().whole(|disk| {
            let lying = disk.lying;
            let file = disk.file(self.file)?;
            if !lying {
                file.durable.clone_from(&file.current);
                file.unsynced.clear();
            }
            Ok(())
        })
    }
}

/// SplitMix64: enough to choose what a crash loses, the same for the same seed.
#[derive(Clone, Copy, Debug, Default)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, 0 for an empty range.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}
