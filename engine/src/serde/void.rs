//! Nothing.

use super::{Serde, SerdeContext, SerdeError, Serialized};

/// Always null: the key of a topic that has none. Kafka: `Serdes.Void`.
///
/// ```
/// use straum::serde::{Part, Serde, SerdeContext, Serialized, Void};
///
/// let context = SerdeContext::new("events", Part::Key);
/// assert_eq!(Void.serialize(&(), context, &mut Vec::new())?, Serialized::Null);
/// assert!(Void.deserialize(Some(b"a key"), context).is_err());
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Void;

impl Serde for Void {
    type Data = ();

    fn serialize(&self, (): &(), _: SerdeContext<'_>, _: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        Ok(Serialized::Null)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<(), SerdeError> {
        match bytes {
            None => Ok(()),
            Some(bytes) => Err(SerdeError::new("null", format!("{} bytes", bytes.len()))),
        }
    }
}
