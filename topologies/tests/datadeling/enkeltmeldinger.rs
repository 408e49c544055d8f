//! Single messages over a base message: what each does to row, projections and counts. Every message goes to the model and
//! through the topology on the engine, which must agree after each.

use std::sync::Arc;

use serde_json::{Value, json};
use straum_schemas::datadeling::{Arsak, AvtaleId, AvtaleRad, AvtaleStatus, Kilde, Statusarsak, Tiltakstype};
use straum_topologies::datadeling::dekod::{Dekoder, Kildepost};
use straum_topologies::datadeling::kjente::Kjente;
use straum_topologies::datadeling::sporring::{self, AvtaleFilter, Sporringskode};
use straum_topologies::datadeling::tellere::Teller;
use straum_topologies::datadeling::topologi::Innstillinger;

use crate::modell::Modell;
use crate::motor::{ENKELT, Motor};

const A1: &str = "00000000-0000-4000-8000-0000000000a1";
const A2: &str = "00000000-0000-4000-8000-0000000000a2";
const P1: &str = "01810000001";
const P2: &str = "01810000002";
const B1: &str = "999999999";
const MIDT_I: &str = "2024-06-01T12:00:00Z";

/// The model, the engine, and the offset of the next message.
struct Scene {
    modell: Modell,
    motor: Motor,
    offset: i64,
    /// How many messages the source topic has: an offset below is read again.
    skrevet: i64,
    sett: usize,
}

fn mikro(antall: i64) -> String {
    format!("2024-01-01T00:00:00.{antall:06}Z")
}

fn melding(endringer: &Value) -> Value {
    let mut melding = json!({
        "avtaleId": A1, "avtaleNr": 7, "deltakerFnr": P1, "bedriftNr": B1, "tiltakstype": "ARBEIDSTRENING",
        "avtaleStatus": "GJENNOMFØRES", "versjon": 1, "opprettetTidspunkt": "2023-12-01T10:00:00",
        "sistEndret": mikro(10), "avtaleInngått": "2023-12-24T12:00:00", "startDato": "2024-01-01",
        "sluttDato": "2024-10-27", "hendelseType": "ENDRET", "opphav": "VEILEDER",
    });
    for (felt, verdi) in endringer.as_object().unwrap() {
        melding[felt] = verdi.clone();
    }
    melding
}

impl Scene {
    fn ny() -> Self {
        Self::kl(MIDT_I)
    }

    fn kl(naa: &str) -> Self {
        let motor = Motor::med(naa, Innstillinger::default(), ENKELT);
        Self { modell: Modell::ny(naa), motor, offset: 0, skrevet: 0, sett: 0 }
    }

    fn raa(mut self, nokkel: Option<&str>, verdi: Option<&[u8]>) -> Self {
        let (nokkel, kilde) = (nokkel.map(str::as_bytes), Kilde { partisjon: 0, offset: self.offset, epoke: 1 });
        self.modell.les(nokkel, verdi, kilde);
        if self.offset == self.skrevet {
            self.skrevet += 1;
            self.motor.les(nokkel, verdi);
        } else {
            let mottatt = straum_schemas::datadeling::Mikros(self.motor.driver.now() * 1000);
            let post = Kildepost { nokkel, verdi, kilde, mottatt, tidligere_forsok: 1 };
            let dekodet = Dekoder::ny("kilde", Arc::clone(&self.motor.innstillinger.kjente)).dekod(&post);
            let (avtale_id, innmelding) = dekodet.utfall.del_opp().0.unwrap();
            self.motor.skriv_gjenkjoring(&avtale_id.to_string(), &serde_json::to_vec(&innmelding).unwrap());
            self.motor.ferdig();
        }
        self.offset += 1;
        self.kontroller();
        self
    }

    fn kontroller(&mut self) {
        self.modell.kontroller();
        self.motor.kontroller(&self.modell);
        for teller in Teller::ALLE {
            assert_eq!(usize::try_from(self.motor.talt(teller)).unwrap(), self.modell.talt(teller), "{teller:?}");
        }
        assert_eq!(self.motor.statusendringer(), self.modell.statusendringer[self.sett..]);
        self.sett = self.modell.statusendringer.len();
    }

