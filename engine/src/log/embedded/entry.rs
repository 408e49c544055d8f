//! What the journal says, and its bytes: a tag byte, then fixed numbers and strings with a 4-byte length.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::log::Offset;

/// A partition by topic number and partition number.
pub(super) type PartitionId = (u32, u32);

/// One statement of the journal. All statements of one journal frame hold, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A topic exists. Its number is its place among all topics.
    Topic { number: u32, id: Uuid, name: String, partitions: u32, config: BTreeMap<String, String> },
    /// A transaction is committed. Those without this are aborted.
    Commit { transaction: u64 },
    /// A group is to go on at `offset`.
    Offset { group: String, partition: PartitionId, offset: Offset, metadata: String },
    /// Records before `offset` are deleted.
    Start { partition: PartitionId, offset: Offset },
    /// The file of a partition that starts at `base` is durable up to this length.
    Synced { partition: PartitionId, base: Offset, length: u64 },
    /// Transactions have numbers from here on.
    NextTransaction { number: u64 },
}

impl Entry {
    /// Appends the bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Topic { number, id, name, partitions, config } => {
                out.push(1);
                out.extend_from_slice(&number.to_le_bytes());
                out.extend_from_slice(id.as_bytes());
                text(name, out);
                out.extend_from_slice(&partitions.to_le_bytes());
                out.extend_from_slice(&u32::try_from(config.len()).unwrap_or(u32::MAX).to_le_bytes());
                for (setting, value) in config {
                    text(setting, out);
                    text(value, out);
                }
            }
            Self::Commit { transaction } => {
                out.push(2);
                out.extend_from_slice(&transaction.to_le_bytes());
            }
            Self::Offset { group, partition, offset, metadata } => {
                out.push(3);
                text(group, out);
                place(*partition, out);
                out.extend_from_slice(&offset.to_le_bytes());
                text(metadata, out);
            }
            Self::Start { partition, offset } => {
                out.push(4);
                place(*partition, out);
                out.extend_from_slice(&offset.to_le_bytes());
            }
            Self::Synced { partition, base, length } => {
                out.push(5);
                place(*partition, out);
                out.extend_from_slice(&base.to_le_bytes());
                out.extend_from_slice(&length.to_le_bytes());
            }
            Self::NextTransaction { number } => {
                out.push(6);
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// Reads the statement at the start of `bytes` and moves past it.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(match take::<1>(bytes)? {
            [1] => {
                let number = take_u32(bytes)?;
                let id = Uuid::from_bytes(take(bytes)?);
                let name = take_text(bytes)?;
                let partitions = take_u32(bytes)?;
                let settings = take_u32(bytes)?;
                let mut config = BTreeMap::new();
                for _ in 0..settings {
                    config.insert(take_text(bytes)?, take_text(bytes)?);
                }
                Self::Topic { number, id, name, partitions, config }
            }
            [2] => Self::Commit { transaction: take_u64(bytes)? },
            [3] => Self::Offset { group: take_text(bytes)?, partition: take_place(bytes)?, offset: take_offset(bytes)?, metadata: take_text(bytes)? },
            [4] => Self::Start { partition: take_place(bytes)?, offset: take_offset(bytes)? },
            [5] => Self::Synced { partition: take_place(bytes)?, base: take_offset(bytes)?, length: take_u64(bytes)? },
            [6] => Self::NextTransaction { number: take_u64(bytes)? },
            _ => return None,
        })
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn place((topic, partition): PartitionId, out: &mut Vec<u8>) {
    out.extend_from_slice(&topic.to_le_bytes());
    out.extend_from_slice(&partition.to_le_bytes());
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_le_bytes)
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

fn take_offset(bytes: &mut &[u8]) -> Option<Offset> {
    take(bytes).map(i64::from_le_bytes)
}

fn take_place(bytes: &mut &[u8]) -> Option<PartitionId> {
    Some((take_u32(bytes)?, take_u32(bytes)?))
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = take_u32(bytes)? as usize;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_read_as_it_was_written() {
        let entries = [
            Entry::Topic {
                number: 3,
                id: Uuid::from_u128(1 << 100),
                name: "a".into(),
                partitions: 7,
                config: BTreeMap::from([("x".into(), "y".into())]),
            },
            Entry::Commit { transaction: 9 },
            Entry::Offset { group: "g".into(), partition: (1, 2), offset: 5, metadata: "æ".into() },
            Entry::Start { partition: (1, 2), offset: -1 },
            Entry::Synced { partition: (1, 2), base: 4, length: 8 },
            Entry::NextTransaction { number: u64::MAX },
        ];
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| entry.write(&mut bytes));
        let mut rest = &bytes[..];
        let read: Vec<Entry> = std::iter::from_fn(|| Entry::read(&mut rest)).collect();
        assert_eq!((&read[..], rest), (&entries[..], &[][..]));
    }
}
