//! The closed lists of the domain, each with the name on the wire and the name shown by the API.
//!
//! Wire names contain å and ø and are compared in Unicode NFC; API names are ASCII. Stores and output use API names.

use std::borrow::Cow;
use std::fmt;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// The text in Unicode NFC, borrowed when it already is.
#[must_use]
pub fn nfc(tekst: &str) -> Cow<'_, str> {
    if tekst.is_ascii() || is_nfc_quick(tekst.chars()) == IsNormalized::Yes { Cow::Borrowed(tekst) } else { Cow::Owned(tekst.nfc().collect()) }
}

/// A closed list whose members have a wire name and an API name.
pub trait Wirenavn: Sized + Copy + 'static {
    /// Name of the list, for errors.
    const LISTE: &'static str;
    /// The member with this name on the wire, in any normalisation form.
    fn fra_wire(navn: &str) -> Option<Self>;
    /// The member with this API name.
    fn fra_api(navn: &str) -> Option<Self>;
    /// Name in stores and output.
    fn api(self) -> &'static str;
    /// Name on the source topic.
    fn wire(self) -> &'static str;
}

/// A name that no member of the list has. The name itself is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name, expected a member of {liste}")]
pub struct UkjentNavn {
    /// The list that was asked.
    pub liste: &'static str,
}

