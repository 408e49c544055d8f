//! What a query can be refused for.

use std::fmt;

/// What the client should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sporringskode {
    /// Correct the argument.
    UgyldigArgument,
    /// Ask for a part with `antall` and `etter`.
    ForStortResultat,
}

impl Sporringskode {
    /// The code in the answer's `extensions`.
    #[must_use]
    pub const fn navn(self) -> &'static str {
        match self {
            Self::UgyldigArgument => "UGYLDIG_ARGUMENT",
            Self::ForStortResultat => "FOR_STORT_RESULTAT",
        }
    }
}

/// A refused query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sporringsfeil {
    kode: Sporringskode,
    melding: String,
}

impl Sporringsfeil {
    pub(super) fn ugyldig(melding: impl Into<String>) -> Self {
        Self { kode: Sporringskode::UgyldigArgument, melding: melding.into() }
    }

    pub(super) fn for_stort(melding: impl Into<String>) -> Self {
        Self { kode: Sporringskode::ForStortResultat, melding: melding.into() }
    }

    /// What the client should do.
    #[must_use]
    pub const fn kind(&self) -> Sporringskode {
        self.kode
    }
}

impl fmt::Display for Sporringsfeil {
    fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
        ut.write_str(&self.melding)
    }
}

impl std::error::Error for Sporringsfeil {}
