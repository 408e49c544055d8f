//! The table files of all tasks: a process that flushes slivers has many small ones.
//!
//! Rows and offsets are flushed together, so that every flush also writes a tiny file of a task's metadata. Those are
//! counted apart: only files of rows tell how much was flushed at once.

use std::path::Path;

use anyhow::Context;
use rocksdb::{DB, DEFAULT_COLUMN_FAMILY_NAME, LiveFile, Options};

/// A file of rows smaller than this is a sliver.
pub const SLIVER_BYTES: u64 = 64 * 1024;

/// Table files, counted and weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableFiles {
    /// Files of rows.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those smaller than [`SLIVER_BYTES`].
    pub slivers: u64,
    /// Files of metadata.
    pub metadata: u64,
}

impl TableFiles {
    /// Those of every database anywhere below a folder. The databases must be closed.
    ///
    /// # Errors
    /// When a folder or a database cannot be read.
    pub fn below(folder: &Path) -> anyhow::Result<Self> {
        let mut found = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            if next.join("CURRENT").exists() {
                found.add_database(&next)?;
                continue;
            }
            for entry in std::fs::read_dir(next)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    fn add_database(&mut self, folder: &Path) -> anyhow::Result<()> {
        let options = Options::default();
        let families = DB::list_cf(&options, folder).context("cannot list a task's column families")?;
        let database = DB::open_cf_for_read_only(&options, folder, families, false).context("cannot open a task's state")?;
        database.live_files()?.iter().for_each(|file| self.add(file));
        Ok(())
    }

    fn add(&mut self, file: &LiveFile) {
        if file.column_family_name == DEFAULT_COLUMN_FAMILY_NAME {
            self.metadata += 1;
            return;
        }
        let bytes = file.size as u64;
        self.files += 1;
        self.bytes += bytes;
        self.slivers += u64::from(bytes < SLIVER_BYTES);
    }

    /// Bytes of the average file of rows.
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
    fn files_of_rows_are_found_at_any_depth_slivers_counted_and_metadata_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let database = DB::open_cf(&options, folder.path().join("0_1"), ["store.counts"]).unwrap();
        database.put("offset", "1").unwrap();
        database.flush().unwrap();
        let rows = database.cf_handle("store.counts").unwrap();
        database.put_cf(rows, "a", "1").unwrap();
        database.flush_cf(rows).unwrap();
        drop(database);
        let found = TableFiles::below(folder.path()).unwrap();
        assert_eq!((found.files, found.slivers, found.metadata), (1, 1, 1));
        assert_eq!(found.average(), found.bytes);
    }
}