macro_rules! liste {
    ($(#[$om:meta])* $type:ident { $($(#[$omledd:meta])* $ledd:ident = $wire:literal $(as $api:literal)?,)+ }) => {
        $(#[$om])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$omledd])* #[doc = concat!("`", $wire, "` on the wire.")] $ledd,)+ }

        impl $type {
            /// Every member, in the order of the specification.
            pub const ALLE: &'static [Self] = &[$(Self::$ledd,)+];
        }

        impl Wirenavn for $type {
            const LISTE: &'static str = stringify!($type);

            fn fra_wire(navn: &str) -> Option<Self> {
                let finn = |navn: &str| match navn { $($wire => Some(Self::$ledd),)+ _ => None };
                finn(navn).or_else(|| if navn.is_ascii() { None } else { finn(&nfc(navn)) })
            }

            fn fra_api(navn: &str) -> Option<Self> {
                match navn { $(liste!(@api $wire $($api)?) => Some(Self::$ledd),)+ _ => None }
            }

            fn api(self) -> &'static str {
                match self { $(Self::$ledd => liste!(@api $wire $($api)?),)+ }
            }

            fn wire(self) -> &'static str {
                match self { $(Self::$ledd => $wire,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result { ut.write_str(self.api()) }
        }

        impl std::str::FromStr for $type {
            type Err = UkjentNavn;
            fn from_str(navn: &str) -> Result<Self, UkjentNavn> {
                Self::fra_api(navn).ok_or(UkjentNavn { liste: Self::LISTE })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, ut: S) -> Result<S::Ok, S::Error> { ut.serialize_str(self.api()) }
        }

        impl<C> Encode<C> for $type {
            fn encode<W: Write>(&self, ut: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                ut.str(self.api())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(inn: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
                let sted = inn.position();
                match Verdi::decode(inn, context)? {
                    Verdi::Kjent(ledd) => Ok(ledd),
                    Verdi::Ukjent(_) => Err(decode::Error::message(UkjentNavn { liste: Self::LISTE }).at(sted)),
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
                match Verdi::deserialize(inn)? {
                    Verdi::Kjent(ledd) => Ok(ledd),
                    Verdi::Ukjent(_) => Err(de::Error::custom(UkjentNavn { liste: Self::LISTE })),
                }
            }
        }
    };
    (@api $wire:literal) => { $wire };
    (@api $wire:literal $api:literal) => { $api };
}

liste! {
    /// Kind of measure.
    Tiltakstype {
        Arbeidstrening = "ARBEIDSTRENING",
        MidlertidigLonnstilskudd = "MIDLERTIDIG_LONNSTILSKUDD",
        VarigLonnstilskudd = "VARIG_LONNSTILSKUDD",
        Mentor = "MENTOR",
        Inkluderingstilskudd = "INKLUDERINGSTILSKUDD",
        Sommerjobb = "SOMMERJOBB",
        Vtao = "VTAO",
        FirearigLonnstilskudd = "FIREARIG_LONNSTILSKUDD",
    }
}

liste! {
    /// Status of an agreement, as its owner reports it or as the dates say it has become.
    AvtaleStatus {
        Annullert = "ANNULLERT",
        Avbrutt = "AVBRUTT",
        Paabegynt = "PÅBEGYNT" as "PAABEGYNT",
        ManglerGodkjenning = "MANGLER_GODKJENNING",
        KlarForOppstart = "KLAR_FOR_OPPSTART",
        Gjennomfores = "GJENNOMFØRES" as "GJENNOMFORES",
        Avsluttet = "AVSLUTTET",
    }
}

liste! {
    /// Kind of position.
    Stillingstype {
        Fast = "FAST",
        Midlertidig = "MIDLERTIDIG",
    }
}

liste! {
    /// Who created the agreement.
    Opphav {
        Veileder = "VEILEDER",
        Arbeidsgiver = "ARBEIDSGIVER",
        Arena = "ARENA",
    }
}

/// A value of a closed list as it arrived: known, or the text that is not.
///
/// Written as text in both cases, so a record parked for an unknown value is understood by a later version that
/// knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdi<T> {
    /// A member of the list.
    Kjent(T),
    /// Any other text, in NFC.
    Ukjent(Box<str>),
}

impl<T: Wirenavn> Verdi<T> {
    /// Reads a wire name.
    #[must_use]
    pub fn fra_wire(navn: &str) -> Self {
        T::fra_wire(navn).map_or_else(|| Self::Ukjent(nfc(navn).into()), Self::Kjent)
    }

    /// Reads an API name, else a wire name.
    fn fra_navn(navn: &str) -> Self {
        T::fra_api(navn).map_or_else(|| Self::fra_wire(navn), Self::Kjent)
    }

    /// The member, when known.
    #[must_use]
    pub const fn kjent(&self) -> Option<T> {
        match self {
            Self::Kjent(ledd) => Some(*ledd),
            Self::Ukjent(_) => None,
        }
    }
}

impl<T: Wirenavn> Serialize for Verdi<T> {
    fn serialize<S: Serializer>(&self, ut: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kjent(ledd) => ut.serialize_str(ledd.api()),
            Self::Ukjent(navn) => ut.serialize_str(navn),
        }
    }
}

impl<'de, T: Wirenavn> Deserialize<'de> for Verdi<T> {
    fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
        struct Navneleser<T>(std::marker::PhantomData<T>);

        impl<T: Wirenavn> de::Visitor<'_> for Navneleser<T> {
            type Value = Verdi<T>;

            fn expecting(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(ut, "a name of {}", T::LISTE)
            }

            fn visit_str<E: de::Error>(self, navn: &str) -> Result<Self::Value, E> {
                Ok(Verdi::fra_navn(navn))
            }
        }

        inn.deserialize_str(Navneleser(std::marker::PhantomData))
    }
}

impl<C, T: Wirenavn> Encode<C> for Verdi<T> {
    fn encode<W: Write>(&self, ut: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Kjent(ledd) => ut.str(ledd.api())?.ok(),
            Self::Ukjent(navn) => ut.str(navn)?.ok(),
        }
    }
}

impl<'b, C, T: Wirenavn> Decode<'b, C> for Verdi<T> {
    fn decode(inn: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Ok(Self::fra_navn(inn.str()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_reads_back_in_both_forms() {
        for status in AvtaleStatus::ALLE {
            let dekomponert: String = status.wire().nfd().collect();
            assert_eq!(AvtaleStatus::fra_wire(status.wire()), Some(*status));
            assert_eq!(AvtaleStatus::fra_wire(&dekomponert), Some(*status));
            assert_eq!(status.api().parse(), Ok(*status));
            assert!(status.api().is_ascii());
        }
        assert_eq!((Tiltakstype::ALLE.len(), AvtaleStatus::ALLE.len()), (8, 7));
    }

    #[test]
    fn an_unknown_value_keeps_its_text() {
        let verdi: Verdi<Tiltakstype> = serde_json::from_str("\"NY_TYPE\"").unwrap();
        assert_eq!(verdi, Verdi::Ukjent("NY_TYPE".into()));
        assert_eq!(serde_json::to_string(&verdi).unwrap(), "\"NY_TYPE\"");
        assert!(serde_json::from_str::<Tiltakstype>("\"NY_TYPE\"").is_err());
    }
}
