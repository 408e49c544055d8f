//! Null as a value.

use super::{Serde, SerdeContext, SerdeError, Serialized};

/// A serde of `Option<T>` over one of `T`: `None` is Kafka's null. Made by [`SerdeExt::nullable`](super::SerdeExt::nullable).
///
/// In Kafka Streams every serde takes null; here the type says which do.
///
/// ```
/// use straum::serde::{Part, Serde, SerdeContext, SerdeExt, Utf8};
///
/// let context = SerdeContext::new("names", Part::Value);
/// assert_eq!(Utf8.nullable().deserialize(None, context)?, None);
/// assert!(Utf8.deserialize(None, context).is_err());
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Nullable<S> {
    value: S,
}

impl<S> Nullable<S> {
    /// Null beside what `value` serialises.
    #[must_use]
    pub const fn new(value: S) -> Self {
        Self { value }
    }
}

impl<S: Serde> Serde for Nullable<S> {
    type Data = Option<S::Data>;

    fn serialize(&self, data: &Self::Data, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match data {
            Some(value) => self.value.serialize(value, context, out),
            None => Ok(Serialized::Null),
        }
    }

    fn deserialize(&self, bytes: Option<&[u8]>, context: SerdeContext<'_>) -> Result<Self::Data, SerdeError> {
        match bytes {
            Some(bytes) => self.value.deserialize(Some(bytes), context).map(Some),
            None => Ok(None),
        }
    }
}
