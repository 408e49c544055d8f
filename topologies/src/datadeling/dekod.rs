//! Step `dekod-reduser`: from the bytes of a source message to what may be kept of it, or to a dead letter.
//!
//! Stateless, and before any store, repartition or changelog: free text, names, accounts, wages and the payload itself
//! go no further than this. Fields are judged in the order of the specification and the first bad one is named.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;
use sha2::{Digest, Sha256};
use straum_schemas::datadeling::{
    Arsak, AvtaleId, DodtBrev, Fnr, Gravferd, Innmelding, Kilde, Mangel, Mikros, Parkert, Redusert, Tiltakstype, Verdi, Wirenavn, nfc,
};

use super::kjente::Kjente;
use super::melding::{Melding, Skalar, Ulesbar};
use super::tellere::{Teller, Tellere};
use super::tid;

/// A source record.
#[derive(Clone, Copy, Debug)]
pub struct Kildepost<'a> {
    /// Record key.
    pub nokkel: Option<&'a [u8]>,
    /// Record value.
    pub verdi: Option<&'a [u8]>,
    /// Where it was read.
    pub kilde: Kilde,
    /// When it was consumed.
    pub mottatt: Mikros,
    /// How many times it has been tried before: 0, but for re-driven dead letters.
    pub tidligere_forsok: u32,
}

/// What a source record became.
#[derive(Clone, Debug, PartialEq)]
pub enum Utfall {
    /// A reduced record.
    Redusert(Box<Redusert>),
    /// A reduced record with an unknown value.
    Parkert(Box<Parkert>),
    /// A dead letter, and the mark to show on the row when its agreement is known.
    DodtBrev(Box<DodtBrev>, Option<Box<Mangel>>),
    /// A deletion.
    Tombstone(AvtaleId, Gravferd),
    /// Nothing that can be acted upon.
    HoppetOver,
}

impl Utfall {
    /// sistEndret, which is the timestamp of the record from here on; `None` keeps the source's.
    #[must_use]
    pub fn sist_endret(&self) -> Option<Mikros> {
        match self {
            Self::Redusert(redusert) => Some(redusert.endret_tidspunkt),
            Self::Parkert(parkert) => Some(parkert.redusert.endret_tidspunkt),
            Self::DodtBrev(brev, _) => brev.sist_endret,
            Self::Tombstone(..) | Self::HoppetOver => None,
        }
    }

    /// What goes to the table of agreements and under which key, and the dead letter to send.
    #[must_use]
    pub fn del_opp(self) -> (Option<(AvtaleId, Innmelding)>, Option<Box<DodtBrev>>) {
        match self {
            Self::Redusert(redusert) => (Some((redusert.avtale_id, Innmelding::Redusert(redusert))), None),
            Self::Parkert(parkert) => (Some((parkert.redusert.avtale_id, Innmelding::Parkert(parkert))), None),
            Self::DodtBrev(brev, mangel) => (mangel.map(|mangel| (mangel.avtale_id, Innmelding::Mangel(mangel))), Some(brev)),
            Self::Tombstone(avtale_id, gravferd) => (Some((avtale_id, Innmelding::Gravferd(gravferd))), None),
            Self::HoppetOver => (None, None),
        }
    }
}

/// The result of decoding one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Dekodet {
    /// What it became.
    pub utfall: Utfall,
    /// What to count.
    pub tellere: Tellere,
}

/// Decodes source records.
#[derive(Clone, Debug)]
pub struct Dekoder {
    topic: Arc<str>,
    kjente: Arc<Kjente>,
}

struct Feil {
    arsak: Arsak,
    felt: &'static str,
}

impl Dekoder {
    /// A decoder for a source topic; the name is only written in dead letters.
    #[must_use]
    pub fn ny(topic: impl Into<Arc<str>>, kjente: Arc<Kjente>) -> Self {
        Self { topic: topic.into(), kjente }
    }

    /// Decodes one record. Never fails: what cannot be used becomes a dead letter.
    #[must_use]
    pub fn dekod(&self, post: &Kildepost<'_>) -> Dekodet {
        let Some(nyttelast) = post.verdi.filter(|verdi| verdi.trim_ascii() != b"null") else {
            return tombstone(post);
        };
        match Melding::les(nyttelast) {
            Ok(melding) => self.reduser(&melding, post, nyttelast),
            Err(ulesbar) => {
                let arsak = match ulesbar {
                    Ulesbar::UgyldigJson => Arsak::UgyldigJson,
                    Ulesbar::IkkeObjekt => Arsak::IkkeObjekt,
                };
                let brev = self.dodt_brev(post, nyttelast, arsak, None, &Melding::default());
                Dekodet { utfall: Utfall::DodtBrev(Box::new(brev), None), tellere: Tellere::default().med(Teller::DodtBrev) }
            }
        }
    }

