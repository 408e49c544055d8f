//! The 751 messages of the fixture and the answers expected of them.

use std::sync::LazyLock;

use jiff::civil::Date;
use straum_schemas::datadeling::{Arsak, AvtaleStatus, Kilde, Statusarsak, Tiltakstype};
use straum_topologies::datadeling::sporring::{self, AvtaleFilter, Segment, Vindu};
use straum_topologies::datadeling::status;
use straum_topologies::datadeling::tellere::Teller;

use crate::modell::Modell;
use AvtaleStatus::{Annullert, Avbrutt, Avsluttet, Gjennomfores, ManglerGodkjenning, Paabegynt};
use Tiltakstype::{Arbeidstrening, Inkluderingstilskudd, Mentor, MidlertidigLonnstilskudd, Sommerjobb, VarigLonnstilskudd};

pub(crate) const HENDELSER: &str = include_str!("../../data/avtale-hendelser.jsonl");

static LEST: LazyLock<Modell> = LazyLock::new(|| lest("2026-02-03T12:00:00Z"));

fn les(modell: &mut Modell) {
    for (offset, linje) in HENDELSER.lines().enumerate() {
        let kilde = Kilde { partisjon: 0, offset: i64::try_from(offset).unwrap(), epoke: 1 };
        modell.les(None, Some(linje.as_bytes()), kilde);
    }
}

fn lest(naa: &str) -> Modell {
    let mut modell = Modell::ny(naa);
    les(&mut modell);
    modell
}

fn dato(tekst: &str) -> Date {
    tekst.parse().unwrap()
}

fn antall_med_status(modell: &Modell) -> Vec<(AvtaleStatus, usize)> {
    let antall = |status| modell.rader().filter(|rad| rad.avtale_status == status).count();
    AvtaleStatus::ALLE.iter().map(|status| (*status, antall(*status))).filter(|(_, antall)| *antall > 0).collect()
}

#[test]
fn a1_rows_and_the_one_dead_letter() {
    let modell = &*LEST;
    assert_eq!(modell.rader().count(), 612);
    let [brev] = &modell.dode[..] else { panic!("{} dead letters", modell.dode.len()) };
    assert_eq!((brev.offset, brev.arsak, brev.felt.as_deref()), (665, Arsak::ManglerFelt, Some("deltakerFnr")));
    let rad = modell.rad(449);
    let oppforing = &modell.avtale[&rad.avtale_id];
    assert_eq!((rad.kilde.offset, oppforing.mangel.is_some(), brev.avtale_id), (664, true, Some(rad.avtale_id)));
    assert!(modell.person(rad.deltaker_fnr.as_str()).ufullstendig());
    assert!(!brev.sha256.is_empty() && !serde_json::to_string(brev).unwrap().contains(rad.deltaker_fnr.as_str()));
}

#[test]
fn a2_reported_status() {
    let ventet = [(Annullert, 33), (Avbrutt, 6), (Paabegynt, 166), (ManglerGodkjenning, 30), (Gjennomfores, 11), (Avsluttet, 366)];
    assert_eq!(antall_med_status(&LEST), ventet);
}

#[test]
fn a3_accepted_and_dropped() {
    let talt = |teller| LEST.talt(teller);
    assert_eq!([Teller::GodtattForste, Teller::GodtattNyere, Teller::GodtattLik, Teller::Gammel, Teller::GammelLik].map(talt), [612, 131, 7, 0, 0]);
    let mut modell = Modell::ny("2026-02-03T12:00:00Z");
    let mut like = Vec::new();
    for (offset, linje) in HENDELSER.lines().enumerate() {
        let for_linjen = modell.talt(Teller::GodtattLik);
        let kilde = Kilde { partisjon: 0, offset: i64::try_from(offset).unwrap(), epoke: 1 };
        modell.les(None, Some(linje.as_bytes()), kilde);
        if modell.talt(Teller::GodtattLik) > for_linjen {
            like.push(offset + 1);
        }
    }
    assert_eq!(like, [589, 590, 591, 593, 602, 675, 722]);
}

