//! An answer that is on its way.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use crate::group::{GroupError, GroupErrorKind};

/// An answer that is on its way. Dropped, the call goes on and its answer is thrown away.
#[derive(Debug)]
pub struct Pending<T> {
    answer: Receiver<Result<T, GroupError>>,
}

impl<T> Pending<T> {
    pub(super) fn new(answer: Receiver<Result<T, GroupError>>) -> Self {
        Self { answer }
    }

    /// The answer, if it is there. It is there once.
    pub fn try_take(&self) -> Option<Result<T, GroupError>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(gone())),
        }
    }

    /// Waits for the answer, at most so long: `None` when it has not come by then.
    pub fn wait(&self, timeout: Duration) -> Option<Result<T, GroupError>> {
        match self.answer.recv_timeout(timeout) {
            Ok(answer) => Some(answer),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(gone())),
        }
    }
}

fn gone() -> GroupError {
    GroupError::new(GroupErrorKind::Retriable, "the call was given up: the client's runtime has ended or the answer is taken")
}
