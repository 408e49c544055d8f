//! A seeded source of agreement messages, with everything the owner is known to do.
//!
//! Deterministic: the same settings give the same bytes. Persons are numbered by month 81–92, which no real person has.
//! What it does, beside ordinary changes: identical state sent again with another cause; nanoseconds first and the
//! rounded microseconds later; a new status with sistEndret unchanged; sweeps of PATCH, some of an older state; status that
//! goes backwards; changes that are never sent; a creation message without number; old messages without `opphav` and `forkortetGrunn`; keys that are null
//! or another agreement's; values that are poison or not known; and, if asked for, tombstones.

mod avtale;
mod json;
mod trekning;

use std::collections::VecDeque;

use avtale::{Avtale, Hendelse};
use trekning::Trekning;

use super::tid;

/// What to generate. Rates are per thousand messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Innstillinger {
    /// Same seed, same messages.
    pub fro: u64,
    /// How many messages.
    pub meldinger: u64,
    /// How many agreements, if there are messages enough.
    pub avtaler: u32,
    /// How many persons; at most ten million.
    pub personer: u32,
    /// How many employers, the large one among them.
    pub bedrifter: u32,
    /// Agreements per thousand that belong to the one large employer.
    pub stor_bedrift_promille: u32,
    /// Null keys.
    pub uten_nokkel_promille: u32,
    /// Keys of another agreement.
    pub feil_nokkel_promille: u32,
    /// Values that cannot be used.
    pub gift_promille: u32,
    /// Changes that are never sent.
    pub tapt_promille: u32,
    /// Values with an unknown kind of measure.
    pub ukjent_promille: u32,
    /// Tombstones: none are sent today.
    pub gravferd_promille: u32,
}

impl Default for Innstillinger {
    fn default() -> Self {
        Self {
            fro: 1,
            meldinger: 10_000,
            avtaler: 2_000,
            personer: 1_500,
            bedrifter: 200,
            stor_bedrift_promille: 250,
            uten_nokkel_promille: 20,
            feil_nokkel_promille: 1,
            gift_promille: 1,
            tapt_promille: 10,
            ukjent_promille: 1,
            gravferd_promille: 0,
        }
    }
}

/// One generated record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generert {
    /// Record key.
    pub nokkel: Option<String>,
    /// Record value.
    pub verdi: Option<Vec<u8>>,
    /// Record timestamp, milliseconds since the epoch.
    pub tidspunkt: i64,
}

/// The messages, in the order in which they are produced.
#[derive(Debug)]
pub struct Generator {
    innstillinger: Innstillinger,
    trekning: Trekning,
    avtaler: Vec<Avtale>,
    /// The state before the last change, for sweeps that send it again.
    forrige: Vec<Avtale>,
    venter: VecDeque<Avtale>,
    sendt: u64,
    naa_nanos: i64,
    steg_nanos: i64,
    sveip: Option<usize>,
    har_sveipet: bool,
    neste_nr: i32,
}

impl Generator {
    /// A generator; the messages span 2022 to 2026 whatever their number.
    #[must_use]
    pub fn ny(innstillinger: Innstillinger) -> Self {
        let start = tid::les_instant("2022-01-03T07:00:00Z").unwrap_or_default().0 * 1000;
        let slutt = tid::les_instant("2026-01-30T15:00:00Z").unwrap_or_default().0 * 1000;
        let antall = i64::try_from(innstillinger.meldinger.max(1)).unwrap_or(i64::MAX);
        Self {
            trekning: Trekning::ny(innstillinger.fro),
            avtaler: Vec::new(),
            forrige: Vec::new(),
            venter: VecDeque::new(),
            sendt: 0,
            naa_nanos: start,
            steg_nanos: (slutt - start) / antall,
            sveip: None,
            har_sveipet: false,
            neste_nr: 1,
            innstillinger,
        }
    }