    fn reduser(&self, melding: &Melding<'_>, post: &Kildepost<'_>, nyttelast: &[u8]) -> Dekodet {
        let mut tellere = Tellere::default();
        let redusert = match redusert(melding, post) {
            Ok(redusert) => redusert,
            Err(feil) => {
                tellere.tell(Teller::DodtBrev);
                let brev = self.dodt_brev(post, nyttelast, feil.arsak, Some(feil.felt), melding);
                let mangel = mangel(melding, post, &feil).map(Box::new);
                return Dekodet { utfall: Utfall::DodtBrev(Box::new(brev), mangel), tellere };
            }
        };
        if post.nokkel.is_some_and(|nokkel| les_id(nokkel) != Some(redusert.avtale_id)) {
            tellere.tell(Teller::NokkelUlikAvtaleId);
        }
        let ukjent = self.kjente.forste_ukjente(&redusert).map(|ukjent| (ukjent.felt.into(), ukjent.verdi.into()));
        let utfall = match ukjent {
            None => Utfall::Redusert(Box::new(redusert)),
            Some((felt, verdi)) => Utfall::Parkert(Box::new(Parkert { redusert, felt, verdi })),
        };
        Dekodet { utfall, tellere }
    }

    fn dodt_brev(&self, post: &Kildepost<'_>, nyttelast: &[u8], arsak: Arsak, felt: Option<&'static str>, melding: &Melding<'_>) -> DodtBrev {
        DodtBrev {
            topic: self.topic.as_ref().into(),
            partisjon: post.kilde.partisjon,
            offset: post.kilde.offset,
            nokkel: post.nokkel.and_then(les_id),
            arsak,
            felt: felt.map(Into::into),
            avtale_id: avtale_id(melding),
            sist_endret: sist_endret(melding),
            hendelse_type: hendelse_type(melding),
            sha256: sha256(nyttelast),
            tidspunkt: post.mottatt,
            forsok: post.tidligere_forsok + 1,
        }
    }
}

fn tombstone(post: &Kildepost<'_>) -> Dekodet {
    let (utfall, teller) = match post.nokkel.map(les_id) {
        Some(Some(avtale_id)) => {
            let gravferd = Gravferd { kilde: post.kilde, mottatt: post.mottatt };
            return Dekodet { utfall: Utfall::Tombstone(avtale_id, gravferd), tellere: Tellere::default() };
        }
        Some(None) => (Utfall::HoppetOver, Teller::UgyldigNokkel),
        None => (Utfall::HoppetOver, Teller::HoppetOver),
    };
    Dekodet { utfall, tellere: Tellere::default().med(teller) }
}

