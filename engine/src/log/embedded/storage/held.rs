//! A storage that keeps unsynced bytes in this process, so that `kill -9` loses them as a power cut would.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Storage, StorageFile};

/// Writes through to the storage below only at sync. Names are passed on at once.
#[derive(Clone)]
pub struct HeldStorage {
    below: Arc<dyn Storage>,
}

impl HeldStorage {
    /// Holds back what is written to `below`.
    #[must_use]
    pub fn new(below: Arc<dyn Storage>) -> Self {
        Self { below }
    }
}

impl Storage for HeldStorage {
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        hold(self.below.open(path)?)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        hold(self.below.create(path)?)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.below.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)
    }

    fn delete(&self, path: &str) -> io::Result<()> {
        self.below.delete(path)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.below.sync_folder(folder)
    }
}

fn hold(below: Arc<dyn StorageFile>) -> io::Result<Arc<dyn StorageFile>> {
    let written = below.length()?;
    Ok(Arc::new(HeldFile { below, held: Mutex::new(Held { written, data: Vec::new() }) }))
}

struct HeldFile {
    below: Arc<dyn StorageFile>,
    held: Mutex<Held>,
}

/// What is not written yet; it follows the first `written` bytes.
struct Held {
    written: u64,
    data: Vec<u8>,
}

impl Held {
    fn end(&self) -> u64 {
        self.written + self.data.len() as u64
    }
}

impl StorageFile for HeldFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.held.lock().end())
    }

    fn read(&self, position: u64, length: usize) -> io::Result<Bytes> {
        let held = self.held.lock();
        let wanted_below = held.written.saturating_sub(position).min(length as u64);
        let below = usize::try_from(wanted_below).unwrap_or(length);
        let start = usize::try_from(position.saturating_sub(held.written)).unwrap_or(usize::MAX).min(held.data.len());
        let end = start.saturating_add(length - below).min(held.data.len());
        let above = held.data.get(start..end).unwrap_or_default();
        if below == 0 {
            return Ok(Bytes::copy_from_slice(above));
        }
        let written = self.below.read(position, below)?;
        if above.is_empty() || written.len() < below {
            return Ok(written);
        }
        Ok(Bytes::from([&written[..], above].concat()))
    }

    fn append(&self, position: u64, data: &[u8]) -> io::Result<()> {
        let mut held = self.held.lock();
        if held.end() != position {
            return Err(io::Error::other(format!("append at {position} to a file of {} bytes", held.end())));
        }
        held.data.extend_from_slice(data);
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut held = self.held.lock();
        match usize::try_from(length.saturating_sub(held.written)) {
            Ok(keep) if length >= held.written => held.data.truncate(keep),
            _ => {
                self.below.truncate(length)?;
                held.data.clear();
                held.written = length;
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut held = self.held.lock();
        if !held.data.is_empty() {
            if let Err(error) = self.below.append(held.written, &held.data) {
                // Kept here and cut there, so that a full disk can be tried again.
                self.below.truncate(held.written)?;
                return Err(error);
            }
            held.written = held.end();
            held.data.clear();
        }
        self.below.sync()
    }
}
