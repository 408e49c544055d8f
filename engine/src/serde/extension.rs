//! What every serde can do.

use std::sync::Arc;

use super::{Nullable, Serde, SerdeContext, SerdeError, Serialized, SharedSerde};

/// Methods that every serde has.
///
/// ```
/// use straum::serde::{I64, Part, SerdeContext, SerdeExt, SharedSerde};
///
/// let counts: SharedSerde<Option<i64>> = I64.nullable().shared();
/// let context = SerdeContext::new("counts", Part::Value);
/// assert_eq!(counts.to_bytes(&Some(1), context)?, Some(vec![0, 0, 0, 0, 0, 0, 0, 1]));
/// assert_eq!(counts.to_bytes(&None, context)?, None);
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
pub trait SerdeExt: Serde {
    /// This serde with null as `None`.
    #[must_use]
    fn nullable(self) -> Nullable<Self>
    where
        Self: Sized,
    {
        Nullable::new(self)
    }

    /// This serde behind one virtual call, shared by the tasks.
    #[must_use]
    fn shared(self) -> SharedSerde<Self::Data>
    where
        Self: Sized,
    {
        Arc::new(self)
    }

    /// The bytes of one datum, `None` being null. For tests and tools: the engine reuses one buffer instead.
    ///
    /// # Errors
    /// Those of [`Serde::serialize`].
    fn to_bytes(&self, data: &Self::Data, context: SerdeContext<'_>) -> Result<Option<Vec<u8>>, SerdeError> {
        let mut bytes = Vec::new();
        match self.serialize(data, context, &mut bytes)? {
            Serialized::Bytes => Ok(Some(bytes)),
            Serialized::Null => Ok(None),
        }
    }
}

impl<S: Serde + ?Sized> SerdeExt for S {}
