//! Offsets committed for groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::TopicPartitionList;
use rdkafka::types::RDKafkaErrorCode as Code;

use crate::log::{CommittedOffset, GroupMembership, LogError, LogErrorKind, TopicPartition};

use super::errors;
use super::native::{CallError, Client, Role, elements};
use super::options::KafkaOptions;
use super::settings;
use super::slots;

/// Reads and writes the committed offsets of groups, through one client a group.
#[derive(Debug)]
pub(super) struct Offsets {
    options: KafkaOptions,
    clients: Mutex<BTreeMap<String, Arc<Client>>>,
}

impl Offsets {
    pub(super) fn new(options: KafkaOptions) -> Self {
        Self { options, clients: Mutex::new(BTreeMap::new()) }
    }

    /// Waits, within the time of a question, for transactions that are about to change the offsets: the client reads
    /// committed, so that its question requires stable offsets (KIP-447).
    pub(super) fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, LogError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let doing = || format!("asking for the committed offsets of group {group:?}");
        let list = slots::list(partitions.iter().map(|partition| (partition, None)))?;
        let client = self.client(group)?;
        client.committed(&list, self.options.request_timeout).map_err(|error| errors::of_call(&doing(), error))?;
        let answers = partitions.iter().zip(elements(&list)).map(|(partition, answer)| match answer.code {
            Code::NoError if answer.offset < 0 => Ok(None),
            Code::NoError => Ok(Some(CommittedOffset { partition: partition.clone(), offset: answer.offset, metadata: answer.metadata })),
            code => Err(errors::of_call(&doing(), CallError::of(code)).at(partition)),
        });
        answers.collect()
    }

    /// Commits for a group without members. librdkafka cannot commit as a member of a streams group: it speaks too old a
    /// version of the request.
    pub(super) fn commit(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        let group = &membership.group;
        if membership.member.is_some() {
            return Err(LogError::new(
                LogErrorKind::Invalid,
                format!("a member's offsets of group {group:?} are committed by its membership, not by the log"),
            ));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let client = self.client(group)?;
        commit_through(&client, group, offsets)
    }

    fn client(&self, group: &str) -> Result<Arc<Client>, LogError> {
        let mut clients = self.clients.lock();
        if let Some(client) = clients.get(group) {
            return Ok(Arc::clone(client));
        }
        let client = Client::new(Role::Consumer, &settings::of_group(&self.options, group))
            .map_err(|reason| LogError::new(LogErrorKind::Invalid, format!("making the client of group {group:?} failed: {reason}")))?;
        let client = Arc::new(client);
        clients.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }
}

/// Commits in the name of whoever the client is in the group.
pub(super) fn commit_through(client: &Client, group: &str, offsets: &[CommittedOffset]) -> Result<(), LogError> {
    let doing = || format!("committing offsets of group {group:?}");
    let list = list_of(offsets)?;
    client.commit_offsets(&list).map_err(|error| errors::of_call(&doing(), error))?;
    let refused = offsets.iter().zip(elements(&list)).find(|(_, answer)| answer.code != Code::NoError);
    refused.map_or(Ok(()), |(offset, answer)| Err(errors::of_call(&doing(), CallError::of(answer.code)).at(&offset.partition)))
}

/// Offsets as librdkafka's list.
pub(super) fn list_of(offsets: &[CommittedOffset]) -> Result<TopicPartitionList, LogError> {
    let list = slots::list(offsets.iter().map(|offset| (&offset.partition, Some(offset.offset))))?;
    for (offset, mut entry) in offsets.iter().zip(list.elements()) {
        if offset.offset < 0 {
            return Err(LogError::new(LogErrorKind::Invalid, "an offset is not negative").at(&offset.partition).at_offset(offset.offset));
        }
        if !offset.metadata.is_empty() {
            entry.set_metadata(&offset.metadata);
        }
    }
    Ok(list)
}
