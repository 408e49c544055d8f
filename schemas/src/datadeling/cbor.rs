//! How fields of types that are not ours are written as CBOR, for `#[cbor(with = "…")]`.

/// A date as the number yyyymmdd.
pub(super) mod dato {
    use jiff::civil::Date;
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};

    pub(crate) fn encode<C, W: Write>(dato: &Date, ut: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        let (aar, maaned, dag) = (i32::from(dato.year()), i32::from(dato.month()), i32::from(dato.day()));
        ut.i32(aar * 10_000 + maaned * 100 + dag)?.ok()
    }

    pub(crate) fn decode<C>(inn: &mut Decoder<'_>, _: &mut C) -> Result<Date, decode::Error> {
        let (sted, tall) = (inn.position(), inn.i32()?);
        let del = |tall: i32| i8::try_from(tall).ok();
        let (maaned, dag) = (tall.rem_euclid(10_000) / 100, tall.rem_euclid(100));
        let dato = i16::try_from(tall.div_euclid(10_000)).ok().and_then(|aar| Date::new(aar, del(maaned)?, del(dag)?).ok());
        dato.ok_or_else(|| decode::Error::message("expected a date as yyyymmdd").at(sted))
    }
}

/// As [`dato`], for a date that may be unset.
pub(super) mod dato_valgfri {
    use jiff::civil::Date;
    use minicbor::data::Type;
    use minicbor::decode::{self, Decoder};
    use minicbor::encode::{self, Encoder, Write};

    pub(crate) fn encode<C, W: Write>(dato: &Option<Date>, ut: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        match dato {
            Some(dato) => super::dato::encode(dato, ut, context),
            None => ut.null()?.ok(),
        }
    }

    pub(crate) fn decode<C>(inn: &mut Decoder<'_>, context: &mut C) -> Result<Option<Date>, decode::Error> {
        if inn.datatype()? == Type::Null {
            inn.skip()?;
            return Ok(None);
        }
        super::dato::decode(inn, context).map(Some)
    }

    #[expect(clippy::unnecessary_wraps, reason = "minicbor asks for it")]
    pub(crate) const fn nil() -> Option<Option<Date>> {
        Some(None)
    }

    pub(crate) const fn is_nil(dato: &Option<Date>) -> bool {
        dato.is_none()
    }
}

/// What may be unset and is shared in memory.
pub(super) mod delt {
    use std::sync::Arc;

    use minicbor::decode::{self, Decode, Decoder};
    use minicbor::encode::{self, Encode, Encoder, Write};

    pub(crate) fn encode<C, T: Encode<C>, W: Write>(
        delt: &Option<Arc<T>>,
        ut: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        delt.as_deref().encode(ut, context)
    }

    pub(crate) fn decode<'b, C, T: Decode<'b, C>>(inn: &mut Decoder<'b>, context: &mut C) -> Result<Option<Arc<T>>, decode::Error> {
        Ok(Option::<T>::decode(inn, context)?.map(Arc::new))
    }

    #[expect(clippy::unnecessary_wraps, reason = "minicbor asks for it")]
    pub(crate) const fn nil<T>() -> Option<Option<Arc<T>>> {
        Some(None)
    }

