//! One process at a time: the file `lock`, locked by the operating system, which lets go when the process dies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::failure::failed;
use crate::log::{LogError, LogErrorKind};

/// The right to use a folder, until it is dropped.
pub(super) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the folder, or says who has it.
    pub(super) fn take(folder: &Path, now: i64) -> Result<Self, LogError> {
        let path = folder.join("lock");
        let shown = path.display().to_string();
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(|error| failed("open", &shown, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Who has it is only for the message.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
                return Err(LogError::new(LogErrorKind::Locked, format!("{} is held by {holder}", folder.display())));
            }
            Err(error) => return Err(failed("lock", &shown, error.into())),
        }
        let command = std::env::args().next().unwrap_or_default();
        let command = command.rsplit('/').next().unwrap_or_default();
        let text = format!("process {} since {}, command {command}\n", std::process::id(), utc(now));
        let write = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        // A full disk must not keep the log from being read: the lock holds without its text.
        if let Err(error) = write {
            tracing::warn!(path = shown, %error, "cannot write who holds the lock");
        }
        Ok(Self { _file: file })
    }
}

/// Milliseconds since the epoch as `2024-02-29T12:30:00Z`.
fn utc(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years counted from 1 March of year 0, so that the leap day comes last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shown_as_utc() {
        for (milliseconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_709_209_800_000, "2024-02-29T12:30:00Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(milliseconds), shown);
        }
    }
}
