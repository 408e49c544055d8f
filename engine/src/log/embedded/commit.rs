//! Group commit: who comes first leads, and makes the decisions of all who have come by then durable with the same syncs.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::core::{Core, Topic};
use super::entry::Entry;
use super::failure::Failure;
use super::frame::Kind;
use super::groups::GroupOffset;
use super::journal::{Broken, Journal};
use super::partition::Partition;
use crate::log::{LogError, Offset};

/// Something that holds once the journal says so.
pub(super) enum Decision {
    /// A transaction's records and offsets.
    Commit { transaction: u64, partitions: Vec<Arc<Partition>>, offsets: Vec<GroupOffset> },
    /// Offsets outside a transaction.
    Offsets(Vec<GroupOffset>),
    /// A new topic.
    Topic(Arc<Topic>),
    /// Records before an offset go.
    Start(Vec<(Arc<Partition>, Offset)>),
}

impl Decision {
    fn write(&self, core: &Core, out: &mut Vec<u8>) {
        match self {
            Self::Commit { transaction, offsets, .. } => {
                Entry::Commit { transaction: *transaction }.write(out);
                offsets.iter().for_each(|offset| offset.entry().write(out));
            }
            Self::Offsets(offsets) => offsets.iter().for_each(|offset| offset.entry().write(out)),
            Self::Topic(topic) => {
                let number = u32::try_from(core.topics.read().in_order.len()).unwrap_or(u32::MAX);
                let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
                Entry::Topic { number, id: topic.id, name: topic.name.to_string(), partitions, config: topic.config.clone() }.write(out);
            }
            Self::Start(starts) => {
                starts.iter().for_each(|(partition, offset)| Entry::Start { partition: partition.id, offset: *offset }.write(out));
            }
        }
    }

    /// Lets everyone see it. Markers come before offsets, so that who sees the offsets can read the records.
    fn apply(self, core: &Core) {
        match self {
            Self::Commit { transaction, partitions, offsets } => {
                for partition in &partitions {
                    partition.lock().end_transaction(core, partition, transaction, Kind::Commit);
                }
                core.groups.resolve(&offsets, true);
            }
            Self::Offsets(offsets) => core.groups.store(&offsets),
            Self::Topic(topic) => core.topics.write().add(topic),
            Self::Start(starts) => {
                for (partition, offset) in starts {
                    let mut state = partition.lock();
                    state.start = state.start.max(offset);
                }
            }
        }
    }
}

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Committer {
    turn: Mutex<Turn>,
    turned: Condvar,
}

#[derive(Default)]
struct Turn {
    tickets: u64,
    waiting: Vec<(u64, Decision)>,
    leading: bool,
    failures: HashMap<u64, Failure>,
    /// Tickets below this are decided.
    decided: u64,
}

impl Core {
    /// Makes a decision durable and lets everyone see it. After an error it does not hold; when the error is fatal, that
    /// is only known when the log is opened again.
    pub(super) fn decide(&self, decision: Decision) -> Result<(), LogError> {
        let mut turn = self.committer.turn.lock();
        let ticket = turn.tickets;
        turn.tickets += 1;
        turn.waiting.push((ticket, decision));
        while ticket >= turn.decided {
            if turn.leading {
                self.committer.turned.wait(&mut turn);
                continue;
            }
            turn.leading = true;
            let batch = mem::take(&mut turn.waiting);
            let (first, decided) = (turn.decided, turn.tickets);
            drop(turn);
            let outcome = self.decide_all(batch);
            turn = self.committer.turn.lock();
            turn.leading = false;
            turn.decided = decided;
            if let Err(error) = outcome {
                let failure = Failure::from(error);
                turn.failures.extend((first..decided).map(|failed| (failed, failure.clone())));
            }
            self.committer.turned.notify_all();
        }
        match turn.failures.remove(&ticket) {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn decide_all(&self, batch: Vec<(u64, Decision)>) -> Result<(), LogError> {
        let mut journal = self.journal.lock();
        self.check()?;
        if journal.has_grown(self.options.journal_bytes) {
            self.renew(&mut journal)?;
        }
        self.sync_partitions()?;
        let mut statements = Vec::new();
        batch.iter().for_each(|(_, decision)| decision.write(self, &mut statements));
        let mut synced = self.synced.lock();
        for id in &synced.untold {
            if let Some(&(base, length)) = synced.positions.get(id) {
                Entry::Synced { partition: *id, base, length }.write(&mut statements);
            }
        }
        journal.append(&statements, self.syncs()).map_err(|broken| {
            if let Broken::Unknown(error) = &broken {
                self.poison(&error.to_string());
            }
            LogError::from(broken)
        })?;
        synced.untold.clear();
        drop(synced);
        batch.into_iter().for_each(|(_, decision)| decision.apply(self));
        drop(journal);
        self.signal.raise();
        Ok(())
    }

    /// Writes the journal anew. It forgets the commits whose markers are durable, so it looks which are owed before it
    /// syncs: a marker written in between is then merely told twice.
    fn renew(&self, journal: &mut Journal) -> Result<(), LogError> {
        let owed: Vec<u64> = self.partitions().iter().flat_map(|partition| partition.lock().owed().collect::<Vec<u64>>()).collect();
        self.sync_partitions()?;
        let mut synced = self.synced.lock();
        let entries = self.statements(&owed, &synced);
        let new = Journal::replace(self.storage(), Some(journal), &entries, self.syncs())?;
        synced.untold.clear();
        drop(synced);
        let old = mem::replace(journal, new);
        if let Err(error) = self.storage().delete(old.path()) {
            tracing::warn!(path = old.path(), %error, "an old journal is left; the next start deletes it");
        }
        Ok(())
    }

    /// Tells the journal how far everything is durable, so that damage can be told from a torn tail; at close.
    pub(super) fn settle_synced(&self) -> Result<(), LogError> {
        self.sync_partitions()?;
        if self.synced.lock().untold.is_empty() {
            return Ok(());
        }
        self.decide(Decision::Offsets(Vec::new()))
    }
}
