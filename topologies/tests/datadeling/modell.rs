//! A small model of the topology: every store a map, every topic a function call through its serialised form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use straum_schemas::datadeling::{
    AntallNokkel, AntallRad, AvtaleId, AvtaleNrRad, AvtaleOppforing, AvtaleRad, BedriftNokkel, Delendring, DodtBrev, Innmelding, Kilde, Mikros,
    OvergangNokkel, Parkert, PersonNokkel, Statusendring, Tilstand, Tiltakstype,
};
use straum_topologies::datadeling::dekod::{Dekoder, Kildepost};
use straum_topologies::datadeling::kjente::Kjente;
use straum_topologies::datadeling::rekkefolge::{self, Avgjorelse, Lagring, Omstendighet};
use straum_topologies::datadeling::sporring::{self, PersonRader, Treff};
use straum_topologies::datadeling::status::Overgangsdatoer;
use straum_topologies::datadeling::tellere::Teller;
use straum_topologies::datadeling::{antall, projeksjon, tid};

/// As the topology's settings name it.
const KILDE: &str = "arbeidsgiver.tiltak-avtale-hendelse-compact";

pub(crate) struct Modell {
    dekoder: Dekoder,
    kjente: Arc<Kjente>,
    naa: Mikros,
    pub(crate) avtale: BTreeMap<AvtaleId, AvtaleOppforing>,
    pub(crate) parkert: BTreeMap<AvtaleId, Vec<Parkert>>,
    pub(crate) overganger: BTreeSet<Vec<u8>>,
    pub(crate) person: BTreeMap<Vec<u8>, Tilstand>,
    pub(crate) bedrift: BTreeMap<Vec<u8>, Tilstand>,
    pub(crate) avtalenr: BTreeMap<i32, AvtaleNrRad>,
    pub(crate) antall: BTreeMap<AntallNokkel, AntallRad>,
    pub(crate) statusendringer: Vec<Statusendring>,
    pub(crate) dode: Vec<DodtBrev>,
    pub(crate) endringer: usize,
    tellere: BTreeMap<&'static str, usize>,
}

/// Over a topic or through a store and back.
fn omvei<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(verdi: &T) -> T {
    let bytes = serde_json::to_vec(verdi).unwrap();
    let lest: T = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(&lest, verdi);
    lest
}

fn lagre<K: Ord, T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(kart: &mut BTreeMap<K, T>, nokkel: K, lagring: Lagring<T>) {
    match lagring {
        Lagring::Uendret => {}
        Lagring::Skriv(verdi) => drop(kart.insert(nokkel, omvei(&verdi))),
        Lagring::Slett => drop(kart.remove(&nokkel)),
    }
}

fn under<'a, V>(kart: &'a BTreeMap<Vec<u8>, V>, prefiks: &'a [u8]) -> impl Iterator<Item = (&'a Vec<u8>, &'a V)> + 'a {
    kart.range(prefiks.to_vec()..).take_while(move |(nokkel, _)| nokkel.starts_with(prefiks))
}

impl Modell {
    pub(crate) fn ny(naa: &str) -> Self {
        Self::med_kjente(naa, Kjente::default())
    }

    pub(crate) fn med_kjente(naa: &str, kjente: Kjente) -> Self {
        let kjente = Arc::new(kjente);
        Self {
            dekoder: Dekoder::ny(KILDE, Arc::clone(&kjente)),
            kjente,
            naa: tid::les_instant(naa).unwrap(),
            avtale: BTreeMap::new(),
            parkert: BTreeMap::new(),
            overganger: BTreeSet::new(),
            person: BTreeMap::new(),
            bedrift: BTreeMap::new(),
            avtalenr: BTreeMap::new(),
            antall: BTreeMap::new(),
            statusendringer: Vec::new(),
            dode: Vec::new(),
            endringer: 0,
            tellere: BTreeMap::new(),
        }
    }

    pub(crate) fn idag(&self) -> Date {
        tid::oslodato(self.naa)
    }

    pub(crate) fn et_millisekund_gaar(&mut self) {
        self.naa.0 += 1000;
    }

