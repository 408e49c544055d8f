//! Null as a part of the type, and what closures may return.
//!
//! Kafka Streams hands `null` to every closure and leaves it to a rule in each operator. Here a stream whose keys or
//! values can be null is one of `Option`: the rules of Kafka Streams hold where an operator meets such a type, and nowhere
//! else is there a null to forget. The second parameter of each trait is a marker that the compiler infers.

use straum_state::SharedSerde;

use crate::error::BoxError;

/// Marks a type that has no null.
#[derive(Debug)]
pub enum NonNull {}

/// Marks an `Option`, whose `None` is Kafka's null.
#[derive(Debug)]
pub enum CanBeNull {}

/// Marks a closure that cannot fail.
#[derive(Debug)]
pub enum Infallible {}

/// Marks a closure that returns a `Result`.
#[derive(Debug)]
pub enum Fallible {}

/// Marks a closure that returns a `Result` of an `Option`.
#[derive(Debug)]
pub enum FallibleNull {}

/// A stream's key or value as a `T` that may be missing: `T` itself, or `Option<T>`.
///
/// It lets a stream of `Option<V>` be written with a serde of `V`, joined with a table of `V`, or grouped by it.
#[diagnostic::on_unimplemented(
    message = "a key or value of type `{Self}` does not fit a serde or table of `{T}`",
    note = "the stream's type must be `{T}` or `Option<{T}>`"
)]
pub trait Nullable<T, M>: 'static {
    /// The datum, `None` being null.
    fn as_option(&self) -> Option<&T>;

    /// The datum, `None` being null.
    fn into_option(self) -> Option<T>;

    /// A serde of this type over one of `T`.
    fn serde(serde: SharedSerde<T>) -> SharedSerde<Self>;
}

impl<T: 'static> Nullable<T, NonNull> for T {
    fn as_option(&self) -> Option<&T> {
        Some(self)
    }

    fn into_option(self) -> Option<T> {
        Some(self)
    }

    fn serde(serde: SharedSerde<T>) -> SharedSerde<T> {
        serde
    }
}

impl<T: 'static> Nullable<T, CanBeNull> for Option<T> {
    fn as_option(&self) -> Option<&T> {
        self.as_ref()
    }

    fn into_option(self) -> Self {
        self
    }

    fn serde(serde: SharedSerde<T>) -> SharedSerde<Self> {
        crate::dsl::nullable(serde)
    }
}

/// What a closure returns where the type wanted is known: a `T`, or a `Result` of one.
#[diagnostic::on_unimplemented(message = "this closure must return `{T}` or a `Result<{T}, E>`, not `{Self}`")]
pub trait Outcome<T, M> {
    /// The value, or the closure's error.
    ///
    /// # Errors
    /// That of the closure.
    fn into_result(self) -> Result<T, BoxError>;
}

impl<T> Outcome<T, Infallible> for T {
    fn into_result(self) -> Result<T, BoxError> {
        Ok(self)
    }
}

impl<T, E: Into<BoxError>> Outcome<T, Fallible> for Result<T, E> {
    fn into_result(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

/// What a closure that selects a key or a value that may be null returns: a `T`, an `Option<T>`, or a `Result` of either.
#[diagnostic::on_unimplemented(message = "this closure must return `{T}`, `Option<{T}>` or a `Result` of either, not `{Self}`")]
pub trait NullableOutcome<T, M> {
    /// The datum, `None` being null, or the closure's error.
    ///
    /// # Errors
    /// That of the closure.
    fn into_nullable(self) -> Result<Option<T>, BoxError>;
}

impl<T> NullableOutcome<T, NonNull> for T {
    fn into_nullable(self) -> Result<Option<T>, BoxError> {
        Ok(Some(self))
    }
}

impl<T> NullableOutcome<T, CanBeNull> for Option<T> {
    fn into_nullable(self) -> Result<Self, BoxError> {
        Ok(self)
    }
}

impl<T, E: Into<BoxError>> NullableOutcome<T, Fallible> for Result<T, E> {
    fn into_nullable(self) -> Result<Option<T>, BoxError> {
        self.map(Some).map_err(Into::into)
    }
}

impl<T, E: Into<BoxError>> NullableOutcome<T, FallibleNull> for Result<Option<T>, E> {
    fn into_nullable(self) -> Result<Option<T>, BoxError> {
        self.map_err(Into::into)
    }
}
