//! The source message as JSON: one pass over the bytes, keeping the scalar values of the fields that are kept and
//! skipping everything else.
//!
//! Values are borrowed from the payload. A value of the wrong type is not an error here but an [`Annet`](Skalar::Annet),
//! so that the caller can name the first bad field in the order of the specification. Property names are compared in
//! Unicode NFC; when one is given twice the last counts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use straum_schemas::datadeling::nfc;

/// A value of a kept field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Skalar<'a> {
    /// Absent or null.
    #[default]
    Null,
    Tekst(Cow<'a, str>),
    Heltall(i64),
    Desimal(f64),
    Bool(bool),
    /// An array, an object, or a number too large.
    Annet,
}

macro_rules! felter {
    ($($felt:ident = $wire:literal,)+) => {
        /// The kept fields of a message.
        #[derive(Debug, Default)]
        pub(crate) struct Melding<'a> {
            $(pub(crate) $felt: Skalar<'a>,)+
            /// Whether the property `opphav` is there at all, null or not.
            pub(crate) har_opphav_felt: bool,
        }

        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, reason = "one member a field, named as the field")]
        enum Felt { $($felt,)+ annet }

        fn finn_felt(navn: &str) -> Felt {
            match navn { $($wire => Felt::$felt,)+ _ => Felt::annet }
        }

        impl<'a> Melding<'a> {
            fn felt(&mut self, felt: Felt) -> Option<&mut Skalar<'a>> {
                match felt { $(Felt::$felt => Some(&mut self.$felt),)+ Felt::annet => None }
            }
        }
    };
}

