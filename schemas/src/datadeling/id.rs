//! Identities and coordinates.

use std::fmt;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tid::Mikros;

/// Identity of an agreement. Ordered as its lower-case text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AvtaleId(pub Uuid);

impl AvtaleId {
    /// Reads the hyphenated form of 36 characters; any other form of a uuid is refused.
    #[must_use]
    pub fn les(tekst: &str) -> Option<Self> {
        let bindestreker = tekst.len() == 36;
        bindestreker.then(|| Uuid::try_parse(tekst).ok()).flatten().map(Self)
    }
}

impl<C> Encode<C> for AvtaleId {
    fn encode<W: Write>(&self, ut: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        ut.bytes(self.0.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for AvtaleId {
    fn decode(inn: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let (sted, bytes) = (inn.position(), inn.bytes()?);
        Uuid::from_slice(bytes).map(Self).map_err(|_| decode::Error::message("expected the 16 bytes of a uuid").at(sted))
    }
}

impl fmt::Display for AvtaleId {
    fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(ut)
    }
}

impl fmt::Debug for AvtaleId {
    fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, ut)
    }
}

/// A person's national identity number as sent; its form is not checked.
///
/// `Debug` never shows it, so that a row may be logged without naming anyone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Fnr(#[n(0)] pub Box<str>);

impl Fnr {
    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Fnr {
    fn from(tekst: &str) -> Self {
        Self(tekst.into())
    }
}

impl fmt::Debug for Fnr {
    fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
        ut.write_str("Fnr(***)")
    }
}

/// Where on the source topic a message was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Encode, Decode)]
pub struct Kilde {
    /// Partition of the source topic.
    #[n(0)]
    pub partisjon: i32,
    /// Offset in that partition.
    #[n(1)]
    pub offset: i64,
    /// Generation of the source topic: raised by a setting when the topic is created anew.
    #[n(2)]
    pub epoke: i32,
}

impl Kilde {
    /// Whether both were read from one partition of one generation, so that offsets may be compared.
    #[must_use]
    pub const fn sammenlignbar(&self, annen: &Self) -> bool {
        self.partisjon == annen.partisjon && self.epoke == annen.epoke
    }
}

/// Age of a message: sistEndret in microseconds, then generation, then offset.
///
/// Not `Ord`: offsets of different partitions say nothing about each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Rang {
    /// sistEndret; `None` when a failed message's could not be read, which is older than any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(0)]
    pub mikros: Option<Mikros>,
    /// Coordinates on the source topic.
    #[n(1)]
    pub kilde: Kilde,
}

impl Rang {
    /// Whether `self` is older than `annen`: fewer microseconds, or as many and an earlier generation, or as many and
    /// an earlier offset of the same partition. Messages of different partitions at one microsecond are never older.
    #[must_use]
    pub fn eldre_enn(&self, annen: &Self) -> bool {
        if self.mikros != annen.mikros {
            return self.mikros < annen.mikros;
        }
        self.kilde.epoke < annen.kilde.epoke || (self.kilde.sammenlignbar(&annen.kilde) && self.kilde.offset < annen.kilde.offset)
    }

    /// The newer of the two; `self` when neither is older.
    #[must_use]
    pub fn nyeste(self, annen: Self) -> Self {
        if self.eldre_enn(&annen) { annen } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rang(mikros: i64, partisjon: i32, offset: i64, epoke: i32) -> Rang {
        Rang { mikros: Some(Mikros(mikros)), kilde: Kilde { partisjon, offset, epoke } }
    }

    #[test]
    fn age_is_microseconds_then_generation_then_offset_of_one_partition() {
        let stored = rang(10, 0, 5, 1);
        for (annen, eldre, nyere) in [
            (rang(9, 0, 9, 9), true, false),
            (rang(11, 0, 1, 1), false, true),
            (rang(10, 0, 4, 1), true, false),
            (rang(10, 0, 5, 1), false, false),
            (rang(10, 0, 6, 1), false, true),
            (rang(10, 1, 4, 1), false, false),
            (rang(10, 0, 1, 2), false, true),
            (Rang { mikros: None, ..stored }, true, false),
        ] {
            assert_eq!((annen.eldre_enn(&stored), stored.eldre_enn(&annen)), (eldre, nyere), "{annen:?}");
        }
    }

    #[test]
    fn a_person_is_not_shown_by_debug() {
        assert_eq!(format!("{:?}", Fnr::from("01810000001")), "Fnr(***)");
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        for (tekst, lest) in [
            ("04d0033c-754b-4daa-b5ff-6531dc64582c", true),
            ("04D0033C-754B-4DAA-B5FF-6531DC64582C", true),
            ("04d0033c754b4daab5ff6531dc64582c", false),
            ("{04d0033c-754b-4daa-b5ff-6531dc64582c}", false),
            ("04d0033c-754b-4daa-b5ff-6531dc64582", false),
            ("", false),
        ] {
            assert_eq!(AvtaleId::les(tekst).is_some(), lest, "{tekst}");
        }
    }
}
