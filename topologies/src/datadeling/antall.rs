//! Counts from before and after: what one change of a person's rows adds to store `antall`.
//!
//! Never from counting messages, so that duplicates, ties and re-reads count nothing. A person's other agreements are read
//! only when the change could alter which kinds of measure the person is on.

use jiff::civil::Date;
use straum_schemas::datadeling::{AntallDelta, AntallNokkel, AvtaleRad, PerStatus, Tiltakstype};

/// The differences of one change: at most the old kind, the new kind and all.
pub type Deltaer = [Option<(AntallNokkel, AntallDelta)>; 3];

/// Whether the person's other rows must be read for [`deltaer`].
#[must_use]
pub fn trenger_andre(gammel: Option<&AvtaleRad>, ny: Option<&AvtaleRad>) -> bool {
    paa(gammel) != paa(ny)
}

/// What to add when an agreement of a person changes. `andre` are the kinds of measure the person is on by other
/// agreements, in any order and any number of times; not looked at unless [`trenger_andre`].
#[must_use]
pub fn deltaer(gammel: Option<&AvtaleRad>, ny: Option<&AvtaleRad>, andre: impl IntoIterator<Item = Tiltakstype>, dato: Date) -> Deltaer {
    let (paa_for, paa_etter) = (paa(gammel), paa(ny));
    let (mut har_for, mut har_etter, mut har_noe) = (false, false, false);
    if paa_for != paa_etter {
        for tiltakstype in andre {
            har_noe = true;
            har_for |= Some(tiltakstype) == paa_for;
            har_etter |= Some(tiltakstype) == paa_etter;
        }
    }
    let tom = || AntallDelta { avtaler_paa_tiltak: 0, personer_paa_tiltak: 0, per_status: PerStatus::default(), beregnet_dato: dato };
    let [talt_for, talt_etter] = [gammel, ny].map(|rad| rad.filter(|rad| !rad.feilregistrert));
    let mut alle = tom();
    let mut under_gammel = tom();
    let mut under_ny = tom();
    if let Some(rad) = talt_for {
        under_gammel.per_status.endre(rad.effektiv_status, -1);
        alle.per_status.endre(rad.effektiv_status, -1);
    }
    if let Some(rad) = talt_etter {
        under_ny.per_status.endre(rad.effektiv_status, 1);
        alle.per_status.endre(rad.effektiv_status, 1);
    }
    if paa_for != paa_etter {
        if paa_for.is_some() {
            under_gammel.avtaler_paa_tiltak = -1;
            under_gammel.personer_paa_tiltak = -i64::from(!har_for);
        }
        if paa_etter.is_some() {
            under_ny.avtaler_paa_tiltak = 1;
            under_ny.personer_paa_tiltak = i64::from(!har_etter);
        }
        alle.avtaler_paa_tiltak = i64::from(paa_etter.is_some()) - i64::from(paa_for.is_some());
        alle.personer_paa_tiltak = if har_noe { 0 } else { alle.avtaler_paa_tiltak };
    }
    let type_for = gammel.map(|rad| rad.tiltakstype);
    let type_etter = ny.map(|rad| rad.tiltakstype);
    if type_for == type_etter {
        under_ny = slaa_sammen(under_gammel, &under_ny);
        under_gammel = tom();
    }
    let med = |nokkel: Option<AntallNokkel>, delta: AntallDelta| nokkel.filter(|_| !delta.er_null()).map(|nokkel| (nokkel, delta));
    [med(type_for.map(AntallNokkel::Type), under_gammel), med(type_etter.map(AntallNokkel::Type), under_ny), med(Some(AntallNokkel::Alle), alle)]
}

/// The kind of measure an agreement has the person on.
fn paa(rad: Option<&AvtaleRad>) -> Option<Tiltakstype> {
    rad.filter(|rad| rad.paa_tiltak_idag).map(|rad| rad.tiltakstype)
}

fn slaa_sammen(mut en: AntallDelta, annen: &AntallDelta) -> AntallDelta {
    en.avtaler_paa_tiltak += annen.avtaler_paa_tiltak;
    en.personer_paa_tiltak += annen.personer_paa_tiltak;
    for (status, differanse) in annen.per_status.iter() {
        en.per_status.endre(status, differanse);
    }
    en
}