    pub(crate) fn talt(&self, teller: Teller) -> usize {
        self.tellere.get(teller.navn()).copied().unwrap_or_default()
    }

    pub(crate) fn les(&mut self, nokkel: Option<&[u8]>, verdi: Option<&[u8]>, kilde: Kilde) {
        let post = Kildepost { nokkel, verdi, kilde, mottatt: self.naa, tidligere_forsok: 0 };
        let dekodet = self.dekoder.dekod(&post);
        for teller in dekodet.tellere.iter() {
            *self.tellere.entry(teller.navn()).or_default() += 1;
        }
        let (til_tabell, brev) = dekodet.utfall.del_opp();
        self.dode.extend(brev.map(|brev| omvei(&*brev)));
        if let Some((avtale_id, innmelding)) = til_tabell {
            self.motta(avtale_id, omvei(&innmelding));
        }
    }

    pub(crate) fn motta(&mut self, avtale_id: AvtaleId, innmelding: Innmelding) {
        let kjente = Arc::clone(&self.kjente);
        let om = Omstendighet { kjente: &kjente, idag: self.idag() };
        let lagret = self.avtale.get(&avtale_id);
        let har_parkert = lagret.is_some_and(|lagret| lagret.har_parkert);
        assert_eq!(har_parkert, self.parkert.contains_key(&avtale_id));
        let parkert = self.parkert.get(&avtale_id).cloned().unwrap_or_default();
        let avgjorelse = rekkefolge::motta(avtale_id, lagret, parkert, innmelding, &om);
        self.utfor(avtale_id, avgjorelse);
    }

    pub(crate) fn start_igjen_med(&mut self, kjente: Kjente) {
        self.kjente = Arc::new(kjente);
        self.dekoder = Dekoder::ny(KILDE, Arc::clone(&self.kjente));
        let kjente = Arc::clone(&self.kjente);
        let om = Omstendighet { kjente: &kjente, idag: self.idag() };
        for (avtale_id, parkert) in self.parkert.clone() {
            // What is still unknown stays as it is, and is not counted anew.
            if parkert.iter().all(|post| kjente.forste_ukjente(&post.redusert).is_some()) {
                continue;
            }
            let avgjorelse = rekkefolge::prov_parkert(avtale_id, self.avtale.get(&avtale_id), parkert, &om);
            self.utfor(avtale_id, avgjorelse);
        }
    }

    /// Lets time pass, then runs the punctuator.
    pub(crate) fn klokken_er(&mut self, naa: &str) {
        self.naa = tid::les_instant(naa).unwrap();
        let slutt = OvergangNokkel::etter(self.idag());
        while let Some(forste) = self.overganger.first().filter(|forste| **forste < slutt).cloned() {
            self.overganger.remove(&forste);
            let nokkel = OvergangNokkel::les(&forste).unwrap();
            let lagret = &self.avtale[&nokkel.avtale_id];
            let avgjorelse = rekkefolge::ny_dato(nokkel.avtale_id, lagret, nokkel.dato);
            self.utfor(nokkel.avtale_id, avgjorelse);
        }
    }

    fn utfor(&mut self, avtale_id: AvtaleId, avgjorelse: Avgjorelse) {
        for teller in avgjorelse.tellere.iter() {
            *self.tellere.entry(teller.navn()).or_default() += 1;
        }
        for dato in avgjorelse.overganger.fjern() {
            self.overganger.remove(&OvergangNokkel { dato, avtale_id }.bytes());
        }
        for dato in avgjorelse.overganger.legg() {
            self.overganger.insert(OvergangNokkel { dato, avtale_id }.bytes());
        }
        lagre(&mut self.avtale, avtale_id, avgjorelse.oppforing);
        lagre(&mut self.parkert, avtale_id, avgjorelse.parkert);
        self.statusendringer.extend(avgjorelse.statusendring.as_ref().map(omvei));
        let Some(endring) = avgjorelse.endring else { return };
        self.endringer += 1;
        projeksjon::etter_person(&endring, |fnr, del| self.person_del(fnr, omvei(&del)));
        projeksjon::etter_bedrift(&endring, |bedrift_nr, del| {
            let nokkel = BedriftNokkel::bytes(bedrift_nr, del.avtale_id);
            let lagring = projeksjon::bruk_del(self.bedrift.get(&nokkel), omvei(&del));
            lagre(&mut self.bedrift, nokkel, lagring);
        });
        projeksjon::etter_avtalenr(&endring, |nr, del| {
            let lagring = projeksjon::bruk_avtalenr(self.avtalenr.get(&nr), omvei(&del));
            lagre(&mut self.avtalenr, nr, lagring);
        });
    }

