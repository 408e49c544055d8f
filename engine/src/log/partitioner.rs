//! Which partition a key belongs to, as Kafka's own producer decides it.
//!
//! Every producer of a topic, the embedded log and the co-partitioning of joins must agree on this function, the JVM's
//! producers included. It must never be replaced by another hash: records of one key would lie in two partitions.
//! librdkafka's default (`consistent_random`, CRC32) is another one.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const SHIFT: u32 = 24;

/// Murmur2 of `bytes`, 32 bits, with Kafka's seed. Kafka: `Utils.murmur2`.
///
/// ```
/// assert_eq!(straum::log::partitioner::murmur2(b"foobar"), -790332482);
/// ```
#[must_use]
pub fn murmur2(bytes: &[u8]) -> i32 {
    // Kafka mixes in the length as a 32-bit int; no record is longer.
    #[expect(clippy::cast_possible_truncation, reason = "the hash is defined on the low 32 bits of the length")]
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(MULTIPLIER) ^ mixed.wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ (hash >> 15)).cast_signed()
}

/// The partition of a serialised key among `partitions` (at least 1; 0 counts as 1).
///
/// The sign bit is cleared, not the absolute value taken, as Kafka's default partitioner does. A null key has no partition of its
/// own: the producer chooses.
///
/// ```
/// assert_eq!(straum::log::partitioner::partition_for_key(b"foobar", 12), 6);
/// ```
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key).cast_unsigned() & 0x7fff_ffff) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first six are Kafka's own (`UtilsTest.testMurmur2`), the others what Kafka 4.3.1 answers.
    #[test]
    fn murmur2_is_kafkas() {
        let cases: [(&[u8], i32); 11] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
            (b"a", -1_563_381_124),
            (b"abcd", -1_323_649_548),
            ("blåbær".as_bytes(), 1_182_124_268),
            (&[0xff, 0x80, 0xfe, 0x90, 0xff, 0x81, 0xc3], 274_176_857),
        ];
        for (bytes, expected) in cases {
            assert_eq!(murmur2(bytes), expected, "{bytes:?}");
        }
    }

    /// What Kafka 4.3.1's `toPositive(murmur2(key)) % 12` answers; negative hashes among them.
    #[test]
    fn partitions_are_kafkas() {
        let cases = [("", 9), ("a", 4), ("ab", 2), ("abc", 3), ("abcd", 8), ("21", 0), ("foobar", 6), ("blåbær", 8)];
        for (key, expected) in cases {
            assert_eq!(partition_for_key(key.as_bytes(), 12), expected, "{key:?}");
        }
        assert_eq!(partition_for_key(b"0b9ae3c7-0000-4000-8000-00000000000f", 12), 5);
    }

    proptest::proptest! {
        #[test]
        fn a_partition_is_one_of_the_topics(key in proptest::collection::vec(proptest::num::u8::ANY, 0..64), partitions in 0_u32..1000) {
            proptest::prop_assert!(partition_for_key(&key, partitions) < partitions.max(1));
        }
    }
}
