//! Truth values.

use super::{Serde, SerdeContext, SerdeError, Serialized};

const FORM: &str = "a boolean (1 byte, 0 or 1)";

/// A boolean as one byte, 1 or 0. Kafka: `Serdes.Boolean`.
///
/// ```
/// use straum::serde::{Bool, Part, Serde, SerdeContext};
///
/// let context = SerdeContext::new("flags", Part::Value);
/// assert!(Bool.deserialize(Some(&[1]), context)?);
/// assert!(Bool.deserialize(Some(&[2]), context).is_err());
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Bool;

impl Serde for Bool {
    type Data = bool;

    fn serialize(&self, data: &bool, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        out.push(u8::from(*data));
        Ok(Serialized::Bytes)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<bool, SerdeError> {
        match bytes {
            Some([0]) => Ok(false),
            Some([1]) => Ok(true),
            Some([_]) => Err(SerdeError::new(FORM, "another byte")),
            Some(bytes) => Err(SerdeError::new(FORM, format!("{} bytes", bytes.len()))),
            None => Err(SerdeError::null(FORM)),
        }
    }
}
