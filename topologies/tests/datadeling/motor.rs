//! The topology on the engine, beside the model: the same messages to both, and the same in every store afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use straum::processor::Headers;
use straum::serde::{Json, SerdeExt, Utf8};
use straum::testing::{TestOutput, TopologyTestDriver};
use straum_schemas::datadeling::{AntallRad, AvtaleNrRad, AvtaleOppforing, DodtBrev, Parkert, Statusendring, Tilstand};
use straum_topologies::datadeling::kjente::Kjente;
use straum_topologies::datadeling::tellere::{Teller, Telling};
use straum_topologies::datadeling::tid;
use straum_topologies::datadeling::topologi::{Innstillinger, feilhandterere, lagernavn, still_inn, topologi};

use crate::modell::Modell;

/// How the driver is set.
#[derive(Clone, Copy)]
pub(crate) struct Oppsett {
    pub(crate) partisjoner: u32,
    pub(crate) traader: usize,
}

pub(crate) const ENKELT: Oppsett = Oppsett { partisjoner: 1, traader: 1 };

pub(crate) struct Motor {
    pub(crate) driver: TopologyTestDriver,
    pub(crate) innstillinger: Innstillinger,
    statusendringer: TestOutput<Option<String>, Statusendring>,
    dode: TestOutput<Option<String>, DodtBrev>,
}

pub(crate) fn millisekunder(naa: &str) -> i64 {
    tid::les_instant(naa).unwrap().millisekunder()
}

impl Motor {
    pub(crate) fn med(naa: &str, innstillinger: Innstillinger, oppsett: Oppsett) -> Self {
        let deklarert = topologi(&innstillinger).unwrap();
        let driver = TopologyTestDriver::builder(&deklarert)
            .configure(still_inn)
            .handlers(feilhandterere())
            .now(millisekunder(naa))
            .topic(innstillinger.kilde.to_string(), oppsett.partisjoner)
            .threads(oppsett.traader)
            .start()
            .unwrap();
        let statusendringer = driver.output(&innstillinger.statusendring, Utf8.nullable(), Json::new()).committed();
        let dode = driver.output(&innstillinger.dlq, Utf8.nullable(), Json::new()).committed();
        Self { driver, innstillinger, statusendringer, dode }
    }

    pub(crate) fn skriv(&self, partisjon: u32, nokkel: Option<&[u8]>, verdi: Option<&[u8]>) {
        let kilde = Arc::clone(&self.innstillinger.kilde);
        self.driver.write(&kilde, Some(partisjon), nokkel, verdi, 0, &Headers::new()).unwrap();
    }

    pub(crate) fn skriv_gjenkjoring(&self, nokkel: &str, verdi: &[u8]) {
        let topic = Arc::clone(&self.innstillinger.gjenkjoring);
        self.driver.write(&topic, None, Some(nokkel.as_bytes()), Some(verdi), 0, &Headers::new()).unwrap();
    }

    pub(crate) fn les(&mut self, nokkel: Option<&[u8]>, verdi: Option<&[u8]>) {
        self.skriv(0, nokkel, verdi);
        self.ferdig();
    }

    /// Runs until every message is in every store, and nothing has failed on the way.
    pub(crate) fn ferdig(&mut self) {
        self.driver.run().unwrap();
        self.driver.settle().unwrap();
        let feil: Vec<String> = self.driver.failing().map(|(_, feil)| feil.to_string()).collect();
        assert_eq!(feil, Vec::<String>::new());
    }

    pub(crate) fn klokken_er(&mut self, naa: &str) {
        let om = millisekunder(naa) - self.driver.now();
        self.driver.advance_wall_clock(Duration::from_millis(om.try_into().unwrap())).unwrap();
        self.ferdig();
    }

    pub(crate) fn start_igjen_med(&mut self, kjente: Kjente) {
        self.innstillinger.kjente = Arc::new(kjente);
        self.driver.crash_into(&topologi(&self.innstillinger).unwrap()).unwrap();
        self.driver.advance_wall_clock(Duration::from_millis(1)).unwrap();
        self.ferdig();
    }

    pub(crate) fn statusendringer(&mut self) -> Vec<Statusendring> {
        self.statusendringer.read_pairs(&self.driver).unwrap().into_iter().map(|(_, endring)| endring).collect()
    }

