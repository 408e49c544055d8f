//! The rows of a task's metadata column: what RocksDB keeps beside the stores, written in the same atomic batches.
//!
//! | key | value |
//! |---|---|
//! | `format` | the format's version, 4 bytes |
//! | `task` | the task's own bytes |
//! | `store/<name>` | flags (1 offset, 2 identity), 8 offset, 8 wall time, identity |
//!
//! Integers are big-endian.

use std::sync::Arc;

use rocksdb::WriteBatch;

use super::database::Database;
use crate::error::{StateError, StateErrorKind};

/// Raised whenever a row's bytes or a column's meaning change.
pub(super) const FORMAT_VERSION: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";
const TASK_KEY: &[u8] = b"task";
const STORE_KEY: &str = "store/";
const HAS_OFFSET: u8 = 1;
const HAS_IDENTITY: u8 = 2;

/// What is known of one store's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreMetadata {
    /// The next changelog offset to restore from, and the wall time at which the rows were complete up to it.
    pub(super) position: Option<Position>,
    /// The changelog topic's incarnation.
    pub(super) identity: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) next_offset: i64,
    pub(super) wall_time: i64,
}

impl StoreMetadata {
    fn encode(&self) -> Vec<u8> {
        let flags = if self.position.is_some() { HAS_OFFSET } else { 0 } | if self.identity.is_some() { HAS_IDENTITY } else { 0 };
        let position = self.position.unwrap_or(Position { next_offset: 0, wall_time: 0 });
        let mut bytes = vec![flags];
        bytes.extend_from_slice(&position.next_offset.to_be_bytes());
        bytes.extend_from_slice(&position.wall_time.to_be_bytes());
        bytes.extend_from_slice(self.identity.as_deref().unwrap_or_default());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (flags, rest) = bytes.split_first()?;
        let (next_offset, rest) = rest.split_first_chunk()?;
        let (wall_time, identity) = rest.split_first_chunk()?;
        let position = Position { next_offset: i64::from_be_bytes(*next_offset), wall_time: i64::from_be_bytes(*wall_time) };
        Some(Self { position: (flags & HAS_OFFSET != 0).then_some(position), identity: (flags & HAS_IDENTITY != 0).then(|| identity.to_vec()) })
    }

    pub(super) fn read(database: &Database, store: &str) -> Result<Self, StateError> {
        match database.metadata(&store_key(store))? {
            None => Ok(Self::default()),
            Some(bytes) => Self::decode(&bytes).ok_or_else(|| {
                let message = format!("expected at least 17 bytes of store metadata, found {}", bytes.len());
                StateError::new(StateErrorKind::Corrupt, message).in_store(store)
            }),
        }
    }

    pub(super) fn write(&self, batch: &mut WriteBatch, store: &str) {
        batch.put(store_key(store), self.encode());
    }
}

pub(super) fn read_task(database: &Database) -> Result<Option<Vec<u8>>, StateError> {
    database.metadata(TASK_KEY)
}

pub(super) fn write_task(batch: &mut WriteBatch, metadata: &[u8]) {
    batch.put(TASK_KEY, metadata);
}

pub(super) fn write_format(batch: &mut WriteBatch) {
    batch.put(FORMAT_KEY, FORMAT_VERSION.to_be_bytes());
}

/// Whether the database is new; an error if it is of another format.
pub(super) fn check_format(database: &Arc<Database>) -> Result<bool, StateError> {
    match database.metadata(FORMAT_KEY)? {
        None => Ok(true),
        Some(bytes) if bytes == FORMAT_VERSION.to_be_bytes() => Ok(false),
        Some(bytes) => {
            let found = bytes.first_chunk().map_or(u32::MAX, |version| u32::from_be_bytes(*version));
            Err(StateError::new(StateErrorKind::Version, format!("expected state format {FORMAT_VERSION}, found {found}")))
        }
    }
}

fn store_key(store: &str) -> Vec<u8> {
    format!("{STORE_KEY}{store}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_metadata_survives_its_bytes() {
        let position = Some(Position { next_offset: 7, wall_time: 1_700_000_000_000 });
        for metadata in [
            StoreMetadata::default(),
            StoreMetadata { position, identity: None },
            StoreMetadata { position: None, identity: Some(vec![]) },
            StoreMetadata { position, identity: Some(vec![1; 16]) },
        ] {
            assert_eq!(StoreMetadata::decode(&metadata.encode()), Some(metadata));
        }
        assert_eq!(StoreMetadata::decode(&[1, 2, 3]), None);
    }
}
