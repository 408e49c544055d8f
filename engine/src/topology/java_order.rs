//! The order in which a Java hash table gives out its strings: Kafka Streams prints some lists in it.

/// The names, each once, as a `java.util.HashMap` to which they were added in this order iterates over them.
pub(crate) fn hash_order<T>(items: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    // A table has 16 buckets at first and doubles when it is more than three quarters full.
    let mut buckets: u32 = 16;
    while items.len() > buckets as usize / 4 * 3 {
        buckets *= 2;
    }
    let mut ordered = items;
    // The sort is stable: names of one bucket stay as they came.
    ordered.sort_by_key(|item| {
        let hash = string_hash(name(item));
        (hash ^ (hash >> 16)) & (buckets - 1)
    });
    ordered
}

/// `String.hashCode`, as the bits of the `int`.
fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hash_as_in_java() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("hello"), 99_162_322);
    }

    #[test]
    fn names_come_by_bucket() {
        // "t2-store" and "t-store" as a HashSet prints them.
        assert_eq!(hash_order(vec!["t-store", "t2-store"], |name| name), ["t2-store", "t-store"]);
    }
}
