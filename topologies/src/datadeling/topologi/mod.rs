//! The declared topology: sources, steps, stores and sinks, with the pure functions of the domain in between.
//!
//! ```text
//! avtale-kilde → dekod-reduser → avtale-redusert → avtale-tabell ─┬→ statusendring
//!                     │               ↑                           ├→ etter-person   → person-inn   → person → antall-inn → antall
//!                     └→ dlq     gjenkjoring                      ├→ etter-bedrift  → bedrift-inn  → bedrift
//!                                                                 └→ etter-avtalenr → avtalenr-inn → avtalenr
//! ```
//!
//! What only this topology reads is [`Cbor`]: repartition topics, rows and their changelogs. What others read or write is JSON. Store keys are text: an id, a number, a name, or a [composite key](straum_schemas::datadeling::PersonNokkel)'s text. Nothing here decides
//! anything; the steps read and write what the functions say. The engine must be set as [`config`] and [`feilhandterere`] say.

mod dekodsteg;
mod innstillinger;
mod projeksjonssteg;
mod tabellsteg;

use std::sync::Arc;

use minicbor::{Decode, Encode};
use straum::dsl::{Consumed, Materialized, Produced, Repartitioned, StreamsBuilder};
use straum::processor::{CachedContext, KeyValueStoreBuilder, RowFormat, StoreHandle};
use straum::serde::{Cbor, Json, RawBytes, SerdeExt, Utf8};
use straum::{Error, ErrorKind, Topology};
use straum_schemas::datadeling::{
    AntallDelta, AntallRad, AvtaleNrEndring, AvtaleNrRad, AvtaleOppforing, Delendring, Endring, Identsett, Innmelding, Parkert, Tilstand,
};

use self::dekodsteg::{Dekodsteg, Gjenkjoringssteg};
use self::projeksjonssteg::{Antallsteg, Avtalenrsteg, Delsteg, Etter, Personsteg};
use self::tabellsteg::{Tabellager, Tabellsteg, Tabellut};
use super::dekod::Dekoder;
use super::projeksjon;
use super::tellere::Telling;

pub use innstillinger::{Innstillinger, config, feilhandterere, still_inn};

/// Names of the stores.
pub mod lagernavn {
    /// avtaleId → `AvtaleOppforing`.
    pub const AVTALE: &str = "avtale";
    /// avtaleId → parked records.
    pub const PARKERT: &str = "parkert";
    /// date and avtaleId → nothing.
    pub const OVERGANGER: &str = "overganger";
    /// date and avtaleId → nothing: when a gravstein may go.
    pub const GRAVSTEINER: &str = "gravsteiner";
    /// deltakerFnr and avtaleId → `Tilstand`.
    pub const PERSON: &str = "person";
    /// bedriftNr and avtaleId → `Tilstand`.
    pub const BEDRIFT: &str = "bedrift";
    /// avtaleNr → `AvtaleNrRad`.
    pub const AVTALENR: &str = "avtalenr";
    /// tiltakstype or `ALLE` → `AntallRad`.
    pub const ANTALL: &str = "antall";
    /// ident → `Identsett`; global.
    pub const IDENTER: &str = "identer";
    /// partition → `Telling` of the decoder.
    pub const TELLERE_INN: &str = "tellere-inn";
    /// partition → `Telling` of the re-drive source.
    pub const TELLERE_GJENKJORING: &str = "tellere-gjenkjoring";
    /// partition → `Telling` of the table.
    pub const TELLERE: &str = "tellere";
}