    fn klokken_er(&mut self, naa: &str) {
        self.modell.klokken_er(naa);
        self.motor.klokken_er(naa);
    }

    fn start_igjen_med(&mut self, kjente: &Kjente) {
        self.modell.et_millisekund_gaar();
        self.modell.start_igjen_med(kjente.clone());
        self.motor.start_igjen_med(kjente.clone());
        self.kontroller();
    }

    fn send(self, endringer: &Value) -> Self {
        let bytes = serde_json::to_vec(&melding(endringer)).unwrap();
        self.raa(Some(A1), Some(&bytes))
    }

    fn oppforing(&self) -> &straum_schemas::datadeling::AvtaleOppforing {
        &self.modell.avtale[&AvtaleId::les(A1).unwrap()]
    }

    fn rad(&self) -> &AvtaleRad {
        self.oppforing().rad.as_deref().unwrap()
    }

    fn talt(&self, teller: Teller) -> usize {
        self.modell.talt(teller)
    }

    fn antall_hos(&self, fnr: &str) -> usize {
        self.modell.person(fnr).treff.len()
    }
}

fn id(tekst: &str) -> AvtaleId {
    AvtaleId::les(tekst).unwrap()
}

#[test]
fn m1_unknown_properties_and_causes_are_accepted() {
    let scene = Scene::ny().send(&json!({"nyttFelt": {"a": [1]}, "hendelseType": "HELT_NY"}));
    assert_eq!(scene.rad().siste_hendelse_type.as_deref(), Some("HELT_NY"));
}

#[test]
fn m2_an_older_state_read_last_is_suspect() {
    let scene = Scene::ny().send(&json!({})).send(&json!({"sistEndret": mikro(9), "sluttDato": "2024-12-31"}));
    assert_eq!(scene.rad().slutt_dato.unwrap().to_string(), "2024-10-27");
    assert_eq!((scene.talt(Teller::Gammel), scene.oppforing().suspekt.map(|kilde| kilde.offset)), (1, Some(1)));
    let scene = scene.send(&json!({"sistEndret": mikro(11)}));
    assert_eq!(scene.oppforing().suspekt, None);
}

#[test]
fn m3_m4_m5_ties_are_accepted_and_fractions_are_numbers() {
    for (forst, sist, status, teller) in [
        (mikro(10), mikro(10), AvtaleStatus::Avsluttet, Teller::GodtattLik),
        ("2024-01-01T00:00:59Z".into(), "2024-01-01T00:00:59.5Z".into(), AvtaleStatus::Avsluttet, Teller::GodtattNyere),
        ("2024-01-01T00:00:10.000000400Z".into(), "2024-01-01T00:00:10.000000Z".into(), AvtaleStatus::Avsluttet, Teller::GodtattLik),
        ("2024-01-01T00:00:10.0000015Z".into(), "2024-01-01T00:00:10.000001Z".into(), AvtaleStatus::Gjennomfores, Teller::Gammel),
    ] {
        let scene = Scene::ny().send(&json!({"sistEndret": forst})).send(&json!({"sistEndret": sist, "avtaleStatus": "AVSLUTTET"}));
        assert_eq!((scene.rad().avtale_status, scene.talt(teller)), (status, 1), "{forst} {sist}");
    }
}

#[test]
fn m6_another_cause_alone_is_stored_but_not_sent() {
    let scene = Scene::ny().send(&json!({})).send(&json!({"hendelseType": "NY_VEILEDER"}));
    assert_eq!((scene.modell.endringer, scene.talt(Teller::Uendret), scene.rad().kilde.offset), (1, 1, 1));
    assert_eq!(scene.rad().siste_hendelse_type.as_deref(), Some("NY_VEILEDER"));
}

