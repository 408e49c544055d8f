//! Text.

use super::{Serde, SerdeContext, SerdeError, Serialized};

/// Text in UTF-8. Kafka: `Serdes.String`.
///
/// Kafka's deserializer turns malformed bytes into U+FFFD; this one refuses them, since what it would read is not what was
/// written.
///
/// ```
/// use straum::serde::{Part, Serde, SerdeContext, Utf8};
///
/// let context = SerdeContext::new("orders", Part::Key);
/// assert_eq!(Utf8.deserialize(Some(b"order-1"), context)?, "order-1");
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

impl Serde for Utf8 {
    type Data = String;

    fn serialize(&self, data: &String, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        out.extend_from_slice(data.as_bytes());
        Ok(Serialized::Bytes)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<String, SerdeError> {
        let bytes = bytes.ok_or_else(|| SerdeError::null("UTF-8 text"))?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => {
                let found = format!("{} bytes, not UTF-8 from byte {} on", bytes.len(), error.valid_up_to());
                Err(SerdeError::new("UTF-8 text", found))
            }
        }
    }
}
