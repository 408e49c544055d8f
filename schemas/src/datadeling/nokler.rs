//! Composite store keys: `<deltakerFnr>/<avtaleId>`, `<bedriftNr>/<avtaleId>` and `<yyyy-MM-dd>/<avtaleId>`.
//!
//! Text, so that a person reading a store can read its keys. In the first part `~` is written `~0` and `/` is written
//! `~1`; a key's first `/` is therefore always the separator: two keys never collide, and `<part>/` is a prefix of
//! exactly the keys of that part, whatever was sent as number. Dates order as their text.

use jiff::civil::Date;

use super::id::{AvtaleId, Fnr};

/// Bytes that are not a key of the kind asked for. Says nothing of what they held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed store key, expected <{forventet}>/<avtaleId>")]
pub struct UgyldigNokkel {
    forventet: &'static str,
}

/// Key of store `person`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonNokkel {
    /// The participant.
    pub deltaker_fnr: Fnr,
    /// The agreement.
    pub avtale_id: AvtaleId,
}

/// Key of store `bedrift`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BedriftNokkel {
    /// The employer.
    pub bedrift_nr: Box<str>,
    /// The agreement.
    pub avtale_id: AvtaleId,
}

/// Key of store `overganger`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OvergangNokkel {
    /// The date on which something changes.
    pub dato: Date,
    /// The agreement.
    pub avtale_id: AvtaleId,
}

impl PersonNokkel {
    /// Prefix of every key of one person.
    #[must_use]
    pub fn prefiks(deltaker_fnr: &str) -> Vec<u8> {
        prefiks(deltaker_fnr).into_bytes()
    }

    /// The key as text.
    #[must_use]
    pub fn tekst(deltaker_fnr: &str, avtale_id: AvtaleId) -> String {
        med_id(prefiks(deltaker_fnr), avtale_id)
    }

    /// The key as bytes.
    #[must_use]
    pub fn bytes(deltaker_fnr: &str, avtale_id: AvtaleId) -> Vec<u8> {
        Self::tekst(deltaker_fnr, avtale_id).into_bytes()
    }

    /// Reads the key from bytes.
    ///
    /// # Errors
    /// When the bytes were not written by [`PersonNokkel::bytes`].
    pub fn les(bytes: &[u8]) -> Result<Self, UgyldigNokkel> {
        let (del, avtale_id) = del_opp(bytes).ok_or(UgyldigNokkel { forventet: "deltakerFnr" })?;
        Ok(Self { deltaker_fnr: Fnr(uten_flukt(del).into()), avtale_id })
    }
}

impl BedriftNokkel {
    /// Prefix of every key of one employer.
    #[must_use]
    pub fn prefiks(bedrift_nr: &str) -> Vec<u8> {
        prefiks(bedrift_nr).into_bytes()
    }

    /// The key as text.
    #[must_use]
    pub fn tekst(bedrift_nr: &str, avtale_id: AvtaleId) -> String {
        med_id(prefiks(bedrift_nr), avtale_id)
    }

    /// The key as bytes.
    #[must_use]
    pub fn bytes(bedrift_nr: &str, avtale_id: AvtaleId) -> Vec<u8> {
        Self::tekst(bedrift_nr, avtale_id).into_bytes()
    }

    /// Reads the key from bytes.
    ///
    /// # Errors
    /// When the bytes were not written by [`BedriftNokkel::bytes`].
    pub fn les(bytes: &[u8]) -> Result<Self, UgyldigNokkel> {
        let (del, avtale_id) = del_opp(bytes).ok_or(UgyldigNokkel { forventet: "bedriftNr" })?;
        Ok(Self { bedrift_nr: uten_flukt(del).into(), avtale_id })
    }
}

impl OvergangNokkel {
    /// The first key after every key of `dato`: the exclusive end of a scan of what is due by that date.
    #[must_use]
    pub fn etter(dato: Date) -> Vec<u8> {
        Self::tekst_etter(dato).into_bytes()
    }

    /// As [`OvergangNokkel::etter`], as text.
    #[must_use]
    pub fn tekst_etter(dato: Date) -> String {
        // '0' follows '/' in ASCII.
        format!("{dato}0")
    }

    /// The key as text.
    #[must_use]
    pub fn tekst(&self) -> String {
        med_id(prefiks(&self.dato.to_string()), self.avtale_id)
    }

    /// The key as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.tekst().into_bytes()
    }

    /// Reads the key from bytes.
    ///
    /// # Errors
    /// When the bytes were not written by [`OvergangNokkel::bytes`].
    pub fn les(bytes: &[u8]) -> Result<Self, UgyldigNokkel> {
        let feil = UgyldigNokkel { forventet: "yyyy-MM-dd" };
        let (del, avtale_id) = del_opp(bytes).ok_or(feil)?;
        Ok(Self { dato: del.parse().map_err(|_| feil)?, avtale_id })
    }
}

fn prefiks(del: &str) -> String {
    let mut ut = String::with_capacity(del.len() + 40);
    for tegn in del.chars() {
        match tegn {
            '~' => ut.push_str("~0"),
            '/' => ut.push_str("~1"),
            annet => ut.push(annet),
        }
    }
    ut.push('/');
    ut
}

fn med_id(mut prefiks: String, avtale_id: AvtaleId) -> String {
    let mut tekst = [0; uuid::fmt::Hyphenated::LENGTH];
    prefiks.push_str(avtale_id.0.as_hyphenated().encode_lower(&mut tekst));
    prefiks
}

fn del_opp(bytes: &[u8]) -> Option<(&str, AvtaleId)> {
    let (del, id) = std::str::from_utf8(bytes).ok()?.split_once('/')?;
    Some((del, AvtaleId::les(id)?))
}

fn uten_flukt(del: &str) -> String {
    del.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(siste: u128) -> AvtaleId {
        AvtaleId(uuid::Uuid::from_u128(siste))
    }

    #[test]
    fn keys_read_back_and_prefixes_do_not_leak_into_each_other() {
        let numre = ["", "1", "11", "1/1", "1~1", "1~", "/", "~1", "~01", "01810000001"];
        for en in numre {
            let bytes = PersonNokkel::bytes(en, id(7));
            let lest = PersonNokkel::les(&bytes).unwrap();
            assert_eq!((lest.deltaker_fnr.as_str(), lest.avtale_id), (en, id(7)));
            for annen in numre {
                assert_eq!(bytes.starts_with(&PersonNokkel::prefiks(annen)), en == annen, "{en} {annen}");
            }
        }
        assert!(PersonNokkel::les(b"01810000001").is_err());
        assert!(BedriftNokkel::les(&[0xff, b'/']).is_err());
    }

    #[test]
    fn transitions_are_in_date_order() {
        let nokkel = |dato: &str, siste| OvergangNokkel { dato: dato.parse().unwrap(), avtale_id: id(siste) };
        let ordnet = [nokkel("0999-12-31", u128::MAX), nokkel("2023-12-31", 1), nokkel("2024-01-01", 0), nokkel("2024-01-01", 9)];
        for par in ordnet.windows(2) {
            assert!(par.first().map(OvergangNokkel::bytes) < par.last().map(OvergangNokkel::bytes));
        }
        let slutt = OvergangNokkel::etter(nokkel("2024-01-01", 0).dato);
        assert!(nokkel("2024-01-01", u128::MAX).bytes() < slutt);
        assert!(slutt < nokkel("2024-01-02", 0).bytes());
        assert_eq!(OvergangNokkel::les(&nokkel("2024-01-01", 9).bytes()), Ok(nokkel("2024-01-01", 9)));
    }
}
