//! CBOR of any type that minicbor knows: small and quick, for topics and stores that are the application's own.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use minicbor::{Decode, Decoder, Encode};

use super::{Serde, SerdeContext, SerdeError, Serialized};

/// A value as CBOR (RFC 8949), by minicbor's derived traits. Fields have numbers instead of names, so a record is a half or a
/// third of its JSON and takes a fraction of the time; nobody else can read it without the type. It is meant for repartition topics,
/// changelogs and rows; a topic that is a contract with others is better off with [`Json`](super::Json) or [`Avro`](super::Avro).
///
/// # Changing a type
///
/// Rows and changelogs outlive a version of the application. What may change:
///
/// | change | an older record, read by the new version | a newer record, read by the old version |
/// |---|---|---|
/// | a name, of a field or a type | the same | the same |
/// | a further field with a number of its own, `Option` or `#[cbor(default)]` | unset | left out |
/// | such a field goes, and its number is never used again | left out | unset |
/// | a further variant of an enum, with a number of its own | the same | an error (`None` where the field is an `Option`) |
///
/// Anything else needs a new store: a number that means something else, a further field that must be there, another type under a number.
///
/// Errors say what kind of error stands at which byte, never what stands there.
///
/// ```
/// use minicbor::{Decode, Encode};
/// use straum::serde::{Cbor, Part, Serde, SerdeContext};
///
/// #[derive(Encode, Decode)]
/// struct Order {
///     #[n(0)]
///     customer: String,
///     #[n(1)]
///     note: Option<String>,
/// }
///
/// let (serde, context) = (Cbor::<Order>::new(), SerdeContext::new("orders", Part::Value));
/// let mut bytes = Vec::new();
/// serde.serialize(&Order { customer: "Kari".into(), note: None }, context, &mut bytes)?;
/// assert_eq!(bytes, b"\x81\x64Kari");
/// assert_eq!(serde.deserialize(Some(&bytes), context)?.customer, "Kari");
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
pub struct Cbor<T> {
    of: PhantomData<fn() -> T>,
}

impl<T> Cbor<T> {
    /// The CBOR serde of `T`.
    #[must_use]
    pub const fn new() -> Self {
        Self { of: PhantomData }
    }
}

impl<T> Default for Cbor<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Cbor<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cbor<T> {}

impl<T> fmt::Debug for Cbor<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&form::<T>())
    }
}

impl<T: Encode<()> + for<'bytes> Decode<'bytes, ()> + 'static> Serde for Cbor<T> {
    type Data = T;

    fn serialize(&self, data: &T, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match minicbor::encode(data, out) {
            Ok(()) => Ok(Serialized::Bytes),
            Err(_) => Err(SerdeError::new(form::<T>(), "a value that has no form in CBOR")),
        }
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<T, SerdeError> {
        let bytes = bytes.ok_or_else(|| SerdeError::null(form::<T>()))?;
        let mut decoder = Decoder::new(bytes);
        let data = decoder.decode().map_err(|error| SerdeError::new(form::<T>(), without_content(&error, decoder.position(), bytes.len())))?;
        match bytes.len().saturating_sub(decoder.position()) {
            0 => Ok(data),
            more => Err(SerdeError::new(form::<T>(), format!("{more} bytes more than that ({} bytes)", bytes.len()))),
        }
    }
}

fn form<T>() -> String {
    format!("CBOR of {}", type_name::<T>())
}

/// A type's own decoder may quote the value it stumbles over, so nothing of a message is kept.
fn without_content(error: &minicbor::decode::Error, position: usize, length: usize) -> String {
    let what = if error.is_end_of_input() {
        "CBOR cut off"
    } else if error.is_missing_value() {
        "CBOR without a field that must be there"
    } else if error.is_unknown_variant() {
        "CBOR of a variant that is not known"
    } else {
        "CBOR of another form, or none"
    };
    format!("{what} at byte {} ({length} bytes)", error.position().unwrap_or(position))
}