#[test]
fn m7_m8_an_unknown_value_is_parked_until_a_newer_message() {
    let scene = Scene::ny().send(&json!({"tiltakstype": "NY_TYPE"}));
    let svar = sporring::paa_tiltak(scene.modell.person(P1), scene.modell.idag());
    assert_eq!((svar.paa_tiltak(), svar.ufullstendig, scene.oppforing().rad.is_some()), (false, true, false));
    assert_eq!(scene.modell.parkert[&id(A1)][0].verdi.as_ref(), "NY_TYPE");
    let scene = scene.send(&json!({"sistEndret": mikro(11)}));
    assert!(scene.modell.parkert.is_empty() && !scene.modell.person(P1).ufullstendig());
    assert_eq!(scene.antall_hos(P1), 1);
}

#[test]
fn m9_a_parked_record_is_tried_with_the_values_known_at_start() {
    let ny_type = |til| Kjente { tiltakstyper: vec![("NY_TYPE".into(), til)], ..Kjente::default() };
    let mut scene = Scene::ny().send(&json!({"tiltakstype": "NY_TYPE", "stillingprosent": 70}));
    scene.start_igjen_med(&Kjente::default());
    assert_eq!(scene.modell.parkert.len(), 1);
    scene.start_igjen_med(&ny_type(Tiltakstype::Mentor));
    assert_eq!((scene.rad().tiltakstype, scene.rad().stillingprosent), (Tiltakstype::Mentor, None));
    assert!(scene.modell.parkert.is_empty() && scene.oppforing().mangel.is_none());

    // A parked record older than the row falls out.
    let mut scene = Scene::ny().send(&json!({"tiltakstype": "NY_TYPE", "sistEndret": mikro(20)})).send(&json!({}));
    assert!(scene.oppforing().mangel.is_some());
    scene = scene.send(&json!({"sistEndret": mikro(30)}));
    scene.start_igjen_med(&ny_type(Tiltakstype::Vtao));
    assert_eq!(scene.rad().tiltakstype, Tiltakstype::Arbeidstrening);
}

#[test]
fn only_the_twenty_newest_parked_are_kept() {
    let mut scene = Scene::ny();
    for nummer in 0..25 {
        scene = scene.send(&json!({"opphav": "NYTT", "sistEndret": mikro(nummer)}));
    }
    let parkert = &scene.modell.parkert[&id(A1)];
    assert_eq!((parkert.len(), parkert[0].redusert.kilde.offset, parkert[0].felt.as_ref()), (20, 5, "opphav"));
    assert_eq!(scene.talt(Teller::ParkertKastet), 5);
}

#[test]
fn m10_m14_failed_messages_become_dead_letters_that_name_the_first_bad_field() {
    for (endringer, arsak, felt) in [
        (json!({"startDato": "2024-02-30"}), Arsak::UgyldigVerdi, "startDato"),
        (json!({"deltakerFnr": null, "startDato": "x"}), Arsak::ManglerFelt, "deltakerFnr"),
        (json!({"avtaleNr": 7.5}), Arsak::UgyldigVerdi, "avtaleNr"),
        (json!({"versjon": 0}), Arsak::UgyldigVerdi, "versjon"),
        (json!({"versjon": "1"}), Arsak::UgyldigVerdi, "versjon"),
        (json!({"sistEndret": "2024-01-01T00:00:00"}), Arsak::UgyldigVerdi, "sistEndret"),
        (json!({"opprettetTidspunkt": null}), Arsak::ManglerFelt, "opprettetTidspunkt"),
        (json!({"stillingprosent": "70"}), Arsak::UgyldigVerdi, "stillingprosent"),
        (json!({"feilregistrert": "ja"}), Arsak::UgyldigVerdi, "feilregistrert"),
        (json!({"bedriftNr": null}), Arsak::ManglerFelt, "bedriftNr"),
        (json!({"avtaleInngått": {}}), Arsak::UgyldigVerdi, "avtaleInngått"),
        (json!({"tiltakstype": 1}), Arsak::UgyldigVerdi, "tiltakstype"),
    ] {
        let scene = Scene::ny().send(&json!({"sistEndret": mikro(1)})).send(&endringer);
        let brev = &scene.modell.dode[0];
        assert_eq!((brev.arsak, brev.felt.as_deref(), brev.offset), (arsak, Some(felt), 1));
        assert!(scene.modell.person(P1).ufullstendig() && scene.antall_hos(P1) == 1, "{felt}");
        let skrevet = serde_json::to_string(brev).unwrap();
        assert!(!skrevet.contains(P1) && !skrevet.contains(B1), "{skrevet}");
    }
    for (verdi, arsak) in [(&b"poison-pill"[..], Arsak::UgyldigJson), (b"[1]", Arsak::IkkeObjekt)] {
        let scene = Scene::ny().raa(Some(A1), Some(verdi)).send(&json!({}));
        assert_eq!((scene.modell.dode[0].arsak, scene.modell.dode[0].nokkel()), (arsak, Some(id(A1))));
        assert_eq!(scene.antall_hos(P1), 1);
    }
    let scene = Scene::ny().send(&json!({"avtaleId": "ikke-en-id"}));
    assert_eq!((scene.modell.dode[0].felt.as_deref(), scene.modell.avtale.len()), (Some("avtaleId"), 0));
}

