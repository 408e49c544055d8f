//! The keys: key `number` is always the same, and they come in no order.

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Key `number`. Distinct numbers give distinct keys: each eight bytes are a permutation of the number (splitmix64).
#[must_use]
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    for (part, salt) in key.chunks_exact_mut(8).zip(1_u64..) {
        let seed = number.wrapping_add(salt << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_in_no_order() {
        let keys: Vec<_> = (0..10_000).map(key).collect();
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(!keys.is_sorted());
    }
}