#[test]
fn a6_reading_the_same_offsets_again_changes_nothing() {
    let mut modell = lest("2026-02-03T12:00:00Z");
    let (endringer, avtale, statusendringer) = (modell.endringer, modell.avtale.clone(), modell.statusendringer.len());
    les(&mut modell);
    les(&mut modell);
    assert_eq!((modell.endringer, modell.statusendringer.len()), (endringer, statusendringer));
    assert_eq!(modell.avtale, avtale);
    modell.kontroller();
}

#[test]
fn a7_a8_persons_employers_and_numbers() {
    let distinkte =
        |verdi: fn(&straum_schemas::datadeling::AvtaleRad) -> &str| LEST.rader().map(verdi).collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(distinkte(|rad| rad.deltaker_fnr.as_str()), 115);
    assert_eq!(distinkte(|rad| &rad.bedrift_nr), 22);
    assert_eq!(LEST.rader().filter(|rad| rad.avtale_nr.is_none()).count(), 8);
    assert_eq!(LEST.avtalenr.len(), 604);
}

#[test]
fn a9_avbrutt_stays() {
    let mut numre: Vec<_> = LEST.rader().filter(|rad| rad.avtale_status == Avbrutt).filter_map(|rad| rad.avtale_nr).collect();
    numre.sort_unstable();
    assert_eq!(numre, [2, 15, 18, 37, 38, 41]);
    for rad in numre.iter().map(|nr| LEST.rad(*nr)) {
        for naar in ["2019-01-01", "2021-01-01", "2030-01-01"] {
            assert_eq!(status::effektiv_status(rad, dato(naar)), Avbrutt);
        }
    }
}

#[test]
fn a10_a_number_that_comes_later_and_an_agreement_that_is_opened_again() {
    let mut modell = Modell::ny("2026-02-03T12:00:00Z");
    let mut inngaatt = Vec::new();
    for (offset, linje) in HENDELSER.lines().enumerate() {
        let kilde = Kilde { partisjon: 0, offset: i64::try_from(offset).unwrap(), epoke: 1 };
        modell.les(None, Some(linje.as_bytes()), kilde);
        let linje = offset + 1;
        if (711..=731).contains(&linje) {
            assert_eq!(modell.avtalenr.contains_key(&266_599), linje >= 712, "{linje}");
        }
        if (712..=731).contains(&linje) && modell.rad(266_599).avtale_inngaatt.is_some() {
            inngaatt.push(linje);
        }
    }
    assert_eq!(inngaatt, [721, 722, 723, 731]);
    let rad = modell.rad(266_599);
    assert_eq!((rad.avtale_status, rad.versjon, rad.stillingprosent), (Gjennomfores, 2, None));
    assert_eq!((rad.start_dato, rad.slutt_dato), (Some(dato("2025-12-19")), Some(dato("2026-05-01"))));
    assert_eq!(rad.avtale_inngaatt.unwrap().to_string(), "2026-01-26T13:51:10.534258Z");
    assert_eq!(rad.endret_tidspunkt.to_string(), "2026-01-26T13:51:10.534473Z");
}

#[test]
fn a11_a12_single_rows() {
    let rad = LEST.rad(574);
    assert_eq!((rad.avtale_status, rad.kilde.offset), (Avsluttet, 601));
    assert_eq!(rad.endret_tidspunkt.to_string(), "2023-04-28T12:09:59.306194Z");
    assert_eq!(rad.avtale_inngaatt.unwrap().to_string(), "2023-04-28T12:09:59.306178Z");
    let rad = LEST.rad(568);
    assert_eq!((rad.avtale_status, rad.start_dato, rad.slutt_dato), (Annullert, None, Some(dato("2023-04-19"))));
    assert_eq!(sporring::varighet([rad], Vindu::default(), None).unwrap().antall_avtaler, 0);
}