felter! {
    avtale_id = "avtaleId",
    avtale_nr = "avtaleNr",
    deltaker_fnr = "deltakerFnr",
    bedrift_nr = "bedriftNr",
    tiltakstype = "tiltakstype",
    avtale_status = "avtaleStatus",
    versjon = "versjon",
    opprettet_tidspunkt = "opprettetTidspunkt",
    sist_endret = "sistEndret",
    veileder_nav_ident = "veilederNavIdent",
    godkjent_av_nav_ident = "godkjentAvNavIdent",
    godkjent_av_beslutter_nav_ident = "godkjentAvBeslutterNavIdent",
    start_dato = "startDato",
    slutt_dato = "sluttDato",
    stillingprosent = "stillingprosent",
    antall_dager_per_uke = "antallDagerPerUke",
    godkjent_av_deltaker = "godkjentAvDeltaker",
    godkjent_av_arbeidsgiver = "godkjentAvArbeidsgiver",
    godkjent_av_veileder = "godkjentAvVeileder",
    godkjent_av_beslutter = "godkjentAvBeslutter",
    avtale_inngaatt = "avtaleInngått",
    godkjent_pa_vegne_av = "godkjentPaVegneAv",
    godkjent_pa_vegne_av_arbeidsgiver = "godkjentPaVegneAvArbeidsgiver",
    stillingstype = "stillingstype",
    opphav = "opphav",
    feilregistrert = "feilregistrert",
    slettemerket = "slettemerket",
    annullert_tidspunkt = "annullertTidspunkt",
    hendelse_type = "hendelseType",
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ulesbar {
    UgyldigJson,
    IkkeObjekt,
}

impl<'a> Melding<'a> {
    /// Reads a message.
    pub(crate) fn les(nyttelast: &'a [u8]) -> Result<Self, Ulesbar> {
        // Checked once, so that skipped text need not be.
        let tekst = simdutf8::basic::from_utf8(nyttelast).map_err(|_| Ulesbar::UgyldigJson)?;
        serde_json::from_str(tekst).map_err(|_| {
            let er_json = serde_json::from_str::<IgnoredAny>(tekst).is_ok();
            if er_json { Ulesbar::IkkeObjekt } else { Ulesbar::UgyldigJson }
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Melding<'a> {
    fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
        struct Leser<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Leser<'a> {
            type Value = Melding<'a>;

            fn expecting(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
                ut.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut kart: M) -> Result<Melding<'a>, M::Error> {
                let mut melding = Melding::default();
                while let Some(felt) = kart.next_key::<Felt>()? {
                    melding.har_opphav_felt |= matches!(felt, Felt::opphav);
                    match melding.felt(felt) {
                        Some(plass) => *plass = kart.next_value()?,
                        None => {
                            kart.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(melding)
            }
        }

        inn.deserialize_map(Leser(std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Felt {
    fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
        struct Leser;

        impl Visitor<'_> for Leser {
            type Value = Felt;

            fn expecting(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
                ut.write_str("a property name")
            }

            fn visit_str<E: Error>(self, navn: &str) -> Result<Felt, E> {
                Ok(match finn_felt(navn) {
                    Felt::annet if !navn.is_ascii() => finn_felt(&nfc(navn)),
                    felt => felt,
                })
            }
        }

        inn.deserialize_identifier(Leser)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Skalar<'a> {
    fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
        struct Leser<'a>(std::marker::PhantomData<&'a ()>);

        impl<'de: 'a, 'a> Visitor<'de> for Leser<'a> {
            type Value = Skalar<'a>;

            fn expecting(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
                ut.write_str("any value")
            }

            fn visit_unit<E: Error>(self) -> Result<Skalar<'a>, E> {
                Ok(Skalar::Null)
            }

            fn visit_bool<E: Error>(self, verdi: bool) -> Result<Skalar<'a>, E> {
                Ok(Skalar::Bool(verdi))
            }

            fn visit_i64<E: Error>(self, verdi: i64) -> Result<Skalar<'a>, E> {
                Ok(Skalar::Heltall(verdi))
            }

            fn visit_u64<E: Error>(self, verdi: u64) -> Result<Skalar<'a>, E> {
                Ok(i64::try_from(verdi).map_or(Skalar::Annet, Skalar::Heltall))
            }

            fn visit_f64<E: Error>(self, verdi: f64) -> Result<Skalar<'a>, E> {
                Ok(Skalar::Desimal(verdi))
            }

            fn visit_borrowed_str<E: Error>(self, verdi: &'de str) -> Result<Skalar<'a>, E> {
                Ok(Skalar::Tekst(Cow::Borrowed(verdi)))
            }

            fn visit_str<E: Error>(self, verdi: &str) -> Result<Skalar<'a>, E> {
                Ok(Skalar::Tekst(Cow::Owned(verdi.to_owned())))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut rekke: S) -> Result<Skalar<'a>, S::Error> {
                while rekke.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Skalar::Annet)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut kart: M) -> Result<Skalar<'a>, M::Error> {
                while kart.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Skalar::Annet)
            }
        }

        inn.deserialize_any(Leser(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_not_an_object_is_told_apart_from_what_is_not_json() {
        for (nyttelast, ulesbar) in [
            (&b"poison-pill"[..], Ulesbar::UgyldigJson),
            (b"", Ulesbar::UgyldigJson),
            (b"{\"a\":1", Ulesbar::UgyldigJson),
            (b"{\"a\":1}}", Ulesbar::UgyldigJson),
            (b"{\"a\":\"\xff\"}", Ulesbar::UgyldigJson),
            (b"[1]", Ulesbar::IkkeObjekt),
            (b"17", Ulesbar::IkkeObjekt),
            (b" \"tekst\" ", Ulesbar::IkkeObjekt),
        ] {
            assert_eq!(Melding::les(nyttelast).unwrap_err(), ulesbar);
        }
    }

    #[test]
    fn names_are_compared_in_nfc_escapes_are_read_and_the_last_of_two_counts() {
        for nyttelast in [
            "{\"avtaleInngått\":\"x\"}",
            "{\"avtaleInnga\u{30a}tt\":\"x\"}",
            "{\"avtaleInng\\u00e5tt\":\"x\"}",
            "{\"avtaleInngått\":[{}],\"ukjent\":{\"avtaleInngått\":1},\"avtaleInngått\":\"x\"}",
        ] {
            let melding = Melding::les(nyttelast.as_bytes()).unwrap();
            assert_eq!(melding.avtale_inngaatt, Skalar::Tekst("x".into()), "{nyttelast}");
        }
    }
}
