//! A change of one agreement, and the parts of it that go to the re-keyed projections.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::id::{AvtaleId, Rang};
use super::oppforing::{AvtaleOppforing, Mangel};
use super::rad::AvtaleRad;

/// The part of an entry that projections show. Also the value of stores `person` and `bedrift`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Tilstand {
    /// The row; unset when only a failed message is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(n(0), with = "super::cbor::delt", has_nil)]
    pub rad: Option<Arc<AvtaleRad>>,
    /// A newer message that could not be used: what is shown is ufullstendig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(n(1), with = "super::cbor::delt", has_nil)]
    pub mangel: Option<Arc<Mangel>>,
}

impl Tilstand {
    /// The part of an entry that is shown; `None` when there is neither row nor mangel.
    #[must_use]
    pub fn av(oppforing: &AvtaleOppforing) -> Option<Self> {
        let (rad, mangel) = (oppforing.rad.clone(), oppforing.mangel.clone());
        (rad.is_some() || mangel.is_some()).then_some(Self { rad, mangel })
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn minnebruk(&self) -> usize {
        size_of::<Self>() + self.rad.as_ref().map_or(0, |rad| rad.minnebruk()) + self.mangel.as_ref().map_or(0, |_| size_of::<Mangel>())
    }

    /// The newest of what is shown.
    #[must_use]
    pub fn rang(&self) -> Option<Rang> {
        let rad = self.rad.as_ref().map(|rad| rad.rang());
        let mangel = self.mangel.as_ref().map(|mangel| mangel.rang());
        match (rad, mangel) {
            (Some(rad), Some(mangel)) => Some(rad.nyeste(mangel)),
            (rad, mangel) => rad.or(mangel),
        }
    }
}

/// A change of one agreement: what was shown and what is shown now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endring {
    /// The agreement.
    pub avtale_id: AvtaleId,
    /// Before; unset when there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gammel: Option<Tilstand>,
    /// After; unset when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ny: Option<Tilstand>,
}

/// A change under one key of projection `person` or `bedrift`: subtract, then add, as one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Delendring {
    /// The agreement.
    #[n(0)]
    pub avtale_id: AvtaleId,
    /// Age of the old state to subtract; a newer entry is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(1)]
    pub trekk: Option<Rang>,
    /// The new state to add; a newer entry is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(2)]
    pub legg: Option<Tilstand>,
}

/// A change of the index by avtaleNr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub enum AvtaleNrEndring {
    /// The number is this agreement's.
    #[n(0)]
    Legg(#[n(0)] AvtaleNrRad),
    /// The number is no longer this agreement's.
    #[n(1)]
    Trekk(#[n(0)] AvtaleNrRad),
}

/// Value of store `avtalenr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct AvtaleNrRad {
    /// The agreement with the number.
    #[n(0)]
    pub avtale_id: AvtaleId,
    /// Age of the row that said so.
    #[n(1)]
    pub rang: Rang,
}