#[test]
fn d_counts_on_a_date() {
    type Linjer = &'static [(Option<Tiltakstype>, usize, usize)];
    let tabell: [(&str, Linjer); 6] = [
        ("2020-03-01", &[(Some(Arbeidstrening), 2, 2), (Some(MidlertidigLonnstilskudd), 3, 3), (Some(Mentor), 2, 2), (None, 7, 4)]),
        ("2021-06-15", &[(Some(MidlertidigLonnstilskudd), 28, 9), (Some(VarigLonnstilskudd), 7, 4), (Some(Sommerjobb), 51, 11), (None, 86, 20)]),
        (
            "2022-06-15",
            &[
                (Some(Arbeidstrening), 5, 2),
                (Some(MidlertidigLonnstilskudd), 39, 14),
                (Some(VarigLonnstilskudd), 1, 1),
                (Some(Sommerjobb), 1, 1),
                (None, 46, 17),
            ],
        ),
        (
            "2023-01-01",
            &[
                (Some(Arbeidstrening), 67, 2),
                (Some(MidlertidigLonnstilskudd), 19, 12),
                (Some(VarigLonnstilskudd), 1, 1),
                (Some(Mentor), 1, 1),
                (Some(Inkluderingstilskudd), 1, 1),
                (None, 89, 15),
            ],
        ),
        ("2023-12-31", &[(Some(MidlertidigLonnstilskudd), 4, 3), (Some(VarigLonnstilskudd), 2, 2), (None, 6, 5)]),
        ("2026-02-01", &[(Some(Mentor), 1, 1), (None, 1, 1)]),
    ];
    for (naar, ventet) in tabell {
        let linjer: Vec<_> = sporring::antall(LEST.rader(), dato(naar))
            .into_iter()
            .map(|linje| (linje.tiltakstype, linje.antall_avtaler, linje.antall_personer))
            .collect();
        assert_eq!(linjer, ventet, "{naar}");
        // The same from the store, kept by differences while reading with the clock at that date.
        lest(&format!("{naar}T12:00:00Z")).kontroller();
    }
}

fn numre(treff: &[sporring::Treff]) -> Vec<i32> {
    treff.iter().filter_map(|treff| treff.rad.avtale_nr).collect()
}

#[test]
fn p_persons() {
    let person = LEST.person("21018806158");
    let av = |tiltakstype| person.treff.iter().filter(|treff| treff.rad.tiltakstype == tiltakstype).count();
    let med = |status| person.treff.iter().filter(|treff| treff.rad.avtale_status == status).count();
    assert_eq!((person.treff.len(), [Arbeidstrening, MidlertidigLonnstilskudd, VarigLonnstilskudd].map(av)), (72, [69, 2, 1]));
    assert_eq!([Avsluttet, Annullert, Paabegynt].map(med), [68, 2, 2]);
    assert_eq!(person.treff.iter().filter(|treff| !treff.rad.feilregistrert).count(), 70);

    let svar = sporring::paa_tiltak(LEST.person("24070178547"), dato("2021-06-15"));
    let av = |tiltakstype| svar.avtaler.iter().filter(|treff| treff.rad.tiltakstype == tiltakstype).count();
    assert_eq!([MidlertidigLonnstilskudd, VarigLonnstilskudd, Sommerjobb].map(av), [13, 3, 13]);
    assert_eq!(svar.tiltakstyper, [MidlertidigLonnstilskudd, VarigLonnstilskudd, Sommerjobb]);

    for (fnr, naar, ventet) in
        [("07860198775", "2023-02-05", &[548, 551][..]), ("07860198775", "2023-02-06", &[548]), ("11526525320", "2024-01-01", &[])]
    {
        let svar = sporring::paa_tiltak(LEST.person(fnr), dato(naar));
        let mut funnet = numre(&svar.avtaler);
        funnet.sort_unstable();
        assert_eq!((funnet.as_slice(), svar.paa_tiltak()), (ventet, !ventet.is_empty()), "{naar}");
    }
    let rad = LEST.rad(594);
    assert!(rad.godkjent_av_veileder.is_some() && rad.avtale_inngaatt.is_none());

    let person = LEST.person("08529942754");
    let mut funnet: Vec<_> = person.treff.iter().map(|treff| (treff.rad.avtale_nr.unwrap(), treff.rad.avtale_status)).collect();
    funnet.sort_unstable();
    assert_eq!(funnet, [(266_596, Paabegynt), (266_599, Gjennomfores)]);
}