#[test]
fn m11_the_payload_names_the_agreement() {
    let bytes = serde_json::to_vec(&melding(&json!({}))).unwrap();
    let scene = Scene::ny().raa(Some(A2), Some(&bytes)).raa(None, Some(&bytes));
    assert_eq!((scene.modell.avtale.len(), scene.talt(Teller::NokkelUlikAvtaleId)), (1, 1));
}

#[test]
fn m12_m13_number_is_kept_and_a_mentors_percentage_is_not() {
    let scene = Scene::ny()
        .send(&json!({}))
        .send(&json!({"avtaleNr": null, "sistEndret": mikro(11)}))
        .send(&json!({"avtaleNr": 0, "sistEndret": mikro(12), "tiltakstype": "MENTOR", "stillingprosent": 70, "antallDagerPerUke": 5}));
    let rad = scene.rad();
    assert_eq!((rad.avtale_nr, rad.stillingprosent, rad.antall_dager_per_uke), (Some(7), None, Some(5.0)));
}

#[test]
fn m15_m23_a_tombstone_deletes_everywhere() {
    for verdi in [None, Some(&b"null"[..]), Some(b" null\n")] {
        let scene = Scene::ny().send(&json!({})).send(&json!({"sistEndret": mikro(20), "tiltakstype": "NY_TYPE"})).raa(Some(A1), verdi);
        let modell = &scene.modell;
        assert!(modell.person.is_empty() && modell.bedrift.is_empty() && modell.avtalenr.is_empty());
        assert!(modell.antall.is_empty() && modell.parkert.is_empty() && modell.overganger.is_empty());
        let siste = modell.statusendringer.last().unwrap();
        assert_eq!((siste.til, siste.arsak), (None, Statusarsak::Slettet));
        let gravstein = serde_json::to_string(scene.oppforing()).unwrap();
        assert!(!gravstein.contains(P1) && scene.oppforing().gravstein.is_some(), "{gravstein}");

        // The same offsets again change nothing; a later message is a new agreement.
        let sist = Scene { offset: 0, ..scene }.send(&json!({})).send(&json!({"tiltakstype": "NY_TYPE"})).raa(Some(A1), verdi);
        assert_eq!((sist.antall_hos(P1), sist.talt(Teller::ForGravstein)), (0, 3));
        let ny = sist.send(&json!({"sistEndret": mikro(1)}));
        assert_eq!(ny.antall_hos(P1), 1);
    }
}