    pub(crate) fn person_del(&mut self, fnr: &str, del: Delendring) {
        let nokkel = PersonNokkel::bytes(fnr, del.avtale_id);
        let for_endring = self.person.get(&nokkel).cloned();
        let lagring = projeksjon::bruk_del(for_endring.as_ref(), del);
        if lagring == Lagring::Uendret {
            return;
        }
        lagre(&mut self.person, nokkel.clone(), lagring);
        let gammel = for_endring.as_ref().and_then(|tilstand| tilstand.rad.as_deref());
        let ny = self.person.get(&nokkel).and_then(|tilstand| tilstand.rad.as_deref());
        let prefiks = PersonNokkel::prefiks(fnr);
        let andre = under(&self.person, &prefiks)
            .filter(|(annen, _)| **annen != nokkel)
            .filter_map(|(_, tilstand)| tilstand.rad.as_ref().filter(|rad| rad.paa_tiltak_idag))
            .map(|rad| rad.tiltakstype);
        let deltaer = antall::deltaer(gammel, ny, andre, self.idag());
        for (nokkel, delta) in deltaer.into_iter().flatten() {
            let rad = AntallRad::etter(self.antall.remove(&nokkel), &omvei(&delta));
            if !rad.er_null() {
                self.antall.insert(nokkel, omvei(&rad));
            }
        }
    }

    pub(crate) fn rader(&self) -> impl Iterator<Item = &AvtaleRad> {
        self.avtale.values().filter_map(|oppforing| oppforing.rad.as_deref())
    }

    pub(crate) fn rad(&self, avtale_nr: i32) -> &AvtaleRad {
        let avtale_id = self.avtalenr[&avtale_nr].avtale_id;
        self.avtale[&avtale_id].rad.as_deref().unwrap()
    }

    pub(crate) fn treff(&self) -> impl Iterator<Item = Treff> {
        self.avtale.values().filter_map(Tilstand::av).filter_map(|tilstand| Treff::av(&tilstand))
    }

    pub(crate) fn person(&self, fnr: &str) -> PersonRader {
        self.personer(&[fnr])
    }

    pub(crate) fn personer(&self, identer: &[&str]) -> PersonRader {
        let mut rader = Vec::new();
        for fnr in identer {
            let prefiks = PersonNokkel::prefiks(fnr);
            rader.extend(under(&self.person, &prefiks).map(|(nokkel, tilstand)| (PersonNokkel::les(nokkel).unwrap().avtale_id, tilstand.clone())));
        }
        sporring::person_rader(rader)
    }

    pub(crate) fn bedrift(&self, bedrift_nr: &str) -> Vec<Treff> {
        under(&self.bedrift, &BedriftNokkel::prefiks(bedrift_nr)).filter_map(|(_, tilstand)| Treff::av(tilstand)).collect()
    }

