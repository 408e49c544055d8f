//! Step `avtale-tabell`: the table of agreements on its stores, and the dates that change it without any message.
//!
//! What is due is what store `overganger` has up to today: nothing needs to be remembered between two rounds, and a process
//! that was down finds the days it missed there. Messages of a new day wait until its dates are handled.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use straum::BoxError;
use straum::processor::{KeyValue, Processor, ProcessorContext, Punctuation, PunctuationType, Record, StoreHandle};
use straum_schemas::datadeling::{AvtaleId, AvtaleOppforing, Endring, Innmelding, Mikros, OvergangNokkel, Parkert, Statusendring};

use super::dekodsteg::Tellelager;
use super::lagernavn;
use crate::datadeling::kjente::Kjente;
use crate::datadeling::rekkefolge::{self, Avgjorelse, Lagring, Omstendighet};
use crate::datadeling::tellere::Telling;
use crate::datadeling::tid;

/// How often the date is looked at.
const DATOINTERVALL: Duration = Duration::from_secs(30);

/// How long after the start for the first time.
const VED_START: Duration = Duration::from_millis(1);

/// How many due dates are taken from the store at a time.
const OVERGANGER_OM_GANGEN: usize = 1000;

/// What the table sends on.
pub(super) enum Tabellut {
    /// To the projections.
    Endring(Endring),
    /// To the topic of status changes.
    Statusendring(Statusendring),
}

impl Tabellut {
    pub(super) const fn er_statusendring(&self) -> bool {
        matches!(self, Self::Statusendring(_))
    }

    pub(super) fn statusendring(self) -> Option<Statusendring> {
        match self {
            Self::Statusendring(endring) => Some(endring),
            Self::Endring(_) => None,
        }
    }

    pub(super) fn endring(self) -> Option<Endring> {
        match self {
            Self::Endring(endring) => Some(endring),
            Self::Statusendring(_) => None,
        }
    }
}

/// The stores of the table, as declared.
#[derive(Clone)]
pub(super) struct Tabellager {
    pub(super) avtale: StoreHandle<String, AvtaleOppforing>,
    pub(super) parkert: StoreHandle<String, Vec<Parkert>>,
    pub(super) overganger: StoreHandle<String, ()>,
    pub(super) gravsteiner: StoreHandle<String, ()>,
    pub(super) tellere: StoreHandle<String, Telling>,
}

impl Tabellager {
    pub(super) const NAVN: [&str; 5] = [lagernavn::AVTALE, lagernavn::PARKERT, lagernavn::OVERGANGER, lagernavn::GRAVSTEINER, lagernavn::TELLERE];
}

/// The table processor.
pub(super) struct Tabellsteg {
    kjente: Arc<Kjente>,
    gravstein_dager: u32,
    lager: Tabellager,
    bord: Option<Bord>,
    ved_start: Option<Punctuation>,
    dag: Dag,
}

impl Tabellsteg {
    pub(super) const fn ny(kjente: Arc<Kjente>, gravstein_dager: u32, lager: Tabellager) -> Self {
        Self { kjente, gravstein_dager, lager, bord: None, ved_start: None, dag: Dag::INGEN }
    }

    /// Handles what the clock has brought, if it is another day than before or the first time. The day is remembered
    /// by the caller once the step has succeeded: a step that fails is undone and done again.
    fn ny_dag(&self, bord: &Bord, naa: i64, context: &Ut<'_>) -> Result<Dag, BoxError> {
        if self.dag.har(naa) {
            return Ok(self.dag);
        }
        let dag = Dag::ved(naa);
        if self.dag == Dag::INGEN {
            bord.prov_parkert(&self.kjente, dag.dato, naa, context)?;
        }
        bord.handter_datoer(dag.dato, naa, context)?;
        bord.rydd_gravsteiner(dag.dato)?;
        Ok(dag)
    }
}

type Ut<'a> = ProcessorContext<'a, String, Tabellut>;

