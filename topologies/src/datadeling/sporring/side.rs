//! The order of all lists, and paging by it.

use std::collections::BinaryHeap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleId, AvtaleRad};

use super::feil::Sporringsfeil;
use super::treff::Treff;
use crate::datadeling::tid;

/// Most rows of one page.
pub const MAKS_ANTALL: i32 = 1000;

/// Most rows of a list that is not paged, unless told otherwise.
pub const MAKS_RADER: usize = 10_000;

/// Place of a row in every list: startDato ascending, those without last, then avtaleId.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sortering {
    // False comes first, so that rows without a date come last.
    uten_dato: bool,
    start_dato: Option<Date>,
    avtale_id: AvtaleId,
}

impl Sortering {
    /// The place of a row.
    #[must_use]
    pub fn av(rad: &AvtaleRad) -> Self {
        Self::ny(rad.start_dato, rad.avtale_id)
    }

    const fn ny(start_dato: Option<Date>, avtale_id: AvtaleId) -> Self {
        Self { uten_dato: start_dato.is_none(), start_dato, avtale_id }
    }

    /// The opaque cursor: base64url of date (or nothing), `/` and id.
    #[must_use]
    pub fn peker(&self) -> String {
        let dato = self.start_dato.map(|dato| dato.to_string()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{dato}/{}", self.avtale_id))
    }

    /// Reads a cursor.
    ///
    /// # Errors
    /// `UGYLDIG_ARGUMENT` when it was not made by [`Sortering::peker`].
    pub fn fra_peker(peker: &str) -> Result<Self, Sporringsfeil> {
        les_peker(peker).ok_or_else(|| Sporringsfeil::ugyldig("argument etter is not a cursor, expected a value of neste"))
    }
}

fn les_peker(peker: &str) -> Option<Sortering> {
    let tekst = String::from_utf8(URL_SAFE_NO_PAD.decode(peker).ok()?).ok()?;
    let (dato, id) = tekst.split_once('/')?;
    let start_dato = if dato.is_empty() { None } else { Some(tid::les_dato(dato)?) };
    Some(Sortering::ny(start_dato, AvtaleId::les(id)?))
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The rows, in order.
    pub elementer: Vec<Treff>,
    /// How many rows the whole list has.
    pub antall_totalt: usize,
    /// Cursor of the last row when more follow.
    pub neste: Option<String>,
}

/// Sorts and pages a list row by row. Holds no more rows than are returned, however many are given.
pub struct Sidesamler {
    antall: Option<i32>,
    maks: usize,
    plass: usize,
    etter: Option<Sortering>,
    antall_totalt: usize,
    flere: bool,
    beholdt: BinaryHeap<Ordnet>,
}

impl Sidesamler {
    /// A page of at most `antall` rows, those after the cursor `etter`; without `antall` all of them, if there are no more than
    /// `maks`.
    ///
    /// # Errors
    /// `UGYLDIG_ARGUMENT` when `antall` is not 1–1000 or `etter` is not a cursor.
    pub fn ny(antall: Option<i32>, etter: Option<&str>, maks: usize) -> Result<Self, Sporringsfeil> {
        let plass = match antall {
            None => maks,
            Some(antall @ 1..=MAKS_ANTALL) => usize::try_from(antall).unwrap_or(maks),
            Some(annet) => {
                return Err(Sporringsfeil::ugyldig(format!("argument antall is {annet}, expected 1 to {MAKS_ANTALL}")));
            }
        };
        let etter = etter.map(Sortering::fra_peker).transpose()?;
        Ok(Self { antall, maks, plass, etter, antall_totalt: 0, flere: false, beholdt: BinaryHeap::new() })
    }

    /// Takes a row of the list, in any order.
    pub fn ta(&mut self, treff: Treff) {
        self.antall_totalt += 1;
        let sortering = Sortering::av(&treff.rad);
        if self.etter.is_some_and(|etter| sortering <= etter) {
            return;
        }
        self.beholdt.push(Ordnet { sortering, treff });
        if self.beholdt.len() > self.plass {
            self.beholdt.pop();
            self.flere = true;
        }
    }

    /// The page.
    ///
    /// # Errors
    /// `FOR_STORT_RESULTAT` when `antall` is not given and more rows follow than are allowed.
    pub fn ferdig(self) -> Result<Side, Sporringsfeil> {
        if self.flere && self.antall.is_none() {
            return Err(Sporringsfeil::for_stort(format!("more than {} rows, expected argument antall with at most {MAKS_ANTALL}", self.maks)));
        }
        let ordnet = self.beholdt.into_sorted_vec();
        let neste = ordnet.last().filter(|_| self.flere).map(|siste| siste.sortering.peker());
        let elementer = ordnet.into_iter().map(|ordnet| ordnet.treff).collect();
        Ok(Side { elementer, antall_totalt: self.antall_totalt, neste })
    }
}

/// Sorts and pages a list. See [`Sidesamler`].
///
/// # Errors
/// `UGYLDIG_ARGUMENT` when `antall` is not 1–1000 or `etter` is not a cursor; `FOR_STORT_RESULTAT` when `antall` is not given
/// and more than 10 000 rows follow.
pub fn side(treff: impl IntoIterator<Item = Treff>, antall: Option<i32>, etter: Option<&str>) -> Result<Side, Sporringsfeil> {
    let mut samler = Sidesamler::ny(antall, etter, MAKS_RADER)?;
    for ett in treff {
        samler.ta(ett);
    }
    samler.ferdig()
}

struct Ordnet {
    sortering: Sortering,
    treff: Treff,
}

impl PartialEq for Ordnet {
    fn eq(&self, annen: &Self) -> bool {
        self.sortering == annen.sortering
    }
}

impl Eq for Ordnet {}

impl PartialOrd for Ordnet {
    fn partial_cmp(&self, annen: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(annen))
    }
}

impl Ord for Ordnet {
    fn cmp(&self, annen: &Self) -> std::cmp::Ordering {
        self.sortering.cmp(&annen.sortering)
    }
}