    /// Every projection, index and count equals what the table of agreements gives when computed from scratch.
    pub(crate) fn kontroller(&self) {
        let mut person: BTreeMap<Vec<u8>, Tilstand> = BTreeMap::new();
        let mut bedrift: BTreeMap<Vec<u8>, Tilstand> = BTreeMap::new();
        let mut avtalenr = BTreeMap::new();
        let mut overganger = BTreeSet::new();
        for (avtale_id, oppforing) in &self.avtale {
            if let Some(rad) = &oppforing.rad {
                avtalenr.extend(rad.avtale_nr.map(|nr| (nr, *avtale_id)));
                let datoer = Overgangsdatoer::for_rad(rad);
                overganger.extend(datoer.iter().map(|dato| OvergangNokkel { dato, avtale_id: *avtale_id }.bytes()));
            }
            if let Some(mangel) = &oppforing.mangel {
                let bare_mangel = Tilstand { rad: None, mangel: Some(Arc::clone(mangel)) };
                if let Some(fnr) = &mangel.deltaker_fnr {
                    person.insert(PersonNokkel::bytes(fnr.as_str(), *avtale_id), bare_mangel.clone());
                }
                if let Some(nr) = mangel.bedrift_nr.as_deref().filter(|nr| !nr.is_empty()) {
                    bedrift.insert(BedriftNokkel::bytes(nr, *avtale_id), bare_mangel);
                }
            }
            if let Some((rad, hel)) = oppforing.rad.as_ref().zip(Tilstand::av(oppforing)) {
                person.insert(PersonNokkel::bytes(rad.deltaker_fnr.as_str(), *avtale_id), hel.clone());
                if !rad.bedrift_nr.is_empty() {
                    bedrift.insert(BedriftNokkel::bytes(&rad.bedrift_nr, *avtale_id), hel);
                }
            }
        }
        samme_visning(&self.person, &person);
        samme_visning(&self.bedrift, &bedrift);
        assert_eq!(self.overganger, overganger);
        let vist: BTreeMap<_, _> = self.avtalenr.iter().map(|(nr, rad)| (*nr, rad.avtale_id)).collect();
        assert_eq!(vist, avtalenr);
        self.kontroller_antall();
    }

    fn kontroller_antall(&self) {
        let idag = self.idag();
        let mut talt = BTreeMap::new();
        for linje in sporring::antall(self.rader(), idag) {
            let nokkel = linje.tiltakstype.map_or(AntallNokkel::Alle, AntallNokkel::Type);
            let (avtaler, personer): (i64, i64) = (linje.antall_avtaler.try_into().unwrap(), linje.antall_personer.try_into().unwrap());
            if avtaler != 0 {
                talt.insert(nokkel, (avtaler, personer));
            }
        }
        let holdt: BTreeMap<_, _> = self
            .antall
            .iter()
            .filter(|(_, rad)| rad.avtaler_paa_tiltak != 0 || rad.personer_paa_tiltak != 0)
            .map(|(nokkel, rad)| (*nokkel, (rad.avtaler_paa_tiltak, rad.personer_paa_tiltak)))
            .collect();
        assert_eq!(holdt, talt);
        for tiltakstype in Tiltakstype::ALLE.iter().copied().map(Some).chain([None]) {
            let nokkel = tiltakstype.map_or(AntallNokkel::Alle, AntallNokkel::Type);
            let fordelt: Vec<_> = sporring::statusfordeling(self.rader(), idag, tiltakstype, false)
                .into_iter()
                .map(|linje| (linje.status, i64::try_from(linje.antall).unwrap()))
                .collect();
            let holdt = self.antall.get(&nokkel).map(|rad| rad.per_status).unwrap_or_default();
            assert_eq!(holdt.iter().collect::<Vec<_>>(), fordelt, "{nokkel}");
        }
    }
}

/// The same keys, each showing the same. Where and when a row was read may differ, as may the date it was computed for.
fn samme_visning(holdt: &BTreeMap<Vec<u8>, Tilstand>, ventet: &BTreeMap<Vec<u8>, Tilstand>) {
    assert!(holdt.keys().eq(ventet.keys()), "{} keys, expected {}", holdt.len(), ventet.len());
    for (nokkel, holdt) in holdt {
        let ventet = &ventet[nokkel];
        assert_eq!(holdt.mangel, ventet.mangel);
        match (&holdt.rad, &ventet.rad) {
            (Some(holdt), Some(ventet)) => assert!(holdt.samme_innhold(ventet), "{holdt:?} {ventet:?}"),
            (holdt, ventet) => assert_eq!(holdt.is_some(), ventet.is_some()),
        }
    }
}
