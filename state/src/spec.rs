//! What a store is called and where its rows live, and the two forms of a row.

use std::sync::Arc;

/// A store as its task's state must hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec {
    name: Arc<str>,
    persistent: bool,
}

impl StoreSpec {
    /// Rows on disk. Kafka Streams: `Stores.persistentKeyValueStore` and its kin.
    #[must_use]
    pub fn persistent(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), persistent: true }
    }

    /// Rows in memory, restored whole after a restart. Kafka Streams: `Stores.inMemoryKeyValueStore` and its kin.
    #[must_use]
    pub fn in_memory(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), persistent: false }
    }

    /// The store's name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether the rows survive a restart.
    #[must_use]
    pub const fn is_persistent(&self) -> bool {
        self.persistent
    }
}

/// How a local row relates to the changelog's value (which is always the value's own bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// The row is the value. Kafka Streams: plain stores.
    Plain,
    /// The row is the record's timestamp, 8 bytes big-endian, and then the value. Kafka Streams: timestamped stores,
    /// the DSL's default. The changelog carries the timestamp as its records' own.
    Timestamped,
}

impl RowFormat {
    /// Bytes of a row before the value.
    #[must_use]
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Timestamped => size_of::<i64>(),
        }
    }

    /// Begins a row in `out`; the value's bytes follow.
    pub fn begin_row(self, timestamp: i64, out: &mut Vec<u8>) {
        if self == Self::Timestamped {
            out.extend_from_slice(&timestamp.to_be_bytes());
        }
    }

    /// Splits a row into timestamp (−1 if it has none) and value; none if it is too short.
    #[must_use]
    pub fn split_row(self, row: &[u8]) -> Option<(i64, &[u8])> {
        match self {
            Self::Plain => Some((NO_TIMESTAMP, row)),
            Self::Timestamped => row.split_first_chunk::<8>().map(|(timestamp, value)| (i64::from_be_bytes(*timestamp), value)),
        }
    }
}

/// What a row without a timestamp is given. Kafka Streams: `ConsumerRecord.NO_TIMESTAMP`.
pub const NO_TIMESTAMP: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_kafka_streams() {
        let vectors: [(RowFormat, i64, &[u8], &[u8]); 4] = [
            (RowFormat::Plain, 5, b"value", b"value"),
            (RowFormat::Timestamped, 5, b"value", b"\0\0\0\0\0\0\0\x05value"),
            (RowFormat::Timestamped, 1_700_000_000_000, b"", b"\0\0\x01\x8b\xcf\xe5\x68\0"),
            (RowFormat::Timestamped, -1, b"x", b"\xff\xff\xff\xff\xff\xff\xff\xffx"),
        ];
        for (format, timestamp, value, row) in vectors {
            let mut written = Vec::new();
            format.begin_row(timestamp, &mut written);
            written.extend_from_slice(value);
            assert_eq!(written, row);
            let read_timestamp = if format == RowFormat::Plain { NO_TIMESTAMP } else { timestamp };
            assert_eq!(format.split_row(row), Some((read_timestamp, value)));
        }
        assert_eq!(RowFormat::Timestamped.split_row(b"\0\0\0"), None);
    }
}
