//! The client: makes members, and asks the coordinator what is asked outside a membership.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::driver::{Driver, jitter, pause};
use super::{MemberHandle, Pending};
use crate::group::connection::{ClientSettings, Coordinator};
use crate::group::member::{Member, MemberSettings, Now};
use crate::group::wire::{
    DeleteGroupsRequest, DescribeClassicRequest, DescribeClassicResponse, DescribeRequest, DescribeResponse, DescribedClassicGroup, DescribedGroup,
    FetchGroup, FetchTopic, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitTopic, OffsetFetchRequest, Request,
};
use crate::group::{ErrorAction, ErrorCode, GroupError, GroupErrorKind};
use crate::log::{CommittedOffset, GroupMembership, TopicPartition};

/// The member id and epoch of those who are no member: an administrator, or the reader of an empty group.
const NO_EPOCH: i32 = -1;
/// No leader epoch is kept.
const NO_LEADER_EPOCH: i32 = -1;

/// The group of one application, and this process' connection to its coordinator. Cheap to clone.
#[derive(Clone)]
pub struct GroupClient {
    runtime: Handle,
    coordinator: Arc<Coordinator>,
}

impl GroupClient {
    /// A client of the group, which runs on this runtime. It connects when there is something to say.
    #[must_use]
    pub fn new(runtime: Handle, settings: ClientSettings, group_id: impl Into<String>) -> Self {
        Self { runtime, coordinator: Arc::new(Coordinator::new(settings, group_id.into())) }
    }

    /// Lets a member join. The settings' group is this client's, whatever they say.
    #[must_use]
    pub fn join(&self, settings: MemberSettings) -> MemberHandle {
        let settings = MemberSettings { group_id: self.coordinator.group_id().to_owned(), ..settings };
        let (handle, end) = MemberHandle::pair(&settings.member_id);
        let member = Member::new(settings, Now { at: end.shared.now(), jitter: jitter() });
        self.runtime.spawn(Driver { member, coordinator: Arc::clone(&self.coordinator), end }.run());
        handle
    }

    /// Commits offsets in a member's name, or in nobody's for a group without members (at-least-once; a transaction commits
    /// its own). Kafka: OffsetCommit 9.
    ///
    /// # Errors
    /// [`GroupErrorKind::StaleEpoch`]: take the member's current epoch and call again, if the task is still its own.
    /// [`GroupErrorKind::Fenced`]: the member will say so too.
    #[must_use]
    pub fn commit_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Pending<()> {
        let request = commit_request(membership, offsets);
        self.call(async move |coordinator| commit(&coordinator, &request).await)
    }

    /// The committed offsets of these partitions, `None` where there is none. Waits for transactions that would change them.
    /// Kafka: OffsetFetch 9, require-stable.
    ///
    /// # Errors
    /// [`GroupErrorKind::Retriable`] when a pending transaction has not ended within `default.api.timeout.ms`.
    #[must_use]
    pub fn fetch_offsets(&self, membership: &GroupMembership, partitions: &[TopicPartition]) -> Pending<Vec<Option<CommittedOffset>>> {
        let request = fetch_request(membership, partitions);
        let partitions = partitions.to_vec();
        self.call(async move |coordinator| {
            let found = fetch(&coordinator, &request).await?;
            Ok(partitions.iter().map(|partition| found.get(partition).cloned()).collect())
        })
    }

    /// The group as its coordinator sees it. Kafka: StreamsGroupDescribe.
    ///
    /// # Errors
    /// [`GroupErrorKind::Fatal`] when there is no such streams group.
    #[must_use]
    pub fn describe(&self) -> Pending<DescribedGroup> {
        self.call(async move |coordinator| describe(&coordinator).await)
    }

    /// The group of the classic protocol as its coordinator sees it; `Dead` when there is none. Kafka: DescribeGroups.
    ///
    /// # Errors
    /// [`GroupErrorKind::Retriable`] when no broker answers.
    #[must_use]
    pub fn describe_classic(&self) -> Pending<DescribedClassicGroup> {
        self.call(async move |coordinator| {
            let request = DescribeClassicRequest { groups: vec![coordinator.group_id().to_owned()], include_authorized_operations: false };
            let find = |response: &DescribeClassicResponse| response.groups.first().map_or(0, |group| group.error_code);
            let response = persist(&coordinator, DESCRIBING, &request, |response| (find(response), None)).await?;
            response.groups.into_iter().next().ok_or_else(nothing_described)
        })
    }

    /// Forgets the group, its offsets too. Kafka: DeleteGroups.
    ///
    /// # Errors
    /// [`GroupErrorKind::Fatal`] while it has members, or when there is no such group.
    #[must_use]
    pub fn delete(&self) -> Pending<()> {
        self.call(async move |coordinator| {
            let request = DeleteGroupsRequest { groups_names: vec![coordinator.group_id().to_owned()] };
            let find = |response: &<DeleteGroupsRequest as Request>::Response| response.results.first().map_or(0, |group| group.error_code);
            persist(&coordinator, "deleting the group", &request, |response| (find(response), None)).await.map(|_| ())
        })
    }

    /// Runs on the runtime; the caller gets the answer when it looks.
    pub(super) fn call<T: Send + 'static, F>(&self, work: impl FnOnce(Arc<Coordinator>) -> F) -> Pending<T>
    where
        F: Future<Output = Result<T, GroupError>> + Send + 'static,
    {
        let (answer, waiting) = mpsc::sync_channel(1);
        let work = work(Arc::clone(&self.coordinator));
        self.runtime.spawn(async move {
            // Nobody may wait for it any more.
            _ = answer.try_send(work.await);
        });
        Pending::new(waiting)
    }
}

const DESCRIBING: &str = "describing the group";

