//! An agreement as its owner holds it, and what may happen to it next.

use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleStatus, Mikros, Stillingstype, Tiltakstype, Wirenavn};
use uuid::Uuid;

use super::Innstillinger;
use super::trekning::Trekning;
use crate::datadeling::tid;

/// Messages from before this time have neither `opphav` nor `forkortetGrunn`.
const NYE_FELTER_FRA: &str = "2024-11-01T00:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hendelse {
    Inngaatt,
    Annen,
}

#[derive(Clone, Debug)]
pub(super) struct Avtale {
    pub(super) id: Uuid,
    pub(super) nr: Option<i32>,
    pub(super) person: u32,
    pub(super) bedrift: Option<u32>,
    pub(super) tiltakstype: Tiltakstype,
    pub(super) status: AvtaleStatus,
    pub(super) versjon: i32,
    pub(super) hendelse: &'static str,
    /// Nanoseconds since the epoch, as is `endret` and every approval.
    pub(super) opprettet: i64,
    pub(super) endret: i64,
    /// Whether times are now written as the database rounded them.
    pub(super) avrundet: bool,
    pub(super) start: Option<Date>,
    pub(super) slutt: Option<Date>,
    pub(super) prosent: u32,
    pub(super) dager: u32,
    pub(super) godkjent_deltaker: Option<i64>,
    pub(super) godkjent_arbeidsgiver: Option<i64>,
    pub(super) godkjent_veileder: Option<i64>,
    pub(super) godkjent_beslutter: Option<i64>,
    pub(super) inngaatt: Option<i64>,
    pub(super) annullert: Option<i64>,
    pub(super) feilregistrert: bool,
    pub(super) slettemerket: bool,
    pub(super) nye_felter: bool,
    pub(super) stillingstype: Option<Stillingstype>,
    /// Source of the free text.
    pub(super) tekst: u64,
}

impl Avtale {
    pub(super) fn ny(naa: i64, valg: &Innstillinger, trekning: &mut Trekning) -> Self {
        let stor = trekning.promille(valg.stor_bedrift_promille);
        let bedrift = if stor { 0 } else { 1 + trekning.under_u32(valg.bedrifter.saturating_sub(1).max(1)) };
        let uten_bedrift = trekning.en_av(100);
        Self {
            id: uuid::Builder::from_random_bytes((u128::from(trekning.tall()) << 64 | u128::from(trekning.tall())).to_be_bytes()).into_uuid(),
            nr: None,
            person: trekning.under_u32(valg.personer),
            bedrift: (!uten_bedrift).then_some(bedrift),
            tiltakstype: trekning.velg(Tiltakstype::ALLE, Tiltakstype::Mentor),
            status: AvtaleStatus::Paabegynt,
            versjon: 1,
            hendelse: "OPPRETTET",
            opprettet: naa,
            endret: naa,
            avrundet: false,
            start: None,
            slutt: None,
            prosent: 20 + 10 * trekning.under_u32(9),
            dager: 1 + trekning.under_u32(5),
            godkjent_deltaker: None,
            godkjent_arbeidsgiver: None,
            godkjent_veileder: None,
            godkjent_beslutter: None,
            inngaatt: None,
            annullert: None,
            feilregistrert: false,
            slettemerket: false,
            nye_felter: nye_felter(naa),
            stillingstype: trekning.velg(&[Some(Stillingstype::Fast), Some(Stillingstype::Midlertidig), None], None),
            tekst: trekning.tall(),
        }
    }

