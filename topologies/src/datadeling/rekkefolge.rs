//! Which message wins: the table of agreements as a pure function.
//!
//! [`motta`] takes what is stored for an agreement and one message, and says what to store, what to send downstream and
//! what to count. [`ny_dato`] does the same for a date, [`prov_parkert`] for parked records when the known values may have
//! changed. The order of messages is sistEndret in microseconds, then generation and offset of the *source*; the
//! order of arrival means nothing, so any number of re-reads ends in the same state.
//!
//! Called by the table processor, which reads and writes the stores `avtale`, `parkert` and `overganger`. Never reads a
//! clock or a store itself.

use std::sync::Arc;

use jiff::civil::Date;
use straum_schemas::datadeling::{
    AvtaleId, AvtaleOppforing, AvtaleRad, Endring, Gravferd, Gravstein, Innmelding, Kilde, Mangel, Mikros, Parkert, Rang, Redusert, Statusarsak,
    Statusendring, Tilstand,
};

use super::kjente::{self, Kjente};
use super::kvalitet;
use super::status::{self, Overgangsendring};
use super::tellere::{Teller, Tellere};

/// How many parked records are kept for an agreement.
pub const MAKS_PARKERT: usize = 20;

/// What a decision depends on beside stores and messages.
#[derive(Clone, Copy, Debug)]
pub struct Omstendighet<'a> {
    /// Known values of the closed lists.
    pub kjente: &'a Kjente,
    /// The date in Oslo.
    pub idag: Date,
}

/// What to do with a stored value.
#[derive(Clone, Debug, PartialEq)]
pub enum Lagring<T> {
    /// Leave it.
    Uendret,
    /// Put this.
    Skriv(T),
    /// Delete it.
    Slett,
}

/// What follows from a message or a date.
#[derive(Clone, Debug, PartialEq)]
pub struct Avgjorelse {
    /// For store `avtale`.
    pub oppforing: Lagring<AvtaleOppforing>,
    /// For store `parkert`.
    pub parkert: Lagring<Vec<Parkert>>,
    /// For store `overganger`.
    pub overganger: Overgangsendring,
    /// For the projections; `None` when nothing that is shown has changed.
    pub endring: Option<Endring>,
    /// For topic `statusendring`.
    pub statusendring: Option<Statusendring>,
    /// What to count.
    pub tellere: Tellere,
}

/// Handles one message. `parkert` is what store `parkert` holds: it need only be read when the entry says
/// [`har_parkert`](AvtaleOppforing::har_parkert), and is empty otherwise.
#[must_use]
pub fn motta(
    avtale_id: AvtaleId,
    lagret: Option<&AvtaleOppforing>,
    parkert: Vec<Parkert>,
    innmelding: Innmelding,
    om: &Omstendighet<'_>,
) -> Avgjorelse {
    let arsak = match innmelding {
        Innmelding::Gravferd(_) => Statusarsak::Slettet,
        Innmelding::Redusert(_) | Innmelding::Parkert(_) | Innmelding::Mangel(_) => Statusarsak::Melding,
    };
    let mut bord = Bord::dekk(lagret, parkert);
    bord.bruk(innmelding, om);
    bord.avgjor(avtale_id, lagret, arsak, om.idag)
}

/// Tries every parked record of an agreement with the known values of now, in order of age. Those now older than the row
/// fall out.
#[must_use]
pub fn prov_parkert(avtale_id: AvtaleId, lagret: Option<&AvtaleOppforing>, parkert: Vec<Parkert>, om: &Omstendighet<'_>) -> Avgjorelse {
    let mut bord = Bord::dekk(lagret, Vec::new());
    bord.rort_parkert = !parkert.is_empty();
    for post in parkert {
        bord.bruk(Innmelding::Parkert(Box::new(post)), om);
    }
    bord.avgjor(avtale_id, lagret, Statusarsak::Melding, om.idag)
}

/// Recomputes an agreement for a date that has come. The caller removes the key it was found under; handling a date
/// again changes nothing.
#[must_use]
pub fn ny_dato(avtale_id: AvtaleId, lagret: &AvtaleOppforing, dato: Date) -> Avgjorelse {
    let mut bord = Bord::dekk(Some(lagret), Vec::new());
    if let Some(rad) = bord.ny.rad.as_mut().filter(|rad| rad.beregnet_dato < dato) {
        *rad = kjente::paa_dato(rad, dato);
    }
    bord.avgjor(avtale_id, Some(lagret), Statusarsak::Dato, dato)
}

/// Whether a gravstein has been kept long enough. An entry with nothing else may then be deleted.
#[must_use]
pub const fn gravstein_utlopt(gravstein: &Gravstein, naa: Mikros, dager: u32) -> bool {
    const MIKROS_PER_DAG: i64 = 24 * 60 * 60 * 1_000_000;
    naa.0.saturating_sub(gravstein.slettet.0) > dager as i64 * MIKROS_PER_DAG
}

