//! The table files of all tasks: a process that flushes slivers has many small ones.

use std::io;
use std::path::Path;

/// A file smaller than this is a sliver.
pub const SLIVER_BYTES: u64 = 64 * 1024;

/// Table files, counted and weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableFiles {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those smaller than [`SLIVER_BYTES`].
    pub slivers: u64,
}

impl TableFiles {
    /// Those anywhere below a folder. Files that compaction deletes meanwhile are left out.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn below(folder: &Path) -> io::Result<Self> {
        let mut found = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next)? {
                let entry = entry?;
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else if entry.path().extension().is_some_and(|extension| extension == "sst") {
                    found.add(metadata.len());
                }
            }
        }
        Ok(found)
    }

    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        self.slivers += u64::from(bytes < SLIVER_BYTES);
    }

    /// Bytes of the average file.
    #[must_use]
    pub fn average(&self) -> u64 {
        self.bytes.checked_div(self.files).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn table_files_are_found_at_any_depth_and_slivers_counted() {
        let folder = tempfile::tempdir().unwrap();
        let task = folder.path().join("0_1");
        std::fs::create_dir(&task).unwrap();
        std::fs::write(task.join("000001.sst"), vec![0; 10]).unwrap();
        std::fs::write(task.join("000002.sst"), vec![0; 100_000]).unwrap();
        std::fs::write(task.join("MANIFEST-000003"), "").unwrap();
        let found = TableFiles::below(folder.path()).unwrap();
        assert_eq!(found, TableFiles { files: 2, bytes: 100_010, slivers: 1 });
        assert_eq!(found.average(), 50_005);
    }
}
