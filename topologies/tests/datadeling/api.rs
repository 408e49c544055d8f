//! The query API over the fixture on the engine: worked cases by what a client sends and gets.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use straum_schemas::datadeling::Mikros;
use straum_topologies::datadeling::graphql::{Apiinnstillinger, Kildelag, Lagerkilde, MAKS_KROPP, Svar, Tjeneste, router};
use straum_topologies::datadeling::lager::Lager;
use straum_topologies::datadeling::tid;
use straum_topologies::datadeling::topologi::Innstillinger;

use crate::fixtur::HENDELSER;
use crate::motor::{ENKELT, Motor};

const NAA: &str = "2026-02-03T12:00:00Z";

struct Kilde {
    lager: Option<Lager>,
    naa: Mikros,
    komplett: bool,
}

impl Lagerkilde for Kilde {
    fn lager(&self) -> Option<Lager> {
        self.lager.clone()
    }

    fn kildelag(&self) -> Kildelag {
        Kildelag { meldinger: 0, millis: 0, komplett: self.komplett }
    }

    fn naa(&self) -> Mikros {
        self.naa
    }
}

fn tjeneste(motor: &Motor, komplett: bool, innstillinger: Apiinnstillinger) -> Tjeneste {
    let kilde = Kilde { lager: Some(Lager::apne(&motor.driver).unwrap()), naa: Mikros(motor.driver.now() * 1000), komplett };
    Tjeneste::ny(Arc::new(kilde), innstillinger)
}

static FIXTUR: LazyLock<Tjeneste> = LazyLock::new(|| tjeneste(&lest(), true, Apiinnstillinger::default()));

fn lest() -> Motor {
    let mut motor = Motor::med(NAA, Innstillinger::default(), ENKELT);
    for linje in HENDELSER.lines() {
        motor.skriv(0, None, Some(linje.as_bytes()));
    }
    motor.ferdig();
    motor
}

fn send(tjeneste: &Tjeneste, sporring: &str) -> Svar {
    tjeneste.utfor(json!({"query": sporring}).to_string().as_bytes())
}

/// The answer's data; nothing may have been refused.
fn spor(sporring: &str) -> Value {
    let svar = send(&FIXTUR, sporring);
    assert_eq!((svar.status, svar.kropp.get("errors")), (200, None), "{sporring}: {}", svar.kropp);
    svar.kropp["data"].clone()
}