/// Age of a message beside what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alder {
    Forste,
    Nyere,
    Lik,
    GammelLik,
    Gammel,
}

fn alder(lagret: Option<&AvtaleRad>, inn: Rang) -> Alder {
    let Some(lagret) = lagret.map(AvtaleRad::rang) else { return Alder::Forste };
    if inn.mikros != lagret.mikros {
        return if inn.mikros > lagret.mikros { Alder::Nyere } else { Alder::Gammel };
    }
    if inn.eldre_enn(&lagret) || inn.kilde == lagret.kilde { Alder::GammelLik } else { Alder::Lik }
}

/// Whether a failed message is older than another. When one's sistEndret could not be read only coordinates are left.
fn mangel_eldre_enn(mangel: Rang, annen: Rang) -> bool {
    if mangel.mikros.is_some() && annen.mikros.is_some() {
        return mangel.eldre_enn(&annen);
    }
    for_kilde(mangel.kilde, annen.kilde)
}

/// Whether `en` was read before `annen`, as far as can be known.
const fn for_kilde(en: Kilde, annen: Kilde) -> bool {
    en.epoke < annen.epoke || (en.sammenlignbar(&annen) && en.offset < annen.offset)
}

const fn under_gravstein(kilde: Kilde, gravstein: &Gravstein) -> bool {
    kilde.sammenlignbar(&gravstein.kilde) && kilde.offset <= gravstein.kilde.offset
}

/// The state being changed by one message.
struct Bord {
    ny: AvtaleOppforing,
    parkert: Vec<Parkert>,
    rort_parkert: bool,
    tellere: Tellere,
}

impl Bord {
    fn dekk(lagret: Option<&AvtaleOppforing>, parkert: Vec<Parkert>) -> Self {
        let ny = lagret.cloned().unwrap_or_default();
        Self { ny, parkert, rort_parkert: false, tellere: Tellere::default() }
    }

    fn bruk(&mut self, innmelding: Innmelding, om: &Omstendighet<'_>) {
        match innmelding {
            Innmelding::Redusert(redusert) => self.redusert(*redusert, om),
            Innmelding::Parkert(parkert) => self.redusert(parkert.redusert, om),
            Innmelding::Mangel(mangel) => self.mangel(*mangel),
            Innmelding::Gravferd(gravferd) => self.gravferd(gravferd),
        }
    }

    fn redusert(&mut self, redusert: Redusert, om: &Omstendighet<'_>) {
        if self.ny.gravstein.is_some_and(|gravstein| under_gravstein(redusert.kilde, &gravstein)) {
            self.tellere.tell(Teller::ForGravstein);
            return;
        }
        let teller = match alder(self.ny.rad.as_deref(), redusert.rang()) {
            Alder::Gammel => return self.gammel(redusert.kilde),
            Alder::GammelLik => return self.tellere.tell(Teller::GammelLik),
            Alder::Forste => Teller::GodtattForste,
            Alder::Nyere => Teller::GodtattNyere,
            Alder::Lik => Teller::GodtattLik,
        };
        match om.kjente.rad(&redusert, om.idag) {
            Ok(rad) => {
                self.tellere.tell(teller);
                self.godta(rad);
            }
            Err(ukjent) => {
                let (felt, verdi) = (ukjent.felt.into(), ukjent.verdi.into());
                self.parker(Parkert { redusert, felt, verdi });
            }
        }
    }

    /// An older state read last is what a compacted topic will be left with.
    fn gammel(&mut self, kilde: Kilde) {
        self.tellere.tell(Teller::Gammel);
        let plass = |lest: &Kilde| (lest.epoke, lest.offset);
        let sett = [
            self.ny.rad.as_ref().map(|rad| plass(&rad.kilde)),
            self.ny.mangel.as_ref().map(|mangel| plass(&mangel.kilde)),
            self.ny.suspekt.as_ref().map(plass),
        ];
        if Some(plass(&kilde)) >= sett.into_iter().flatten().max() {
            self.tellere.tell(Teller::SuspektKompaktering);
            self.ny.suspekt = Some(kilde);
        }
    }

    fn godta(&mut self, mut rad: AvtaleRad) {
        let rang = rad.rang();
        if let Some(gammel) = &self.ny.rad {
            rad.avtale_nr = rad.avtale_nr.or(gammel.avtale_nr);
            self.tellere.ta_med(kvalitet::vurder(gammel, &rad));
        }
        self.ny.mangel.take_if(|mangel| !mangel_eldre_enn(rang, mangel.rang()));
        self.ny.suspekt.take_if(|suspekt| (rang.kilde.epoke, rang.kilde.offset) > (suspekt.epoke, suspekt.offset));
        let for_opprydding = self.parkert.len();
        self.parkert.retain(|post| rang.eldre_enn(&post.redusert.rang()));
        self.rort_parkert |= self.parkert.len() != for_opprydding;
        self.ny.rad = Some(Arc::new(rad));
    }

