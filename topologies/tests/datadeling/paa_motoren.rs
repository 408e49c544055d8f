//! The fixture through the declared topology: the same stores as the model has, whatever the partitions, threads, crashes
//! and stops on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{HeaderView, Log, OutputBatch, ProducerOptions, TopicPartition, TopicSpec};
use straum_schemas::datadeling::{AvtaleStatus, Kilde, Statusarsak};
use straum_topologies::datadeling::dekod::{Dekoder, Kildepost};
use straum_topologies::datadeling::tellere::Teller;
use straum_topologies::datadeling::tid;
use straum_topologies::datadeling::topologi::Innstillinger;
use straum_topologies::registry;

use crate::fixtur::HENDELSER;
use crate::modell::Modell;
use crate::motor::{ENKELT, Motor, Oppsett, som_tekst};

const NAA: &str = "2026-02-03T12:00:00Z";

/// The fixture spread over partitions by line, in the model and on the engine; `for_linje` may disturb the engine.
fn spill_av(naa: &str, oppsett: Oppsett, mut for_linje: impl FnMut(&mut Motor, usize)) -> (Motor, Modell) {
    let mut motor = Motor::med(naa, Innstillinger::default(), oppsett);
    let mut modell = Modell::ny(naa);
    let mut neste = vec![0_i64; oppsett.partisjoner as usize];
    for (nummer, linje) in HENDELSER.lines().enumerate() {
        for_linje(&mut motor, nummer);
        // An agreement's messages stay in one partition, as they would with a key.
        let avtale_id = linje.split("\"avtaleId\":\"").nth(1).map_or(0, |rest| rest.bytes().take(36).map(usize::from).sum());
        let partisjon = avtale_id % neste.len();
        let kilde = Kilde { partisjon: i32::try_from(partisjon).unwrap(), offset: neste[partisjon], epoke: 1 };
        neste[partisjon] += 1;
        motor.skriv(u32::try_from(partisjon).unwrap(), None, Some(linje.as_bytes()));
        modell.les(None, Some(linje.as_bytes()), kilde);
    }
    motor.ferdig();
    (motor, modell)
}

#[test]
fn the_stores_are_those_of_the_model() {
    let (mut motor, modell) = spill_av(NAA, ENKELT, |_, _| {});
    motor.kontroller(&modell);
    let talt = [Teller::GodtattForste, Teller::GodtattNyere, Teller::GodtattLik, Teller::Gammel, Teller::GammelLik, Teller::DodtBrev];
    assert_eq!(talt.map(|teller| motor.talt(teller)), [612, 131, 7, 0, 0, 1]);
    let endringer = motor.statusendringer();
    assert_eq!((endringer.len(), endringer.iter().filter(|endring| endring.fra.is_none()).count()), (634, 612));
    let dode = motor.dode();
    assert_eq!(dode.iter().map(|(_, brev)| brev).collect::<Vec<_>>(), modell.dode.iter().collect::<Vec<_>>());
    assert_eq!(dode[0].0, modell.dode[0].avtale_id.map(|avtale_id| avtale_id.to_string()));
}

#[test]
fn several_partitions_and_threads_give_the_same() {
    for oppsett in [Oppsett { partisjoner: 4, traader: 1 }, Oppsett { partisjoner: 3, traader: 3 }] {
        let (motor, modell) = spill_av(NAA, oppsett, |_, _| {});
        motor.kontroller(&modell);
    }
}

#[test]
fn a_crash_after_every_fiftieth_message_changes_nothing() {
    let (mut motor, modell) = spill_av(NAA, ENKELT, |motor, nummer| match nummer % 50 {
        0 => motor.driver.crash().unwrap(),
        25 => motor.driver.commit().unwrap(),
        17 => motor.driver.run().unwrap(),
        33 => motor.driver.crash_at_output(7),
        _ => {}
    });
    motor.kontroller(&modell);
    assert_eq!(motor.talt(Teller::GodtattLik), 7);
    assert_eq!((motor.statusendringer().len(), motor.dode().len()), (634, 1));
}

#[test]
fn a6_every_message_driven_again_changes_nothing() {
    let (mut motor, modell) = spill_av(NAA, ENKELT, |_, _| {});
    motor.statusendringer();
    let dekoder = Dekoder::ny("kilde", Arc::default());
    for (nummer, linje) in HENDELSER.lines().enumerate() {
        let kilde = Kilde { partisjon: 0, offset: i64::try_from(nummer).unwrap(), epoke: 1 };
        let mottatt = tid::les_instant(NAA).unwrap();
        let post = Kildepost { nokkel: None, verdi: Some(linje.as_bytes()), kilde, mottatt, tidligere_forsok: 1 };
        let (Some((avtale_id, innmelding)), _) = dekoder.dekod(&post).utfall.del_opp() else { continue };
        motor.skriv_gjenkjoring(&avtale_id.to_string(), &serde_json::to_vec(&innmelding).unwrap());
    }
    motor.skriv_gjenkjoring("a", b"poison-pill");
    motor.ferdig();
    motor.kontroller(&modell);
    assert_eq!(motor.statusendringer(), []);
    // The older message of each pair is older now, and the newest as old as the row.
    let talt = [Teller::Gammel, Teller::GammelLik, Teller::UgyldigGjenkjoring].map(|teller| motor.talt(teller));
    assert_eq!((talt[0] + talt[1], talt[2]), (750, 1));
}

