//! The input: record `index` of partition `partition` is always the same, whoever writes it and when.

/// The topic.
pub const TOPIC: &str = "in";
/// Its partitions.
pub const PARTITIONS: u32 = 4;
/// How many keys each partition has. A key occurs in one partition only, so that the order of its records is known.
const KEYS: u64 = 40;
/// The timestamp of the first record of every partition: the records bring their own, frozen, time.
const START: i64 = 1_700_000_000_000;

/// The key of a record.
#[must_use]
pub fn key(partition: u32, index: u64) -> String {
    // A multiplicative hash: keys come in no order, some in runs.
    let mixed = (index / 3).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
    format!("{partition}-{}", mixed % KEYS)
}

/// The timestamp of a record.
#[must_use]
pub fn timestamp(index: u64) -> i64 {
    START + i64::try_from(index).unwrap_or(i64::MAX)
}
