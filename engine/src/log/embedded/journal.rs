//! The journal: the one file whose order decides. A transaction is committed when its statement is durable here, and not
//! before; topics, group offsets and deleted records are here too.
//!
//! Each write is one frame (magic 3 | format 1 | length 4 | crc 4 | statements) and is synced before the next, so a bad frame is
//! either the torn last write, which is cut, or damage. When the file has grown, a new one (`journal-<number>`) is
//! written whole under another name, synced and renamed. Only the leader of a group commit writes.

use std::io;
use std::sync::Arc;

use super::entry::Entry;
use super::failure::{corrupt, failed};
use super::frame::{put, read_u32};
use super::storage::{Storage, StorageFile};
use crate::log::{LogError, LogErrorKind};

/// Its last byte is the format of the whole folder: a version that writes anything else than the one before counts on.
const MAGIC: [u8; 4] = *b"Sjn2";
const HEADER: usize = 12;

/// The journal file that is written to.
pub(super) struct Journal {
    number: u64,
    path: String,
    file: Arc<dyn StorageFile>,
    size: u64,
    /// Its length when it was new.
    snapshot: u64,
}

/// What an append that failed leaves.
pub(super) enum Broken {
    /// Nothing was written.
    Undone(LogError),
    /// It is not known what is on disk: nothing may follow.
    Unknown(LogError),
}

impl Journal {
    /// Reads the newest journal and cuts a torn tail. `None` when there is none. Older ones are deleted.
    pub(super) fn open(storage: &dyn Storage) -> Result<Option<(Self, Vec<Entry>)>, LogError> {
        let names = storage.list("").map_err(|error| failed("list", "the folder", error))?;
        let mut journals: Vec<(u64, String)> =
            names.into_iter().filter_map(|name| Some((name.strip_prefix("journal-")?.parse().ok()?, name))).collect();
        journals.sort_unstable();
        let Some((number, path)) = journals.pop() else { return Ok(None) };
        for (_, old) in journals {
            storage.delete(&old).map_err(|error| failed("delete", &old, error))?;
        }
        let (file, bytes) = read_all(storage, &path).map_err(|error| failed("read", &path, error))?;
        let (entries, good, snapshot) = statements(&path, &bytes)?;
        if good < bytes.len() {
            tracing::warn!(path, cut = bytes.len() - good, "torn tail of the journal is cut");
            file.truncate(good as u64).map_err(|error| failed("truncate", &path, error))?;
        }
        // What a killed process wrote may not be durable; from here on it is acted upon.
        file.sync().map_err(|error| failed("sync", &path, error))?;
        Ok(Some((Self { number, path, file, size: good as u64, snapshot: snapshot as u64 }, entries)))
    }

    /// Writes a new journal that says `entries` and nothing else. `after` is the one it replaces.
    pub(super) fn replace(storage: &dyn Storage, after: Option<&Self>, entries: &[Entry], sync: bool) -> Result<Self, LogError> {
        let number = after.map_or(1, |old| old.number + 1);
        let (path, draft) = (format!("journal-{number}"), "journal.draft");
        let mut statements = Vec::new();
        entries.iter().for_each(|entry| entry.write(&mut statements));
        let bytes = framed(&statements);
        let make = || {
            let file = storage.create(draft)?;
            file.append(0, &bytes)?;
            if sync {
                file.sync()?;
            }
            storage.rename(draft, &path)?;
            if sync {
                storage.sync_folder("")?;
            }
            io::Result::Ok(file)
        };
        let file = make().map_err(|error| failed("write", &path, error))?;
        let size = bytes.len() as u64;
        Ok(Self { number, path, file, size, snapshot: size })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is time to write it anew.
    pub(super) fn has_grown(&self, limit: u64) -> bool {
        self.size > limit.max(2 * self.snapshot)
    }

    /// Appends statements, durably when `sync`.
    pub(super) fn append(&mut self, statements: &[u8], sync: bool) -> Result<(), Broken> {
        let bytes = framed(statements);
        let written = self.file.append(self.size, &bytes).map_err(|error| (true, error));
        let synced =
            written.and_then(|()| if sync { self.file.sync().map_err(|error| (error.kind() == io::ErrorKind::StorageFull, error)) } else { Ok(()) });
        match synced {
            Ok(()) => {
                self.size += bytes.len() as u64;
                Ok(())
            }
            Err((undoable, error)) => {
                let error = failed("append to", &self.path, error);
                // The statement must not be found later: its transaction is going to be aborted.
                let undone = undoable && self.file.truncate(self.size).and_then(|()| if sync { self.file.sync() } else { Ok(()) }).is_ok();
                Err(if undone { Broken::Undone(error) } else { Broken::Unknown(error) })
            }
        }
    }
}

fn framed(statements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    put(&mut bytes, 0, MAGIC);
    put(&mut bytes, 4, u32::try_from(statements.len()).unwrap_or(u32::MAX).to_le_bytes());
    put(&mut bytes, 8, crc32c::crc32c(statements).to_le_bytes());
    bytes.extend_from_slice(statements);
    bytes
}

fn read_all(storage: &dyn Storage, path: &str) -> io::Result<(Arc<dyn StorageFile>, Vec<u8>)> {
    let file = storage.open(path)?;
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let bytes = file.read(0, length)?;
    Ok((file, bytes.to_vec()))
}

/// The statements of a frame at the start of `bytes`.
fn unframed(bytes: &[u8]) -> Option<&[u8]> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let statements = rest.get(..read_u32(header, 4) as usize)?;
    (header.get(..4)? == MAGIC && read_u32(header, 8) == crc32c::crc32c(statements)).then_some(statements)
}

fn statements(path: &str, bytes: &[u8]) -> Result<(Vec<Entry>, usize, usize), LogError> {
    if let Some(found) = bytes.first_chunk::<4>().filter(|found| found.starts_with(b"Sjn") && **found != MAGIC) {
        let message = format!("{path} has format {}, expected {}: another version of Straum wrote it", found.escape_ascii(), MAGIC.escape_ascii());
        return Err(LogError::new(LogErrorKind::Version, message));
    }
    let (mut entries, mut at, mut snapshot) = (Vec::new(), 0, 0);
    while let Some(mut frame) = bytes.get(at..).and_then(unframed) {
        let length = HEADER + frame.len();
        while !frame.is_empty() {
            let entry = Entry::read(&mut frame);
            entries.push(entry.ok_or_else(|| corrupt(path, at as u64, "a statement that this version does not know"))?);
        }
        at += length;
        if snapshot == 0 {
            snapshot = length;
        }
    }
    let later = bytes.get(at + 1..).unwrap_or_default();
    let damaged =
        snapshot == 0 || (0..later.len()).any(|start| later.get(start..).is_some_and(|rest| rest.starts_with(&MAGIC) && unframed(rest).is_some()));
    if damaged {
        return Err(corrupt(path, at as u64, "a frame's checksum does not match"));
    }
    Ok((entries, at, snapshot))
}

impl From<Broken> for LogError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Undone(error) => error,
            Broken::Unknown(error) => {
                Self::new(LogErrorKind::Fatal, "the outcome of a commit is not known until the log is opened again").with_source(error)
            }
        }
    }
}
