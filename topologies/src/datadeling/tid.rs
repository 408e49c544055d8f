//! Times as the source writes them, and the calendar of Oslo.
//!
//! Instants and local times are rounded half-up to whole microseconds on reading, as the producer's database does, so
//! that a change first sent with nanoseconds and later with microseconds is one point in time. Time zone rules are
//! compiled in: a machine without zone files gives the same answers. Nothing here reads a clock.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use straum_schemas::datadeling::Mikros;

static OSLO: LazyLock<TimeZone> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the zone is compiled in; without it no date can be right")]
    TimeZoneDatabase::bundled().get("Europe/Oslo").expect("Europe/Oslo is among the compiled zones")
});

/// The date in Oslo at an instant.
#[must_use]
pub fn oslodato(tid: Mikros) -> Date {
    OSLO.to_datetime(tid.tidspunkt()).date()
}

/// The instant at which a date begins in Oslo.
#[must_use]
pub fn oslomidnatt(dato: Date) -> Option<Mikros> {
    fra_oslo(dato.at(0, 0, 0, 0))
}

/// The wall clock in Oslo at an instant.
#[must_use]
pub fn oslotid(tid: Mikros) -> DateTime {
    OSLO.to_datetime(tid.tidspunkt())
}

/// Reads `2026-01-26T12:43:10.507099366Z`: UTC, 0–9 fraction digits.
#[must_use]
pub fn les_instant(tekst: &str) -> Option<Mikros> {
    let uten_sone = tekst.strip_suffix('Z')?;
    let (sekundtid, nanosekunder) = les_datotid(uten_sone, true)?;
    let sekunder = TimeZone::UTC.to_timestamp(sekundtid).ok()?.as_second();
    avrund(sekunder, nanosekunder)
}

/// Reads `2026-01-26T13:56:16.690703134`: Oslo wall clock, seconds optional, 0–9 fraction digits. A time that happens
/// twice in autumn is the first of the two; one that is skipped in spring is an hour later.
#[must_use]
pub fn les_lokal_tid(tekst: &str) -> Option<Mikros> {
    let (sekundtid, nanosekunder) = les_datotid(tekst, false)?;
    let sekunder = fra_oslo(sekundtid)?.0 / 1_000_000;
    avrund(sekunder, nanosekunder)
}

/// Reads `yyyy-MM-dd`.
#[must_use]
pub fn les_dato(tekst: &str) -> Option<Date> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = tekst.as_bytes() else { return None };
    let aar = tall(&[a, b, c, d])?;
    Date::new(i16::try_from(aar).ok()?, i8::try_from(tall(&[e, f])?).ok()?, i8::try_from(tall(&[g, h])?).ok()?).ok()
}

fn fra_oslo(lokal: DateTime) -> Option<Mikros> {
    // "Compatible": the earlier instant of an overlap, forward by the length of a gap.
    OSLO.to_ambiguous_timestamp(lokal).compatible().ok().map(Mikros::from)
}

/// Date and time to the second, and nanoseconds of the second.
fn les_datotid(tekst: &str, krev_sekunder: bool) -> Option<(DateTime, i64)> {
    let (dato, tid) = tekst.split_at_checked(10)?;
    let dato = les_dato(dato)?;
    let (time, minutt, rest) = match tid.as_bytes() {
        [b'T', a, b, b':', c, d, rest @ ..] => (tall(&[*a, *b])?, tall(&[*c, *d])?, rest),
        _ => return None,
    };
    let (sekund, brok) = match rest {
        [] if !krev_sekunder => (0, None),
        [b':', a, b] => (tall(&[*a, *b])?, None),
        [b':', a, b, b'.', brok @ ..] => (tall(&[*a, *b])?, Some(brok)),
        _ => return None,
    };
    let nanosekunder = match brok {
        None => 0,
        Some(sifre) if sifre.len() <= 9 => {
            let manglende = 9_u32.saturating_sub(u32::try_from(sifre.len()).ok()?);
            tall(sifre)? * 10_i64.pow(manglende)
        }
        Some(_) => return None,
    };
    let i8_av = |verdi: i64| i8::try_from(verdi).ok();
    let klokke = Time::new(i8_av(time)?, i8_av(minutt)?, i8_av(sekund)?, 0).ok()?;
    Some((dato.to_datetime(klokke), nanosekunder))
}

