//! Conditions on rows: ANDed; values within one list ORed.

use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleRad, AvtaleStatus, Fnr, Tiltakstype};

use super::feil::Sporringsfeil;
use crate::datadeling::status;

/// Which rows to list. An absent condition lets all through, an empty list none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AvtaleFilter {
    /// One of these participants.
    pub personnumre: Option<Vec<Fnr>>,
    /// One of these employers.
    pub bedrifter: Option<Vec<Box<str>>>,
    /// One of these kinds of measure.
    pub tiltakstyper: Option<Vec<Tiltakstype>>,
    /// One of these reported statuses.
    pub statuser: Option<Vec<AvtaleStatus>>,
    /// One of these effective statuses today.
    pub effektiv_statuser: Option<Vec<AvtaleStatus>>,
    /// On the measure on this date.
    pub paa_tiltak_dato: Option<Date>,
    /// Overlapping a period from this date; open if absent.
    pub overlapper_fra: Option<Date>,
    /// Overlapping a period until this date, inclusive; open if absent.
    pub overlapper_til: Option<Date>,
    /// Also those entered by mistake.
    pub inkluder_feilregistrert: bool,
}

impl AvtaleFilter {
    /// Checks the conditions themselves.
    ///
    /// # Errors
    /// `UGYLDIG_ARGUMENT` when the period ends before it begins.
    pub fn sjekk(&self) -> Result<(), Sporringsfeil> {
        sjekk_periode(self.overlapper_fra, self.overlapper_til)
    }

    /// Whether a row is to be listed.
    #[must_use]
    pub fn treffer(&self, rad: &AvtaleRad, idag: Date) -> bool {
        (self.inkluder_feilregistrert || !rad.feilregistrert)
            && en_av(self.personnumre.as_deref(), &rad.deltaker_fnr)
            && en_av(self.bedrifter.as_deref(), &rad.bedrift_nr)
            && en_av(self.tiltakstyper.as_deref(), &rad.tiltakstype)
            && en_av(self.statuser.as_deref(), &rad.avtale_status)
            && (self.effektiv_statuser.is_none() || en_av(self.effektiv_statuser.as_deref(), &status::effektiv_status(rad, idag)))
            && self.paa_tiltak_dato.is_none_or(|dato| status::paa_tiltak(rad, dato))
            && self.overlapper(rad)
    }

    fn overlapper(&self, rad: &AvtaleRad) -> bool {
        if self.overlapper_fra.is_none() && self.overlapper_til.is_none() {
            return true;
        }
        let Some((start, slutt)) = rad.start_dato.zip(rad.slutt_dato) else { return false };
        self.overlapper_til.is_none_or(|til| start <= til) && self.overlapper_fra.is_none_or(|fra| slutt >= fra)
    }
}

pub(super) fn sjekk_periode(fra: Option<Date>, til: Option<Date>) -> Result<(), Sporringsfeil> {
    match fra.zip(til) {
        Some((fra, til)) if til < fra => Err(Sporringsfeil::ugyldig(format!("period ends {til}, expected {fra} or later"))),
        _ => Ok(()),
    }
}

fn en_av<T: PartialEq>(liste: Option<&[T]>, verdi: &T) -> bool {
    liste.is_none_or(|liste| liste.contains(verdi))
}
