//! What is left of a source message after reduction: the only thing that may be repartitioned, logged or parked.

use jiff::civil::Date;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::enums::{AvtaleStatus, Opphav, Stillingstype, Tiltakstype, Verdi};
use super::id::{AvtaleId, Fnr, Kilde, Rang};
use super::tid::Mikros;

/// A reduced message: the kept fields, closed lists still as text, and where and when it was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct Redusert {
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
    pub tiltakstype: Verdi<Tiltakstype>,
    /// Status as reported.
    #[n(5)]
    pub avtale_status: Verdi<AvtaleStatus>,
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
    pub stillingstype: Option<Verdi<Stillingstype>>,
    /// Who created the agreement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(24)]
    pub opphav: Option<Verdi<Opphav>>,
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
}

impl Redusert {
    /// Age of the message.
    #[must_use]
    pub const fn rang(&self) -> Rang {
        Rang { mikros: Some(self.endret_tidspunkt), kilde: self.kilde }
    }
}