#[test]
fn m16_m26_a_change_of_person_moves_the_agreement() {
    let scene = Scene::ny().send(&json!({})).send(&json!({"deltakerFnr": P2, "sistEndret": mikro(20)}));
    assert_eq!((scene.antall_hos(P1), scene.antall_hos(P2)), (0, 1));
    let alle = sporring::antall(scene.modell.rader(), scene.modell.idag());
    assert!(alle.iter().all(|linje| (linje.antall_avtaler, linje.antall_personer) == (1, 1)));
    let scene = scene.send(&json!({"sistEndret": mikro(30)}));
    assert_eq!((scene.antall_hos(P1), scene.antall_hos(P2)), (1, 0));
    assert_eq!(scene.modell.person(P1).treff[0].rad.kilde.offset, 2);
}

#[test]
fn m17_rows_of_several_idents_are_one_list() {
    let scene = Scene::ny().send(&json!({})).send(&json!({"avtaleId": A2, "deltakerFnr": P2, "avtaleNr": 8}));
    assert_eq!(scene.modell.personer(&[P1, P2]).treff.len(), 2);
    assert_eq!(scene.antall_hos(P2), 1);
}

#[test]
fn m18_m19_m20_dates_are_oslo_dates() {
    let starter = json!({"avtaleStatus": "KLAR_FOR_OPPSTART", "startDato": "2024-03-31"});
    for (endringer, for_midnatt, midnatt, fra, til, dato) in [
        (json!({}), "2024-10-27T22:59:59Z", "2024-10-27T23:00:00Z", AvtaleStatus::Gjennomfores, AvtaleStatus::Avsluttet, "2024-10-28"),
        (starter, "2024-03-30T22:59:59Z", "2024-03-30T23:00:00Z", AvtaleStatus::KlarForOppstart, AvtaleStatus::Gjennomfores, "2024-03-31"),
    ] {
        let mut scene = Scene::kl("2024-02-01T12:00:00Z").send(&endringer);
        scene.klokken_er(for_midnatt);
        assert_eq!(scene.rad().effektiv_status, fra);
        scene.klokken_er(midnatt);
        assert_eq!(scene.rad().effektiv_status, til);
        let siste = scene.modell.statusendringer.last().unwrap();
        assert_eq!((siste.arsak, siste.gjelder_dato.to_string().as_str(), siste.fra, siste.til), (Statusarsak::Dato, dato, Some(fra), Some(til)));
        scene.kontroller();
        let antall = scene.modell.statusendringer.len();
        let mut varsel = endringer.clone();
        varsel["sistEndret"] = json!("2024-10-28T00:05:00Z");
        varsel["avtaleStatus"] = json!(if til == AvtaleStatus::Avsluttet { "AVSLUTTET" } else { "GJENNOMFØRES" });
        let scene = scene.send(&varsel);
        assert_eq!((scene.modell.statusendringer.len(), scene.rad().avtale_status), (antall, til));
    }
}

#[test]
fn m21_a_finished_agreement_stays_so_but_dates_decide_who_is_on_a_measure() {
    let scene = Scene::ny().send(&json!({"avtaleStatus": "AVSLUTTET"}));
    assert_eq!((scene.rad().effektiv_status, scene.rad().paa_tiltak_idag), (AvtaleStatus::Avsluttet, true));
}

#[test]
fn m22_m28_illegal_steps_are_counted_and_applied() {
    for (fra, til, hendelse, ulovlige, patch) in [
        ("GJENNOMFØRES", "MANGLER_GODKJENNING", "ENDRET", 1, 0),
        ("GJENNOMFØRES", "MANGLER_GODKJENNING", "ENDRET_AV_ARENA", 0, 0),
        ("GJENNOMFØRES", "MANGLER_GODKJENNING", "PATCH", 0, 1),
        ("AVSLUTTET", "GJENNOMFØRES", "ENDRET", 1, 0),
        ("AVSLUTTET", "GJENNOMFØRES", "AVTALE_FORLENGET", 0, 0),
    ] {
        let scene = Scene::ny()
            .send(&json!({"avtaleStatus": fra}))
            .send(&json!({"avtaleStatus": til, "hendelseType": hendelse, "sistEndret": mikro(11), "versjon": 3}));
        assert_eq!((scene.talt(Teller::UlovligStatussteg), scene.talt(Teller::PatchEndretStatus)), (ulovlige, patch), "{hendelse}");
        assert_eq!((scene.talt(Teller::GodtattNyere), scene.talt(Teller::Versjonshull)), (1, 1));
    }
}

