//! The headers of a record: kept in the encoded form they came in, so that passing them on costs one reference count.

use std::fmt;

use bytes::Bytes;

use crate::log::{HeaderView, encode_header};

/// A record's headers, in order; a key may occur more than once. Cloning shares the bytes. Kafka Streams: `Headers`.
///
/// ```
/// use straum::processor::Headers;
///
/// let mut headers = Headers::new();
/// headers.add("trace", Some(b"7f"));
/// assert_eq!(headers.last("trace"), Some(Some(b"7f".as_slice())));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    encoded: Bytes,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { encoded: Bytes::new() }
    }

    pub(crate) const fn from_encoded(encoded: Bytes) -> Self {
        Self { encoded }
    }

    pub(crate) fn view(&self) -> HeaderView<'_> {
        HeaderView::new(&self.encoded)
    }

    /// True without headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// All headers in order; a value may be null.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.view().iter()
    }

    /// The value of the last header of this key: `None` when there is none, `Some(None)` when its value is null.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<Option<&[u8]>> {
        self.view().iter().filter(|(name, _)| *name == key).last().map(|(_, value)| value)
    }

    /// Appends a header.
    pub fn add(&mut self, key: &str, value: Option<&[u8]>) {
        let mut encoded = Vec::with_capacity(self.encoded.len() + key.len() + value.map_or(0, <[u8]>::len) + 8);
        encoded.extend_from_slice(&self.encoded);
        encode_header(key, value, &mut encoded);
        self.encoded = Bytes::from(encoded);
    }

    /// Removes every header of this key.
    pub fn remove(&mut self, key: &str) {
        let mut encoded = Vec::with_capacity(self.encoded.len());
        for (name, value) in self.view().iter().filter(|(name, _)| *name != key) {
            encode_header(name, value, &mut encoded);
        }
        self.encoded = Bytes::from(encoded);
    }
}

impl<'a> FromIterator<(&'a str, Option<&'a [u8]>)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>>(headers: I) -> Self {
        let mut encoded = Vec::new();
        for (key, value) in headers {
            encode_header(key, value, &mut encoded);
        }
        Self { encoded: Bytes::from(encoded) }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be personal: only their lengths are shown.
        formatter.debug_map().entries(self.iter().map(|(key, value)| (key, value.map(<[u8]>::len)))).finish()
    }
}
