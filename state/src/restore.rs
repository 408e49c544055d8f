//! Changelog records, and how they become a store's rows away from the task's thread.

use std::sync::Arc;

use crate::error::StateError;
use crate::spec::RowFormat;

/// A record of a store's changelog, without the Kafka around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangelogRecord<'a> {
    /// The key's bytes.
    pub key: &'a [u8],
    /// The value's bytes, without a timestamp before them; none deletes.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the epoch, the record's own timestamp.
    pub timestamp: i64,
}

/// Turns a store's changelog records into rows. Used on restore threads, for active tasks and standbys alike, without
/// the store's instance; the same record may come again, and later ones win.
pub trait ChangelogRestorer: Send + Sync {
    /// Writes the rows of one record.
    ///
    /// # Errors
    /// When the record is not of the store's form.
    fn restore(&self, record: ChangelogRecord<'_>, rows: &mut dyn RowSink) -> Result<(), StateError>;
}

/// Takes restored rows. Keys and rows are given in parts, which are joined, so that a prefix costs no allocation.
pub trait RowSink {
    /// Writes a row.
    fn put(&mut self, key: &[&[u8]], row: &[&[u8]]);
    /// Deletes a row.
    fn delete(&mut self, key: &[&[u8]]);
}

/// The restorer of stores whose local key is the changelog's key: plain and timestamped.
#[derive(Clone, Copy, Debug)]
pub struct RowRestorer(RowFormat);

impl RowRestorer {
    /// A restorer of rows in `format`.
    #[must_use]
    pub fn shared(format: RowFormat) -> Arc<dyn ChangelogRestorer> {
        Arc::new(Self(format))
    }
}

impl ChangelogRestorer for RowRestorer {
    fn restore(&self, record: ChangelogRecord<'_>, rows: &mut dyn RowSink) -> Result<(), StateError> {
        match (record.value, self.0) {
            (None, _) => rows.delete(&[record.key]),
            (Some(value), RowFormat::Plain) => rows.put(&[record.key], &[value]),
            (Some(value), RowFormat::Timestamped) => rows.put(&[record.key], &[&record.timestamp.to_be_bytes(), value]),
        }
        Ok(())
    }
}