fn redusert(melding: &Melding<'_>, post: &Kildepost<'_>) -> Result<Redusert, Feil> {
    let avtale_id = kreves(avtale_id_felt(&melding.avtale_id), "avtaleId")?;
    let avtale_nr = valgfri(les_int(&melding.avtale_nr), "avtaleNr")?.filter(|nr| *nr != 0);
    let deltaker_fnr = kreves(les_tekst(&melding.deltaker_fnr), "deltakerFnr")?;
    let bedrift_nr = kreves(les_tekst(&melding.bedrift_nr), "bedriftNr")?;
    let tiltakstype: Verdi<Tiltakstype> = kreves(les_verdi(&melding.tiltakstype), "tiltakstype")?;
    let avtale_status = kreves(les_verdi(&melding.avtale_status), "avtaleStatus")?;
    let versjon = kreves(les_versjon(&melding.versjon), "versjon")?;
    let opprettet_tidspunkt = kreves(les_lokal(&melding.opprettet_tidspunkt), "opprettetTidspunkt")?;
    let endret_tidspunkt = kreves(les_instant(&melding.sist_endret), "sistEndret")?;
    let veileder_nav_ident = valgfri(les_tekst(&melding.veileder_nav_ident), "veilederNavIdent")?;
    let godkjent_av_nav_ident = valgfri(les_tekst(&melding.godkjent_av_nav_ident), "godkjentAvNavIdent")?;
    let godkjent_av_beslutter_nav_ident = valgfri(les_tekst(&melding.godkjent_av_beslutter_nav_ident), "godkjentAvBeslutterNavIdent")?;
    let start_dato = valgfri(les_dato(&melding.start_dato), "startDato")?;
    let slutt_dato = valgfri(les_dato(&melding.slutt_dato), "sluttDato")?;
    // For a mentor the percentage is the mentor's, not the participant's; it must still be a number.
    let stillingprosent =
        valgfri(les_desimal(&melding.stillingprosent), "stillingprosent")?.filter(|_| tiltakstype.kjent() != Some(Tiltakstype::Mentor));
    let antall_dager_per_uke = valgfri(les_desimal(&melding.antall_dager_per_uke), "antallDagerPerUke")?;
    let godkjent_av_deltaker = valgfri(les_lokal(&melding.godkjent_av_deltaker), "godkjentAvDeltaker")?;
    let godkjent_av_arbeidsgiver = valgfri(les_lokal(&melding.godkjent_av_arbeidsgiver), "godkjentAvArbeidsgiver")?;
    let godkjent_av_veileder = valgfri(les_lokal(&melding.godkjent_av_veileder), "godkjentAvVeileder")?;
    let godkjent_av_beslutter = valgfri(les_lokal(&melding.godkjent_av_beslutter), "godkjentAvBeslutter")?;
    let avtale_inngaatt = valgfri(les_lokal(&melding.avtale_inngaatt), "avtaleInngått")?;
    let godkjent_paa_vegne_av = valgfri(les_bool(&melding.godkjent_pa_vegne_av), "godkjentPaVegneAv")?;
    let godkjent_paa_vegne_av_arbeidsgiver = valgfri(les_bool(&melding.godkjent_pa_vegne_av_arbeidsgiver), "godkjentPaVegneAvArbeidsgiver")?;
    let stillingstype = valgfri(les_verdi(&melding.stillingstype), "stillingstype")?;
    let opphav = valgfri(les_verdi(&melding.opphav), "opphav")?;
    let feilregistrert = valgfri(les_bool(&melding.feilregistrert), "feilregistrert")?.unwrap_or(false);
    let slettemerket = valgfri(les_bool(&melding.slettemerket), "slettemerket")?.unwrap_or(false);
    let annullert_tidspunkt = valgfri(les_instant(&melding.annullert_tidspunkt), "annullertTidspunkt")?;
    let siste_hendelse_type = valgfri(les_tekst(&melding.hendelse_type), "hendelseType")?;
    Ok(Redusert {
        avtale_id,
        avtale_nr,
        deltaker_fnr: Fnr(deltaker_fnr),
        bedrift_nr,
        tiltakstype,
        avtale_status,
        versjon,
        opprettet_tidspunkt,
        endret_tidspunkt,
        veileder_nav_ident,
        godkjent_av_nav_ident,
        godkjent_av_beslutter_nav_ident,
        start_dato,
        slutt_dato,
        stillingprosent,
        antall_dager_per_uke,
        godkjent_av_deltaker,
        godkjent_av_arbeidsgiver,
        godkjent_av_veileder,
        godkjent_av_beslutter,
        avtale_inngaatt,
        godkjent_paa_vegne_av,
        godkjent_paa_vegne_av_arbeidsgiver,
        stillingstype,
        opphav,
        feilregistrert: feilregistrert || slettemerket,
        slettemerket,
        annullert_tidspunkt,
        siste_hendelse_type,
        har_opphav_felt: melding.har_opphav_felt,
        endring_mottatt_tidspunkt: post.mottatt,
        kilde: post.kilde,
    })
}

/// A field's value: unset, readable, or not.
type Lest<T> = Result<Option<T>, ()>;

fn valgfri<T>(lest: Lest<T>, felt: &'static str) -> Result<Option<T>, Feil> {
    lest.map_err(|()| Feil { arsak: Arsak::UgyldigVerdi, felt })
}

fn kreves<T>(lest: Lest<T>, felt: &'static str) -> Result<T, Feil> {
    valgfri(lest, felt)?.ok_or(Feil { arsak: Arsak::ManglerFelt, felt })
}

fn som_tekst<T>(skalar: &Skalar<'_>, les: impl FnOnce(&str) -> Option<T>) -> Lest<T> {
    match skalar {
        Skalar::Null => Ok(None),
        Skalar::Tekst(tekst) => les(tekst).map(Some).ok_or(()),
        Skalar::Heltall(_) | Skalar::Desimal(_) | Skalar::Bool(_) | Skalar::Annet => Err(()),
    }
}

