//! Bytes as they are.

use bytes::Bytes;

use super::{Serde, SerdeContext, SerdeError, Serialized};

/// Bytes as they are. Kafka: `Serdes.Bytes`, `Serdes.ByteArray`.
///
/// In memory they are [`Bytes`], not a `Vec<u8>`: a fork, a cached entry and the old value of a change then share one
/// allocation instead of copying it.
///
/// ```
/// use straum::serde::{Part, RawBytes, Serde, SerdeContext};
///
/// let context = SerdeContext::new("parcels", Part::Value);
/// let parcel = RawBytes.deserialize(Some(&[1, 2, 3]), context)?;
/// assert_eq!(parcel.as_ref(), [1, 2, 3]);
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RawBytes;

impl Serde for RawBytes {
    type Data = Bytes;

    fn serialize(&self, data: &Bytes, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        out.extend_from_slice(data);
        Ok(Serialized::Bytes)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<Bytes, SerdeError> {
        bytes.map(Bytes::copy_from_slice).ok_or_else(|| SerdeError::null("bytes"))
    }
}
