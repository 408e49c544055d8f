//! An agreement as a message: all 94 properties in the owner's order, null when unset.

use jiff::civil::Date;
use straum_schemas::datadeling::{Mikros, Tiltakstype, Wirenavn};

use super::avtale::Avtale;
use crate::datadeling::tid;

const ORD: [&str; 12] = [
    "oppfølging",
    "hver uke",
    "på lageret",
    "\"kundeservice\"",
    "tilrettelagt\narbeid",
    "rydding",
    "opplæring i kassa",
    "møter",
    "med veileder",
    "økt ansvar",
    "språktrening",
    "etter behov",
];
const FORNAVN: [&str; 6] = ["Søt", "Lunken", "Rask", "Blå", "Stille", "Åpen"];
const ETTERNAVN: [&str; 6] = ["Pause", "Ert", "Bolle", "Sykkel", "Fjord", "Ørret"];

/// Writes a message. The kind of measure is given apart, so that an unknown one can be sent.
pub(super) fn skriv(avtale: &Avtale, tiltakstype: &str) -> Vec<u8> {
    let mut ut = Skriver(Vec::with_capacity(5_000));
    ut.0.push(b'{');
    identitet(&mut ut, avtale, tiltakstype);
    parter(&mut ut, avtale);
    innhold(&mut ut, avtale);
    lonn(&mut ut, avtale);
    godkjenninger(&mut ut, avtale);
    // The comma after the last property.
    ut.0.pop();
    ut.0.push(b'}');
    ut.0
}

fn identitet(ut: &mut Skriver, avtale: &Avtale, tiltakstype: &str) {
    let mentor = avtale.tiltakstype == Tiltakstype::Mentor;
    ut.tekst("hendelseType", Some(avtale.hendelse));
    ut.tekst("avtaleStatus", Some(avtale.status.wire()));
    ut.tekst("deltakerFnr", Some(&fnr(avtale.person)));
    ut.tekst("mentorFnr", mentor.then(|| fnr(avtale.person / 7 + 3)).as_deref());
    ut.tekst("bedriftNr", Some(&avtale.bedrift.map(bedrift_nr).unwrap_or_default()));
    ut.tekst("veilederNavIdent", nav_ident(avtale.person % 90).as_deref().filter(|_| avtale.nr.is_some()));
    ut.tekst("tiltakstype", Some(tiltakstype));
    ut.tekst("opprettetTidspunkt", Some(&lokal(avtale.opprettet, true)));
    ut.tekst("avtaleId", Some(&avtale.id.to_string()));
    ut.tall("avtaleNr", avtale.nr);
    ut.tekst("sistEndret", Some(&instant(avtale.endret, avtale.avrundet)));
    ut.tekst("annullertTidspunkt", avtale.annullert.map(|nanos| instant(nanos, avtale.avrundet)).as_deref());
    ut.tekst("annullertGrunn", avtale.annullert.map(|_| "Feilregistrering"));
    ut.bool("slettemerket", Some(avtale.slettemerket));
    ut.bool("opprettetAvArbeidsgiver", Some(avtale.hendelse == "OPPRETTET_AV_ARBEIDSGIVER"));
    ut.tekst("enhetGeografisk", Some("0106"));
    ut.tekst("enhetsnavnGeografisk", Some("Nav Fredrikstad"));
    ut.tekst("enhetOppfolging", Some("0219"));
    ut.tekst("enhetsnavnOppfolging", Some("Nav Bærum"));
    ut.bool("godkjentForEtterregistrering", Some(false));
    ut.tekst("kvalifiseringsgruppe", Some("BATT"));
    ut.tekst("formidlingsgruppe", Some("ARBS"));
    ut.raa("tilskuddPeriode", "[]");
    ut.bool("feilregistrert", Some(avtale.feilregistrert));
    if avtale.nye_felter {
        ut.tekst("opphav", Some(if avtale.person.is_multiple_of(5) { "ARENA" } else { "VEILEDER" }));
    }
    ut.tall("versjon", Some(avtale.versjon));
}

