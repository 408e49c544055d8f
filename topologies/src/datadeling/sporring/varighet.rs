//! How long: days of agreements within a window, each counted, and days covered at least once.

use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleRad, Tiltakstype};

use super::feil::Sporringsfeil;
use super::filter::sjekk_periode;
use crate::datadeling::status;

/// The period asked about, both ends inclusive, either open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vindu {
    /// First day.
    pub fra: Option<Date>,
    /// Last day.
    pub til: Option<Date>,
}

/// Consecutive days, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// First day.
    pub fra: Date,
    /// Last day.
    pub til: Date,
}

impl Segment {
    /// Number of days.
    #[must_use]
    pub fn dager(&self) -> i64 {
        i64::from((self.til - self.fra).get_days()) + 1
    }
}

/// Durations of a set of agreements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Varighet {
    /// Agreements with any day in the window.
    pub antall_avtaler: usize,
    /// Days, overlaps counted each time.
    pub sum_dager: i64,
    /// Days covered at least once.
    pub union_dager: i64,
    /// The covered days, by date; overlapping and adjacent ones merged.
    pub segmenter: Vec<Segment>,
    /// The same by kind of measure, in the order of the specification, those with any.
    pub per_tiltakstype: Vec<VarighetType>,
}

/// Durations of one kind of measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VarighetType {
    /// The kind.
    pub tiltakstype: Tiltakstype,
    /// Agreements with any day in the window.
    pub antall_avtaler: usize,
    /// Days, overlaps counted each time.
    pub sum_dager: i64,
    /// Days covered at least once.
    pub union_dager: i64,
}

/// Durations of the avtalte among rows. `tiltakstyper` absent is all kinds, empty is none.
///
/// # Errors
/// `UGYLDIG_ARGUMENT` when the window ends before it begins.
pub fn varighet<'a>(
    rader: impl IntoIterator<Item = &'a AvtaleRad>,
    vindu: Vindu,
    tiltakstyper: Option<&[Tiltakstype]>,
) -> Result<Varighet, Sporringsfeil> {
    sjekk_periode(vindu.fra, vindu.til)?;
    let mut perioder: Vec<(Tiltakstype, Segment)> = rader
        .into_iter()
        .filter(|rad| tiltakstyper.is_none_or(|typer| typer.contains(&rad.tiltakstype)))
        .filter_map(|rad| Some((rad.tiltakstype, periode(rad, vindu)?)))
        .collect();
    perioder.sort_unstable_by_key(|(_, periode)| *periode);
    let segmenter = sammen(perioder.iter().map(|(_, periode)| *periode));
    let per_tiltakstype = Tiltakstype::ALLE.iter().filter_map(|tiltakstype| {
        let av_typen = || perioder.iter().filter(|(typen, _)| typen == tiltakstype).map(|(_, periode)| *periode);
        let antall_avtaler = av_typen().count();
        (antall_avtaler > 0).then(|| VarighetType {
            tiltakstype: *tiltakstype,
            antall_avtaler,
            sum_dager: sum(av_typen()),
            union_dager: sum(sammen(av_typen())),
        })
    });
    Ok(Varighet {
        antall_avtaler: perioder.len(),
        sum_dager: sum(perioder.iter().map(|(_, periode)| *periode)),
        union_dager: sum(segmenter.iter().copied()),
        per_tiltakstype: per_tiltakstype.collect(),
        segmenter,
    })
}

/// The days of an agreement within a window, if it is avtalt and has any.
fn periode(rad: &AvtaleRad, vindu: Vindu) -> Option<Segment> {
    let (start, slutt) = rad.start_dato.zip(rad.slutt_dato).filter(|_| status::avtalt(rad))?;
    let fra = vindu.fra.map_or(start, |fra| fra.max(start));
    let til = vindu.til.map_or(slutt, |til| til.min(slutt));
    (start <= slutt && fra <= til).then_some(Segment { fra, til })
}

/// Merges segments in order of their first day.
fn sammen(ordnet: impl IntoIterator<Item = Segment>) -> Vec<Segment> {
    let mut ut: Vec<Segment> = Vec::new();
    for neste in ordnet {
        match ut.last_mut() {
            Some(siste) if neste.fra <= siste.til || siste.til.tomorrow().is_ok_and(|etter| etter == neste.fra) => {
                siste.til = siste.til.max(neste.til);
            }
            _ => ut.push(neste),
        }
    }
    ut
}

fn sum(segmenter: impl IntoIterator<Item = Segment>) -> i64 {
    segmenter.into_iter().map(|segment| segment.dager()).sum()
}
