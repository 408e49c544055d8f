//! JSON of any type that serde knows.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::{Serde, SerdeContext, SerdeError, Serialized};

/// A value as JSON in UTF-8, without whitespace.
///
/// The JSON literal `null` is a value like any other (`Json::<Option<T>>`); Kafka's null is [`Nullable`](super::Nullable)'s.
/// Errors say what kind of error stands at which line and column, never what stands there.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use straum::serde::{Json, Part, Serde, SerdeContext};
///
/// #[derive(Serialize, Deserialize)]
/// struct Order {
///     customer: String,
/// }
///
/// let context = SerdeContext::new("orders", Part::Value);
/// let order = Json::<Order>::new().deserialize(Some(br#"{"customer":"Kari"}"#), context)?;
/// assert_eq!(order.customer, "Kari");
/// # Ok::<(), straum::serde::SerdeError>(())
/// ```
pub struct Json<T> {
    of: PhantomData<fn() -> T>,
}

impl<T> Json<T> {
    /// The JSON serde of `T`.
    #[must_use]
    pub const fn new() -> Self {
        Self { of: PhantomData }
    }
}

impl<T> Default for Json<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Json<T> {}

impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&form::<T>())
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde for Json<T> {
    type Data = T;

    fn serialize(&self, data: &T, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        match serde_json::to_writer(out, data) {
            Ok(()) => Ok(Serialized::Bytes),
            Err(_) => Err(SerdeError::new(form::<T>(), "a value that has no form in JSON")),
        }
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<T, SerdeError> {
        let bytes = bytes.ok_or_else(|| SerdeError::null(form::<T>()))?;
        serde_json::from_slice(bytes).map_err(|error| SerdeError::new(form::<T>(), without_content(&error, bytes.len())))
    }
}

fn form<T>() -> String {
    format!("JSON of {}", type_name::<T>())
}

/// serde_json's messages quote the value they stumble over (`invalid type: string "…"`), so nothing of them is kept.
fn without_content(error: &serde_json::Error, length: usize) -> String {
    let what = match error.classify() {
        Category::Io | Category::Syntax => "no JSON",
        Category::Data => "JSON of another form",
        Category::Eof => "JSON cut off",
    };
    format!("{what} at line {}, column {} ({length} bytes)", error.line(), error.column())
}