#[test]
fn g3_g4_dates_pass_also_while_stopped() {
    let (mut motor, mut modell) = spill_av("2023-11-24T12:00:00Z", ENKELT, |_, _| {});
    motor.statusendringer();
    let nye = |motor: &mut Motor, modell: &Modell| {
        let mut funnet: Vec<_> = motor
            .statusendringer()
            .iter()
            .map(|endring| {
                assert_eq!(
                    (endring.arsak, endring.fra, endring.til),
                    (Statusarsak::Dato, Some(AvtaleStatus::Gjennomfores), Some(AvtaleStatus::Avsluttet))
                );
                let nr = modell.avtale[&endring.avtale_id].rad.as_ref().unwrap().avtale_nr.unwrap();
                (nr, endring.gjelder_dato.to_string())
            })
            .collect();
        funnet.sort_unstable();
        funnet
    };
    for (naa, ventet) in [("2023-11-24T22:59:59Z", vec![]), ("2023-11-24T23:00:30Z", vec![(540, "2023-11-25")]), ("2023-11-24T23:01:00Z", vec![])] {
        motor.klokken_er(naa);
        modell.klokken_er(naa);
        let ventet: Vec<_> = ventet.into_iter().map(|(nr, dato)| (nr, dato.to_owned())).collect();
        assert_eq!(nye(&mut motor, &modell), ventet, "{naa}");
        motor.kontroller(&modell);
    }
    motor.klokken_er("2023-12-31T19:00:00Z");
    let tidligere: Vec<_> = nye(&mut motor, &modell).into_iter().map(|(nr, _)| nr).collect();
    assert_eq!(tidligere, [546, 569, 582]);
    let nede = crate::motor::millisekunder("2024-01-02T08:00:00Z") - motor.driver.now();
    motor.driver.crash_for(Duration::from_millis(nede.try_into().unwrap())).unwrap();
    motor.driver.advance_wall_clock(Duration::from_millis(1)).unwrap();
    motor.ferdig();
    assert_eq!(nye(&mut motor, &modell), [592, 593, 598].map(|nr| (nr, "2024-01-01".to_owned())));
    modell.klokken_er("2023-12-31T19:00:00Z");
    modell.klokken_er("2024-01-02T08:00:00Z");
    motor.kontroller(&modell);
}

/// The messages are of 2023 and on; what is told of them is of today, and is kept as long as its topic says.
#[test]
fn what_is_told_of_old_agreements_outlives_its_topics_retention() {
    const DAG: i64 = 24 * 60 * 60 * 1000;
    let (mut motor, _) = spill_av(NAA, ENKELT, |_, _| {});
    // Dates that pass are told by the clock as well.
    motor.klokken_er("2026-02-05T12:00:00Z");
    let valg = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(60) };
    let naa = Arc::new(AtomicI64::new(motor.driver.now()));
    let topics = registry::find("datadeling").unwrap().topics();
    for (topic, dager, antall) in [(&motor.innstillinger.dlq, 90, 1), (&motor.innstillinger.statusendring, 30, 634)] {
        let tidsstempler = motor.tidsstempler(topic);
        assert!(tidsstempler.len() >= antall, "{topic}");
        let definert = topics.iter().find(|definert| *definert.name == **topic).unwrap();
        let klokke = Arc::clone(&naa);
        let log = EmbeddedLog::in_memory(EmbeddedOptions::new().clean_at_roll(false).clock(move || klokke.load(Ordering::Relaxed))).unwrap();
        let config = definert.config.iter().chain(&[("segment.bytes", "1")]).map(|(navn, verdi)| ((*navn).to_owned(), (*verdi).to_owned()));
        log.create_topic(&TopicSpec { name: topic.to_string(), partitions: 1, config: config.collect() }).unwrap();
        let partisjon = TopicPartition::new(Arc::clone(topic), 0);
        let mut produsent = log.producer(&valg).unwrap();
        for tidsstempel in &tidsstempler {
            let mut post = OutputBatch::new();
            let indeks = post.topic(topic);
            post.push(indeks, 0, *tidsstempel, None, Some(b"{}"), HeaderView::new(&[]));
            produsent.send(&post).unwrap();
        }
        log.clean().unwrap();
        assert_eq!(log.offsets(&partisjon).unwrap().0, 0, "{topic}: deleted as soon as it was written");
        naa.fetch_add((dager - 3) * DAG, Ordering::Relaxed);
        log.clean().unwrap();
        assert_eq!(log.offsets(&partisjon).unwrap().0, 0, "{topic}: deleted before its time");
        naa.fetch_add(4 * DAG, Ordering::Relaxed);
        log.clean().unwrap();
        assert!(log.offsets(&partisjon).unwrap().0 > 0, "{topic}: kept for ever");
        naa.store(motor.driver.now(), Ordering::Relaxed);
    }
}

#[test]
fn nothing_personal_leaves_by_the_open_topics() {
    let (motor, modell) = spill_av(NAA, ENKELT, |_, _| {});
    let ut = [&motor.innstillinger.statusendring, &motor.innstillinger.dlq].map(|topic| som_tekst(&motor, topic)).concat();
    assert!(ut.lines().count() == 635 && ut.contains("MANGLER_FELT"));
    for rad in modell.rader() {
        assert!(!ut.contains(rad.deltaker_fnr.as_str()) && (rad.bedrift_nr.is_empty() || !ut.contains(&*rad.bedrift_nr)));
    }
    let topics = Log::topics(motor.driver.log()).unwrap();
    assert!(topics.iter().all(|topic| !topic.contains("dead-letter")), "{topics:?}");
}
