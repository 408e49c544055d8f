//! UUIDs.

use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::{Serde, SerdeContext, SerdeError, Serialized};

const FORM: &str = "a UUID (36 characters, hyphenated)";

/// A UUID as its 36 lower-case characters. Kafka: `Serdes.UUID`.
///
/// Reading accepts upper case too. Java also reads shortened groups (`1-2-3-4-5`) and pads them; this serde refuses them, since
/// the bytes of such a key would change on their way through.
///
/// ```
/// use straum::serde::{Part, Serde, SerdeContext, UuidText};
///
/// let context = SerdeContext::new("cards", Part::Key);
/// let id = UuidText.deserialize(Some(b"0b9ae3c7-0000-4000-8000-00000000000f"), context)?;
/// assert_eq!(id.get_version_num(), 4);
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidText;

impl Serde for UuidText {
    type Data = Uuid;

    fn serialize(&self, data: &Uuid, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        let mut text = [0; Hyphenated::LENGTH];
        data.as_hyphenated().encode_lower(&mut text);
        out.extend_from_slice(&text);
        Ok(Serialized::Bytes)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<Uuid, SerdeError> {
        let bytes = bytes.ok_or_else(|| SerdeError::null(FORM))?;
        if bytes.len() != Hyphenated::LENGTH {
            return Err(SerdeError::new(FORM, format!("{} bytes", bytes.len())));
        }
        // The library's error quotes a character of the content, so it is left out.
        Uuid::try_parse_ascii(bytes).map_err(|_| SerdeError::new(FORM, "36 bytes of another form"))
    }
}
