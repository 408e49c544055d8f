//! Properties over seeded messages: order of reading and number of re-reads do not matter where they must not.

use std::collections::BTreeMap;

use straum_schemas::datadeling::{AvtaleId, AvtaleOppforing, Kilde};
use straum_topologies::datadeling::generator::{Generator, Generert, Innstillinger};

use crate::modell::Modell;

const NAA: &str = "2025-01-15T12:00:00Z";

fn meldinger(fro: u64, gravferd_promille: u32) -> Vec<(i64, Generert)> {
    let valg = Innstillinger {
        fro,
        meldinger: 1_500,
        avtaler: 60,
        personer: 30,
        bedrifter: 5,
        gravferd_promille,
        gift_promille: 20,
        ukjent_promille: 20,
        ..Innstillinger::default()
    };
    (0..).zip(Generator::ny(valg)).collect()
}

fn les<'a>(modell: &mut Modell, meldinger: impl IntoIterator<Item = &'a (i64, Generert)>) {
    for (offset, melding) in meldinger {
        let kilde = Kilde { partisjon: 0, offset: *offset, epoke: 1 };
        modell.les(melding.nokkel.as_deref().map(str::as_bytes), melding.verdi.as_deref(), kilde);
    }
}

/// A stream of draws without a library.
fn trekning(mut tilstand: u64) -> impl FnMut(usize) -> usize {
    move |grense| {
        tilstand = tilstand.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(tilstand >> 33).unwrap() % grense
    }
}

#[test]
fn rewinds_to_any_earlier_offset_end_in_the_same_state() {
    for fro in 0..12 {
        let meldinger = meldinger(fro, 10);
        let mut en_gang = Modell::ny(NAA);
        les(&mut en_gang, &meldinger);
        let mut trekk = trekning(fro);
        let mut med_spoling = Modell::ny(NAA);
        let mut lest = 0;
        while lest < meldinger.len() {
            let til = (lest + 1 + trekk(200)).min(meldinger.len());
            les(&mut med_spoling, &meldinger[lest..til]);
            lest = if til == meldinger.len() { til } else { til - trekk(til.min(150)) };
        }
        les(&mut med_spoling, &meldinger);
        med_spoling.kontroller();
        assert_eq!(med_spoling.avtale, en_gang.avtale, "seed {fro}");
        assert_eq!(med_spoling.parkert, en_gang.parkert, "seed {fro}");
        assert_eq!(med_spoling.antall, en_gang.antall, "seed {fro}");
        let for_ny_lesing = med_spoling.endringer;
        les(&mut med_spoling, &meldinger);
        assert_eq!(med_spoling.avtale, en_gang.avtale, "seed {fro}");
        assert!(med_spoling.endringer >= for_ny_lesing);
    }
}

/// The winning rows, without what depends on order by rule: a number once known, and what only describes the reading.
fn vinnere(modell: &Modell) -> BTreeMap<AvtaleId, AvtaleOppforing> {
    let mut avtale = modell.avtale.clone();
    for oppforing in avtale.values_mut() {
        oppforing.suspekt = None;
        if let Some(rad) = &mut oppforing.rad {
            std::sync::Arc::make_mut(rad).avtale_nr = None;
        }
    }
    avtale
}

#[test]
fn without_deletions_any_order_of_reading_ends_in_the_same_rows() {
    for fro in 0..12 {
        let meldinger = meldinger(fro, 0);
        let mut i_rekkefolge = Modell::ny(NAA);
        les(&mut i_rekkefolge, &meldinger);
        let mut stokket = meldinger.clone();
        let mut trekk = trekning(fro + 100);
        for siste in (1..stokket.len()).rev() {
            stokket.swap(siste, trekk(siste + 1));
        }
        let mut modell = Modell::ny(NAA);
        les(&mut modell, &stokket);
        les(&mut modell, &stokket[..stokket.len() / 3]);
        modell.kontroller();
        let (funnet, ventet) = (vinnere(&modell), vinnere(&i_rekkefolge));
        for (avtale_id, ventet) in &ventet {
            assert_eq!(funnet[avtale_id].rad, ventet.rad, "seed {fro}");
        }
    }
}

#[test]
fn the_order_of_dates_and_messages_does_not_matter_to_what_is_shown_in_the_end() {
    let meldinger = meldinger(3, 0);
    let mut forst_meldinger = Modell::ny(NAA);
    les(&mut forst_meldinger, &meldinger);
    forst_meldinger.klokken_er("2026-06-01T12:00:00Z");
    forst_meldinger.kontroller();
    let mut forst_dato = Modell::ny("2026-06-01T12:00:00Z");
    les(&mut forst_dato, &meldinger);
    let status = |modell: &Modell| -> Vec<_> { modell.rader().map(|rad| (rad.avtale_id, rad.effektiv_status, rad.paa_tiltak_idag)).collect() };
    assert_eq!(status(&forst_meldinger), status(&forst_dato));
    let antall = |modell: &Modell| -> Vec<_> {
        modell.antall.iter().map(|(nokkel, rad)| (*nokkel, rad.avtaler_paa_tiltak, rad.personer_paa_tiltak)).collect()
    };
    assert_eq!(antall(&forst_meldinger), antall(&forst_dato));
}
