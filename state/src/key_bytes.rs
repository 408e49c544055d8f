//! A serialised key, as overlays and in-memory columns hold it.
//!
//! Keys of up to 38 bytes (most ids, with or without a window) lie in the entry itself: no allocation, no pointer to
//! follow when a bucket is compared. Longer ones are shared, so that an index or an iterator clones them cheaply.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

const INLINE: usize = 38;

/// Key bytes, ordered as RocksDB orders them: bytewise, unsigned.
#[derive(Clone)]
pub struct KeyBytes(Form);

#[derive(Clone)]
enum Form {
    Inline { length: u8, bytes: [u8; INLINE] },
    Shared(Arc<[u8]>),
}

impl KeyBytes {
    /// Copies `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut inline = [0; INLINE];
        match (inline.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(bytes);
                Self(Form::Inline { length, bytes: inline })
            }
            _ => Self(Form::Shared(bytes.into())),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Form::Shared(bytes) => bytes,
        }
    }

    /// Bytes held outside of this value itself.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Inline { .. } => 0,
            Form::Shared(bytes) => bytes.len() + 2 * size_of::<usize>(),
        }
    }

    /// The first eight bytes as a number that orders as they do: most comparisons of a sort end here.
    pub(crate) fn leading(&self) -> u64 {
        let mut leading = [0; 8];
        for (to, from) in leading.iter_mut().zip(self.as_slice()) {
            *to = *from;
        }
        u64::from_be_bytes(leading)
    }
}

impl Borrow<[u8]> for KeyBytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for KeyBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for KeyBytes {}

impl PartialOrd for KeyBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

/// Keys may be personal: only the length is shown.
impl fmt::Debug for KeyBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyBytes({} bytes)", self.as_slice().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_length_keep_their_bytes_and_their_order() {
        let keys: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0, 0], vec![1; INLINE], vec![1; INLINE + 1], vec![1; 300], vec![2], vec![255; 9]];
        for (left, right) in keys.iter().zip(keys.iter().skip(1)) {
            let (small, large) = (KeyBytes::new(left), KeyBytes::new(right));
            assert_eq!(small.as_slice(), left);
            assert!(small < large && small.leading() <= large.leading());
        }
        assert_eq!(size_of::<KeyBytes>(), 40);
    }
}