fn parter(ut: &mut Skriver, avtale: &Avtale) {
    let mentor = avtale.tiltakstype == Tiltakstype::Mentor;
    let oppgaver = fritekst(avtale.tekst, 10);
    ut.navn("deltaker", avtale.tekst);
    ut.tekst("bedriftNavn", Some(if avtale.bedrift == Some(0) { "STOR OG STERK AS" } else { "LITEN OG LØNNSOM" }));
    ut.navn("arbeidsgiver", avtale.tekst >> 8);
    ut.navn("veileder", avtale.tekst >> 16);
    ut.tekst("oppfolging", Some(&fritekst(avtale.tekst >> 3, 24)));
    ut.tekst("tilrettelegging", Some(&fritekst(avtale.tekst >> 5, 16)));
    ut.dato("startDato", avtale.start);
    ut.dato("sluttDato", avtale.slutt);
    ut.tall("stillingprosent", avtale.start.map(|_| avtale.prosent));
    ut.tekst("journalpostId", avtale.inngaatt.map(|_| "524273050"));
    ut.tekst("arbeidsoppgaver", Some(&fritekst(avtale.tekst >> 7, 30)));
    ut.tekst("stillingstittel", Some("Regnskapsrådgiver"));
    ut.tall("stillingStyrk08", Some(2411));
    ut.tall("stillingKonseptId", Some(22_944));
    ut.desimal("antallDagerPerUke", avtale.start.map(|_| avtale.dager), ".5");
    let kontakt = r#"{"refusjonKontaktpersonFornavn":"Blå","refusjonKontaktpersonEtternavn":"Sykkel","refusjonKontaktpersonTlf":"93807384","ønskerVarslingOmRefusjon":true}"#;
    ut.raa("refusjonKontaktperson", if avtale.tekst.is_multiple_of(8) { kontakt } else { "null" });
    ut.tekst("mentorFornavn", mentor.then_some("Mente"));
    ut.tekst("mentorEtternavn", mentor.then_some("Mentoresen"));
    ut.tekst("mentorOppgaver", mentor.then_some(oppgaver.as_str()));
    ut.desimal("mentorAntallTimer", mentor.then_some(20), ".25");
    ut.tall("mentorTimelonn", mentor.then_some(200));
    ut.tekst("mentorTlf", mentor.then_some("12345678"));
}

fn innhold(ut: &mut Skriver, avtale: &Avtale) {
    ut.tekst("arbeidsgiverKontonummer", Some("91311592950"));
    ut.tall("lonnstilskuddProsent", Some(50));
    ut.tall("manedslonn", Some(20_000 + avtale.tekst % 20_000));
    ut.raa("feriepengesats", "0.143");
    ut.raa("arbeidsgiveravgift", "0.141");
    let familie = avtale.tekst.is_multiple_of(16);
    ut.bool("harFamilietilknytning", Some(familie));
    ut.tekst("familietilknytningForklaring", familie.then_some("Arbeidsgiver er min fetter"));
}

fn lonn(ut: &mut Skriver, avtale: &Avtale) {
    ut.tall("feriepengerBelop", Some(2860));
    ut.raa("otpSats", "0.02");
    ut.tall("otpBelop", Some(457));
    ut.tall("arbeidsgiveravgiftBelop", Some(3868));
    ut.tall("sumLonnsutgifter", Some(31_300));
    ut.tall("sumLonnstilskudd", Some(15_650));
    ut.tall("manedslonn100pst", Some(31_300));
    let redusert = avtale.tekst % 8 == 1;
    ut.tall("sumLønnstilskuddRedusert", redusert.then_some(12_520));
    ut.dato("datoForRedusertProsent", avtale.start.filter(|_| redusert));
    ut.tekst("stillingstype", avtale.stillingstype.map(Wirenavn::wire));
    let maal = r#"[{"id":"8a6a6d50-1dce-4461-ab02-6ff5990b2711","kategori":"FÅ_JOBB_I_BEDRIFTEN","beskrivelse":"lære mer"}]"#;
    ut.raa("maal", if avtale.tekst.is_multiple_of(3) { maal } else { "[]" });
    let inkludering = avtale.tiltakstype == Tiltakstype::Inkluderingstilskudd;
    let utgift = r#"[{"id":"1b7c1c9a-bf8a-4df0-9f7a-7f8ca48d315b","beløp":3000,"type":"UTSTYR"}]"#;
    ut.raa("inkluderingstilskuddsutgift", if inkludering { utgift } else { "[]" });
    ut.tekst("inkluderingstilskuddBegrunnelse", inkludering.then_some("utstyr"));
    ut.tall("inkluderingstilskuddTotalBeløp", Some(if inkludering { 3000 } else { 0 }));
}

fn godkjenninger(ut: &mut Skriver, avtale: &Avtale) {
    let avrundet = avtale.avrundet;
    let mut tidspunkt = |navn, nanos: Option<i64>| {
        ut.tekst(navn, nanos.map(|nanos| lokal(nanos, avrundet)).as_deref());
    };
    tidspunkt("godkjentAvDeltaker", avtale.godkjent_deltaker);
    tidspunkt("godkjentTaushetserklæringAvMentor", None);
    tidspunkt("godkjentAvArbeidsgiver", avtale.godkjent_arbeidsgiver);
    tidspunkt("godkjentAvVeileder", avtale.godkjent_veileder);
    tidspunkt("godkjentAvBeslutter", avtale.godkjent_beslutter);
    tidspunkt("avtaleInngått", avtale.inngaatt);
    tidspunkt("ikrafttredelsestidspunkt", avtale.inngaatt);
    ut.tekst("godkjentAvNavIdent", nav_ident(avtale.person % 90).as_deref().filter(|_| avtale.inngaatt.is_some()));
    ut.tekst("godkjentAvBeslutterNavIdent", avtale.godkjent_beslutter.and_then(|_| nav_ident(91)).as_deref());
    ut.tekst("enhetKostnadssted", None);
    ut.tekst("enhetsnavnKostnadssted", None);
    let paa_vegne_av = avtale.hendelse == "GODKJENT_PAA_VEGNE_AV";
    let grunn = r#"{"ikkeBankId":true,"reservert":false,"digitalKompetanse":false,"arenaMigreringDeltaker":false}"#;
    ut.raa("godkjentPaVegneGrunn", if paa_vegne_av { grunn } else { "null" });
    ut.bool("godkjentPaVegneAv", Some(false));
    ut.raa("godkjentPaVegneAvArbeidsgiverGrunn", "null");
    ut.bool("godkjentPaVegneAvArbeidsgiver", Some(false));
    ut.tekst("innholdType", Some("INNGÅ"));
    ut.tekst("utførtAv", nav_ident(avtale.person % 90).as_deref());
    ut.tekst("utførtAvRolle", Some("VEILEDER"));
    if avtale.nye_felter {
        ut.tekst("forkortetGrunn", None);
    }
}