/// Declares the topology.
///
/// # Errors
/// [`ErrorKind::Topology`] when the settings give two topics one name.
pub fn topologi(innstillinger: &Innstillinger) -> Result<Topology, Error> {
    let bygger = StreamsBuilder::new();
    let inn = innstillinger;

    let tellere_inn = telling(&bygger, lagernavn::TELLERE_INN);
    let dekoder = Dekoder::ny(Arc::clone(&inn.kilde), Arc::clone(&inn.kjente));
    let epoke = inn.epoke;
    // A negative time would fail the record before the decoder could judge it.
    let kilde = Consumed::with(RawBytes.nullable(), RawBytes.nullable()).with_timestamp_extractor(|record, _| record.timestamp.max(0));
    let mut dekodet = bygger
        .stream(Arc::clone(&inn.kilde), kilde)
        .process("dekod-reduser", move || Dekodsteg::ny(dekoder.clone(), epoke, tellere_inn.clone()), &[lagernavn::TELLERE_INN])
        .split()
        .branch(|_, ut| ut.er_brev())
        .default_branch()
        .into_iter();
    let (Some(brev), Some(innmeldt)) = (dekodet.next(), dekodet.next()) else {
        return Err(mangler("dekod-reduser"));
    };
    brev.flat_map(|nokkel: Option<String>, ut| ut.brev().map(|brev| (nokkel, brev))).to(Arc::clone(&inn.dlq), Produced::with(Utf8, Json::new()));

    let innmelding = || Repartitioned::<String, Innmelding>::with(Utf8, Cbor::new()).with_number_of_partitions(inn.partisjoner_avtale);
    let tellere_gjenkjoring = telling(&bygger, lagernavn::TELLERE_GJENKJORING);
    let gjenkjoring = Consumed::with(RawBytes.nullable(), RawBytes.nullable()).with_timestamp_extractor(|record, _| record.timestamp.max(0));
    // A topic of its own on the way, so that the two sources need not have equally many partitions.
    let gjenkjort = bygger
        .stream(Arc::clone(&inn.gjenkjoring), gjenkjoring)
        .process("gjenkjoring", move || Gjenkjoringssteg::ny(tellere_gjenkjoring.clone()), &[lagernavn::TELLERE_GJENKJORING])
        .repartition("gjenkjoring-inn", innmelding());

    let tabellager = Tabellager {
        avtale: veid(&bygger, lagernavn::AVTALE, AvtaleOppforing::minnebruk),
        parkert: plain::<Vec<Parkert>>(&bygger, lagernavn::PARKERT),
        overganger: nokler(&bygger, lagernavn::OVERGANGER),
        gravsteiner: nokler(&bygger, lagernavn::GRAVSTEINER),
        tellere: telling(&bygger, lagernavn::TELLERE),
    };
    let (kjente, gravstein_dager) = (Arc::clone(&inn.kjente), inn.gravstein_dager);
    let mut tabell = innmeldt
        .flat_map(|nokkel: Option<String>, ut| nokkel.zip(ut.innmelding()))
        .repartition("avtale-redusert", innmelding())
        .merge(gjenkjort)
        .process("avtale-tabell", move || Tabellsteg::ny(Arc::clone(&kjente), gravstein_dager, tabellager.clone()), &Tabellager::NAVN)
        .split()
        .branch(|_: &String, ut: &Tabellut| ut.er_statusendring())
        .default_branch()
        .into_iter();
    let (Some(statusendringer), Some(endringer)) = (tabell.next(), tabell.next()) else {
        return Err(mangler("avtale-tabell"));
    };
    statusendringer
        .flat_map(|nokkel, ut| ut.statusendring().map(|endring| (nokkel, endring)))
        .to(Arc::clone(&inn.statusendring), Produced::with(Utf8, Json::new()));
    let endringer = endringer.flat_map(|nokkel, ut| ut.endring().map(|endring| (nokkel, endring)));

    let del = || Repartitioned::<String, Delendring>::with(Utf8, Cbor::new()).with_number_of_partitions(inn.partisjoner_projeksjon);
    let person = veid(&bygger, lagernavn::PERSON, Tilstand::minnebruk);
    let antall = plain::<AntallRad>(&bygger, lagernavn::ANTALL);
    let personer = endringer
        .clone()
        .process("etter-person", || Etter::ny(etter_person), &[])
        .repartition("person-inn", del())
        .process("person", move || Personsteg::ny(person.clone()), &[lagernavn::PERSON])
        .repartition(
            "antall-inn",
            Repartitioned::<String, AntallDelta>::with(Utf8, Cbor::new()).with_number_of_partitions(inn.partisjoner_projeksjon),
        )
        .process::<(), (), _>("antall", move || Antallsteg::ny(antall.clone()), &[lagernavn::ANTALL]);
    let bedrift = veid(&bygger, lagernavn::BEDRIFT, Tilstand::minnebruk);
    let bedrifter = endringer
        .clone()
        .process("etter-bedrift", || Etter::ny(etter_bedrift), &[])
        .repartition("bedrift-inn", del())
        .process::<(), (), _>("bedrift", move || Delsteg::ny(bedrift.clone()), &[lagernavn::BEDRIFT]);
    let avtalenr = plain::<AvtaleNrRad>(&bygger, lagernavn::AVTALENR);
    let numre = endringer
        .process("etter-avtalenr", || Etter::ny(etter_avtalenr), &[])
        .repartition(
            "avtalenr-inn",
            Repartitioned::<String, AvtaleNrEndring>::with(Utf8, Cbor::new()).with_number_of_partitions(inn.partisjoner_projeksjon),
        )
        .process::<(), (), _>("avtalenr", move || Avtalenrsteg::ny(avtalenr.clone()), &[lagernavn::AVTALENR]);
    // They end in their stores.
    drop((personer, bedrifter, numre));

    bygger.global_table(
        Arc::clone(&inn.identer),
        Consumed::with(Utf8, Json::<Identsett>::new()),
        Materialized::<Identsett>::named(lagernavn::IDENTER),
    );
    bygger.build()
}