impl Processor<String, Innmelding, String, Tabellut> for Tabellsteg {
    fn init(&mut self, context: &Ut<'_>) -> Result<(), BoxError> {
        self.bord = Some(Bord {
            avtale: context.store(&self.lager.avtale)?,
            parkert: context.store(&self.lager.parkert)?,
            overganger: context.store(&self.lager.overganger)?,
            gravsteiner: context.store(&self.lager.gravsteiner)?,
            tellere: Tellelager::apne(&self.lager.tellere, context)?,
            gravstein_dager: self.gravstein_dager,
        });
        context.schedule(DATOINTERVALL, PunctuationType::WallClockTime);
        self.ved_start = context.schedule(VED_START, PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, record: Record<String, Innmelding>, context: &Ut<'_>) -> Result<(), BoxError> {
        let Some(bord) = &self.bord else { return Ok(()) };
        let Some(avtale_id) = AvtaleId::les(&record.key) else { return Err("a key is not an avtaleId".into()) };
        let dag = self.ny_dag(bord, context.current_system_time(), context)?;
        let om = Omstendighet { kjente: &self.kjente, idag: dag.dato };
        let lagret = bord.avtale.get(&record.key)?;
        let har_parkert = lagret.as_ref().is_some_and(|lagret| lagret.har_parkert);
        let parkert = if har_parkert { bord.parkert.get(&record.key)?.unwrap_or_default() } else { Vec::new() };
        let avgjorelse = rekkefolge::motta(avtale_id, lagret.as_ref(), parkert, record.value, &om);
        bord.utfor(record.key, avtale_id, avgjorelse, record.timestamp, context)?;
        self.dag = dag;
        Ok(())
    }

    fn punctuate(&mut self, timestamp: i64, punctuation: Punctuation, context: &Ut<'_>) -> Result<(), BoxError> {
        if self.ved_start == Some(punctuation) {
            context.cancel(punctuation);
        }
        let Some(bord) = &self.bord else { return Ok(()) };
        self.dag = self.ny_dag(bord, timestamp, context)?;
        Ok(())
    }
}

/// A day in Oslo, in milliseconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dag {
    dato: Date,
    fra: i64,
    til: i64,
}

impl Dag {
    /// No day: the clock is never in it.
    const INGEN: Self = Self { dato: Date::ZERO, fra: 0, til: 0 };

    fn ved(naa: i64) -> Self {
        let dato = tid::oslodato(Mikros(naa.saturating_mul(1000)));
        let midnatt = |dato: Option<Date>| dato.and_then(tid::oslomidnatt).map(Mikros::millisekunder);
        let fra = midnatt(Some(dato)).unwrap_or(naa);
        // Without a next midnight the day lasts no longer than now.
        let til = midnatt(dato.tomorrow().ok()).unwrap_or_else(|| naa.saturating_add(1));
        Self { dato, fra, til }
    }

    const fn har(&self, naa: i64) -> bool {
        self.fra <= naa && naa < self.til
    }
}

/// The open stores.
struct Bord {
    avtale: KeyValue<String, AvtaleOppforing>,
    parkert: KeyValue<String, Vec<Parkert>>,
    overganger: KeyValue<String, ()>,
    gravsteiner: KeyValue<String, ()>,
    tellere: Tellelager,
    gravstein_dager: u32,
}

impl Bord {
    fn utfor(&self, nokkel: String, avtale_id: AvtaleId, avgjorelse: Avgjorelse, timestamp: i64, context: &Ut<'_>) -> Result<(), BoxError> {
        self.tellere.tell(avgjorelse.tellere)?;
        for dato in avgjorelse.overganger.fjern() {
            self.overganger.delete(&OvergangNokkel { dato, avtale_id }.tekst())?;
        }
        for dato in avgjorelse.overganger.legg() {
            self.overganger.put(&OvergangNokkel { dato, avtale_id }.tekst(), ())?;
        }
        match avgjorelse.oppforing {
            Lagring::Uendret => {}
            Lagring::Skriv(oppforing) => {
                if let Some(utloper) = self.utloper(&oppforing) {
                    self.gravsteiner.put(&OvergangNokkel { dato: utloper, avtale_id }.tekst(), ())?;
                }
                self.avtale.put(&nokkel, oppforing)?;
            }
            Lagring::Slett => drop(self.avtale.delete(&nokkel)?),
        }
        match avgjorelse.parkert {
            Lagring::Uendret => {}
            Lagring::Skriv(parkert) => self.parkert.put(&nokkel, parkert)?,
            Lagring::Slett => drop(self.parkert.delete(&nokkel)?),
        }
        if let Some(endring) = avgjorelse.statusendring {
            // As old as it is told, not as the agreement: its own topic keeps it for so long from then on.
            context.forward(Record::new(nokkel.clone(), Tabellut::Statusendring(endring), context.current_system_time()))?;
        }
        if let Some(endring) = avgjorelse.endring {
            context.forward(Record::new(nokkel, Tabellut::Endring(endring), timestamp))?;
        }
        Ok(())
    }

