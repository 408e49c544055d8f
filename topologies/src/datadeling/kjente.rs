//! Which values of the closed lists are known, and the step from reduced record to row.

use std::sync::Arc;

use jiff::civil::Date;
use straum_schemas::datadeling::{AvtaleRad, AvtaleStatus, Opphav, Redusert, Stillingstype, Tiltakstype, Verdi, Wirenavn};

use super::status;

/// The known values: those of the code, and by setting further wire names for them, so that a value renamed or split
/// by the owner can be taken in (and parked records released) without a new version.
#[derive(Clone, Debug, Default)]
pub struct Kjente {
    /// Further names of kinds of measure.
    pub tiltakstyper: Vec<(Box<str>, Tiltakstype)>,
    /// Further names of statuses.
    pub statuser: Vec<(Box<str>, AvtaleStatus)>,
    /// Further names of kinds of position.
    pub stillingstyper: Vec<(Box<str>, Stillingstype)>,
    /// Further names of origins.
    pub opphav: Vec<(Box<str>, Opphav)>,
}

/// A value that is not in its closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ukjent<'a> {
    /// Wire name of the field.
    pub felt: &'static str,
    /// The value.
    pub verdi: &'a str,
}

struct Lister {
    tiltakstype: Tiltakstype,
    avtale_status: AvtaleStatus,
    stillingstype: Option<Stillingstype>,
    opphav: Option<Opphav>,
}

impl Kjente {
    /// The first unknown value of a record, in the order of the specification.
    #[must_use]
    pub fn forste_ukjente<'a>(&self, redusert: &'a Redusert) -> Option<Ukjent<'a>> {
        self.lister(redusert).err()
    }

    /// The row a record gives, with its values computed for `idag`.
    ///
    /// # Errors
    /// The first unknown value.
    pub fn rad<'a>(&self, redusert: &'a Redusert, idag: Date) -> Result<AvtaleRad, Ukjent<'a>> {
        let lister = self.lister(redusert)?;
        // For a mentor the percentage is the mentor's, not the participant's.
        let stillingprosent = redusert.stillingprosent.filter(|_| lister.tiltakstype != Tiltakstype::Mentor);
        let mut rad = AvtaleRad {
            avtale_id: redusert.avtale_id,
            avtale_nr: redusert.avtale_nr,
            deltaker_fnr: redusert.deltaker_fnr.clone(),
            bedrift_nr: redusert.bedrift_nr.clone(),
            tiltakstype: lister.tiltakstype,
            avtale_status: lister.avtale_status,
            versjon: redusert.versjon,
            opprettet_tidspunkt: redusert.opprettet_tidspunkt,
            endret_tidspunkt: redusert.endret_tidspunkt,
            veileder_nav_ident: redusert.veileder_nav_ident.clone(),
            godkjent_av_nav_ident: redusert.godkjent_av_nav_ident.clone(),
            godkjent_av_beslutter_nav_ident: redusert.godkjent_av_beslutter_nav_ident.clone(),
            start_dato: redusert.start_dato,
            slutt_dato: redusert.slutt_dato,
            stillingprosent,
            antall_dager_per_uke: redusert.antall_dager_per_uke,
            godkjent_av_deltaker: redusert.godkjent_av_deltaker,
            godkjent_av_arbeidsgiver: redusert.godkjent_av_arbeidsgiver,
            godkjent_av_veileder: redusert.godkjent_av_veileder,
            godkjent_av_beslutter: redusert.godkjent_av_beslutter,
            avtale_inngaatt: redusert.avtale_inngaatt,
            godkjent_paa_vegne_av: redusert.godkjent_paa_vegne_av,
            godkjent_paa_vegne_av_arbeidsgiver: redusert.godkjent_paa_vegne_av_arbeidsgiver,
            stillingstype: lister.stillingstype,
            opphav: lister.opphav,
            feilregistrert: redusert.feilregistrert || redusert.slettemerket,
            slettemerket: redusert.slettemerket,
            annullert_tidspunkt: redusert.annullert_tidspunkt,
            siste_hendelse_type: redusert.siste_hendelse_type.clone(),
            har_opphav_felt: redusert.har_opphav_felt,
            endring_mottatt_tidspunkt: redusert.endring_mottatt_tidspunkt,
            kilde: redusert.kilde,
            effektiv_status: lister.avtale_status,
            paa_tiltak_idag: false,
            beregnet_dato: idag,
        };
        status::beregn(&mut rad, idag);
        Ok(rad)
    }

    fn lister<'a>(&self, redusert: &'a Redusert) -> Result<Lister, Ukjent<'a>> {
        Ok(Lister {
            tiltakstype: finn(&redusert.tiltakstype, &self.tiltakstyper, "tiltakstype")?,
            avtale_status: finn(&redusert.avtale_status, &self.statuser, "avtaleStatus")?,
            stillingstype: finn_valgfri(redusert.stillingstype.as_ref(), &self.stillingstyper, "stillingstype")?,
            opphav: finn_valgfri(redusert.opphav.as_ref(), &self.opphav, "opphav")?,
        })
    }
}

fn finn<'a, T: Wirenavn>(verdi: &'a Verdi<T>, tillegg: &[(Box<str>, T)], felt: &'static str) -> Result<T, Ukjent<'a>> {
    match verdi {
        Verdi::Kjent(ledd) => Ok(*ledd),
        Verdi::Ukjent(navn) => tillegg.iter().find_map(|(kjent, ledd)| (kjent == navn).then_some(*ledd)).ok_or(Ukjent { felt, verdi: navn }),
    }
}

fn finn_valgfri<'a, T: Wirenavn>(verdi: Option<&'a Verdi<T>>, tillegg: &[(Box<str>, T)], felt: &'static str) -> Result<Option<T>, Ukjent<'a>> {
    verdi.map(|verdi| finn(verdi, tillegg, felt)).transpose()
}

/// The row with its values computed for another date, shared if nothing but the date would change.
#[must_use]
pub fn paa_dato(rad: &Arc<AvtaleRad>, dato: Date) -> Arc<AvtaleRad> {
    let mut ny = Arc::clone(rad);
    if rad.beregnet_dato != dato {
        status::beregn(Arc::make_mut(&mut ny), dato);
    }
    ny
}
