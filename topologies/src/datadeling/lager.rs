//! The read side: what queries read of the committed stores, by person, by employer, by number, or all of it.
//!
//! Opened from whatever runs the topology. Never writes, never computes: that is [`sporring`]'s.

use std::sync::Arc;

use jiff::civil::Date;
use straum::Error;
use straum::query::ReadOnlyStore;
use straum::runtime::Streams;
use straum::testing::TopologyTestDriver;
use straum_schemas::datadeling::{
    AntallNokkel, AntallRad, AvtaleId, AvtaleNrRad, AvtaleOppforing, AvtaleRad, BedriftNokkel, Fnr, Identsett, OvergangNokkel, PersonNokkel, Tilstand,
};

use super::sporring::{self, PersonRader, Treff};
use super::tellere::{Teller, Telling};
use super::topologi::lagernavn;

/// How many rows a wide query holds at a time.
const RADER_OM_GANGEN: usize = 1000;

/// Anything that has the stores of a running topology.
pub trait Lagergiver {
    /// A store with text keys.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`](straum::ErrorKind::InvalidState) while it is not running, when there is no such store, or it is of another type.
    fn lager<V: Clone + 'static>(&self, navn: &str) -> Result<ReadOnlyStore<String, V>, Error>;
}

impl Lagergiver for Streams {
    fn lager<V: Clone + 'static>(&self, navn: &str) -> Result<ReadOnlyStore<String, V>, Error> {
        self.store(navn)
    }
}

impl Lagergiver for TopologyTestDriver {
    fn lager<V: Clone + 'static>(&self, navn: &str) -> Result<ReadOnlyStore<String, V>, Error> {
        self.query(navn)
    }
}

/// The stores that queries read. Cloning is cheap; every call sees what is committed then.
#[derive(Clone)]
pub struct Lager {
    avtale: ReadOnlyStore<String, AvtaleOppforing>,
    overganger: ReadOnlyStore<String, ()>,
    person: ReadOnlyStore<String, Tilstand>,
    bedrift: ReadOnlyStore<String, Tilstand>,
    avtalenr: ReadOnlyStore<String, AvtaleNrRad>,
    antall: ReadOnlyStore<String, AntallRad>,
    identer: ReadOnlyStore<String, Identsett>,
    tellere: [ReadOnlyStore<String, Telling>; 3],
}

/// Rows found under keys, and agreements of which nothing but a failed message is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Funn {
    /// The rows.
    pub treff: Vec<Treff>,
    /// Not listed, since there is no row to list.
    pub bare_mangel: Vec<AvtaleId>,
}

impl Funn {
    fn ta(&mut self, avtale_id: AvtaleId, tilstand: &Tilstand) {
        match Treff::av(tilstand) {
            Some(treff) => self.treff.push(treff),
            None => self.bare_mangel.push(avtale_id),
        }
    }
}

impl Lager {
    /// Opens the stores.
    ///
    /// # Errors
    /// As [`Lagergiver::lager`].
    pub fn apne(giver: &impl Lagergiver) -> Result<Self, Error> {
        Ok(Self {
            avtale: giver.lager(lagernavn::AVTALE)?,
            overganger: giver.lager(lagernavn::OVERGANGER)?,
            person: giver.lager(lagernavn::PERSON)?,
            bedrift: giver.lager(lagernavn::BEDRIFT)?,
            avtalenr: giver.lager(lagernavn::AVTALENR)?,
            antall: giver.lager(lagernavn::ANTALL)?,
            identer: giver.lager(lagernavn::IDENTER)?,
            tellere: [giver.lager(lagernavn::TELLERE_INN)?, giver.lager(lagernavn::TELLERE_GJENKJORING)?, giver.lager(lagernavn::TELLERE)?],
        })
    }

    /// One agreement, with what is known beside its row.
    ///
    /// # Errors
    /// The store's.
    pub fn avtale(&self, avtale_id: AvtaleId) -> Result<Option<AvtaleOppforing>, Error> {
        self.avtale.get(&avtale_id.to_string())
    }

    /// The agreement with a number.
    ///
    /// # Errors
    /// The store's.
    pub fn avtale_med_nr(&self, avtale_nr: i32) -> Result<Option<AvtaleId>, Error> {
        Ok(self.avtalenr.get(&avtale_nr.to_string())?.map(|rad| rad.avtale_id))
    }