fn etter_person(endring: &Endring, send: &mut dyn FnMut(String, Delendring)) {
    projeksjon::etter_person(endring, |fnr, del| send(fnr.to_owned(), del));
}

fn etter_bedrift(endring: &Endring, send: &mut dyn FnMut(String, Delendring)) {
    projeksjon::etter_bedrift(endring, |bedrift_nr, del| send(bedrift_nr.to_owned(), del));
}

fn etter_avtalenr(endring: &Endring, send: &mut dyn FnMut(String, AvtaleNrEndring)) {
    projeksjon::etter_avtalenr(endring, |nr, del| send(nr.to_string(), del));
}

fn mangler(steg: &str) -> Error {
    Error::new(ErrorKind::Topology, format!("step {steg} does not have two branches"))
}

fn plain<V>(bygger: &StreamsBuilder, navn: &str) -> StoreHandle<String, V>
where
    V: Encode<()> + for<'b> Decode<'b, ()> + Clone + 'static,
{
    bygger.add_state_store(lager(navn))
}

/// As [`plain`], of rows that say how many bytes of memory they take: much more than on disk.
fn veid<V>(bygger: &StreamsBuilder, navn: &str, vekt: fn(&V) -> usize) -> StoreHandle<String, V>
where
    V: Encode<()> + for<'b> Decode<'b, ()> + Clone + 'static,
{
    bygger.add_state_store(lager(navn).with_weigher(vekt))
}

fn lager<V>(navn: &str) -> KeyValueStoreBuilder<String, V, CachedContext>
where
    V: Encode<()> + for<'b> Decode<'b, ()> + Clone + 'static,
{
    KeyValueStoreBuilder::new(navn, Utf8.shared(), Cbor::<V>::new().shared()).format(RowFormat::Plain)
}

/// A store whose values say nothing.
fn nokler(bygger: &StreamsBuilder, navn: &str) -> StoreHandle<String, ()> {
    plain::<()>(bygger, navn)
}

fn telling(bygger: &StreamsBuilder, navn: &str) -> StoreHandle<String, Telling> {
    plain::<Telling>(bygger, navn)
}
