//! Status and dates: what the reported status should have become, who is on a measure when, and on which dates that
//! changes without any message.
//!
//! Only dates are compared. A clock never enters: callers pass the date in Oslo.

use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleRad, AvtaleStatus, Statusarsak, Statusendring};

/// What the reported status should have become by `dato`. Never goes backwards, and is not a history.
#[must_use]
pub fn effektiv_status(rad: &AvtaleRad, dato: Date) -> AvtaleStatus {
    let slutt_passert = rad.slutt_dato.is_some_and(|slutt| slutt < dato);
    let startet = rad.start_dato.is_some_and(|start| start <= dato);
    match rad.avtale_status {
        AvtaleStatus::KlarForOppstart | AvtaleStatus::Gjennomfores if slutt_passert => AvtaleStatus::Avsluttet,
        AvtaleStatus::KlarForOppstart if startet => AvtaleStatus::Gjennomfores,
        uendret => uendret,
    }
}

/// Whether all who must agree have agreed, and it has neither been called off nor was a mistake.
#[must_use]
pub const fn avtalt(rad: &AvtaleRad) -> bool {
    let avlyst = matches!(rad.avtale_status, AvtaleStatus::Annullert | AvtaleStatus::Avbrutt);
    rad.avtale_inngaatt.is_some() && !avlyst && !rad.feilregistrert
}

/// Whether the participant is on the measure on a date, past or future.
#[must_use]
pub fn paa_tiltak(rad: &AvtaleRad, dato: Date) -> bool {
    let dekker = |(start, slutt)| start <= dato && dato <= slutt;
    avtalt(rad) && rad.start_dato.zip(rad.slutt_dato).is_some_and(dekker)
}

/// Sets the computed values of a row for a date.
pub fn beregn(rad: &mut AvtaleRad, dato: Date) {
    rad.effektiv_status = effektiv_status(rad, dato);
    rad.paa_tiltak_idag = paa_tiltak(rad, dato);
    rad.beregnet_dato = dato;
}

/// At most two dates, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overgangsdatoer([Option<Date>; 2]);

impl Overgangsdatoer {
    /// The dates after the row's date of computation on which its effective status or being on the measure changes.
    #[must_use]
    pub fn for_rad(rad: &AvtaleRad) -> Self {
        let slutter = rad.slutt_dato.and_then(|slutt| slutt.tomorrow().ok());
        let endrer = |dato: &Date| {
            *dato > rad.beregnet_dato
                && dato.yesterday().is_ok_and(|dagen_for| {
                    effektiv_status(rad, dagen_for) != effektiv_status(rad, *dato) || paa_tiltak(rad, dagen_for) != paa_tiltak(rad, *dato)
                })
        };
        let starter = rad.start_dato.filter(endrer);
        let slutter = slutter.filter(endrer).filter(|slutter| Some(*slutter) != starter);
        if slutter.is_some() && slutter < starter { Self([slutter, starter]) } else { Self([starter, slutter]) }
    }

    /// Whether a date is among them.
    #[must_use]
    pub fn har(&self, dato: Date) -> bool {
        self.0.contains(&Some(dato))
    }

    /// The dates, in order.
    pub fn iter(&self) -> impl Iterator<Item = Date> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// What must change in store `overganger` when a row changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overgangsendring {
    gamle: Overgangsdatoer,
    nye: Overgangsdatoer,
}

impl Overgangsendring {
    /// The difference between two states of a row; `None` where there is none.
    #[must_use]
    pub fn mellom(gammel: Option<&AvtaleRad>, ny: Option<&AvtaleRad>) -> Self {
        let datoer = |rad: Option<&AvtaleRad>| rad.map(Overgangsdatoer::for_rad).unwrap_or_default();
        Self { gamle: datoer(gammel), nye: datoer(ny) }
    }

    /// Dates under which the agreement is to be removed.
    pub fn fjern(&self) -> impl Iterator<Item = Date> + '_ {
        self.gamle.iter().filter(|dato| !self.nye.har(*dato))
    }

    /// Dates under which the agreement is to be entered.
    pub fn legg(&self) -> impl Iterator<Item = Date> + '_ {
        self.nye.iter().filter(|dato| !self.gamle.har(*dato))
    }
}

/// The status change between two states of a row, if there is one. `dato` is the transition date for
/// [`Statusarsak::Dato`], else today.
#[must_use]
pub fn statusendring(gammel: Option<&AvtaleRad>, ny: Option<&AvtaleRad>, arsak: Statusarsak, dato: Date) -> Option<Statusendring> {
    let fra = gammel.map(|rad| rad.effektiv_status);
    let til = ny.map(|rad| rad.effektiv_status);
    let rad = ny.or(gammel).filter(|_| fra != til)?;
    Some(Statusendring {
        avtale_id: rad.avtale_id,
        tiltakstype: rad.tiltakstype,
        fra,
        til,
        arsak,
        gjelder_dato: dato,
        sist_endret: rad.endret_tidspunkt,
    })
}