    pub(crate) fn dode(&mut self) -> Vec<(Option<String>, DodtBrev)> {
        self.dode.read_pairs(&self.driver).unwrap()
    }

    /// The times of the records of a topic.
    pub(crate) fn tidsstempler(&self, topic: &str) -> Vec<i64> {
        let mut les = self.driver.output(topic, straum::serde::RawBytes.nullable(), straum::serde::RawBytes.nullable()).committed();
        les.read(&self.driver).unwrap().into_iter().map(|post| post.timestamp).collect()
    }

    pub(crate) fn lager<V: Clone + 'static>(&self, navn: &str) -> BTreeMap<String, V> {
        let rader = self.driver.query::<String, V>(navn).unwrap().all().unwrap();
        let antall = rader.len();
        let ut: BTreeMap<String, V> = rader.into_iter().map(|(nokkel, verdi, _)| (nokkel, verdi)).collect();
        assert_eq!(ut.len(), antall, "a key of {navn} is in two tasks");
        ut
    }

    pub(crate) fn talt(&self, teller: Teller) -> u64 {
        let mut sum = Telling::default();
        for navn in [lagernavn::TELLERE_INN, lagernavn::TELLERE_GJENKJORING, lagernavn::TELLERE] {
            for telling in self.lager::<Telling>(navn).values() {
                sum.legg_sammen(telling);
            }
        }
        sum.hent(teller)
    }

    /// Every store holds what the model does.
    pub(crate) fn kontroller(&self, modell: &Modell) {
        samme(&self.lager::<AvtaleOppforing>(lagernavn::AVTALE), tekstlig(&modell.avtale));
        samme(&self.lager::<Vec<Parkert>>(lagernavn::PARKERT), tekstlig(&modell.parkert));
        samme(&self.lager::<AvtaleNrRad>(lagernavn::AVTALENR), tekstlig(&modell.avtalenr));
        samme(&self.lager::<Tilstand>(lagernavn::PERSON), bytes(&modell.person));
        samme(&self.lager::<Tilstand>(lagernavn::BEDRIFT), bytes(&modell.bedrift));
        let overganger: BTreeMap<_, _> = modell.overganger.iter().map(|nokkel| (nokkel.clone(), ())).collect();
        samme(&self.lager::<()>(lagernavn::OVERGANGER), bytes(&overganger));
        let uten_dato = |antall: &BTreeMap<String, AntallRad>| -> BTreeMap<String, _> {
            let rad = |rad: &AntallRad| (rad.avtaler_paa_tiltak, rad.personer_paa_tiltak, rad.per_status);
            antall.iter().map(|(nokkel, antall)| (nokkel.clone(), rad(antall))).collect()
        };
        samme(&uten_dato(&self.lager(lagernavn::ANTALL)), uten_dato(&tekstlig(&modell.antall)));
    }
}

fn tekstlig<K: ToString, V: Clone>(kart: &BTreeMap<K, V>) -> BTreeMap<String, V> {
    kart.iter().map(|(nokkel, verdi)| (nokkel.to_string(), verdi.clone())).collect()
}

fn bytes<V: Clone>(kart: &BTreeMap<Vec<u8>, V>) -> BTreeMap<String, V> {
    kart.iter().map(|(nokkel, verdi)| (String::from_utf8(nokkel.clone()).unwrap(), verdi.clone())).collect()
}

fn samme<V: PartialEq + std::fmt::Debug>(holdt: &BTreeMap<String, V>, ventet: BTreeMap<String, V>) {
    assert!(holdt.keys().eq(ventet.keys()), "{} keys, expected {}", holdt.len(), ventet.len());
    for ((nokkel, holdt), ventet) in holdt.iter().zip(ventet.values()) {
        assert_eq!(holdt, ventet, "{nokkel}");
    }
}

/// Committed records of a topic, as text: what a person reading it would see.
pub(crate) fn som_tekst(motor: &Motor, topic: &str) -> String {
    let mut les = motor.driver.output(topic, straum::serde::RawBytes.nullable(), straum::serde::RawBytes.nullable());
    let poster = les.read_pairs(&motor.driver).unwrap();
    let vis = |del: Option<bytes::Bytes>| del.map(|del| String::from_utf8_lossy(&del).into_owned()).unwrap_or_default();
    poster.into_iter().map(|(nokkel, verdi)| format!("{}\t{}\n", vis(nokkel), vis(verdi))).collect()
}