/// How many of a list have each value of a field, by the field's value.
fn fordelt(liste: &Value, felt: &str) -> Vec<(String, usize)> {
    let mut ut = std::collections::BTreeMap::new();
    for rad in liste.as_array().unwrap() {
        *ut.entry(rad[felt].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    ut.into_iter().collect()
}

fn ventet(par: &[(&str, usize)]) -> Vec<(String, usize)> {
    let mut ut: Vec<_> = par.iter().map(|(navn, antall)| ((*navn).to_owned(), *antall)).collect();
    ut.sort();
    ut
}

#[test]
fn a1_a2_a9_rows_by_status() {
    for (status, antall) in
        [("AVSLUTTET", 366), ("PAABEGYNT", 166), ("ANNULLERT", 33), ("MANGLER_GODKJENNING", 30), ("GJENNOMFORES", 11), ("AVBRUTT", 6)]
    {
        let data = spor(&format!("{{ avtalerForStatus(status: {status}) {{ avtaleId }} }}"));
        assert_eq!(data["avtalerForStatus"].as_array().unwrap().len(), antall, "{status}");
    }
    let data =
        spor("{ avtale(avtaleNr: 449) { ufullstendig } avtaler(filter: {inkluderFeilregistrert: true}) { antallTotalt elementer { avtaleId } } }");
    assert_eq!((&data["avtale"]["ufullstendig"], &data["avtaler"]["antallTotalt"]), (&json!(true), &json!(612)));
    assert_eq!(data["avtaler"]["elementer"].as_array().unwrap().len(), 100);
    let data = spor("{ avtalerForStatus(status: AVBRUTT) { avtaleNr effektivStatus(dato: \"2030-01-01\") } }");
    let mut numre: Vec<_> = data["avtalerForStatus"].as_array().unwrap().iter().map(|rad| rad["avtaleNr"].as_i64().unwrap()).collect();
    numre.sort_unstable();
    assert_eq!(numre, [2, 15, 18, 37, 38, 41]);
    assert_eq!(fordelt(&data["avtalerForStatus"], "effektivStatus"), ventet(&[("AVBRUTT", 6)]));
}

#[test]
fn a10_a11_a12_single_rows() {
    let data = spor(
        "{ a10: avtale(avtaleNr: 266599) { avtaleStatus versjon startDato sluttDato stillingprosent avtaleInngaatt endretTidspunkt endring_mottatt_tidspunkt }
           a11: avtale(avtaleNr: 574) { avtaleStatus endretTidspunkt avtaleInngaatt }
           a12: avtale(avtaleNr: 568) { avtaleStatus startDato sluttDato __typename }
           ingen: avtale { avtaleId } null: avtale(avtaleNr: 0) { avtaleId } ukjent: avtale(avtaleId: \"x\", avtaleNr: 574) { avtaleId } }",
    );
    let svar = json!({
        "a10": {"avtaleStatus": "GJENNOMFORES", "versjon": 2, "startDato": "2025-12-19", "sluttDato": "2026-05-01", "stillingprosent": null,
            "avtaleInngaatt": "2026-01-26T13:51:10.534258Z", "endretTidspunkt": "2026-01-26T13:51:10.534473Z",
            "endring_mottatt_tidspunkt": "2026-02-03T12:00:00.000Z"},
        "a11": {"avtaleStatus": "AVSLUTTET", "endretTidspunkt": "2023-04-28T12:09:59.306194Z", "avtaleInngaatt": "2023-04-28T12:09:59.306178Z"},
        "a12": {"avtaleStatus": "ANNULLERT", "startDato": null, "sluttDato": "2023-04-19", "__typename": "Avtale"},
        "ingen": null, "null": null, "ukjent": null,
    });
    assert_eq!(data, svar);
}

#[test]
fn d_counts_on_a_date() {
    for (dato, linjer) in [
        ("2020-03-01", json!([["ARBEIDSTRENING", 2, 2], ["MIDLERTIDIG_LONNSTILSKUDD", 3, 3], ["MENTOR", 2, 2], [null, 7, 4]])),
        ("2021-06-15", json!([["MIDLERTIDIG_LONNSTILSKUDD", 28, 9], ["VARIG_LONNSTILSKUDD", 7, 4], ["SOMMERJOBB", 51, 11], [null, 86, 20]])),
        (
            "2022-06-15",
            json!([
                ["ARBEIDSTRENING", 5, 2],
                ["MIDLERTIDIG_LONNSTILSKUDD", 39, 14],
                ["VARIG_LONNSTILSKUDD", 1, 1],
                ["SOMMERJOBB", 1, 1],
                [null, 46, 17]
            ]),
        ),
        (
            "2023-01-01",
            json!([
                ["ARBEIDSTRENING", 67, 2],
                ["MIDLERTIDIG_LONNSTILSKUDD", 19, 12],
                ["VARIG_LONNSTILSKUDD", 1, 1],
                ["MENTOR", 1, 1],
                ["INKLUDERINGSTILSKUDD", 1, 1],
                [null, 89, 15]
            ]),
        ),
        ("2023-12-31", json!([["MIDLERTIDIG_LONNSTILSKUDD", 4, 3], ["VARIG_LONNSTILSKUDD", 2, 2], [null, 6, 5]])),
        ("2026-02-01", json!([["MENTOR", 1, 1], [null, 1, 1]])),
    ] {
        let data = spor(&format!("{{ antall(dato: \"{dato}\") {{ tiltakstype antallAvtaler antallPersoner }} }}"));
        let funnet: Vec<Value> = data["antall"]
            .as_array()
            .unwrap()
            .iter()
            .map(|linje| json!([linje["tiltakstype"], linje["antallAvtaler"], linje["antallPersoner"]]))
            .collect();
        assert_eq!(Value::Array(funnet), linjer, "{dato}");
    }
}

#[test]
fn p_persons() {
    let data = spor(
        "{ alle: avtalerForPerson(personnummer: \"21018806158\") { tiltakstype avtaleStatus startDato avtaleId }
           uten: avtalerForPerson(personnumre: [\"21018806158\"], inkluderFeilregistrert: false) { avtaleId }
           begge: avtalerForPerson(personnummer: \"08529942754\", personnumre: [\"08529942754\"]) { avtaleNr avtaleStatus }
           ingen: avtalerForPerson { avtaleId } }",
    );
    assert_eq!(
        fordelt(&data["alle"], "tiltakstype"),
        ventet(&[("ARBEIDSTRENING", 69), ("MIDLERTIDIG_LONNSTILSKUDD", 2), ("VARIG_LONNSTILSKUDD", 1)])
    );
    assert_eq!(fordelt(&data["alle"], "avtaleStatus"), ventet(&[("AVSLUTTET", 68), ("ANNULLERT", 2), ("PAABEGYNT", 2)]));
    let ordnet =
        |rad: &Value| (rad["startDato"].is_null(), rad["startDato"].as_str().map(str::to_owned), rad["avtaleId"].as_str().map(str::to_owned));
    assert!(data["alle"].as_array().unwrap().is_sorted_by_key(ordnet));
    assert_eq!((data["uten"].as_array().unwrap().len(), &data["ingen"]), (70, &json!([])));
    let mut to: Vec<_> =
        data["begge"].as_array().unwrap().iter().map(|rad| (rad["avtaleNr"].as_i64().unwrap(), rad["avtaleStatus"].as_str().unwrap())).collect();
    to.sort_unstable();
    assert_eq!(to, [(266_596, "PAABEGYNT"), (266_599, "GJENNOMFORES")]);

    for (fnr, dato, numre) in
        [("07860198775", "2023-02-05", &[548, 551][..]), ("07860198775", "2023-02-06", &[548]), ("11526525320", "2024-01-01", &[])]
    {
        let data = spor(&format!("{{ paaTiltak(identer: [\"{fnr}\"], dato: \"{dato}\") {{ paaTiltak dato antall avtaler {{ avtaleNr }} }} }}"));
        let svar = &data["paaTiltak"];
        let mut funnet: Vec<_> = svar["avtaler"].as_array().unwrap().iter().map(|rad| rad["avtaleNr"].as_i64().unwrap()).collect();
        funnet.sort_unstable();
        assert_eq!(funnet, numre, "{dato}");
        assert_eq!((&svar["paaTiltak"], &svar["antall"], &svar["dato"]), (&json!(!numre.is_empty()), &json!(numre.len()), &json!(dato)));
    }
    let data = spor("{ paaTiltak(identer: [\"24070178547\"], dato: \"2021-06-15\") { tiltakstyper avtaler { tiltakstype } } }");
    assert_eq!(data["paaTiltak"]["tiltakstyper"], json!(["MIDLERTIDIG_LONNSTILSKUDD", "VARIG_LONNSTILSKUDD", "SOMMERJOBB"]));
    let typer = fordelt(&data["paaTiltak"]["avtaler"], "tiltakstype");
    assert_eq!(typer, ventet(&[("MIDLERTIDIG_LONNSTILSKUDD", 13), ("VARIG_LONNSTILSKUDD", 3), ("SOMMERJOBB", 13)]));
}

#[test]
fn e_employers() {
    let data = spor(
        "{ e1: avtalerForBedrift(organisasjonsnummer: \"910825518\") { deltakerFnr avtaleStatus }
           e2: bedriftPaaDato(organisasjonsnummer: \"910825526\", dato: \"2021-06-15\") { antallAvtaler antallPersoner }
           e3: bedriftPaaDato(organisasjonsnummer: \"922086575\", dato: \"2023-01-01\") { antallAvtaler antallPersoner avtaler { bedriftNr } } }",
    );
    let statuser = fordelt(&data["e1"], "avtaleStatus");
    assert!(statuser.contains(&("GJENNOMFORES".to_owned(), 11)));
    assert_eq!((data["e1"].as_array().unwrap().len(), fordelt(&data["e1"], "deltakerFnr").len()), (201, 64));
    assert_eq!(data["e2"], json!({"antallAvtaler": 43, "antallPersoner": 5}));
    assert_eq!((&data["e3"]["antallAvtaler"], &data["e3"]["antallPersoner"]), (&json!(41), &json!(1)));
    assert_eq!(fordelt(&data["e3"]["avtaler"], "bedriftNr"), ventet(&[("922086575", 41)]));
}

#[test]
fn v_durations() {
    for (argumenter, avtaler, sum, union, fra, til) in [
        ("identer: [\"11017811306\"]", 5, 1763, 1087, "2021-02-01", "2024-01-23"),
        ("identer: [\"28109624685\"]", 13, 699, 277, "2022-05-01", "2023-02-01"),
        ("identer: [\"28109624685\"], fra: \"2023-01-01\", til: \"2023-12-31\"", 1, 32, 32, "2023-01-01", "2023-02-01"),
    ] {
        let data = spor(&format!("{{ varighet({argumenter}) {{ antallAvtaler sumDager unionDager segmenter {{ fra til dager }} }} }}"));
        let svar = json!({"antallAvtaler": avtaler, "sumDager": sum, "unionDager": union, "segmenter": [{"fra": fra, "til": til, "dager": union}]});
        assert_eq!(data["varighet"], svar, "{argumenter}");
    }
    // All persons of the source: every agreement of a type is one of theirs.
    let data = spor("{ avtaler(filter: {}, antall: 1000) { elementer { deltakerFnr } } }");
    let alle: Vec<_> = fordelt(&data["avtaler"]["elementer"], "deltakerFnr").into_iter().map(|(fnr, _)| fnr).collect();
    for (tiltakstype, avtaler, sum) in [("MIDLERTIDIG_LONNSTILSKUDD", 126, 21_475), ("SOMMERJOBB", 82, 1733)] {
        let kropp = json!({
            "query": format!("query($alle: [String!]!) {{ varighet(identer: $alle, tiltakstyper: [{tiltakstype}]) {{ antallAvtaler sumDager perTiltakstype {{ tiltakstype sumDager }} }} }}"),
            "variables": {"alle": alle},
        });
        let svar = FIXTUR.utfor(kropp.to_string().as_bytes()).kropp;
        let ventet = json!({"antallAvtaler": avtaler, "sumDager": sum, "perTiltakstype": [{"tiltakstype": tiltakstype, "sumDager": sum}]});
        assert_eq!(svar["data"]["varighet"], ventet);
    }
}

#[test]
fn g1_g2_effective_status() {
    for (dato, ventet) in [("2023-11-24", &[("GJENNOMFORES", 11)][..]), ("2024-01-01", &[("GJENNOMFORES", 4), ("AVSLUTTET", 373)])] {
        let data = spor(&format!("{{ statusfordeling(dato: \"{dato}\") {{ status antall }} }}"));
        for (status, antall) in ventet {
            assert!(data["statusfordeling"].as_array().unwrap().contains(&json!({"status": status, "antall": antall})), "{dato} {status}");
        }
    }
}

#[test]
fn h7_h8_the_id_wins_and_lists_come_in_pages() {
    let annen = spor("{ avtale(avtaleNr: 574) { avtaleId } }")["avtale"]["avtaleId"].as_str().unwrap().to_owned();
    let data = spor(&format!("{{ avtale(avtaleId: \"{annen}\", avtaleNr: 266599) {{ avtaleNr }} }}"));
    assert_eq!(data["avtale"]["avtaleNr"], json!(574));

    let side = |etter: Value| {
        let etter = if etter.is_null() { String::new() } else { format!(", etter: {etter}") };
        spor(&format!(
            "{{ avtaler(filter: {{tiltakstyper: [SOMMERJOBB], statuser: [AVSLUTTET]}}, antall: 50{etter}) {{ antallTotalt neste elementer {{ avtaleId }} }} }}"
        ))["avtaler"].clone()
    };
    let forste = side(Value::Null);
    let andre = side(forste["neste"].clone());
    let antall = |side: &Value| side["elementer"].as_array().unwrap().len();
    assert_eq!((antall(&forste), antall(&andre), &forste["antallTotalt"], &andre["neste"]), (50, 32, &json!(82), &Value::Null));

    let svar = send(&FIXTUR, "{ avtalerForPerson(personnummer: \"21018806158\", antall: 50) { avtaleId } }").kropp;
    let neste = svar["extensions"]["neste"].as_str().unwrap().to_owned();
    let svar = send(&FIXTUR, &format!("{{ a: avtalerForPerson(personnummer: \"21018806158\", antall: 50, etter: \"{neste}\") {{ avtaleId }} b: avtalerForPerson {{ avtaleId }} }}")).kropp;
    assert_eq!((svar["data"]["a"].as_array().unwrap().len(), &svar["extensions"]["neste"]), (22, &json!({"a": null, "b": null})));
}

#[test]
fn answers_say_how_fresh_they_are_and_what_they_lack() {
    let svar = send(&FIXTUR, "{ avtale(avtaleNr: 449) { deltakerFnr } }").kropp;
    let ferskhet = json!({"lagMeldinger": 0, "lagMillis": 0, "komplett": true, "standby": false, "beregnetDato": "2026-02-03"});
    assert_eq!(svar["extensions"]["ferskhet"], ferskhet);
    let mut motor = Motor::med("2024-06-01T12:00:00Z", Innstillinger::default(), ENKELT);
    let melding = json!({
        "avtaleId": "00000000-0000-4000-8000-0000000000a1", "deltakerFnr": "01810000001", "bedriftNr": "999999999",
        "tiltakstype": "NY_TYPE", "avtaleStatus": "GJENNOMFØRES", "versjon": 1, "opprettetTidspunkt": "2023-12-01T10:00:00",
        "sistEndret": "2024-01-01T00:00:00Z",
    });
    motor.les(None, Some(melding.to_string().as_bytes()));
    let svar = send(
        &tjeneste(&motor, true, Apiinnstillinger::default()),
        "{ paaTiltak(identer: [\"01810000001\"]) { paaTiltak ufullstendig } avtalerForBedrift(organisasjonsnummer: \"999999999\") { avtaleId } }",
    );
    assert_eq!(svar.kropp["data"], json!({"paaTiltak": {"paaTiltak": false, "ufullstendig": true}, "avtalerForBedrift": []}));
    assert_eq!(svar.kropp["extensions"]["ufullstendigeAvtaler"], json!(["00000000-0000-4000-8000-0000000000a1"]));
}

#[test]
fn m17_a_person_is_asked_for_by_any_ident() {
    let mut motor = Motor::med("2024-06-01T12:00:00Z", Innstillinger::default(), ENKELT);
    for (id, fnr) in [("a1", "01810000001"), ("a3", "01810000002")] {
        let melding = json!({
            "avtaleId": format!("00000000-0000-4000-8000-0000000000{id}"), "deltakerFnr": fnr, "bedriftNr": "",
            "tiltakstype": "MENTOR", "avtaleStatus": "GJENNOMFØRES", "versjon": 1, "opprettetTidspunkt": "2023-12-01T10:00:00",
            "sistEndret": "2024-01-01T00:00:00Z",
        });
        motor.les(None, Some(melding.to_string().as_bytes()));
    }
    let sett = json!({"identer": ["01810000001", "01810000002"], "gjeldende": "01810000002"}).to_string();
    for ident in ["01810000001", "01810000002"] {
        let topic = Arc::clone(&motor.innstillinger.identer);
        motor.driver.write(&topic, None, Some(ident.as_bytes()), Some(sett.as_bytes()), 0, &straum::processor::Headers::new()).unwrap();
    }
    motor.ferdig();
    let svar = send(
        &tjeneste(&motor, true, Apiinnstillinger::default()),
        "{ med: avtalerForPerson(personnummer: \"01810000002\") { avtaleId } uten: avtalerForPerson(personnummer: \"01810000002\", utvidIdenter: false) { avtaleId } }",
    )
    .kropp;
    let antall = |navn: &str| svar["data"][navn].as_array().unwrap().len();
    assert_eq!((antall("med"), antall("uten")), (2, 1));
}

#[test]
fn refusals_say_what_to_do_and_name_no_one() {
    let fnr = "21018806158";
    for (kropp, status, kode) in [
        ("x".repeat(MAKS_KROPP + 1), 413, json!("FOR_STOR_FORESPORSEL")),
        ("{".to_owned(), 400, json!("UGYLDIG_FORESPORSEL")),
        ("[]".to_owned(), 400, json!("UGYLDIG_FORESPORSEL")),
        (json!({"query": format!("{{ avtalerForPerson(personnummer: {fnr}x\" ")}).to_string(), 400, json!("UGYLDIG_FORESPORSEL")),
        (json!({"query": format!("{{ paaTiltak(identer: [\"{fnr}\"], dato: \"{fnr}\") {{ antall }} }}")}).to_string(), 200, Value::Null),
        (json!({"query": format!("{{ avtalerForPerson(personnummer: {fnr}) {{ avtaleId }} }}")}).to_string(), 200, Value::Null),
        (json!({"query": format!("{{ avtalerForPerson(personnummer: \"{fnr}\") {{ p{fnr} }} }}")}).to_string(), 200, Value::Null),
        (json!({"query": "{ avtalerForPerson(antall: 1001) { avtaleId } }"}).to_string(), 200, json!("UGYLDIG_ARGUMENT")),
        (json!({"query": "{ avtalerForPerson(etter: \"æ\") { avtaleId } }"}).to_string(), 200, json!("UGYLDIG_ARGUMENT")),
        (
            json!({"query": "{ varighet(identer: [], fra: \"2024-01-02\", til: \"2024-01-01\") { sumDager } }"}).to_string(),
            200,
            json!("UGYLDIG_ARGUMENT"),
        ),
        (json!({"query": "{ __schema { queryType { name } } }"}).to_string(), 200, Value::Null),
    ] {
        let svar = FIXTUR.utfor(kropp.as_bytes());
        let feil = &svar.kropp["errors"][0];
        assert_eq!((svar.status, &feil["extensions"]["code"]), (status, &kode), "{}", svar.kropp);
        assert!(!svar.kropp.to_string().contains(fnr), "{}", svar.kropp);
    }
}

#[test]
fn h12_not_ready_before_the_first_read_through_unless_told_so() {
    let motor = lest();
    let svar = send(&tjeneste(&motor, false, Apiinnstillinger::default()), "{ antall { antallAvtaler } }");
    assert_eq!((svar.status, &svar.kropp["errors"][0]["extensions"]["code"]), (503, &json!("IKKE_KLAR")));
    let tillat = Apiinnstillinger { tillat_ufullstendig: true, ..Default::default() };
    let svar = send(&tjeneste(&motor, false, tillat), "{ antall { antallAvtaler } }");
    assert_eq!((svar.status, &svar.kropp["extensions"]["ferskhet"]["komplett"]), (200, &json!(false)));
    let uten = Kilde { lager: None, naa: tid::les_instant(NAA).unwrap(), komplett: true };
    assert_eq!(send(&Tjeneste::ny(Arc::new(uten), tillat), "{ antall { antallAvtaler } }").status, 503);
}

/// The schema of the specification, line by line; only the order of definitions and the library's own directives may differ.
#[test]
fn the_schema_is_that_of_the_specification() {
    let sdl = FIXTUR.sdl();
    let ord = |tekst: &str| tekst.split_whitespace().collect::<Vec<_>>().join(" ");
    let sdl = ord(&sdl);
    for definisjon in include_str!("skjema.graphql").split("\n\n") {
        assert!(sdl.contains(&ord(definisjon)), "{definisjon}\n\nis not in\n\n{sdl}");
    }
}

#[tokio::test]
async fn the_routes_answer_over_a_socket() {
    let tjeneste = tokio::task::spawn_blocking(|| FIXTUR.clone()).await.unwrap();
    let lytter = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let adresse = lytter.local_addr().unwrap();
    let tjener = tokio::spawn(async move { axum::serve(lytter, router(tjeneste)).await });
    let hent = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let klar = ["isalive", "isready"].map(|sti| agent.get(format!("http://{adresse}/internal/{sti}")).call().unwrap().status().as_u16());
        let post = |kropp: String| {
            let mut svar = agent.post(format!("http://{adresse}/graphql")).send(kropp).unwrap();
            (svar.status().as_u16(), svar.body_mut().read_to_string().unwrap())
        };
        (klar, post(json!({"query": "{ antall(dato: \"2026-02-01\") { antallAvtaler } }"}).to_string()), post("x".repeat(100_000)).0)
    });
    let (klar, (status, kropp), for_stor) = hent.await.unwrap();
    tjener.abort();
    assert_eq!((klar, status, for_stor), ([200, 200], 200, 413));
    assert!(kropp.starts_with("{\"data\":{\"antall\":[{\"antallAvtaler\":1},{\"antallAvtaler\":1}]}"), "{kropp}");
}