#[test]
fn m24_neither_key_nor_value_is_skipped() {
    let scene = Scene::ny().raa(None, None).raa(Some("ikke-en-id"), None);
    assert_eq!((scene.talt(Teller::HoppetOver), scene.talt(Teller::UgyldigNokkel), scene.modell.dode.len()), (1, 1, 0));
}

#[test]
fn m25_m27_no_employer_and_entered_by_mistake() {
    let scene = Scene::ny().send(&json!({"bedriftNr": ""}));
    assert_eq!((scene.antall_hos(P1), scene.modell.bedrift.len()), (1, 0));
    let scene = Scene::ny().send(&json!({"slettemerket": true, "avtaleStatus": "PÅBEGYNT"}));
    assert!(scene.rad().feilregistrert && scene.antall_hos(P1) == 1);
    let filter = AvtaleFilter::default();
    assert!(!filter.treffer(scene.rad(), scene.modell.idag()));
    assert!(AvtaleFilter { inkluder_feilregistrert: true, ..filter }.treffer(scene.rad(), scene.modell.idag()));
}

#[test]
fn a_failed_message_for_another_person_marks_both() {
    let scene = Scene::ny().send(&json!({})).send(&json!({"deltakerFnr": P2, "sistEndret": mikro(20), "startDato": "x"}));
    let (en, to) = (scene.modell.person(P1), scene.modell.person(P2));
    assert_eq!((en.treff.len(), en.ufullstendig(), to.treff.len(), to.ufullstendig()), (1, true, 0, true));
    let scene = scene.send(&json!({"deltakerFnr": P2, "sistEndret": mikro(20)}));
    let (en, to) = (scene.modell.person(P1), scene.modell.person(P2));
    assert_eq!((en.treff.len(), en.ufullstendig(), to.treff.len(), to.ufullstendig()), (0, false, 1, false));
}

#[test]
fn a_new_generation_of_the_topic_starts_again_from_offset_zero() {
    let mut scene = Scene::ny().send(&json!({})).send(&json!({"avtaleStatus": "AVSLUTTET"}));
    let bytes = serde_json::to_vec(&melding(&json!({"avtaleStatus": "AVBRUTT"}))).unwrap();
    scene.modell.les(None, Some(&bytes), Kilde { partisjon: 0, offset: 0, epoke: 2 });
    assert_eq!(scene.rad().avtale_status, AvtaleStatus::Avbrutt);
    let bytes = serde_json::to_vec(&melding(&json!({}))).unwrap();
    scene.modell.les(None, Some(&bytes), Kilde { partisjon: 0, offset: 9, epoke: 1 });
    assert_eq!((scene.rad().avtale_status, scene.talt(Teller::GammelLik)), (AvtaleStatus::Avbrutt, 1));
}

#[test]
fn arguments_are_checked() {
    let scene = Scene::ny().send(&json!({}));
    let kode = |antall, etter| sporring::side(scene.modell.treff(), antall, etter).map_err(|feil| feil.kind());
    for (antall, etter) in [(Some(0), None), (Some(1001), None), (Some(-1), None), (None, Some("æ")), (None, Some("YQ"))] {
        assert_eq!(kode(antall, etter), Err(Sporringskode::UgyldigArgument), "{antall:?} {etter:?}");
    }
    let treff = scene.modell.treff().next().unwrap();
    let mange = |antall| std::iter::repeat_n(treff.clone(), antall);
    assert_eq!(sporring::side(mange(10_001), None, None).map_err(|feil| feil.kind()), Err(Sporringskode::ForStortResultat));
    assert_eq!(sporring::side(mange(10_000), None, None).map(|side| side.elementer.len()), Ok(10_000));
}