    /// The idents to look under: each replaced by its set if one is known.
    ///
    /// # Errors
    /// The store's.
    pub fn utvid(&self, identer: &[Fnr]) -> Result<Vec<Fnr>, Error> {
        let mut ut = Vec::with_capacity(identer.len());
        for ident in identer {
            match self.identer.get(&ident.as_str().to_owned())? {
                Some(sett) => ut.extend(sett.identer),
                None => ut.push(ident.clone()),
            }
        }
        ut.sort_unstable();
        ut.dedup();
        Ok(ut)
    }

    /// What is known under any of some idents, each agreement once, and which of them have no row.
    ///
    /// # Errors
    /// The store's.
    pub fn personer(&self, identer: &[Fnr]) -> Result<(PersonRader, Vec<AvtaleId>), Error> {
        let mut rader = Vec::new();
        for ident in identer {
            for (nokkel, tilstand, _) in self.person.prefix_scan(&PersonNokkel::prefiks(ident.as_str()))? {
                rader.extend(PersonNokkel::les(nokkel.as_bytes()).ok().map(|nokkel| (nokkel.avtale_id, tilstand)));
            }
        }
        let person = sporring::person_rader(rader);
        let mut bare_mangel = person.ufullstendige.clone();
        bare_mangel.retain(|avtale_id| !person.treff.iter().any(|treff| treff.rad.avtale_id == *avtale_id));
        Ok((person, bare_mangel))
    }

    /// What is known under some employers.
    ///
    /// # Errors
    /// The store's.
    pub fn bedrifter<'a>(&self, numre: impl IntoIterator<Item = &'a str>) -> Result<Funn, Error> {
        let mut funn = Funn::default();
        for nummer in numre.into_iter().filter(|nummer| !nummer.is_empty()) {
            for (nokkel, tilstand, _) in self.bedrift.prefix_scan(&BedriftNokkel::prefiks(nummer))? {
                if let Ok(nokkel) = BedriftNokkel::les(nokkel.as_bytes()) {
                    funn.ta(nokkel.avtale_id, &tilstand);
                }
            }
        }
        Ok(funn)
    }

    /// Calls `besok` with every agreement: its row, or the id of one that has none but a failed message.
    ///
    /// # Errors
    /// The store's.
    pub fn alle(&self, mut besok: impl FnMut(Result<Treff, AvtaleId>)) -> Result<(), Error> {
        self.avtale.for_each(|_, oppforing| {
            let Some(tilstand) = Tilstand::av(&oppforing) else { return Ok(()) };
            match (Treff::av(&tilstand), &oppforing.mangel) {
                (Some(treff), _) => besok(Ok(treff)),
                (None, Some(mangel)) => besok(Err(mangel.avtale_id)),
                (None, None) => {}
            }
            Ok(())
        })
    }

    /// Calls `besok` with the rows that `utvalg` keeps, some at a time.
    ///
    /// # Errors
    /// The store's.
    pub fn i_bolker(&self, utvalg: impl Fn(&AvtaleRad) -> bool, mut besok: impl FnMut(&[Arc<AvtaleRad>])) -> Result<(), Error> {
        let mut bolk = Vec::with_capacity(RADER_OM_GANGEN);
        self.alle(|treff| {
            bolk.extend(treff.ok().map(|treff| treff.rad).filter(|rad| utvalg(rad)));
            if bolk.len() >= RADER_OM_GANGEN {
                besok(&bolk);
                bolk.clear();
            }
        })?;
        besok(&bolk);
        Ok(())
    }

    /// The counts held for a kind of measure or for all.
    ///
    /// # Errors
    /// The store's.
    pub fn antall(&self, nokkel: AntallNokkel) -> Result<Option<AntallRad>, Error> {
        self.antall.get(&nokkel.to_string())
    }

    /// The date for which the materialised values hold: today, or the day before the first date still to be handled.
    ///
    /// # Errors
    /// The store's.
    pub fn beregnet_dato(&self, idag: Date) -> Result<Date, Error> {
        let forfalte = self.overganger.range(None, Some(&OvergangNokkel::tekst_etter(idag)))?;
        let forste = forfalte.iter().filter_map(|(nokkel, ..)| OvergangNokkel::les(nokkel.as_bytes()).ok()).map(|nokkel| nokkel.dato).min();
        Ok(forste.and_then(|dato| dato.yesterday().ok()).unwrap_or(idag))
    }

    /// How often something has been counted.
    ///
    /// # Errors
    /// The store's.
    pub fn talt(&self, teller: Teller) -> Result<u64, Error> {
        let mut sum = Telling::default();
        for lager in &self.tellere {
            lager.for_each(|_, telling| {
                sum.legg_sammen(&telling);
                Ok(())
            })?;
        }
        Ok(sum.hent(teller))
    }
}
