//! What may be counted for one message, as a set of bits: no allocation, no look-up by name.

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
}

impl Teller {
    const ALLE: [Self; 18] = [
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
    ];

    /// Every count there is.
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
}
