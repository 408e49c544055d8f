//! Reads values from the bytes of a frame, never past their end.

/// Bytes that are not a message of the expected form. The connection they came on cannot be trusted any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The frame ends within a value.
    #[error("frame ends early: {wanted} bytes wanted, {left} left")]
    Truncated {
        /// How many bytes the value needs.
        wanted: usize,
        /// How many there are.
        left: usize,
    },
    /// A length, a count or a marker that no message has.
    #[error("broken frame: {0}")]
    Invalid(&'static str),
    /// A frame larger than any answer to a group's requests.
    #[error("frame of {0} bytes, expected at most {max}", max = super::MAX_FRAME_BYTES)]
    TooLarge(u64),
}

/// What is left of a frame.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these bytes from their beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or(WireError::Truncated { wanted: count, left: self.bytes.len() })?;
        self.bytes = tail;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, tail) = self.bytes.split_first_chunk::<N>().ok_or(WireError::Truncated { wanted: N, left: self.bytes.len() })?;
        self.bytes = tail;
        Ok(*head)
    }

    /// An unsigned varint: seven bits a byte, lowest first, at most 32 bits.
    pub(super) fn varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array::<1>()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Invalid("varint of more than 32 bits"))
    }

    /// A compact length or count: one more than it, 0 for null. Never more than the bytes left, since everything counted
    /// takes at least one.
    pub(super) fn compact_length(&mut self) -> Result<Option<usize>, WireError> {
        let Some(length) = self.varint()?.checked_sub(1) else { return Ok(None) };
        self.bounded(length as usize).map(Some)
    }

    /// A length of the inflexible forms: −1 for null.
    pub(super) fn plain_length(&mut self, length: i32) -> Result<Option<usize>, WireError> {
        match usize::try_from(length) {
            Ok(length) => self.bounded(length).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(WireError::Invalid("negative length")),
        }
    }

    fn bounded(&self, length: usize) -> Result<usize, WireError> {
        if length > self.bytes.len() { Err(WireError::Truncated { wanted: length, left: self.bytes.len() }) } else { Ok(length) }
    }

    pub(super) fn text(&mut self, length: usize) -> Result<String, WireError> {
        let text = str::from_utf8(self.take(length)?).map_err(|_| WireError::Invalid("text that is not UTF-8"))?;
        Ok(text.to_owned())
    }

    /// The tagged fields at the end of every flexible structure: none of them is known here, all are skipped.
    pub(super) fn skip_tags(&mut self) -> Result<(), WireError> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let size = self.varint()? as usize;
            self.take(size)?;
        }
        Ok(())
    }

    /// The bytes of one tagged field, if it is there; the others are skipped.
    pub(super) fn tag(&mut self, wanted: u32) -> Result<Option<&'a [u8]>, WireError> {
        let mut found = None;
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let bytes = self.take(size)?;
            if tag == wanted {
                found = Some(bytes);
            }
        }
        Ok(found)
    }
}
