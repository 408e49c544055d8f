//! Files in memory, for tests and the test driver: gone with the last handle.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{Storage, StorageFile, folder_of};

/// Files in memory. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    files: Arc<Mutex<BTreeMap<String, Arc<MemoryFile>>>>,
}

impl MemoryStorage {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Storage for MemoryStorage {
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        match self.files.lock().get(path) {
            Some(file) => Ok(Arc::<MemoryFile>::clone(file)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = Arc::new(MemoryFile::default());
        self.files.lock().insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let files = self.files.lock();
        Ok(files.keys().filter(|path| folder_of(path) == folder).filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        self.files.lock().remove(path).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a file, in blocks: growing never moves what is there, and a read inside a full block copies nothing.
#[derive(Debug, Default)]
struct MemoryFile {
    content: RwLock<Content>,
}

#[derive(Debug, Default)]
struct Content {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

const BLOCK: usize = 1 << 20;

impl Content {
    fn length(&self) -> usize {
        self.full.len() * BLOCK + self.last.len()
    }

    fn block(&self, index: usize) -> &[u8] {
        match self.full.get(index) {
            Some(block) => block,
            None if index == self.full.len() => &self.last,
            None => &[],
        }
    }

    fn read(&self, position: usize, length: usize) -> Bytes {
        let end = position.saturating_add(length).min(self.length());
        if position >= end {
            return Bytes::new();
        }
        if let Some(block) = self.full.get(position / BLOCK)
            && position / BLOCK == (end - 1) / BLOCK
        {
            return block.slice(position % BLOCK..(end - 1) % BLOCK + 1);
        }
        let mut data = Vec::with_capacity(end - position);
        while position + data.len() < end {
            let at = position + data.len();
            let block = self.block(at / BLOCK);
            let part = block.get(at % BLOCK..block.len().min(at % BLOCK + end - at)).unwrap_or_default();
            data.extend_from_slice(part);
        }
        Bytes::from(data)
    }

    fn append(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let (now, later) = data.split_at(data.len().min(BLOCK - self.last.len()));
            self.last.extend_from_slice(now);
            data = later;
            if self.last.len() == BLOCK {
                self.full.push(Bytes::from(std::mem::take(&mut self.last)));
            }
        }
    }

    fn truncate(&mut self, length: usize) {
        if length < self.full.len() * BLOCK {
            self.last = self.full.get(length / BLOCK).map(|block| block.to_vec()).unwrap_or_default();
            self.full.truncate(length / BLOCK);
        }
        self.last.truncate(length - self.full.len() * BLOCK);
    }
}

fn address(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

impl StorageFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.content.read().length() as u64)
    }

    fn read(&self, position: u64, length: usize) -> io::Result<Bytes> {
        Ok(self.content.read().read(address(position), length))
    }

    fn append(&self, position: u64, data: &[u8]) -> io::Result<()> {
        let mut content = self.content.write();
        if content.length() as u64 != position {
            return Err(io::Error::other(format!("append at {position} to a file of {} bytes", content.length())));
        }
        content.append(data);
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.content.write().truncate(address(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn reads_across_blocks_are_what_was_appended() {
        let file = MemoryFile::default();
        let data: Vec<u8> = (0..3 * BLOCK + 17).map(|index| (index / 7) as u8).collect();
        file.append(0, &data[..BLOCK - 3]).unwrap();
        file.append((BLOCK - 3) as u64, &data[BLOCK - 3..]).unwrap();
        for (position, length) in [(0, 10), (BLOCK - 5, 10), (BLOCK, BLOCK), (5, 3 * BLOCK), (3 * BLOCK + 10, 100)] {
            let end = (position + length).min(data.len());
            assert_eq!(file.read(position as u64, length).unwrap(), data[position..end], "{length} bytes at {position}");
        }
    }

    #[test]
    fn truncating_into_a_full_block_keeps_the_bytes_before() {
        let file = MemoryFile::default();
        file.append(0, &vec![7; 2 * BLOCK + 5]).unwrap();
        file.truncate((BLOCK + 1) as u64).unwrap();
        file.append((BLOCK + 1) as u64, &[9]).unwrap();
        assert_eq!(file.length().unwrap(), (BLOCK + 2) as u64);
        assert_eq!(file.read((BLOCK - 1) as u64, 10).unwrap(), [7_u8, 7, 9][..]);
    }
}