#[test]
fn e_employers() {
    let rader = LEST.bedrift("910825518");
    let personer: std::collections::BTreeSet<_> = rader.iter().map(|treff| &treff.rad.deltaker_fnr).collect();
    let gjennomfores = rader.iter().filter(|treff| treff.rad.avtale_status == Gjennomfores).count();
    assert_eq!((rader.len(), personer.len(), gjennomfores), (201, 64, 11));
    for (bedrift_nr, naar, avtaler, personer) in [("910825526", "2021-06-15", 43, 5), ("922086575", "2023-01-01", 41, 1)] {
        let svar = sporring::bedrift_paa_dato(LEST.bedrift(bedrift_nr), dato(naar));
        assert_eq!((svar.avtaler.len(), svar.antall_personer), (avtaler, personer), "{bedrift_nr}");
    }
}

#[test]
fn v_durations() {
    let segment = |fra: &str, til: &str| Segment { fra: dato(fra), til: dato(til) };
    let i_2023 = Vindu { fra: Some(dato("2023-01-01")), til: Some(dato("2023-12-31")) };
    for (fnr, vindu, ventet, ett) in [
        ("11017811306", Vindu::default(), (5, 1763, 1087), segment("2021-02-01", "2024-01-23")),
        ("28109624685", Vindu::default(), (13, 699, 277), segment("2022-05-01", "2023-02-01")),
        ("28109624685", i_2023, (1, 32, 32), segment("2023-01-01", "2023-02-01")),
    ] {
        let person = LEST.person(fnr);
        let svar = sporring::varighet(person.treff.iter().map(|treff| &*treff.rad), vindu, None).unwrap();
        assert_eq!((svar.antall_avtaler, svar.sum_dager, svar.union_dager), ventet);
        assert_eq!(svar.segmenter, [ett]);
        assert_eq!(svar.union_dager, ett.dager());
    }
    for (tiltakstype, ventet) in [(MidlertidigLonnstilskudd, (126, 21_475, 2, 545)), (Sommerjobb, (82, 1733, 1, 29))] {
        let hver: Vec<_> = LEST
            .rader()
            .filter_map(|rad| {
                let svar = sporring::varighet([rad], Vindu::default(), Some(&[tiltakstype])).unwrap();
                (svar.antall_avtaler == 1).then_some(svar.sum_dager)
            })
            .collect();
        let (kortest, lengst) = (*hver.iter().min().unwrap(), *hver.iter().max().unwrap());
        let alle = sporring::varighet(LEST.rader(), Vindu::default(), Some(&[tiltakstype])).unwrap();
        assert_eq!((alle.antall_avtaler, alle.sum_dager, kortest, lengst), ventet);
        let per_type = &alle.per_tiltakstype[..];
        assert!(matches!(per_type, [en] if en.tiltakstype == tiltakstype && en.sum_dager == alle.sum_dager));
    }
}

#[test]
fn g1_g2_effective_status() {
    for (naar, ventet) in [("2023-11-24", &[(Gjennomfores, 11)][..]), ("2024-01-01", &[(Gjennomfores, 4), (Avsluttet, 373)])] {
        let fordelt = sporring::statusfordeling(LEST.rader(), dato(naar), None, false);
        for (status, antall) in ventet {
            let funnet = fordelt.iter().find(|linje| linje.status == *status).map(|linje| linje.antall);
            assert_eq!(funnet, Some(*antall), "{naar} {status}");
        }
    }
    let paa_tiltak = LEST.rader().filter(|rad| rad.avtale_status == Gjennomfores && status::paa_tiltak(rad, dato("2023-11-24"))).count();
    assert_eq!(paa_tiltak, 10);
}

