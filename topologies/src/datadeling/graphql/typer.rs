//! The scalars and enums of the schema, and their conversions.

use async_graphql::{Enum, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::civil;
use straum_schemas::datadeling as domene;

use crate::datadeling::tid;

/// A date, `yyyy-MM-dd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dato(pub(super) civil::Date);

#[Scalar(name = "Date")]
impl ScalarType for Dato {
    fn parse(verdi: Value) -> InputValueResult<Self> {
        match &verdi {
            Value::String(tekst) => tid::les_dato(tekst).map(Self).ok_or_else(|| InputValueError::custom("expected a date, yyyy-MM-dd")),
            _ => Err(InputValueError::custom("expected a date, yyyy-MM-dd")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// An instant: RFC 3339 in UTC with 3 fraction digits, or 6 when the last three are not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tidspunkt(pub(super) domene::Mikros);

#[Scalar(name = "DateTime")]
impl ScalarType for Tidspunkt {
    fn parse(verdi: Value) -> InputValueResult<Self> {
        match &verdi {
            Value::String(tekst) => tid::les_instant(tekst).map(Self).ok_or_else(|| InputValueError::custom("expected an instant in UTC")),
            _ => Err(InputValueError::custom("expected an instant in UTC")),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domene::Tiltakstype")]
pub(super) enum Tiltakstype {
    Arbeidstrening,
    MidlertidigLonnstilskudd,
    VarigLonnstilskudd,
    Mentor,
    Inkluderingstilskudd,
    Sommerjobb,
    Vtao,
    FirearigLonnstilskudd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domene::AvtaleStatus")]
pub(super) enum AvtaleStatus {
    Annullert,
    Avbrutt,
    Paabegynt,
    ManglerGodkjenning,
    KlarForOppstart,
    Gjennomfores,
    Avsluttet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domene::Stillingstype")]
pub(super) enum Stillingstype {
    Fast,
    Midlertidig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "domene::Opphav")]
pub(super) enum Opphav {
    Veileder,
    Arbeidsgiver,
    Arena,
}

/// A count as GraphQL's 32-bit number.
pub(super) fn tall<T>(antall: T) -> i32
where
    i32: TryFrom<T>,
{
    i32::try_from(antall).unwrap_or(i32::MAX)
}