fn tall(sifre: &[u8]) -> Option<i64> {
    sifre.iter().try_fold(0_i64, |sum, siffer| siffer.is_ascii_digit().then(|| sum * 10 + i64::from(siffer - b'0')))
}

fn avrund(sekunder: i64, nanosekunder: i64) -> Option<Mikros> {
    sekunder.checked_mul(1_000_000)?.checked_add((nanosekunder + 500) / 1000).map(Mikros)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn instants_round_half_up() {
        for (tekst, forventet) in [
            ("2023-04-28T12:09:59.306194397Z", Some("2023-04-28T12:09:59.306194Z")),
            ("2023-04-28T12:09:59.306177966Z", Some("2023-04-28T12:09:59.306178Z")),
            ("2023-04-28T12:09:59.3061775Z", Some("2023-04-28T12:09:59.306178Z")),
            ("2023-04-28T12:09:59.999999500Z", Some("2023-04-28T12:10:00.000Z")),
            ("2023-04-28T12:09:59Z", Some("2023-04-28T12:09:59.000Z")),
            ("2023-04-28T12:09:59.5Z", Some("2023-04-28T12:09:59.500Z")),
            ("1969-12-31T23:59:59.9999995Z", Some("1970-01-01T00:00:00.000Z")),
            ("2023-04-28T12:09:59.Z", Some("2023-04-28T12:09:59.000Z")),
            ("2023-04-28T12:09Z", None),
            ("2023-04-28T12:09:59.0123456789Z", None),
            ("2023-04-28T12:09:59", None),
            ("2023-04-28T12:09:59+01:00", None),
            ("2023-04-28 12:09:59Z", None),
            ("2023-02-30T12:09:59Z", None),
            ("2023-04-28T24:00:00Z", None),
            ("", None),
            ("Z", None),
            ("2023-04-2å", None),
        ] {
            assert_eq!(les_instant(tekst).map(|tid| tid.to_string()).as_deref(), forventet, "{tekst}");
        }
    }

    #[test]
    fn local_times_are_oslo_wall_clock() {
        for (tekst, forventet) in [
            ("2020-02-14T00:00:00", Some("2020-02-13T23:00:00.000Z")),
            ("2020-07-14T00:00", Some("2020-07-13T22:00:00.000Z")),
            ("2026-01-26T14:51:10.534257877", Some("2026-01-26T13:51:10.534258Z")),
            // The clock is turned back at 03:00: 02:30 happens twice, the first counts.
            ("2024-10-27T02:30:00", Some("2024-10-27T00:30:00.000Z")),
            ("2024-10-27T03:00:00", Some("2024-10-27T02:00:00.000Z")),
            // The clock is turned forward at 02:00: 02:30 does not happen.
            ("2024-03-31T02:30:00", Some("2024-03-31T01:30:00.000Z")),
            ("2024-03-31T01:59:59.9999996", Some("2024-03-31T01:00:00.000Z")),
            ("2024-03-31T01:30:00Z", None),
            ("2024-03-31", None),
        ] {
            assert_eq!(les_lokal_tid(tekst).map(|tid| tid.to_string()).as_deref(), forventet, "{tekst}");
        }
    }

    #[test]
    fn dates_have_one_form() {
        for (tekst, gyldig) in [("2024-02-29", true), ("2024-02-30", false), ("2023-02-29", false), ("2024-2-9", false), ("+024-02-09", false)] {
            assert_eq!(les_dato(tekst).is_some(), gyldig, "{tekst}");
        }
    }

    #[test]
    fn the_day_begins_at_midnight_in_oslo() {
        for (instant, dato) in [
            ("2024-10-27T22:59:59Z", "2024-10-27"),
            ("2024-10-27T23:00:00Z", "2024-10-28"),
            ("2024-03-30T22:59:59Z", "2024-03-30"),
            ("2024-03-30T23:00:00Z", "2024-03-31"),
            ("2024-06-30T22:00:00Z", "2024-07-01"),
        ] {
            assert_eq!(oslodato(les_instant(instant).unwrap()).to_string(), dato, "{instant}");
        }
        assert_eq!(oslomidnatt(les_dato("2024-07-01").unwrap()), les_instant("2024-06-30T22:00:00Z"));
    }
}
