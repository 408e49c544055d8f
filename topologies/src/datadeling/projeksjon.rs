//! The re-keyed projections: which parts of a change go to which person, employer and number, and how a part is applied.
//!
//! A change costs one part for each key it concerns (one when the key is unchanged, two when it moved), whatever the
//! number of agreements there. Subtract comes before add; both are guarded by age, so that a late subtract never removes a
//! newer add and a late add never replaces a newer one.

use straum_schemas::datadeling::{AvtaleNrEndring, AvtaleNrRad, AvtaleRad, Delendring, Endring, Fnr, Mangel, Rang, Tilstand};

use super::rekkefolge::Lagring;

/// Sends the parts of a change to the persons it concerns: the row's, and that of a failed message for another person.
pub fn etter_person(endring: &Endring, send: impl FnMut(&str, Delendring)) {
    etter(endring, |rad| rad.deltaker_fnr.as_str(), |mangel| mangel.deltaker_fnr.as_ref().map(Fnr::as_str), send);
}

/// Sends the parts of a change to the employers it concerns. No employer, no part.
pub fn etter_bedrift(endring: &Endring, mut send: impl FnMut(&str, Delendring)) {
    let send = |bedrift_nr: &str, del| {
        if !bedrift_nr.is_empty() {
            send(bedrift_nr, del);
        }
    };
    etter(endring, |rad| &rad.bedrift_nr, |mangel| mangel.bedrift_nr.as_deref(), send);
}

/// Sends the change of number, if there is one: subtract first.
pub fn etter_avtalenr(endring: &Endring, mut send: impl FnMut(i32, AvtaleNrEndring)) {
    let nummer = |tilstand: &Option<Tilstand>| {
        let rad = tilstand.as_ref()?.rad.as_ref()?;
        Some((rad.avtale_nr?, AvtaleNrRad { avtale_id: endring.avtale_id, rang: rad.rang() }))
    };
    let (gammel, ny) = (nummer(&endring.gammel), nummer(&endring.ny));
    if gammel.map(|(nr, _)| nr) == ny.map(|(nr, _)| nr) {
        return;
    }
    if let Some((nr, rad)) = gammel {
        send(nr, AvtaleNrEndring::Trekk(rad));
    }
    if let Some((nr, rad)) = ny {
        send(nr, AvtaleNrEndring::Legg(rad));
    }
}

/// Applies a part to the entry of its agreement under its key, in stores `person` and `bedrift`.
#[must_use]
pub fn bruk_del(lagret: Option<&Tilstand>, del: Delendring) -> Lagring<Tilstand> {
    let rang = lagret.and_then(Tilstand::rang);
    let trukket = match (rang, del.trekk) {
        (Some(staar), Some(trekk)) => !trekk.eldre_enn(&staar),
        _ => false,
    };
    let staar_igjen = rang.filter(|_| !trukket);
    let for_gammel = |ny: &Tilstand| match (ny.rang(), staar_igjen) {
        (Some(ny), Some(staar)) => ny.eldre_enn(&staar),
        _ => false,
    };
    match del.legg.filter(|ny| !for_gammel(ny)) {
        Some(ny) if lagret == Some(&ny) => Lagring::Uendret,
        Some(ny) => Lagring::Skriv(ny),
        None if trukket => Lagring::Slett,
        None => Lagring::Uendret,
    }
}

/// Applies a change of number to store `avtalenr`.
#[must_use]
pub fn bruk_avtalenr(lagret: Option<&AvtaleNrRad>, endring: AvtaleNrEndring) -> Lagring<AvtaleNrRad> {
    match (lagret, endring) {
        (Some(lagret), AvtaleNrEndring::Legg(ny)) if ny.rang.eldre_enn(&lagret.rang) => Lagring::Uendret,
        (_, AvtaleNrEndring::Legg(ny)) => Lagring::Skriv(ny),
        (Some(lagret), AvtaleNrEndring::Trekk(gammel)) if lagret.avtale_id == gammel.avtale_id && !gammel.rang.eldre_enn(&lagret.rang) => {
            Lagring::Slett
        }
        (_, AvtaleNrEndring::Trekk(_)) => Lagring::Uendret,
    }
}

/// The keys of one state, and what each shows: the row with its mangel, and the mangel alone where its key is another.
struct Deler<'a> {
    hoved: Option<&'a str>,
    bare_mangel: Option<&'a str>,
    tilstand: Option<&'a Tilstand>,
}

impl<'a> Deler<'a> {
    fn av(tilstand: Option<&'a Tilstand>, rad_nokkel: impl Fn(&AvtaleRad) -> &str, mangel_nokkel: impl Fn(&Mangel) -> Option<&str>) -> Self {
        let hoved = tilstand.and_then(|tilstand| tilstand.rad.as_deref()).map(rad_nokkel);
        let bare_mangel = tilstand.and_then(|tilstand| tilstand.mangel.as_deref()).and_then(mangel_nokkel).filter(|nokkel| Some(*nokkel) != hoved);
        Self { hoved, bare_mangel, tilstand }
    }

    fn under(&self, nokkel: &str) -> Option<Tilstand> {
        if self.hoved == Some(nokkel) {
            return self.tilstand.cloned();
        }
        let mangel = self.tilstand.filter(|_| self.bare_mangel == Some(nokkel))?.mangel.clone();
        Some(Tilstand { rad: None, mangel })
    }

    /// The age of what is shown under a key.
    fn rang(&self, nokkel: &str) -> Option<Rang> {
        if self.hoved == Some(nokkel) {
            return self.tilstand.and_then(Tilstand::rang);
        }
        let mangel = self.tilstand.filter(|_| self.bare_mangel == Some(nokkel))?.mangel.as_ref()?;
        Some(mangel.rang())
    }

    fn nokler(&self) -> impl Iterator<Item = &'a str> {
        self.hoved.into_iter().chain(self.bare_mangel)
    }
}

fn etter(
    endring: &Endring,
    rad_nokkel: impl Fn(&AvtaleRad) -> &str,
    mangel_nokkel: impl Fn(&Mangel) -> Option<&str>,
    mut send: impl FnMut(&str, Delendring),
) {
    let gammel = Deler::av(endring.gammel.as_ref(), &rad_nokkel, &mangel_nokkel);
    let ny = Deler::av(endring.ny.as_ref(), &rad_nokkel, &mangel_nokkel);
    let mut send_del = |nokkel: &str| {
        send(nokkel, Delendring { avtale_id: endring.avtale_id, trekk: gammel.rang(nokkel), legg: ny.under(nokkel) });
    };
    gammel.nokler().for_each(&mut send_del);
    ny.nokler().filter(|nokkel| gammel.rang(nokkel).is_none()).for_each(send_del);
}