fn les_tekst(skalar: &Skalar<'_>) -> Lest<Box<str>> {
    som_tekst(skalar, |tekst| Some(tekst.into()))
}

fn avtale_id_felt(skalar: &Skalar<'_>) -> Lest<AvtaleId> {
    som_tekst(skalar, AvtaleId::les)
}

fn les_verdi<T: Wirenavn>(skalar: &Skalar<'_>) -> Lest<Verdi<T>> {
    som_tekst(skalar, |tekst| Some(Verdi::fra_wire(tekst)))
}

fn les_lokal(skalar: &Skalar<'_>) -> Lest<Mikros> {
    som_tekst(skalar, tid::les_lokal_tid)
}

fn les_instant(skalar: &Skalar<'_>) -> Lest<Mikros> {
    som_tekst(skalar, tid::les_instant)
}

fn les_dato(skalar: &Skalar<'_>) -> Lest<Date> {
    som_tekst(skalar, tid::les_dato)
}

fn les_int(skalar: &Skalar<'_>) -> Lest<i32> {
    match skalar {
        Skalar::Null => Ok(None),
        Skalar::Heltall(tall) => i32::try_from(*tall).map(Some).map_err(|_| ()),
        Skalar::Tekst(_) | Skalar::Desimal(_) | Skalar::Bool(_) | Skalar::Annet => Err(()),
    }
}

fn les_versjon(skalar: &Skalar<'_>) -> Lest<i32> {
    match les_int(skalar)? {
        Some(versjon) if versjon < 1 => Err(()),
        versjon => Ok(versjon),
    }
}

fn les_desimal(skalar: &Skalar<'_>) -> Lest<f64> {
    match skalar {
        Skalar::Null => Ok(None),
        #[expect(clippy::cast_precision_loss, reason = "a percentage or a number of days")]
        Skalar::Heltall(tall) => Ok(Some(*tall as f64)),
        Skalar::Desimal(tall) => Ok(Some(*tall)),
        Skalar::Tekst(_) | Skalar::Bool(_) | Skalar::Annet => Err(()),
    }
}

fn les_bool(skalar: &Skalar<'_>) -> Lest<bool> {
    match skalar {
        Skalar::Null => Ok(None),
        Skalar::Bool(verdi) => Ok(Some(*verdi)),
        Skalar::Tekst(_) | Skalar::Heltall(_) | Skalar::Desimal(_) | Skalar::Annet => Err(()),
    }
}

fn les_id(nokkel: &[u8]) -> Option<AvtaleId> {
    std::str::from_utf8(nokkel).ok().and_then(AvtaleId::les)
}

fn avtale_id(melding: &Melding<'_>) -> Option<AvtaleId> {
    avtale_id_felt(&melding.avtale_id).ok().flatten()
}

fn sist_endret(melding: &Melding<'_>) -> Option<Mikros> {
    les_instant(&melding.sist_endret).ok().flatten()
}

/// hendelseType when it looks like one: a dead letter must not carry free text.
fn hendelse_type(melding: &Melding<'_>) -> Option<Box<str>> {
    let tekst = les_tekst(&melding.hendelse_type).ok().flatten()?;
    let navn = nfc(&tekst);
    let er_navn = navn.len() <= 100 && navn.chars().all(|tegn| tegn.is_uppercase() || tegn == '_');
    er_navn.then(|| navn.into())
}

fn mangel(melding: &Melding<'_>, post: &Kildepost<'_>, feil: &Feil) -> Option<Mangel> {
    Some(Mangel {
        avtale_id: avtale_id(melding)?,
        endret_tidspunkt: sist_endret(melding),
        kilde: post.kilde,
        arsak: feil.arsak,
        felt: Some(feil.felt.into()),
        verdi: None,
        deltaker_fnr: les_tekst(&melding.deltaker_fnr).ok().flatten().map(Fnr),
        bedrift_nr: les_tekst(&melding.bedrift_nr).ok().flatten(),
    })
}

fn sha256(nyttelast: &[u8]) -> Box<str> {
    let mut tekst = String::with_capacity(64);
    for byte in Sha256::digest(nyttelast) {
        // Writing to a String cannot fail.
        let _ = write!(tekst, "{byte:02x}");
    }
    tekst.into()
}
