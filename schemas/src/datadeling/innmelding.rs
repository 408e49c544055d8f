//! What reaches the table of agreements, through the repartition topic or a re-drive.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::dodt_brev::Arsak;
use super::id::Kilde;
use super::oppforing::Mangel;
use super::redusert::Redusert;
use super::tid::Mikros;

/// One message to the table of agreements, keyed by avtaleId.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub enum Innmelding {
    /// A state that can be used.
    #[n(0)]
    Redusert(#[n(0)] Box<Redusert>),
    /// A state with a value not known yet.
    #[n(1)]
    Parkert(#[n(0)] Box<Parkert>),
    /// A message that failed.
    #[n(2)]
    Mangel(#[n(0)] Box<Mangel>),
    /// A deletion.
    #[n(3)]
    Gravferd(#[n(0)] Gravferd),
}

/// A reduced record with a value that is not in its closed list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Parkert {
    /// The record, to be tried again.
    #[n(0)]
    pub redusert: Redusert,
    /// Wire name of the first field with an unknown value.
    #[n(1)]
    pub felt: Box<str>,
    /// The unknown value.
    #[n(2)]
    pub verdi: Box<str>,
}

impl Parkert {
    /// The mark to show while the record is parked.
    #[must_use]
    pub fn mangel(&self) -> Mangel {
        Mangel {
            avtale_id: self.redusert.avtale_id,
            endret_tidspunkt: Some(self.redusert.endret_tidspunkt),
            kilde: self.redusert.kilde,
            arsak: Arsak::UkjentVerdi,
            felt: Some(self.felt.clone()),
            verdi: Some(self.verdi.clone()),
            deltaker_fnr: Some(self.redusert.deltaker_fnr.clone()),
            bedrift_nr: Some(self.redusert.bedrift_nr.clone()),
        }
    }
}

/// A tombstone read for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Gravferd {
    /// Where it was read.
    #[n(0)]
    pub kilde: Kilde,
    /// When it was consumed.
    #[n(1)]
    pub mottatt: Mikros,
}