    fn fyll(&mut self) {
        self.naa_nanos += 1 + self.trekning.under_i64(self.steg_nanos.max(1) * 2);
        if let Some(neste) = self.sveip {
            return self.sveip_videre(neste);
        }
        let skal_finnes = u64::from(self.innstillinger.avtaler) * (self.sendt + 1) / (self.innstillinger.meldinger * 3 / 4).max(1);
        let mangler = (self.avtaler.len() as u64) < skal_finnes.min(self.innstillinger.avtaler.into());
        if self.avtaler.is_empty() || mangler {
            return self.opprett();
        }
        // One sweep a third of the way at least, so that short runs have one too.
        let forste_sveip = !self.har_sveipet && self.sendt > self.innstillinger.meldinger / 3;
        if forste_sveip || self.trekning.en_av(4_000) {
            self.sveip = Some(0);
            self.har_sveipet = true;
        }
        let hvem = self.trekning.under(self.avtaler.len());
        let (Some(avtale), Some(forrige)) = (self.avtaler.get_mut(hvem), self.forrige.get_mut(hvem)) else { return };
        let for_endring = avtale.clone();
        if avtale.nr.is_none() {
            avtale.nr = Some(self.neste_nr);
            self.neste_nr += 1;
        }
        let hendelse = avtale.neste_hendelse(self.naa_nanos, &mut self.trekning);
        if self.trekning.promille(self.innstillinger.tapt_promille) {
            *forrige = for_endring;
            return;
        }
        self.venter.push_back(avtale.clone());
        if hendelse == Hendelse::Inngaatt || self.trekning.en_av(20) {
            // One command, several messages that differ only in what caused them.
            let mut igjen = avtale.clone();
            igjen.hendelse = if hendelse == Hendelse::Inngaatt { "GODKJENT_PAA_VEGNE_AV" } else { "KONTAKTINFORMASJON_ENDRET" };
            self.venter.push_back(igjen);
        }
        if self.trekning.en_av(12) && !avtale.avrundet {
            // Read back from the database: rounded to microseconds, with a status the night has changed.
            avtale.avrundet = true;
            avtale.statusjobb();
            self.venter.push_back(avtale.clone());
        }
        *forrige = for_endring;
    }

    fn opprett(&mut self) {
        let avtale = Avtale::ny(self.naa_nanos, &self.innstillinger, &mut self.trekning);
        self.venter.push_back(avtale.clone());
        self.forrige.push(avtale.clone());
        self.avtaler.push(avtale);
    }

    /// A sweep re-sends the present state of a run of agreements, of one in ten the state before.
    fn sveip_videre(&mut self, neste: usize) {
        let gammel = self.trekning.en_av(10);
        let liste = if gammel { &self.forrige } else { &self.avtaler };
        let slutt = liste.len().min(500);
        if let Some(avtale) = liste.get(neste) {
            let mut patch = avtale.clone();
            patch.hendelse = "PATCH";
            patch.avrundet = true;
            self.venter.push_back(patch);
        }
        self.sveip = (neste + 1 < slutt).then_some(neste + 1);
    }

    fn send(&mut self, avtale: &Avtale) -> Generert {
        let valg = self.innstillinger.clone();
        let tidspunkt = self.naa_nanos.div_euclid(1_000_000);
        if self.trekning.promille(valg.gravferd_promille) {
            return Generert { nokkel: Some(avtale.id.to_string()), verdi: None, tidspunkt };
        }
        let nokkel = if self.trekning.promille(valg.uten_nokkel_promille) {
            None
        } else if self.trekning.promille(valg.feil_nokkel_promille) {
            let annen = self.trekning.under(self.avtaler.len());
            self.avtaler.get(annen).map(|annen| annen.id.to_string())
        } else {
            Some(avtale.id.to_string())
        };
        let verdi = if self.trekning.promille(valg.gift_promille) {
            self.gift(avtale)
        } else if self.trekning.promille(valg.ukjent_promille) {
            json::skriv(avtale, "NY_TYPE")
        } else {
            json::skriv(avtale, avtale.tiltakstype_wire())
        };
        Generert { nokkel, verdi: Some(verdi), tidspunkt }
    }

    fn gift(&mut self, avtale: &Avtale) -> Vec<u8> {
        let hel = json::skriv(avtale, avtale.tiltakstype_wire());
        let tekst = String::from_utf8_lossy(&hel);
        match self.trekning.under(5) {
            0 => b"poison-pill".to_vec(),
            1 => b"[]".to_vec(),
            2 => tekst.replacen("\"deltakerFnr\":\"", "\"deltakerFnr\":null,\"x\":\"", 1).into_bytes(),
            3 => tekst.replacen("\"versjon\":", "\"versjon\":\"en\",\"x\":", 1).into_bytes(),
            _ => hel.get(..hel.len() / 2).unwrap_or_default().to_vec(),
        }
    }
}

impl Iterator for Generator {
    type Item = Generert;

    fn next(&mut self) -> Option<Generert> {
        if self.sendt == self.innstillinger.meldinger {
            return None;
        }
        while self.venter.is_empty() {
            self.fyll();
        }
        let avtale = self.venter.pop_front()?;
        let generert = self.send(&avtale);
        self.sendt += 1;
        Some(generert)
    }
}
