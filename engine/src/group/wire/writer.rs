//! Writes values into the bytes of a frame.

/// A frame in the making.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A compact length or count; a message of 4 GiB is never made.
    pub(super) fn compact_length(&mut self, length: Option<usize>) {
        let encoded = length.map_or(0, |length| u32::try_from(length).unwrap_or(u32::MAX).saturating_add(1));
        self.varint(encoded);
    }

    /// No tagged fields.
    pub(super) fn no_tags(&mut self) {
        self.varint(0);
    }

    /// One tagged field.
    pub(super) fn tag(&mut self, tag: u32, bytes: &[u8]) {
        self.varint(1);
        self.varint(tag);
        self.varint(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.put(bytes);
    }

    /// Text with a 16-bit length, as in request headers and in versions before the flexible ones.
    pub(super) fn plain_text(&mut self, text: &str) {
        // Nothing here comes near the limit; a longer text is cut where a character begins.
        let kept = text.get(..text.floor_char_boundary(i16::MAX as usize)).unwrap_or_default();
        self.put(&i16::try_from(kept.len()).unwrap_or(i16::MAX).to_be_bytes());
        self.put(kept.as_bytes());
    }
}
