//! A listed row, and a person's rows gathered from several idents.

use std::collections::BTreeMap;
use std::sync::Arc;

use straum_schemas::datadeling::{AvtaleId, AvtaleRad, Tilstand};

/// A row as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Treff {
    /// The row.
    pub rad: Arc<AvtaleRad>,
    /// Whether a newer message could not be used.
    pub ufullstendig: bool,
}

impl Treff {
    /// The row of a stored value, if it has one.
    #[must_use]
    pub fn av(tilstand: &Tilstand) -> Option<Self> {
        let rad = tilstand.rad.clone()?;
        Some(Self { rad, ufullstendig: tilstand.mangel.is_some() })
    }
}

/// A person's rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonRader {
    /// The rows, each agreement once, by avtaleId.
    pub treff: Vec<Treff>,
    /// Agreements with a message that could not be used, with or without a row.
    pub ufullstendige: Vec<AvtaleId>,
}

impl PersonRader {
    /// Whether an answer about the person may be incomplete.
    #[must_use]
    pub const fn ufullstendig(&self) -> bool {
        !self.ufullstendige.is_empty()
    }
}

/// Gathers what store `person` has under any of a person's idents. An agreement found under several is the newest.
#[must_use]
pub fn person_rader(rader: impl IntoIterator<Item = (AvtaleId, Tilstand)>) -> PersonRader {
    let mut etter_id: BTreeMap<AvtaleId, Tilstand> = BTreeMap::new();
    let mut ufullstendige = Vec::new();
    for (avtale_id, tilstand) in rader {
        if tilstand.mangel.is_some() {
            ufullstendige.push(avtale_id);
        }
        let eldre = |sett: &Tilstand| {
            let alder = |en: &Tilstand| en.rad.as_ref().map(|rad| rad.rang());
            match (alder(sett), alder(&tilstand)) {
                (Some(sett), Some(ny)) => sett.eldre_enn(&ny),
                (sett, _) => sett.is_none(),
            }
        };
        if etter_id.get(&avtale_id).is_none_or(eldre) {
            etter_id.insert(avtale_id, tilstand);
        }
    }
    ufullstendige.sort_unstable();
    ufullstendige.dedup();
    PersonRader { treff: etter_id.values().filter_map(Treff::av).collect(), ufullstendige }
}
