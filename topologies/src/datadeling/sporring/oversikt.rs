//! Answers about a date: who is on a measure, how many, and how statuses are spread.

use std::collections::{BTreeMap, HashSet};

use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleRad, AvtaleStatus, Fnr, Tiltakstype};

use super::side::Sortering;
use super::treff::{PersonRader, Treff};
use crate::datadeling::status;

/// Whether a person is on a measure on a date, and on which.
#[derive(Clone, Debug, PartialEq)]
pub struct PaaTiltak {
    /// The date.
    pub dato: Date,
    /// The kinds of measure, in the order of the specification.
    pub tiltakstyper: Vec<Tiltakstype>,
    /// The agreements, in list order.
    pub avtaler: Vec<Treff>,
    /// Whether an agreement of the person has a message that could not be used.
    pub ufullstendig: bool,
}

impl PaaTiltak {
    /// Whether the person is on any measure.
    #[must_use]
    pub const fn paa_tiltak(&self) -> bool {
        !self.avtaler.is_empty()
    }
}

/// Whether a person is on a measure on a date.
#[must_use]
pub fn paa_tiltak(person: PersonRader, dato: Date) -> PaaTiltak {
    let ufullstendig = person.ufullstendig();
    let avtaler = ordnet(person.treff.into_iter().filter(|treff| status::paa_tiltak(&treff.rad, dato)));
    let mut tiltakstyper: Vec<_> = avtaler.iter().map(|treff| treff.rad.tiltakstype).collect();
    tiltakstyper.sort_unstable();
    tiltakstyper.dedup();
    PaaTiltak { dato, tiltakstyper, avtaler, ufullstendig }
}

/// Who is on a measure with an employer on a date.
#[derive(Clone, Debug, PartialEq)]
pub struct BedriftPaaDato {
    /// The date.
    pub dato: Date,
    /// Distinct persons.
    pub antall_personer: usize,
    /// The agreements, in list order.
    pub avtaler: Vec<Treff>,
}

/// Who is on a measure with an employer on a date.
#[must_use]
pub fn bedrift_paa_dato(rader: impl IntoIterator<Item = Treff>, dato: Date) -> BedriftPaaDato {
    let avtaler = ordnet(rader.into_iter().filter(|treff| status::paa_tiltak(&treff.rad, dato)));
    let personer: HashSet<&Fnr> = avtaler.iter().map(|treff| &treff.rad.deltaker_fnr).collect();
    BedriftPaaDato { dato, antall_personer: personer.len(), avtaler }
}

/// How many are on a measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Antall {
    /// The kind of measure; `None` is all of them.
    pub tiltakstype: Option<Tiltakstype>,
    /// Agreements.
    pub antall_avtaler: usize,
    /// Distinct persons.
    pub antall_personer: usize,
}

/// How many are on a measure on a date: each kind with any in the order of the specification, then all.
#[must_use]
pub fn antall<'a>(rader: impl IntoIterator<Item = &'a AvtaleRad>, dato: Date) -> Vec<Antall> {
    let mut per_type: BTreeMap<Tiltakstype, (usize, HashSet<&Fnr>)> = BTreeMap::new();
    let mut alle: (usize, HashSet<&Fnr>) = (0, HashSet::new());
    for rad in rader.into_iter().filter(|rad| status::paa_tiltak(rad, dato)) {
        for (avtaler, personer) in [per_type.entry(rad.tiltakstype).or_default(), &mut alle] {
            *avtaler += 1;
            personer.insert(&rad.deltaker_fnr);
        }
    }
    let linje =
        |tiltakstype, (antall_avtaler, personer): (usize, HashSet<&Fnr>)| Antall { tiltakstype, antall_avtaler, antall_personer: personer.len() };
    let typer = per_type.into_iter().map(|(tiltakstype, talt)| linje(Some(tiltakstype), talt));
    let mut ut: Vec<_> = typer.collect();
    ut.push(linje(None, alle));
    ut
}

/// How many rows have an effective status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusAntall {
    /// The effective status.
    pub status: AvtaleStatus,
    /// Rows.
    pub antall: usize,
}

/// Rows by effective status on a date, those with any, in the order of the specification.
#[must_use]
pub fn statusfordeling<'a>(
    rader: impl IntoIterator<Item = &'a AvtaleRad>,
    dato: Date,
    tiltakstype: Option<Tiltakstype>,
    inkluder_feilregistrert: bool,
) -> Vec<StatusAntall> {
    let mut per_status: BTreeMap<AvtaleStatus, usize> = BTreeMap::new();
    for rad in rader {
        let av_typen = tiltakstype.is_none_or(|tiltakstype| rad.tiltakstype == tiltakstype);
        if av_typen && (inkluder_feilregistrert || !rad.feilregistrert) {
            *per_status.entry(status::effektiv_status(rad, dato)).or_default() += 1;
        }
    }
    per_status.into_iter().map(|(status, antall)| StatusAntall { status, antall }).collect()
}

fn ordnet(treff: impl Iterator<Item = Treff>) -> Vec<Treff> {
    let mut ut: Vec<_> = treff.collect();
    ut.sort_by_cached_key(|ett| Sortering::av(&ett.rad));
    ut
}
