//! A row: the state of one agreement as shown to those who ask.

use jiff::civil::Date;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::enums::{AvtaleStatus, Opphav, Stillingstype, Tiltakstype};
use super::id::{AvtaleId, Fnr, Kilde, Rang};
use super::tid::Mikros;

/// The newest accepted state of an agreement, with the values its dates give on `beregnet_dato`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct AvtaleRad {
    /// Identity; the record key is not trusted.
    #[n(0)]
    pub avtale_id: AvtaleId,
    /// Number shown to people; unset on the creation message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(1)]
    pub avtale_nr: Option<i32>,
    /// The participant.
    #[n(2)]
    pub deltaker_fnr: Fnr,
    /// The employer; empty when there is none.
    #[n(3)]
    pub bedrift_nr: Box<str>,
    /// Kind of measure.
    #[n(4)]
    pub tiltakstype: Tiltakstype,
    /// Status as reported.
    #[n(5)]
    pub avtale_status: AvtaleStatus,
    /// Rises by one a change after agreement; not used for ordering.
    #[n(6)]
    pub versjon: i32,
    /// When the agreement was created.
    #[n(7)]
    pub opprettet_tidspunkt: Mikros,
    /// sistEndret: the ordering field.
    #[n(8)]
    pub endret_tidspunkt: Mikros,
    /// The counsellor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(9)]
    pub veileder_nav_ident: Option<Box<str>>,
    /// Who approved for Nav.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(10)]
    pub godkjent_av_nav_ident: Option<Box<str>>,
    /// Who decided for Nav.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(11)]
    pub godkjent_av_beslutter_nav_ident: Option<Box<str>>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(n(12), with = "super::cbor::dato_valgfri", has_nil)]
    pub start_dato: Option<Date>,
    /// Last day, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(n(13), with = "super::cbor::dato_valgfri", has_nil)]
    pub slutt_dato: Option<Date>,
    /// Percentage of a full position; unset for MENTOR, where it would be the mentor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(14)]
    pub stillingprosent: Option<f64>,
    /// Days a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(15)]
    pub antall_dager_per_uke: Option<f64>,
    /// When the participant approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(16)]
    pub godkjent_av_deltaker: Option<Mikros>,
    /// When the employer approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(17)]
    pub godkjent_av_arbeidsgiver: Option<Mikros>,
    /// When the counsellor approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(18)]
    pub godkjent_av_veileder: Option<Mikros>,
    /// When the decision was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(19)]
    pub godkjent_av_beslutter: Option<Mikros>,
    /// When all who must agree had agreed: the mark of agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(20)]
    pub avtale_inngaatt: Option<Mikros>,
    /// Approved on the participant's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(21)]
    pub godkjent_paa_vegne_av: Option<bool>,
    /// Approved on the employer's behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(22)]
    pub godkjent_paa_vegne_av_arbeidsgiver: Option<bool>,
    /// Kind of position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(23)]
    pub stillingstype: Option<Stillingstype>,
    /// Who created the agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(24)]
    pub opphav: Option<Opphav>,
    /// Entered by mistake: feilregistrert or slettemerket.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cbor(n(25), default)]
    pub feilregistrert: bool,
    /// Marked for deletion; internal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cbor(n(26), default)]
    pub slettemerket: bool,
    /// When it was annulled; internal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(27)]
    pub annullert_tidspunkt: Option<Mikros>,
    /// What caused the message; any value, for anomalies only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(28)]
    pub siste_hendelse_type: Option<Box<str>>,
    /// Whether the message had the opphav property at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cbor(n(29), default)]
    pub har_opphav_felt: bool,
    /// When the message was consumed.
    #[n(30)]
    pub endring_mottatt_tidspunkt: Mikros,
    /// Where it was read.
    #[n(31)]
    pub kilde: Kilde,
    /// What the reported status should have become by `beregnet_dato`.
    #[n(32)]
    pub effektiv_status: AvtaleStatus,
    /// On the measure on `beregnet_dato`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cbor(n(33), default)]
    pub paa_tiltak_idag: bool,
    /// The Oslo date for which the two above were computed.
    #[cbor(n(34), with = "super::cbor::dato")]
    pub beregnet_dato: Date,
}

impl AvtaleRad {
    /// Age of the message the row came from.
    #[must_use]
    pub const fn rang(&self) -> Rang {
        Rang { mikros: Some(self.endret_tidspunkt), kilde: self.kilde }
    }

    /// About how many bytes the row takes in memory: as CBOR it is a third of that.
    #[must_use]
    pub fn minnebruk(&self) -> usize {
        let tekst = |tekst: &Option<Box<str>>| tekst.as_deref().map_or(0, str::len);
        let valgfrie = [&self.veileder_nav_ident, &self.godkjent_av_nav_ident, &self.godkjent_av_beslutter_nav_ident, &self.siste_hendelse_type];
        size_of::<Self>() + self.deltaker_fnr.as_str().len() + self.bedrift_nr.len() + valgfrie.into_iter().map(tekst).sum::<usize>()
    }

    /// Whether the rows are the same but for when and where they were read, what caused the message, and the date
    /// of computation: then nothing needs to be sent downstream.
    #[must_use]
    pub fn samme_innhold(&self, annen: &Self) -> bool {
        // Taken apart, so that a new field cannot be forgotten here.
        let Self {
            avtale_id,
            avtale_nr,
            deltaker_fnr,
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
            feilregistrert,
            slettemerket,
            annullert_tidspunkt,
            siste_hendelse_type: _,
            har_opphav_felt,
            endring_mottatt_tidspunkt: _,
            kilde: _,
            effektiv_status,
            paa_tiltak_idag,
            beregnet_dato: _,
        } = self;
        *avtale_id == annen.avtale_id
            && *avtale_nr == annen.avtale_nr
            && *deltaker_fnr == annen.deltaker_fnr
            && *bedrift_nr == annen.bedrift_nr
            && *tiltakstype == annen.tiltakstype
            && *avtale_status == annen.avtale_status
            && *versjon == annen.versjon
            && *opprettet_tidspunkt == annen.opprettet_tidspunkt
            && *endret_tidspunkt == annen.endret_tidspunkt
            && *veileder_nav_ident == annen.veileder_nav_ident
            && *godkjent_av_nav_ident == annen.godkjent_av_nav_ident
            && *godkjent_av_beslutter_nav_ident == annen.godkjent_av_beslutter_nav_ident
            && *start_dato == annen.start_dato
            && *slutt_dato == annen.slutt_dato
            && *stillingprosent == annen.stillingprosent
            && *antall_dager_per_uke == annen.antall_dager_per_uke
            && *godkjent_av_deltaker == annen.godkjent_av_deltaker
            && *godkjent_av_arbeidsgiver == annen.godkjent_av_arbeidsgiver
            && *godkjent_av_veileder == annen.godkjent_av_veileder
            && *godkjent_av_beslutter == annen.godkjent_av_beslutter
            && *avtale_inngaatt == annen.avtale_inngaatt
            && *godkjent_paa_vegne_av == annen.godkjent_paa_vegne_av
            && *godkjent_paa_vegne_av_arbeidsgiver == annen.godkjent_paa_vegne_av_arbeidsgiver
            && *stillingstype == annen.stillingstype
            && *opphav == annen.opphav
            && *feilregistrert == annen.feilregistrert
            && *slettemerket == annen.slettemerket
            && *annullert_tidspunkt == annen.annullert_tidspunkt
            && *har_opphav_felt == annen.har_opphav_felt
            && *effektiv_status == annen.effektiv_status
            && *paa_tiltak_idag == annen.paa_tiltak_idag
    }
}
