//! Where the embedded log keeps its bytes: the few file operations it needs, so that a test can stand in for a disk.
//!
//! The log only ever appends, cuts the end off, replaces a whole file by renaming another over it, and deletes. Nothing
//! is durable before [`StorageFile::sync`] (bytes) or [`Storage::sync_folder`] (names). Called by the journal, the
//! partitions and the cleaner; never by a consumer or producer directly.

mod disk;
mod held;
mod memory;

pub use disk::DiskStorage;
pub use held::HeldStorage;
pub use memory::MemoryStorage;

use std::io;
use std::sync::Arc;

use bytes::Bytes;

/// A tree of files, named by relative paths with `/`.
pub trait Storage: Send + Sync {
    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or the disk failed.
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Makes an empty file, its folders too; one that exists is emptied.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], or the disk failed.
    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// The names of the files in a folder, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// When the disk failed.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Gives a file another name, replacing what has it, all at once.
    ///
    /// # Errors
    /// When the disk failed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When the disk failed.
    fn delete(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a folder, and the folder's own, durable.
    ///
    /// # Errors
    /// When the disk failed.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Makes all bytes of several files durable, and tells of each whether they are: see [`StorageFile::sync`]. One after the
    /// other where the storage knows no better.
    fn sync_files(&self, files: &[Arc<dyn StorageFile>]) -> Vec<io::Result<()>> {
        files.iter().map(|file| file.sync()).collect()
    }
}

/// One file of a [`Storage`].
pub trait StorageFile: Send + Sync {
    /// How many bytes.
    ///
    /// # Errors
    /// When the disk failed.
    fn length(&self) -> io::Result<u64>;

    /// At most `length` bytes from `position`; fewer only at the end of the file.
    ///
    /// # Errors
    /// When the disk failed.
    fn read(&self, position: u64, length: usize) -> io::Result<Bytes>;

    /// Writes at the end, which is `position`. After an error any part may have been written: truncate.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`], or the disk failed.
    fn append(&self, position: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts everything from `length` on.
    ///
    /// # Errors
    /// When the disk failed.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes all bytes durable. [`io::ErrorKind::StorageFull`] alone may be tried again; after any other error it is
    /// not known what is durable.
    ///
    /// # Errors
    /// When the disk failed.
    fn sync(&self) -> io::Result<()>;
}

/// The folder part of a path, empty at the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
