//! The entry of store `avtale`.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::dodt_brev::Arsak;
use super::id::{AvtaleId, Fnr, Kilde, Rang};
use super::rad::AvtaleRad;
use super::tid::Mikros;

/// Everything known of one agreement: its row, the mark of a newer message that could not be used, and the stone of
/// a deletion.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct AvtaleOppforing {
    /// The newest accepted state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(n(0), with = "super::cbor::delt", has_nil)]
    pub rad: Option<Arc<AvtaleRad>>,
    /// A message at least as new as the row that failed or is parked: the row is shown as ufullstendig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(n(1), with = "super::cbor::delt", has_nil)]
    pub mangel: Option<Arc<Mangel>>,
    /// The newest deletion; guards against messages from before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(2)]
    pub gravstein: Option<Gravstein>,
    /// The newest record read for the key when it was older than the row: the compacted topic may hold a stale state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(3)]
    pub suspekt: Option<Kilde>,
    /// Whether store `parkert` has anything for the key; without it the store need not be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cbor(n(4), default)]
    pub har_parkert: bool,
}

impl AvtaleOppforing {
    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn minnebruk(&self) -> usize {
        size_of::<Self>() + self.rad.as_ref().map_or(0, |rad| rad.minnebruk()) + self.mangel.as_ref().map_or(0, |_| size_of::<Mangel>())
    }

    /// Whether the entry says nothing and should be deleted from the store.
    #[must_use]
    pub fn er_tom(&self) -> bool {
        *self == Self::default()
    }
}

/// Mark of a message that could not be used, shown so that the row is not silently old. Carries no more than is
/// needed to find whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Mangel {
    /// The agreement.
    #[n(0)]
    pub avtale_id: AvtaleId,
    /// sistEndret, if readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(1)]
    pub endret_tidspunkt: Option<Mikros>,
    /// Where it was read.
    #[n(2)]
    pub kilde: Kilde,
    /// Why it could not be used.
    #[n(3)]
    pub arsak: Arsak,
    /// The first bad field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(4)]
    pub felt: Option<Box<str>>,
    /// The unknown value; only for closed lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(5)]
    pub verdi: Option<Box<str>>,
    /// The participant, if readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(6)]
    pub deltaker_fnr: Option<Fnr>,
    /// The employer, if readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(7)]
    pub bedrift_nr: Option<Box<str>>,
}

impl Mangel {
    /// Age of the failed message.
    #[must_use]
    pub const fn rang(&self) -> Rang {
        Rang { mikros: self.endret_tidspunkt, kilde: self.kilde }
    }
}

/// What is kept of a deleted agreement: coordinates of the deletion, no person data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Gravstein {
    /// Where the tombstone was read.
    #[n(0)]
    pub kilde: Kilde,
    /// When it was consumed; the stone is kept for a number of days after that.
    #[n(1)]
    pub slettet: Mikros,
}