fn describe_request(coordinator: &Coordinator) -> DescribeRequest {
    DescribeRequest { group_ids: vec![coordinator.group_id().to_owned()], include_authorized_operations: false }
}

fn describe_error(response: &DescribeResponse) -> (i16, Option<String>) {
    response.groups.first().map_or((0, None), |group| (group.error_code, group.error_message.clone()))
}

fn described(response: DescribeResponse) -> Result<DescribedGroup, GroupError> {
    let group = response.groups.into_iter().next();
    group.ok_or_else(nothing_described)
}

fn nothing_described() -> GroupError {
    GroupError::new(GroupErrorKind::Retriable, "the broker's answer describes no group")
}

async fn describe(coordinator: &Coordinator) -> Result<DescribedGroup, GroupError> {
    described(persist(coordinator, DESCRIBING, &describe_request(coordinator), describe_error).await?)
}

/// For a member, whose heartbeats wait for it: one try.
pub(super) async fn describe_once(coordinator: &Coordinator) -> Result<DescribedGroup, GroupError> {
    described(once(coordinator, DESCRIBING, &describe_request(coordinator), describe_error).await?)
}

fn commit_request(membership: &GroupMembership, offsets: &[CommittedOffset]) -> OffsetCommitRequest {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitPartition>> = BTreeMap::new();
    for offset in offsets {
        topics.entry(&offset.partition.topic).or_default().push(OffsetCommitPartition {
            partition_index: index(&offset.partition),
            committed_offset: offset.offset,
            committed_leader_epoch: NO_LEADER_EPOCH,
            committed_metadata: Some(offset.metadata.clone()),
        });
    }
    let (member_id, epoch) = membership.member.clone().unwrap_or((String::new(), NO_EPOCH));
    OffsetCommitRequest {
        group_id: membership.group.clone(),
        generation_id_or_member_epoch: epoch,
        member_id,
        group_instance_id: None,
        topics: topics.into_iter().map(|(name, partitions)| OffsetCommitTopic { name: name.to_owned(), partitions }).collect(),
    }
}

fn fetch_request(membership: &GroupMembership, partitions: &[TopicPartition]) -> OffsetFetchRequest {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(index(partition));
    }
    let topics = topics.into_iter().map(|(name, partition_indexes)| FetchTopic { name: name.to_owned(), partition_indexes }).collect();
    let group = FetchGroup {
        group_id: membership.group.clone(),
        member_id: membership.member.as_ref().map(|(id, _)| id.clone()),
        member_epoch: membership.member.as_ref().map_or(NO_EPOCH, |(_, epoch)| *epoch),
        topics: Some(topics),
    };
    OffsetFetchRequest { groups: vec![group], require_stable: true }
}

fn index(partition: &TopicPartition) -> i32 {
    i32::try_from(partition.partition).unwrap_or(i32::MAX)
}

async fn commit(coordinator: &Coordinator, request: &OffsetCommitRequest) -> Result<(), GroupError> {
    let first_error = |response: &<OffsetCommitRequest as Request>::Response| {
        let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
        (codes.find(|code| *code != 0).unwrap_or_default(), None)
    };
    persist(coordinator, "committing offsets", request, first_error).await.map(|_| ())
}

async fn fetch(coordinator: &Coordinator, request: &OffsetFetchRequest) -> Result<BTreeMap<TopicPartition, CommittedOffset>, GroupError> {
    let first_error = |response: &<OffsetFetchRequest as Request>::Response| {
        let of_partitions =
            response.groups.iter().flat_map(|group| &group.topics).flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
        let mut codes = response.groups.iter().map(|group| group.error_code).chain(of_partitions);
        (codes.find(|code| *code != 0).unwrap_or_default(), None)
    };
    let response = persist(coordinator, "fetching committed offsets", request, first_error).await?;
    let mut found = BTreeMap::new();
    for topic in response.groups.into_iter().flat_map(|group| group.topics) {
        for fetched in topic.partitions.into_iter().filter(|fetched| fetched.committed_offset >= 0) {
            let Ok(number) = u32::try_from(fetched.partition_index) else { continue };
            let partition = TopicPartition::new(topic.name.as_str(), number);
            let metadata = fetched.metadata.unwrap_or_default();
            found.insert(partition.clone(), CommittedOffset { partition, offset: fetched.committed_offset, metadata });
        }
    }
    Ok(found)
}

/// Asks until there is an answer that asking again would not change, or time is up. Every request made so may be repeated.
async fn persist<R: Request>(
    coordinator: &Coordinator,
    doing: &str,
    request: &R,
    error_of: impl Fn(&R::Response) -> (i16, Option<String>),
) -> Result<R::Response, GroupError> {
    let settings = coordinator.settings();
    let give_up = Instant::now() + settings.default_api_timeout;
    for failures in 0.. {
        let error = match once(coordinator, doing, request, &error_of).await {
            Err(error) if error.kind() == GroupErrorKind::Retriable => error,
            outcome => return outcome,
        };
        if Instant::now() >= give_up {
            return Err(error);
        }
        pause(coordinator, failures).await;
    }
    Err(GroupError::new(GroupErrorKind::Retriable, format!("{doing} was tried too often")))
}

async fn once<R: Request>(
    coordinator: &Coordinator,
    doing: &str,
    request: &R,
    error_of: impl Fn(&R::Response) -> (i16, Option<String>),
) -> Result<R::Response, GroupError> {
    let channel = coordinator.channel().await?;
    let response = channel.call(request, coordinator.settings().request_timeout).await?;
    let (code, message) = error_of(&response);
    let Some(error) = ErrorCode::from_code(code) else { return Ok(response) };
    if error.action() == ErrorAction::FindCoordinator {
        coordinator.forget(&channel).await;
    }
    Err(GroupError::of_code(doing, error, message.as_deref()))
}