    /// The first date on which an entry's gravstein has been kept long enough.
    fn utloper(&self, oppforing: &AvtaleOppforing) -> Option<Date> {
        let slettet = tid::oslodato(oppforing.gravstein?.slettet);
        slettet.checked_add(jiff::Span::new().try_days(i64::from(self.gravstein_dager) + 1).ok()?).ok()
    }

    /// Handles every date up to today, in date order.
    fn handter_datoer(&self, idag: Date, naa: i64, context: &Ut<'_>) -> Result<(), BoxError> {
        loop {
            let forfalt = forfalte(&self.overganger, idag)?;
            if forfalt.is_empty() {
                return Ok(());
            }
            for tekst in forfalt {
                let OvergangNokkel { dato, avtale_id } = OvergangNokkel::les(tekst.as_bytes())?;
                // Handled or not, it is over: what remains is entered anew.
                self.overganger.delete(&tekst)?;
                let nokkel = avtale_id.to_string();
                if let Some(lagret) = self.avtale.get(&nokkel)? {
                    let avgjorelse = rekkefolge::ny_dato(avtale_id, &lagret, dato);
                    self.utfor(nokkel, avtale_id, avgjorelse, naa, context)?;
                }
            }
        }
    }

    /// Lets go of gravsteiner that have been kept long enough.
    fn rydd_gravsteiner(&self, idag: Date) -> Result<(), BoxError> {
        loop {
            let forfalt = forfalte(&self.gravsteiner, idag)?;
            if forfalt.is_empty() {
                return Ok(());
            }
            for tekst in forfalt {
                let OvergangNokkel { dato, avtale_id } = OvergangNokkel::les(tekst.as_bytes())?;
                self.gravsteiner.delete(&tekst)?;
                let nokkel = avtale_id.to_string();
                let Some(mut lagret) = self.avtale.get(&nokkel)? else { continue };
                // A later deletion has a later date.
                if self.utloper(&lagret).is_none_or(|utloper| utloper > dato) {
                    continue;
                }
                lagret.gravstein = None;
                if lagret.er_tom() {
                    self.avtale.delete(&nokkel)?;
                } else {
                    self.avtale.put(&nokkel, lagret)?;
                }
            }
        }
    }

    /// Tries parked records that have become known.
    fn prov_parkert(&self, kjente: &Kjente, idag: Date, naa: i64, context: &Ut<'_>) -> Result<(), BoxError> {
        let mut moden = Vec::new();
        for rad in self.parkert.all()? {
            let (nokkel, parkert, _) = rad?;
            if parkert.iter().any(|post| kjente.forste_ukjente(&post.redusert).is_none()) {
                moden.push((nokkel, parkert));
            }
        }
        for (nokkel, parkert) in moden {
            let Some(avtale_id) = AvtaleId::les(&nokkel) else { continue };
            let lagret = self.avtale.get(&nokkel)?;
            let om = Omstendighet { kjente, idag };
            let avgjorelse = rekkefolge::prov_parkert(avtale_id, lagret.as_ref(), parkert, &om);
            self.utfor(nokkel, avtale_id, avgjorelse, naa, context)?;
        }
        Ok(())
    }
}

/// The first keys of a store by date, up to and with a date.
fn forfalte(lager: &KeyValue<String, ()>, idag: Date) -> Result<Vec<String>, BoxError> {
    let slutt = OvergangNokkel::tekst_etter(idag);
    let rader = lager.range(None, Some(&slutt))?.take(OVERGANGER_OM_GANGEN);
    Ok(rader.map(|rad| rad.map(|(nokkel, ..)| nokkel)).collect::<Result<_, _>>()?)
}
