//! Points in time as whole microseconds, the resolution in which messages are ordered.

use std::fmt;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z. Written to stores as a JSON number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Mikros(#[n(0)] pub i64);

impl Mikros {
    /// The instant, saturating at the ends of jiff's range (years −9999 and 9999).
    #[must_use]
    pub fn tidspunkt(self) -> Timestamp {
        let ytterpunkt = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_microsecond(self.0).unwrap_or(ytterpunkt)
    }

    /// Whole milliseconds since the epoch, rounded towards the past: the unit of Kafka record timestamps.
    #[must_use]
    pub const fn millisekunder(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl From<Timestamp> for Mikros {
    fn from(tidspunkt: Timestamp) -> Self {
        Self(tidspunkt.as_microsecond())
    }
}

/// RFC 3339 in UTC with three fraction digits, or six when the last three are not zero.
impl fmt::Display for Mikros {
    fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presisjon = if self.0.rem_euclid(1000) == 0 { 3 } else { 6 };
        write!(ut, "{:.presisjon$}", self.tidspunkt())
    }
}

/// Serde adapter for topics read by others: the instant as RFC 3339 text.
pub mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::Mikros;

    /// Writes the instant as text.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(tid: &Mikros, ut: S) -> Result<S::Ok, S::Error> {
        ut.collect_str(tid)
    }

    /// Reads the instant from text.
    ///
    /// # Errors
    /// When the text is not an RFC 3339 instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(inn: D) -> Result<Mikros, D::Error> {
        let tidspunkt = jiff::Timestamp::deserialize(inn).map_err(D::Error::custom)?;
        Ok(Mikros::from(tidspunkt))
    }
}

/// As [`rfc3339`], for an instant that may be unset.
pub mod rfc3339_valgfri {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Mikros;

    /// Writes the instant as text, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(tid: &Option<Mikros>, ut: S) -> Result<S::Ok, S::Error> {
        match tid {
            Some(tid) => ut.collect_str(tid),
            None => ut.serialize_none(),
        }
    }

    /// Reads the instant from text or null.
    ///
    /// # Errors
    /// When there is a text that is not an RFC 3339 instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(inn: D) -> Result<Option<Mikros>, D::Error> {
        Ok(Option::<jiff::Timestamp>::deserialize(inn)?.map(Mikros::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_or_six() {
        for (mikros, tekst) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_581_634_800_000_000, "2020-02-13T23:00:00.000Z"),
            (1_769_435_470_534_473, "2026-01-26T13:51:10.534473Z"),
            (1_769_435_470_534_000, "2026-01-26T13:51:10.534Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Mikros(mikros).to_string(), tekst);
        }
    }
}