    pub(super) fn tiltakstype_wire(&self) -> &'static str {
        self.tiltakstype.wire()
    }

    /// Changes the agreement as something might.
    pub(super) fn neste_hendelse(&mut self, naa: i64, trekning: &mut Trekning) -> Hendelse {
        use AvtaleStatus::{Annullert, Avbrutt, Avsluttet, Gjennomfores, KlarForOppstart, ManglerGodkjenning, Paabegynt};
        let idag = oslodato(naa);
        let valg = trekning.under(10);
        self.endret = naa;
        self.avrundet = false;
        self.nye_felter = nye_felter(naa);
        self.tekst = self.tekst.rotate_left(7);
        let kan_inngaas = self.start.is_some() && self.slutt.is_some();
        match (self.status, valg) {
            (Paabegynt | ManglerGodkjenning, 0) => {
                self.status = Annullert;
                self.annullert = Some(naa);
                self.feilregistrert = trekning.en_av(3);
                self.slettemerket = trekning.en_av(20);
                self.hendelse = "ANNULLERT";
            }
            (Paabegynt | ManglerGodkjenning, 1..=5) if kan_inngaas => return self.inngaa(naa, trekning),
            (Paabegynt | ManglerGodkjenning, _) => {
                let start = idag.saturating_add(jiff::Span::new().days(trekning.under_i64(60) - 20));
                self.start = Some(start);
                self.slutt = Some(start.saturating_add(jiff::Span::new().days(trekning.under_i64(300))));
                self.status = ManglerGodkjenning;
                self.hendelse = "ENDRET";
            }
            (KlarForOppstart | Gjennomfores, 0) => {
                // Arena may open what was agreed.
                self.status = trekning.velg(&[Paabegynt, ManglerGodkjenning], Paabegynt);
                self.inngaatt = None;
                self.godkjent_deltaker = None;
                self.godkjent_arbeidsgiver = None;
                self.godkjent_veileder = None;
                self.godkjent_beslutter = None;
                self.versjon += 1;
                self.hendelse = "ENDRET_AV_ARENA";
            }
            (Annullert, 0) => {
                self.status = Paabegynt;
                self.annullert = None;
                self.hendelse = "ENDRET_AV_ARENA";
            }
            (KlarForOppstart | Gjennomfores | Avsluttet, 1..=2) => {
                self.slutt = self.slutt.map(|slutt| slutt.saturating_add(jiff::Span::new().days(30 + trekning.under_i64(90))));
                self.status = if self.slutt.is_some_and(|slutt| slutt < idag) { Avsluttet } else { Gjennomfores };
                self.versjon += 1;
                self.hendelse = "AVTALE_FORLENGET";
            }
            (KlarForOppstart | Gjennomfores, 3) => {
                self.slutt = self.slutt.map(|slutt| slutt.min(idag));
                self.versjon += 1;
                self.hendelse = "AVTALE_FORKORTET";
            }
            (Gjennomfores, 4) if !self.nye_felter => {
                self.status = Avbrutt;
                self.hendelse = "STATUSENDRING";
            }
            (KlarForOppstart | Gjennomfores, 5..=7) => {
                // The night job, after the change of 2024-11: a new sistEndret.
                self.nattjobb(idag);
                self.hendelse = "STATUSENDRING";
            }
            _ => {
                self.dager = 1 + trekning.under_u32(5);
                self.hendelse =
                    trekning.velg(&["STILLINGSBESKRIVELSE_ENDRET", "MÅL_ENDRET", "OPPFØLGING_OG_TILRETTELEGGING_ENDRET", "NY_VEILEDER"], "ENDRET");
            }
        }
        Hendelse::Annen
    }

    fn inngaa(&mut self, naa: i64, trekning: &mut Trekning) -> Hendelse {
        self.godkjent_deltaker = Some(naa - trekning.under_i64(1_000_000_000_000));
        self.godkjent_arbeidsgiver = Some(naa - trekning.under_i64(1_000_000_000_000));
        self.godkjent_veileder = Some(naa - 1_000);
        self.godkjent_beslutter = (self.tiltakstype != Tiltakstype::Arbeidstrening).then_some(naa);
        self.inngaatt = Some(naa - trekning.under_i64(1_000_000));
        self.status = AvtaleStatus::KlarForOppstart;
        self.nattjobb(oslodato(naa));
        self.hendelse = "AVTALE_INNGÅTT";
        Hendelse::Inngaatt
    }

    fn nattjobb(&mut self, idag: Date) {
        let startet = self.start.is_some_and(|start| start <= idag);
        self.status = match self.slutt {
            Some(slutt) if slutt < idag => AvtaleStatus::Avsluttet,
            _ if startet => AvtaleStatus::Gjennomfores,
            _ => self.status,
        };
    }

    /// The old status job: a new status, sistEndret unchanged.
    pub(super) fn statusjobb(&mut self) {
        self.status = match self.status {
            AvtaleStatus::KlarForOppstart => AvtaleStatus::Gjennomfores,
            AvtaleStatus::Gjennomfores => AvtaleStatus::Avsluttet,
            uendret => uendret,
        };
        self.hendelse = "STATUSENDRING";
    }
}

fn oslodato(nanos: i64) -> Date {
    tid::oslodato(Mikros(nanos.div_euclid(1000)))
}

fn nye_felter(nanos: i64) -> bool {
    tid::les_instant(NYE_FELTER_FRA).is_some_and(|fra| nanos >= fra.0 * 1000)
}
