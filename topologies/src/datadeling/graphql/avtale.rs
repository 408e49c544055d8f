//! Type `Avtale`: a row as shown. Every field is nullable, as clients know it.

use async_graphql::{ID, Object};
use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleRad, Mikros};

use super::typer::{AvtaleStatus, Dato, Opphav, Stillingstype, Tidspunkt, Tiltakstype};
use crate::datadeling::sporring::Treff;
use crate::datadeling::status;

/// An agreement.
pub(super) struct Avtale {
    pub(super) treff: Treff,
    pub(super) idag: Date,
}

impl Avtale {
    fn rad(&self) -> &AvtaleRad {
        &self.treff.rad
    }
}

fn tekst(verdi: Option<&str>) -> Option<String> {
    verdi.map(str::to_owned)
}

fn tidspunkt(verdi: Option<Mikros>) -> Option<Tidspunkt> {
    verdi.map(Tidspunkt)
}

#[Object]
impl Avtale {
    async fn avtale_id(&self) -> Option<ID> {
        Some(ID(self.rad().avtale_id.to_string()))
    }

    async fn avtale_nr(&self) -> Option<i32> {
        self.rad().avtale_nr
    }

    async fn deltaker_fnr(&self) -> Option<String> {
        tekst(Some(self.rad().deltaker_fnr.as_str()))
    }

    async fn bedrift_nr(&self) -> Option<String> {
        tekst(Some(&self.rad().bedrift_nr))
    }

    async fn veileder_nav_ident(&self) -> Option<String> {
        tekst(self.rad().veileder_nav_ident.as_deref())
    }

    async fn tiltakstype(&self) -> Option<Tiltakstype> {
        Some(self.rad().tiltakstype.into())
    }

    async fn versjon(&self) -> Option<i32> {
        Some(self.rad().versjon)
    }

    async fn avtale_status(&self) -> Option<AvtaleStatus> {
        Some(self.rad().avtale_status.into())
    }

    async fn avtale_inngaatt(&self) -> Option<Tidspunkt> {
        tidspunkt(self.rad().avtale_inngaatt)
    }

    async fn start_dato(&self) -> Option<Dato> {
        self.rad().start_dato.map(Dato)
    }

    async fn slutt_dato(&self) -> Option<Dato> {
        self.rad().slutt_dato.map(Dato)
    }

    async fn stillingprosent(&self) -> Option<f64> {
        self.rad().stillingprosent
    }

    async fn antall_dager_per_uke(&self) -> Option<f64> {
        self.rad().antall_dager_per_uke
    }

    async fn godkjent_av_deltaker(&self) -> Option<Tidspunkt> {
        tidspunkt(self.rad().godkjent_av_deltaker)
    }

    async fn godkjent_av_arbeidsgiver(&self) -> Option<Tidspunkt> {
        tidspunkt(self.rad().godkjent_av_arbeidsgiver)
    }

    async fn godkjent_av_veileder(&self) -> Option<Tidspunkt> {
        tidspunkt(self.rad().godkjent_av_veileder)
    }

    async fn godkjent_av_beslutter(&self) -> Option<Tidspunkt> {
        tidspunkt(self.rad().godkjent_av_beslutter)
    }

    async fn godkjent_paa_vegne_av(&self) -> Option<bool> {
        self.rad().godkjent_paa_vegne_av
    }

    async fn godkjent_paa_vegne_av_arbeidsgiver(&self) -> Option<bool> {
        self.rad().godkjent_paa_vegne_av_arbeidsgiver
    }

    async fn stillingstype(&self) -> Option<Stillingstype> {
        self.rad().stillingstype.map(Into::into)
    }

    async fn godkjent_av_nav_ident(&self) -> Option<String> {
        tekst(self.rad().godkjent_av_nav_ident.as_deref())
    }

    async fn godkjent_av_beslutter_nav_ident(&self) -> Option<String> {
        tekst(self.rad().godkjent_av_beslutter_nav_ident.as_deref())
    }

    async fn opprettet_tidspunkt(&self) -> Option<Tidspunkt> {
        Some(Tidspunkt(self.rad().opprettet_tidspunkt))
    }

    async fn endret_tidspunkt(&self) -> Option<Tidspunkt> {
        Some(Tidspunkt(self.rad().endret_tidspunkt))
    }

    #[graphql(name = "endring_mottatt_tidspunkt")]
    async fn endring_mottatt_tidspunkt(&self) -> Option<Tidspunkt> {
        Some(Tidspunkt(self.rad().endring_mottatt_tidspunkt))
    }

    async fn opphav(&self) -> Option<Opphav> {
        self.rad().opphav.map(Into::into)
    }

    async fn effektiv_status(&self, dato: Option<Dato>) -> Option<AvtaleStatus> {
        Some(status::effektiv_status(self.rad(), dato.map_or(self.idag, |dato| dato.0)).into())
    }

    async fn paa_tiltak(&self, dato: Option<Dato>) -> Option<bool> {
        Some(status::paa_tiltak(self.rad(), dato.map_or(self.idag, |dato| dato.0)))
    }

    async fn feilregistrert(&self) -> Option<bool> {
        Some(self.rad().feilregistrert)
    }

    async fn ufullstendig(&self) -> Option<bool> {
        Some(self.treff.ufullstendig)
    }
}
