//! What may be counted for one message, as a set of bits: no allocation, no look-up by name; and the sums over all messages,
//! kept in a store so that they are as exact as the rows.

use std::collections::BTreeMap;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A count that one message may raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Teller {
    /// The first message of an agreement was accepted.
    GodtattForste,
    /// A message with a later sistEndret was accepted.
    GodtattNyere,
    /// A message with the same sistEndret was accepted.
    GodtattLik,
    /// Accepted, but nothing changed that is shown.
    Uendret,
    /// Dropped: older than the row.
    Gammel,
    /// Dropped: as old as the row, read before it.
    GammelLik,
    /// Dropped: read before the deletion of the agreement.
    ForGravstein,
    /// An agreement was deleted.
    Slettet,
    /// A record was parked for an unknown value.
    Parkert,
    /// A parked record fell out because there were too many.
    ParkertKastet,
    /// A message failed.
    DodtBrev,
    /// The record key is not the avtaleId of the payload.
    NokkelUlikAvtaleId,
    /// Skipped: neither key nor value.
    HoppetOver,
    /// Skipped: a tombstone whose key is not a uuid.
    UgyldigNokkel,
    /// The newest record of the topic is older than the row.
    SuspektKompaktering,
    /// A reported status that may not follow the one before.
    UlovligStatussteg,
    /// The version rose by more than one.
    Versjonshull,
    /// A re-sent state had another status.
    PatchEndretStatus,
    /// Skipped: a record of the re-drive topic that is not a message to the table.
    UgyldigGjenkjoring,
}

impl Teller {
    /// Every count, in the order of its bit.
    pub const ALLE: [Self; 19] = [
        Self::GodtattForste,
        Self::GodtattNyere,
        Self::GodtattLik,
        Self::Uendret,
        Self::Gammel,
        Self::GammelLik,
        Self::ForGravstein,
        Self::Slettet,
        Self::Parkert,
        Self::ParkertKastet,
        Self::DodtBrev,
        Self::NokkelUlikAvtaleId,
        Self::HoppetOver,
        Self::UgyldigNokkel,
        Self::SuspektKompaktering,
        Self::UlovligStatussteg,
        Self::Versjonshull,
        Self::PatchEndretStatus,
        Self::UgyldigGjenkjoring,
    ];

    /// How many counts there are.
    pub const ANTALL: usize = Self::ALLE.len();

    /// Name as a metric.
    #[must_use]
    pub const fn navn(self) -> &'static str {
        match self {
            Self::GodtattForste => "godtatt_forste",
            Self::GodtattNyere => "godtatt_nyere",
            Self::GodtattLik => "godtatt_lik",
            Self::Uendret => "uendret",
            Self::Gammel => "gammel",
            Self::GammelLik => "gammel_lik",
            Self::ForGravstein => "for_gravstein",
            Self::Slettet => "slettet",
            Self::Parkert => "parkert",
            Self::ParkertKastet => "parkert_kastet",
            Self::DodtBrev => "dodt_brev",
            Self::NokkelUlikAvtaleId => "nokkel_ulik_avtaleid",
            Self::HoppetOver => "hoppet_over",
            Self::UgyldigNokkel => "ugyldig_nokkel",
            Self::SuspektKompaktering => "suspekt_kompaktering",
            Self::UlovligStatussteg => "ulovlig_statussteg",
            Self::Versjonshull => "versjonshull",
            Self::PatchEndretStatus => "patch_endret_status",
            Self::UgyldigGjenkjoring => "ugyldig_gjenkjoring",
        }
    }
}

/// The counts one message raises, each by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tellere(u32);

impl Tellere {
    /// Raises a count.
    pub const fn tell(&mut self, teller: Teller) {
        self.0 |= 1 << teller as u8;
    }

    /// The same with a count raised.
    #[must_use]
    pub const fn med(mut self, teller: Teller) -> Self {
        self.tell(teller);
        self
    }

    /// Raises the counts of another set.
    pub const fn ta_med(&mut self, andre: Self) {
        self.0 |= andre.0;
    }

    /// Whether a count is raised.
    #[must_use]
    pub const fn har(self, teller: Teller) -> bool {
        self.0 & (1 << teller as u8) != 0
    }

    /// The raised counts.
    pub fn iter(self) -> impl Iterator<Item = Teller> {
        Teller::ALLE.into_iter().filter(move |teller| self.har(*teller))
    }
}

/// Sums of counts. Shown as numbers by name; zeros are not written, and names no longer known are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling([u64; Teller::ANTALL]);

impl Telling {
    /// Adds the counts of one message.
    pub fn legg_til(&mut self, tellere: Tellere) {
        for teller in tellere.iter() {
            if let Some(sum) = self.0.get_mut(teller as usize) {
                *sum += 1;
            }
        }
    }

    /// Adds other sums.
    pub fn legg_sammen(&mut self, andre: &Self) {
        for (sum, annen) in self.0.iter_mut().zip(andre.0) {
            *sum += annen;
        }
    }

    /// The sum of a count.
    #[must_use]
    pub fn hent(&self, teller: Teller) -> u64 {
        self.0.get(teller as usize).copied().unwrap_or_default()
    }
}

impl Serialize for Telling {
    fn serialize<S: Serializer>(&self, ut: S) -> Result<S::Ok, S::Error> {
        ut.collect_map(Teller::ALLE.iter().map(|teller| (teller.navn(), self.hent(*teller))).filter(|(_, sum)| *sum > 0))
    }
}

impl<'de> Deserialize<'de> for Telling {
    fn deserialize<D: Deserializer<'de>>(inn: D) -> Result<Self, D::Error> {
        let etter_navn = BTreeMap::<String, u64>::deserialize(inn)?;
        let mut telling = Self::default();
        for (teller, sum) in Teller::ALLE.iter().zip(&mut telling.0) {
            *sum = etter_navn.get(teller.navn()).copied().unwrap_or_default();
        }
        Ok(telling)
    }
}

/// Sums in the order of [`Teller::ALLE`], which a new count therefore goes to the end of; those at the end that are zero are left out.
impl<C> Encode<C> for Telling {
    fn encode<W: Write>(&self, ut: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        let brukt = self.0.iter().rposition(|sum| *sum > 0).map_or(0, |siste| siste + 1);
        self.0.get(..brukt).unwrap_or_default().encode(ut, context)
    }
}

impl<'b, C> Decode<'b, C> for Telling {
    fn decode(inn: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let mut telling = Self::default();
        for (indeks, sum) in inn.array_iter::<u64>()?.enumerate() {
            let sum = sum?;
            if let Some(plass) = telling.0.get_mut(indeks) {
                *plass = sum;
            }
        }
        Ok(telling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_its_own_bit() {
        for (indeks, teller) in Teller::ALLE.into_iter().enumerate() {
            assert_eq!(teller as usize, indeks);
            let satt = Tellere::default().med(teller);
            assert_eq!(satt.iter().collect::<Vec<_>>(), [teller]);
        }
    }

    #[test]
    fn sums_are_written_by_name() -> Result<(), serde_json::Error> {
        let mut telling = Telling::default();
        telling.legg_til(Tellere::default().med(Teller::Gammel).med(Teller::UgyldigGjenkjoring));
        let tekst = serde_json::to_string(&telling)?;
        assert_eq!(tekst, r#"{"gammel":1,"ugyldig_gjenkjoring":1}"#);
        assert_eq!(serde_json::from_str::<Telling>(&tekst)?, telling);
        Ok(())
    }
}