#[test]
fn g3_g4_dates_pass_also_while_stopped() {
    let mut modell = lest("2023-11-24T12:00:00Z");
    let nye = |modell: &mut Modell, naa: &str| {
        let for_steget = modell.statusendringer.len();
        modell.klokken_er(naa);
        let nye = modell.statusendringer[for_steget..].to_vec();
        let mut funnet: Vec<_> = nye
            .iter()
            .map(|endring| {
                assert_eq!(endring.arsak, Statusarsak::Dato);
                let nr = modell.avtale[&endring.avtale_id].rad.as_ref().unwrap().avtale_nr.unwrap();
                (nr, endring.fra, endring.til, endring.gjelder_dato.to_string())
            })
            .collect();
        funnet.sort_unstable_by_key(|(nr, ..)| *nr);
        modell.kontroller();
        funnet
    };
    let avsluttes = |nr, naar: &str| (nr, Some(Gjennomfores), Some(Avsluttet), naar.to_owned());
    assert_eq!(nye(&mut modell, "2023-11-24T22:59:59Z"), []);
    assert_eq!(nye(&mut modell, "2023-11-24T23:00:00Z"), [avsluttes(540, "2023-11-25")]);
    assert_eq!(nye(&mut modell, "2023-11-24T23:00:30Z"), []);
    let for_nyttaar: Vec<_> = nye(&mut modell, "2023-12-31T19:00:00Z").into_iter().map(|(nr, ..)| nr).collect();
    assert_eq!(for_nyttaar, [546, 569, 582]);
    assert_eq!(nye(&mut modell, "2024-01-02T08:00:00Z"), [592, 593, 598].map(|nr| avsluttes(nr, "2024-01-01")));
}

#[test]
fn g5_status_changes_from_loading() {
    let forste = LEST.statusendringer.iter().filter(|endring| endring.fra.is_none()).count();
    assert_eq!((LEST.statusendringer.len(), forste), (634, 612));
    assert!(LEST.statusendringer.iter().all(|endring| endring.arsak == Statusarsak::Melding));
}

#[test]
fn k3_legacy_rows_and_quality() {
    let merket = |merke: fn(&straum_schemas::datadeling::AvtaleRad) -> bool| LEST.rader().filter(|rad| merke(rad)).count();
    assert_eq!([merket(|rad| rad.slettemerket), merket(|rad| !rad.har_opphav_felt)], [2, 600]);
    assert_eq!([Teller::UlovligStatussteg, Teller::Versjonshull].map(|teller| LEST.talt(teller)), [0, 0]);
}

#[test]
fn h8_a_filtered_list_in_pages() {
    let filter = AvtaleFilter { tiltakstyper: Some(vec![Sommerjobb]), statuser: Some(vec![Avsluttet]), ..AvtaleFilter::default() };
    filter.sjekk().unwrap();
    let side = |etter: Option<&str>| {
        let treff = LEST.treff().filter(|treff| filter.treffer(&treff.rad, LEST.idag()));
        sporring::side(treff, Some(50), etter).unwrap()
    };
    let forste = side(None);
    let andre = side(forste.neste.as_deref());
    assert_eq!((forste.antall_totalt, forste.elementer.len(), forste.neste.is_some()), (82, 50, true));
    assert_eq!((andre.antall_totalt, andre.elementer.len(), andre.neste), (82, 32, None));
    let alle: Vec<_> = forste.elementer.iter().chain(&andre.elementer).map(|treff| sporring::Sortering::av(&treff.rad)).collect();
    assert!(alle.is_sorted() && alle.len() == 82);
}
