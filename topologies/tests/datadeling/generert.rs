//! The generator: what it promises, and the model over what it makes.

use std::collections::BTreeSet;

use straum_schemas::datadeling::Kilde;
use straum_topologies::datadeling::generator::{Generator, Innstillinger};
use straum_topologies::datadeling::tellere::Teller;

use crate::modell::Modell;

fn innstillinger() -> Innstillinger {
    Innstillinger { meldinger: 12_000, avtaler: 900, personer: 500, bedrifter: 40, ..Innstillinger::default() }
}

#[test]
fn the_same_seed_gives_the_same_messages() {
    let lik = |fro| Generator::ny(Innstillinger { fro, meldinger: 500, ..innstillinger() }).collect::<Vec<_>>();
    assert_eq!(lik(7), lik(7));
    assert_ne!(lik(7), lik(8));
    assert_eq!(lik(7).len(), 500);
}

#[test]
fn every_property_of_the_fixture_is_written_and_no_other() {
    let egenskaper = |bytes: &[u8]| -> BTreeSet<String> {
        let objekt: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes).unwrap();
        objekt.into_iter().map(|(navn, _)| navn).collect()
    };
    let fixtur = include_str!("../../data/avtale-hendelser.jsonl");
    let (gammel, ny) = (fixtur.lines().next().unwrap(), fixtur.lines().last().unwrap());
    let generert: Vec<_> = Generator::ny(Innstillinger { gift_promille: 0, ..innstillinger() }).filter_map(|melding| melding.verdi).collect();
    assert_eq!(egenskaper(generert.first().unwrap()), egenskaper(gammel.as_bytes()));
    assert_eq!(egenskaper(generert.last().unwrap()), egenskaper(ny.as_bytes()));
    let lengder: Vec<_> = generert.iter().map(Vec::len).collect();
    assert!(lengder.iter().all(|lengde| (2_400..6_200).contains(lengde)), "{:?}", lengder.iter().max());
}

#[test]
fn all_oddities_are_met_and_counts_equal_a_recount() {
    let mut modell = Modell::ny("2025-01-15T12:00:00Z");
    let valg = Innstillinger { gravferd_promille: 2, ..innstillinger() };
    for (offset, melding) in Generator::ny(valg).enumerate() {
        let kilde = Kilde { partisjon: 0, offset: i64::try_from(offset).unwrap(), epoke: 1 };
        modell.les(melding.nokkel.as_deref().map(str::as_bytes), melding.verdi.as_deref(), kilde);
        if offset % 1_000 == 0 {
            modell.kontroller();
        }
        if offset == 9_000 {
            modell.klokken_er("2025-04-01T12:00:00Z");
        }
    }
    modell.klokken_er("2026-02-03T12:00:00Z");
    modell.kontroller();
    for teller in [
        Teller::GodtattForste,
        Teller::GodtattNyere,
        Teller::GodtattLik,
        Teller::Uendret,
        Teller::Gammel,
        Teller::Slettet,
        Teller::Parkert,
        Teller::DodtBrev,
        Teller::NokkelUlikAvtaleId,
        Teller::SuspektKompaktering,
        Teller::PatchEndretStatus,
    ] {
        assert!(modell.talt(teller) > 0, "{}", teller.navn());
    }
    let stor = modell.bedrift("900000000").len();
    assert!(stor > 100 && modell.rader().count() > 700, "{stor}");
}
