//! Numbers of fixed width, big-endian: Kafka's encodings, and the unsigned ones it lacks.
//!
//! A signed number or a float keeps Kafka's bytes, so as a key it does not sort by value: negative ones come after positive
//! ones in a store. The unsigned ones do.

use super::{Serde, SerdeContext, SerdeError, Serialized};

macro_rules! big_endian {
    ($(#[$about:meta])* $serde:ident, $data:ty, $form:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $serde;

        impl Serde for $serde {
            type Data = $data;

            fn serialize(&self, data: &$data, _: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
                out.extend_from_slice(&data.to_be_bytes());
                Ok(Serialized::Bytes)
            }

            fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<$data, SerdeError> {
                let bytes = bytes.ok_or_else(|| SerdeError::null($form))?;
                match bytes.try_into() {
                    Ok(exact) => Ok(<$data>::from_be_bytes(exact)),
                    Err(_) => Err(SerdeError::new($form, format!("{} bytes", bytes.len()))),
                }
            }
        }
    };
}

big_endian!(
    /// A signed 16-bit number. Kafka: `Serdes.Short`.
    ///
    /// ```
    /// use straum::serde::{I16, Part, Serde, SerdeContext};
    ///
    /// assert_eq!(I16.deserialize(Some(&[0xff, 0xfe]), SerdeContext::new("t", Part::Value))?, -2);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    I16, i16, "a 16-bit number (2 bytes)"
);
big_endian!(
    /// A signed 32-bit number. Kafka: `Serdes.Integer`.
    ///
    /// ```
    /// use straum::serde::{I32, Part, Serde, SerdeContext};
    ///
    /// assert_eq!(I32.deserialize(Some(&[0, 0, 1, 0]), SerdeContext::new("t", Part::Value))?, 256);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    I32, i32, "a 32-bit number (4 bytes)"
);
big_endian!(
    /// A signed 64-bit number. Kafka: `Serdes.Long`; what `count` writes.
    ///
    /// ```
    /// use straum::serde::{I64, Part, Serde, SerdeContext};
    ///
    /// let context = SerdeContext::new("counts", Part::Value);
    /// assert_eq!(I64.deserialize(Some(&[0, 0, 0, 0, 0, 0, 0, 7]), context)?, 7);
    /// let error = I64.deserialize(Some(b"7"), context).unwrap_err();
    /// assert_eq!(error.to_string(), "expected a 64-bit number (8 bytes), found 1 bytes");
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    I64, i64, "a 64-bit number (8 bytes)"
);
big_endian!(
    /// An unsigned byte, which Kafka has no serde for.
    ///
    /// ```
    /// use straum::serde::{Part, Serde, SerdeContext, U8};
    ///
    /// assert_eq!(U8.deserialize(Some(&[0xff]), SerdeContext::new("t", Part::Value))?, 255);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    U8, u8, "an unsigned 8-bit number (1 byte)"
);
big_endian!(
    /// An unsigned 16-bit number, which Kafka has no serde for.
    ///
    /// ```
    /// use straum::serde::{Part, Serde, SerdeContext, U16};
    ///
    /// assert_eq!(U16.deserialize(Some(&[0xff, 0xff]), SerdeContext::new("t", Part::Value))?, 65_535);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    U16, u16, "an unsigned 16-bit number (2 bytes)"
);
big_endian!(
    /// An unsigned 32-bit number, which Kafka has no serde for. As a key it sorts by value.
    ///
    /// ```
    /// use straum::serde::{Part, Serde, SerdeContext, U32};
    ///
    /// assert_eq!(U32.deserialize(Some(&[0xff; 4]), SerdeContext::new("t", Part::Value))?, u32::MAX);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    U32, u32, "an unsigned 32-bit number (4 bytes)"
);
big_endian!(
    /// An unsigned 64-bit number, which Kafka has no serde for. As a key it sorts by value.
    ///
    /// ```
    /// use straum::serde::{Part, Serde, SerdeContext, U64};
    ///
    /// assert_eq!(U64.deserialize(Some(&[0xff; 8]), SerdeContext::new("t", Part::Value))?, u64::MAX);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    U64, u64, "an unsigned 64-bit number (8 bytes)"
);
big_endian!(
    /// A 32-bit float, NaN bits kept. Kafka: `Serdes.Float`.
    ///
    /// ```
    /// use straum::serde::{F32, Part, Serde, SerdeContext};
    ///
    /// assert_eq!(F32.deserialize(Some(&[0x3f, 0xc0, 0, 0]), SerdeContext::new("t", Part::Value))?, 1.5);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    F32, f32, "a 32-bit float (4 bytes)"
);
big_endian!(
    /// A 64-bit float, NaN bits kept. Kafka: `Serdes.Double`.
    ///
    /// ```
    /// use straum::serde::{F64, Part, Serde, SerdeContext};
    ///
    /// assert_eq!(F64.deserialize(Some(&[0xc0, 4, 0, 0, 0, 0, 0, 0]), SerdeContext::new("t", Part::Value))?, -2.5);
    /// # Ok::<(), straum::serde::SerdeError>(())
    /// ```
    F64, f64, "a 64-bit float (8 bytes)"
);
