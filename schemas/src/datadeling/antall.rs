//! Store `antall`: how many are on each kind of measure, kept by adding differences.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::enums::{AvtaleStatus, Tiltakstype, UkjentNavn};

/// Key of store `antall`: a kind of measure, or all of them. Written as `MENTOR` or `ALLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AntallNokkel {
    /// One kind of measure.
    Type(Tiltakstype),
    /// All kinds: persons on several are counted once.
    Alle,
}

impl fmt::Display for AntallNokkel {
    fn fmt(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(tiltakstype) => tiltakstype.fmt(ut),
            Self::Alle => ut.write_str("ALLE"),
        }
    }
}

impl FromStr for AntallNokkel {
    type Err = UkjentNavn;

    fn from_str(navn: &str) -> Result<Self, UkjentNavn> {
        if navn == "ALLE" { Ok(Self::Alle) } else { navn.parse().map(Self::Type) }
    }
}

/// A number for each effective status; zeros are not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerStatus([i64; AvtaleStatus::ALLE.len()]);

impl PerStatus {
    /// The number for a status.
    #[must_use]
    pub fn hent(&self, status: AvtaleStatus) -> i64 {
        self.0.get(status as usize).copied().unwrap_or_default()
    }

    /// Adds to the number of a status.
    pub fn endre(&mut self, status: AvtaleStatus, differanse: i64) {
        if let Some(antall) = self.0.get_mut(status as usize) {
            *antall += differanse;
        }
    }

    /// The statuses whose number is not zero, in the order of the specification.
    pub fn iter(&self) -> impl Iterator<Item = (AvtaleStatus, i64)> + '_ {
        AvtaleStatus::ALLE.iter().copied().zip(self.0.iter().copied()).filter(|(_, antall)| *antall != 0)
    }

    /// Whether every number is zero.
    #[must_use]
    pub fn er_null(&self) -> bool {
        *self == Self::default()
    }
}

impl Serialize for PerStatus {
    fn serialize<S: Serializer>(&self, ut: S) -> Result<S::Ok, S::Error> {
        let mut kart = ut.serialize_map(None)?;
        for (status, antall) in self.iter() {
            kart.serialize_entry(&status, &antall)?;
        }
        kart.end()
    }
}

impl<'de> Deserialize<'de> for PerStatus {
    fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
        struct Leser;
        impl<'de> Visitor<'de> for Leser {
            type Value = PerStatus;

            fn expecting(&self, ut: &mut fmt::Formatter<'_>) -> fmt::Result {
                ut.write_str("numbers by status")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut kart: M) -> Result<PerStatus, M::Error> {
                let mut per_status = PerStatus::default();
                while let Some((status, antall)) = kart.next_entry()? {
                    per_status.endre(status, antall);
                }
                Ok(per_status)
            }
        }
        inn.deserialize_map(Leser)
    }
}

impl<C> Encode<C> for PerStatus {
    fn encode<W: Write>(&self, ut: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        ut.map(self.iter().count() as u64)?;
        for (status, antall) in self.iter() {
            status.encode(ut, context)?;
            ut.i64(antall)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for PerStatus {
    fn decode(inn: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let mut per_status = Self::default();
        for post in inn.map_iter::<AvtaleStatus, i64>()? {
            let (status, antall) = post?;
            per_status.endre(status, antall);
        }
        Ok(per_status)
    }
}

/// Value of store `antall`. Feilregistrerte agreements are not counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct AntallRad {
    /// Agreements on the measure.
    #[n(0)]
    pub avtaler_paa_tiltak: i64,
    /// Distinct persons on the measure.
    #[n(1)]
    pub personer_paa_tiltak: i64,
    /// Agreements by effective status.
    #[n(2)]
    pub per_status: PerStatus,
    /// The newest date any part was computed for.
    #[cbor(n(3), with = "super::cbor::dato")]
    pub beregnet_dato: Date,
}

/// A difference to add to an [`AntallRad`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "camelCase")]
pub struct AntallDelta {
    /// Added to agreements.
    #[n(0)]
    pub avtaler_paa_tiltak: i64,
    /// Added to persons.
    #[n(1)]
    pub personer_paa_tiltak: i64,
    /// Added by effective status.
    #[n(2)]
    pub per_status: PerStatus,
    /// The date it was computed for.
    #[cbor(n(3), with = "super::cbor::dato")]
    pub beregnet_dato: Date,
}

impl AntallDelta {
    /// Whether adding it changes nothing.
    #[must_use]
    pub fn er_null(&self) -> bool {
        self.avtaler_paa_tiltak == 0 && self.personer_paa_tiltak == 0 && self.per_status.er_null()
    }
}

impl AntallRad {
    /// The row after a difference, starting from zero when there is none.
    #[must_use]
    pub fn etter(lagret: Option<Self>, delta: &AntallDelta) -> Self {
        let mut rad = lagret.unwrap_or(Self {
            avtaler_paa_tiltak: 0,
            personer_paa_tiltak: 0,
            per_status: PerStatus::default(),
            beregnet_dato: delta.beregnet_dato,
        });
        rad.avtaler_paa_tiltak += delta.avtaler_paa_tiltak;
        rad.personer_paa_tiltak += delta.personer_paa_tiltak;
        for (status, differanse) in delta.per_status.iter() {
            rad.per_status.endre(status, differanse);
        }
        rad.beregnet_dato = rad.beregnet_dato.max(delta.beregnet_dato);
        rad
    }

    /// Whether nothing is counted and the row may be deleted.
    #[must_use]
    pub fn er_null(&self) -> bool {
        self.avtaler_paa_tiltak == 0 && self.personer_paa_tiltak == 0 && self.per_status.er_null()
    }
}