    fn parker(&mut self, post: Parkert) {
        self.tellere.tell(Teller::Parkert);
        self.sett_mangel(post.mangel());
        let rang = post.redusert.rang();
        let lest_igjen = self.parkert.iter().any(|annen| annen.redusert.kilde == rang.kilde);
        if lest_igjen {
            return;
        }
        let plass = self.parkert.partition_point(|annen| {
            let annen = annen.redusert.rang();
            (annen.mikros, annen.kilde.epoke, annen.kilde.offset) <= (rang.mikros, rang.kilde.epoke, rang.kilde.offset)
        });
        self.parkert.insert(plass, post);
        self.rort_parkert = true;
        if self.parkert.len() > MAKS_PARKERT {
            self.parkert.remove(0);
            self.tellere.tell(Teller::ParkertKastet);
        }
    }

    fn mangel(&mut self, mangel: Mangel) {
        if self.ny.gravstein.is_some_and(|gravstein| under_gravstein(mangel.kilde, &gravstein)) {
            self.tellere.tell(Teller::ForGravstein);
            return;
        }
        let rad_er_nyere = self.ny.rad.as_ref().is_some_and(|rad| {
            let rad = rad.rang();
            rad.kilde == mangel.kilde || mangel_eldre_enn(mangel.rang(), rad)
        });
        if !rad_er_nyere {
            self.sett_mangel(mangel);
        }
    }

    fn sett_mangel(&mut self, mangel: Mangel) {
        let nyere_finnes = self.ny.mangel.as_ref().is_some_and(|satt| mangel_eldre_enn(mangel.rang(), satt.rang()));
        if !nyere_finnes {
            self.ny.mangel = Some(Arc::new(mangel));
        }
    }

    fn gravferd(&mut self, gravferd: Gravferd) {
        let kilde = gravferd.kilde;
        if self.ny.gravstein.is_some_and(|gravstein| under_gravstein(kilde, &gravstein)) {
            self.tellere.tell(Teller::ForGravstein);
            return;
        }
        let rad_er_nyere = |rad: &Arc<AvtaleRad>| kilde.sammenlignbar(&rad.kilde) && kilde.offset <= rad.kilde.offset;
        if self.ny.rad.as_ref().is_some_and(rad_er_nyere) {
            self.tellere.tell(Teller::Gammel);
            return;
        }
        if self.ny.rad.take().is_some() {
            self.tellere.tell(Teller::Slettet);
        }
        let gravstein = Gravstein { kilde, slettet: gravferd.mottatt };
        let lest_senere = |annen: Kilde| kilde.sammenlignbar(&annen) && kilde.offset < annen.offset;
        self.ny.mangel.take_if(|mangel| !lest_senere(mangel.kilde));
        let for_opprydding = self.parkert.len();
        self.parkert.retain(|post| lest_senere(post.redusert.kilde));
        self.rort_parkert |= self.parkert.len() != for_opprydding;
        self.ny.suspekt = None;
        self.ny.gravstein = Some(gravstein);
    }

    fn avgjor(mut self, avtale_id: AvtaleId, lagret: Option<&AvtaleOppforing>, arsak: Statusarsak, dato: Date) -> Avgjorelse {
        self.ny.har_parkert = !self.parkert.is_empty() || (!self.rort_parkert && lagret.is_some_and(|lagret| lagret.har_parkert));
        let gammel_rad = lagret.and_then(|lagret| lagret.rad.as_deref());
        let ny_rad = self.ny.rad.as_deref();
        let samme_rad = match (gammel_rad, ny_rad) {
            (Some(gammel), Some(ny)) => std::ptr::eq(gammel, ny) || gammel.samme_innhold(ny),
            (None, None) => true,
            _ => false,
        };
        let samme_mangel = lagret.and_then(|lagret| lagret.mangel.as_ref()) == self.ny.mangel.as_ref();
        let vist_likt = samme_rad && samme_mangel;
        let godtatt = [Teller::GodtattNyere, Teller::GodtattLik].into_iter().any(|teller| self.tellere.har(teller));
        if vist_likt && godtatt {
            self.tellere.tell(Teller::Uendret);
        }
        Avgjorelse {
            overganger: Overgangsendring::mellom(gammel_rad, ny_rad),
            endring: (!vist_likt).then(|| Endring { avtale_id, gammel: lagret.and_then(Tilstand::av), ny: Tilstand::av(&self.ny) }),
            statusendring: status::statusendring(gammel_rad, ny_rad, arsak, dato),
            oppforing: match lagret {
                _ if self.ny.er_tom() => lagret.map_or(Lagring::Uendret, |_| Lagring::Slett),
                Some(lagret) if *lagret == self.ny => Lagring::Uendret,
                _ => Lagring::Skriv(self.ny),
            },
            parkert: match (self.rort_parkert, self.parkert.is_empty()) {
                (false, _) => Lagring::Uendret,
                (true, true) => Lagring::Slett,
                (true, false) => Lagring::Skriv(self.parkert),
            },
            tellere: self.tellere,
        }
    }
}