    pub(crate) const fn is_nil<T>(delt: &Option<Arc<T>>) -> bool {
        delt.is_none()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::civil::{Date, date};
    use minicbor::{Decode, Encode};

    use super::super::{AvtaleOppforing, AvtaleRad, Delendring, Innmelding, Parkert, Redusert};

    const RAD: &str = r#"{"avtaleId":"04d0033c-754b-4daa-b5ff-6531dc64582c","avtaleNr":7,"deltakerFnr":"01810000001","bedriftNr":"999999999","tiltakstype":"MENTOR","avtaleStatus":"GJENNOMFORES","versjon":2,"opprettetTidspunkt":5,"endretTidspunkt":-6,"veilederNavIdent":"Z1","godkjentAvNavIdent":"Z2","godkjentAvBeslutterNavIdent":"Z3","startDato":"2024-01-31","sluttDato":"2024-12-01","stillingprosent":70.5,"antallDagerPerUke":5.0,"godkjentAvDeltaker":1,"godkjentAvArbeidsgiver":2,"godkjentAvVeileder":3,"godkjentAvBeslutter":4,"avtaleInngaatt":8,"godkjentPaaVegneAv":true,"godkjentPaaVegneAvArbeidsgiver":false,"stillingstype":"FAST","opphav":"ARENA","feilregistrert":true,"slettemerket":true,"annullertTidspunkt":9,"sisteHendelseType":"ENDRET","harOpphavFelt":true,"endringMottattTidspunkt":10,"kilde":{"partisjon":1,"offset":2,"epoke":3},"effektivStatus":"AVSLUTTET","paaTiltakIdag":true,"beregnetDato":"2024-06-01"}"#;

    /// What stands on disk and in changelogs: a number that changes its meaning changes this.
    const SOM_CBOR: &str = "98235004d0033c754b4daab5ff6531dc64582c076b303138313030303030303169393939393939393939664d454e544f526c474a454e4e4f4d464f524553020525625a31625a32625a331a0134d7031a0134db31fb4051a00000000000fb40140000000000000102030408f5f46446415354654152454e41f5f50966454e44524554f50a83010203694156534c5554544554f51a0134d8d9";

    fn frem_og_tilbake<T: Encode<()> + for<'b> Decode<'b, ()>>(verdi: &T) -> T {
        minicbor::decode(&minicbor::to_vec(verdi).unwrap()).unwrap()
    }

    #[test]
    fn a_row_has_the_numbers_it_always_had() {
        let rad: AvtaleRad = serde_json::from_str(RAD).unwrap();
        let hex: String = minicbor::to_vec(&rad).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, SOM_CBOR);
        assert_eq!(frem_og_tilbake(&rad), rad);
        assert_eq!(serde_json::to_string(&frem_og_tilbake(&rad)).unwrap(), RAD);
    }

    #[test]
    fn what_is_written_comes_back() {
        let redusert: Redusert = serde_json::from_str(RAD).unwrap();
        let ukjent = RAD.replace("MENTOR", "NY_TYPE");
        let parkert = Parkert { redusert: serde_json::from_str(&ukjent).unwrap(), felt: "tiltakstype".into(), verdi: "NY_TYPE".into() };
        let mangel = parkert.mangel();
        for innmelding in [Innmelding::Redusert(redusert.into()), Innmelding::Parkert(parkert.into()), Innmelding::Mangel(mangel.clone().into())] {
            assert_eq!(frem_og_tilbake(&innmelding), innmelding);
        }
        let rad: AvtaleRad = serde_json::from_str(RAD).unwrap();
        for oppforing in [
            AvtaleOppforing::default(),
            AvtaleOppforing { rad: Some(rad.into()), mangel: Some(mangel.into()), har_parkert: true, ..AvtaleOppforing::default() },
        ] {
            assert_eq!(frem_og_tilbake(&oppforing), oppforing);
            let ny = super::super::Tilstand::av(&oppforing);
            let del: Delendring =
                serde_json::from_str(r#"{"avtaleId":"04d0033c-754b-4daa-b5ff-6531dc64582c","trekk":{"kilde":{"partisjon":1,"offset":2,"epoke":3}}}"#)
                    .unwrap();
            let del = Delendring { legg: ny, ..del };
            assert_eq!(frem_og_tilbake(&del), del);
        }
    }

    #[test]
    fn every_date_comes_back_and_other_numbers_are_none() {
        #[derive(Debug, PartialEq, Encode, Decode)]
        struct Med(#[cbor(n(0), with = "super::dato")] Date, #[cbor(n(1), with = "super::dato_valgfri", has_nil)] Option<Date>);
        for dato in [Date::MIN, date(-1, 12, 31), date(0, 1, 1), date(2024, 2, 29), Date::MAX] {
            for valgfri in [None, Some(dato)] {
                assert_eq!(frem_og_tilbake(&Med(dato, valgfri)), Med(dato, valgfri));
            }
        }
        for tall in [20_240_230, 20_241_301, 0, i32::MAX, i32::MIN] {
            assert!(minicbor::decode::<Med>(&minicbor::to_vec([tall]).unwrap()).is_err(), "{tall}");
        }
    }
}
