//! How each type of the protocol looks in the flexible versions, and the macro that makes a structure of them.

use super::{Reader, WireError, Writer};

/// A value of a flexible message. What it looks like may depend on the message's version.
pub trait Wire: Sized {
    /// Appends it.
    fn write(&self, writer: &mut Writer, version: i16);

    /// Takes it.
    ///
    /// # Errors
    /// When the bytes are not of its form.
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn write(&self, writer: &mut Writer, _version: i16) {
                writer.put(&self.to_be_bytes());
            }

            fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, WireError> {
                Ok(Self::from_be_bytes(reader.array()?))
            }
        }
    )*};
}

number!(i8, i16, u16, i32, i64);

impl Wire for bool {
    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.put(&[u8::from(*self)]);
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        Ok(i8::read(reader, version)? != 0)
    }
}

/// A topic's id.
impl Wire for [u8; 16] {
    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.put(self);
    }

    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, WireError> {
        reader.array()
    }
}

impl Wire for Option<String> {
    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.compact_length(self.as_ref().map(String::len));
        writer.put(self.as_deref().unwrap_or_default().as_bytes());
    }

    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, WireError> {
        reader.compact_length()?.map(|length| reader.text(length)).transpose()
    }
}

impl Wire for String {
    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.compact_length(Some(self.len()));
        writer.put(self.as_bytes());
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        Option::<Self>::read(reader, version)?.ok_or(WireError::Invalid("null text where one is required"))
    }
}

/// Elements of less than this are made room for before they are read: a count is only a claim.
const TRUSTED_COUNT: usize = 256;

impl<T: Wire> Wire for Option<Vec<T>> {
    fn write(&self, writer: &mut Writer, version: i16) {
        writer.compact_length(self.as_ref().map(Vec::len));
        for element in self.iter().flatten() {
            element.write(writer, version);
        }
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let Some(count) = reader.compact_length()? else { return Ok(None) };
        let mut elements = Vec::with_capacity(count.min(TRUSTED_COUNT));
        for _ in 0..count {
            elements.push(T::read(reader, version)?);
        }
        Ok(Some(elements))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, writer: &mut Writer, version: i16) {
        writer.compact_length(Some(self.len()));
        for element in self {
            element.write(writer, version);
        }
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        Option::<Self>::read(reader, version)?.ok_or(WireError::Invalid("null array where one is required"))
    }
}

/// Bytes that are not text.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Octets(pub(super) Vec<u8>);

impl Wire for Octets {
    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.compact_length(Some(self.0.len()));
        writer.put(&self.0);
    }

    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<Self, WireError> {
        let length = reader.compact_length()?.ok_or(WireError::Invalid("null bytes where some are required"))?;
        Ok(Self(reader.take(length)?.to_vec()))
    }
}

/// Declares a structure by its fields in the order of the wire. `field: Type => 1` is there from version 1 on, and has its
/// default before. Tagged fields follow every structure; unknown ones are skipped, and all of them are unknown here.
macro_rules! structure {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$note:meta])* $field:ident: $type:ty $(=> $since:literal)?,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $($(#[$note])* pub $field: $type,)*
        }

        impl $crate::group::wire::Wire for $name {
            fn write(&self, writer: &mut $crate::group::wire::Writer, version: i16) {
                $(if true $(&& version >= $since)? {
                    $crate::group::wire::Wire::write(&self.$field, writer, version);
                })*
                writer.no_tags();
            }

            fn read(reader: &mut $crate::group::wire::Reader<'_>, version: i16) -> Result<Self, $crate::group::wire::WireError> {
                let read = Self {
                    $($field: if true $(&& version >= $since)? {
                        $crate::group::wire::Wire::read(reader, version)?
                    } else {
                        Default::default()
                    },)*
                };
                reader.skip_tags()?;
                Ok(read)
            }
        }
    };
}

/// Lets a structure be null: one byte before it, 1 or −1.
macro_rules! nullable {
    ($($name:ident),*) => {$(
        impl $crate::group::wire::Wire for Option<$name> {
            fn write(&self, writer: &mut $crate::group::wire::Writer, version: i16) {
                match self {
                    Some(present) => {
                        1_i8.write(writer, version);
                        present.write(writer, version);
                    }
                    None => (-1_i8).write(writer, version),
                }
            }

            fn read(reader: &mut $crate::group::wire::Reader<'_>, version: i16) -> Result<Self, $crate::group::wire::WireError> {
                match i8::read(reader, version)? {
                    -1 => Ok(None),
                    1 => <$name>::read(reader, version).map(Some),
                    _ => Err($crate::group::wire::WireError::Invalid("marker of a nullable structure that is neither 1 nor -1")),
                }
            }
        }
    )*};
}

pub(super) use {nullable, structure};
