//! Dead letters: where the message lies and what was wrong with it, never what it said.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::id::AvtaleId;
use super::tid::{Mikros, rfc3339, rfc3339_valgfri};

/// Why a message could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cbor(index_only)]
pub enum Arsak {
    /// Not JSON.
    #[n(0)]
    UgyldigJson,
    /// JSON, but not an object.
    #[n(1)]
    IkkeObjekt,
    /// A required field is absent or null.
    #[n(2)]
    ManglerFelt,
    /// A field does not have the form of its type.
    #[n(3)]
    UgyldigVerdi,
    /// A value is not in its closed list: the record is parked, not dead.
    #[n(4)]
    UkjentVerdi,
}

impl Arsak {
    /// Name in stores, topics and metrics.
    #[must_use]
    pub const fn navn(self) -> &'static str {
        match self {
            Self::UgyldigJson => "UGYLDIG_JSON",
            Self::IkkeObjekt => "IKKE_OBJEKT",
            Self::ManglerFelt => "MANGLER_FELT",
            Self::UgyldigVerdi => "UGYLDIG_VERDI",
            Self::UkjentVerdi => "UKJENT_VERDI",
        }
    }
}

/// A dead letter: coordinates and cause, no payload and no person data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DodtBrev {
    /// Topic the message lies on.
    pub topic: Box<str>,
    /// Its partition.
    pub partisjon: i32,
    /// Its offset.
    pub offset: i64,
    /// The record key, only when it is a uuid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nokkel: Option<AvtaleId>,
    /// Why it could not be used.
    pub arsak: Arsak,
    /// Wire name of the first bad field.
    pub felt: Option<Box<str>>,
    /// The agreement, if readable.
    pub avtale_id: Option<AvtaleId>,
    /// sistEndret, if readable.
    #[serde(with = "rfc3339_valgfri")]
    pub sist_endret: Option<Mikros>,
    /// hendelseType, if it has the form of one.
    pub hendelse_type: Option<Box<str>>,
    /// SHA-256 of the payload, lower-case hexadecimal.
    pub sha256: Box<str>,
    /// When it was consumed.
    #[serde(with = "rfc3339")]
    pub tidspunkt: Mikros,
    /// How many times it has been tried.
    pub forsok: u32,
}

impl DodtBrev {
    /// Key on the dead-letter topic: avtaleId if readable, else the source key if it is a uuid.
    #[must_use]
    pub fn nokkel(&self) -> Option<AvtaleId> {
        self.avtale_id.or(self.nokkel)
    }
}