/// An object under construction: every property with a comma after it.
struct Skriver(Vec<u8>);

impl Skriver {
    fn raa(&mut self, navn: &str, verdi: &str) {
        for del in ["\"", navn, "\":", verdi, ","] {
            self.0.extend_from_slice(del.as_bytes());
        }
    }

    fn tekst(&mut self, navn: &str, verdi: Option<&str>) {
        let Some(verdi) = verdi else { return self.raa(navn, "null") };
        self.raa(navn, "\"");
        // The comma belongs after the text.
        self.0.pop();
        for byte in verdi.bytes() {
            match byte {
                b'"' => self.0.extend_from_slice(b"\\\""),
                b'\\' => self.0.extend_from_slice(b"\\\\"),
                b'\n' => self.0.extend_from_slice(b"\\n"),
                annen => self.0.push(annen),
            }
        }
        self.0.extend_from_slice(b"\",");
    }

    fn tall(&mut self, navn: &str, verdi: Option<impl ToString>) {
        match verdi {
            Some(verdi) => self.raa(navn, &verdi.to_string()),
            None => self.raa(navn, "null"),
        }
    }

    fn desimal(&mut self, navn: &str, hele: Option<u32>, brok: &str) {
        match hele {
            Some(hele) => self.raa(navn, &format!("{hele}{brok}")),
            None => self.raa(navn, "null"),
        }
    }

    fn bool(&mut self, navn: &str, verdi: Option<bool>) {
        match verdi {
            Some(true) => self.raa(navn, "true"),
            Some(false) => self.raa(navn, "false"),
            None => self.raa(navn, "null"),
        }
    }

    fn dato(&mut self, navn: &str, verdi: Option<Date>) {
        self.tekst(navn, verdi.map(|dato| dato.to_string()).as_deref());
    }

    fn navn(&mut self, hvem: &str, tekst: u64) {
        self.tekst(&format!("{hvem}Fornavn"), Some(en_av(&FORNAVN, tekst)));
        self.tekst(&format!("{hvem}Etternavn"), Some(en_av(&ETTERNAVN, tekst >> 4)));
        self.tekst(&format!("{hvem}Tlf"), Some("93419847"));
    }
}

fn en_av<'a>(liste: &[&'a str], tall: u64) -> &'a str {
    let plass = tall % liste.len().max(1) as u64;
    usize::try_from(plass).ok().and_then(|plass| liste.get(plass).copied()).unwrap_or_default()
}

fn fritekst(fro: u64, antall_ord: u32) -> String {
    (0..antall_ord).map(|nummer| en_av(&ORD, fro.rotate_right(nummer * 3))).collect::<Vec<_>>().join(" ")
}

/// Eleven digits with a month between 81 and 92.
fn fnr(person: u32) -> String {
    let lopenummer = person % 100_000;
    format!("{:02}{:02}{:02}{lopenummer:05}", 1 + lopenummer % 28, 81 + lopenummer % 12, person / 100_000)
}

fn bedrift_nr(bedrift: u32) -> String {
    format!("{}", 900_000_000 + bedrift)
}

fn nav_ident(nummer: u32) -> Option<String> {
    Some(format!("Z99{:04}", 1000 + nummer))
}

fn instant(nanos: i64, avrundet: bool) -> String {
    let tidspunkt = jiff::Timestamp::from_nanosecond(i128::from(rund_av(nanos, avrundet))).unwrap_or_default();
    format!("{tidspunkt}")
}

fn lokal(nanos: i64, avrundet: bool) -> String {
    let nanos = rund_av(nanos, avrundet);
    let brok = nanos.rem_euclid(1_000);
    let tid = tid::oslotid(Mikros(nanos.div_euclid(1_000)));
    format!("{tid:.6}{}", if brok == 0 { String::new() } else { format!("{brok:03}") })
}

const fn rund_av(nanos: i64, avrundet: bool) -> i64 {
    if avrundet { (nanos + 500).div_euclid(1_000) * 1_000 } else { nanos }
}
