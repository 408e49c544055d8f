//! A task that fails: it retries with back-off, then pauses alone and says why.

use crate::error::{Error, ErrorKind};
use crate::runtime::StreamsConfig;

/// Whether a task processes.
#[derive(Debug, Default)]
pub(crate) enum Status {
    #[default]
    Running,
    /// Failed at one wall-clock time (ms), waits until another to try the same record again.
    Retrying { at: i64, failed: i64, error: Error },
    /// Stands until it is resumed.
    Paused { error: Error },
}

#[derive(Debug, Default)]
pub(crate) struct Failing {
    status: Status,
    attempts: u32,
    /// Wall-clock time (ms) of the first failure in a row.
    since: Option<i64>,
}

impl Failing {
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    pub(crate) fn may_run(&self, now: i64) -> bool {
        match &self.status {
            Status::Running => true,
            // A clock that was set back would have it wait for as long as it was set.
            Status::Retrying { at, failed, .. } => now >= *at || now < *failed,
            Status::Paused { .. } => false,
        }
    }

    /// It has not failed by itself, but for the log.
    pub(crate) fn waits_for_the_log(&self) -> bool {
        matches!(&self.status, Status::Retrying { error, .. } if error.kind() == ErrorKind::Log)
    }

    pub(crate) fn succeeded(&mut self) {
        if self.since.is_some() {
            *self = Self::default();
        }
    }

    /// Tries again with back-off, until the time for it is over.
    pub(crate) fn retry(&mut self, error: Error, config: &StreamsConfig, now: i64) {
        let since = *self.since.get_or_insert(now);
        let timeout = i64::try_from(config.task_timeout.as_millis()).unwrap_or(i64::MAX);
        if now - since >= timeout {
            self.pause(error);
        } else {
            self.wait(error, config, now);
        }
    }

    /// Tries again with back-off, for as long as it takes.
    pub(crate) fn wait(&mut self, error: Error, config: &StreamsConfig, now: i64) {
        let backoff = config.retry_backoff.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        let backoff = backoff.min(config.retry_backoff_max.max(config.retry_backoff));
        self.attempts += 1;
        tracing::warn!(attempt = self.attempts, kind = ?error.kind(), task = ?error.task(), "task failed and will try again");
        let at = now.saturating_add(i64::try_from(backoff.as_millis()).unwrap_or(i64::MAX));
        self.status = Status::Retrying { at, failed: now, error };
    }

    pub(crate) fn pause(&mut self, error: Error) {
        tracing::error!(kind = ?error.kind(), task = ?error.task(), node = error.node(), "task paused");
        self.status = Status::Paused { error };
    }

    pub(crate) fn resume(&mut self) {
        *self = Self::default();
    }
}
