//! What an operator wants to know of a cluster before an application runs on it.

use std::collections::BTreeMap;

use super::calls::GroupClient;
use super::pending::Pending;
use crate::group::GroupError;
use crate::group::wire::{
    Api, BrokerAddress, ConfigResource, DescribeConfigsRequest, DescribeRequest, DescribedGroup, FinalizedFeature, HeartbeatRequest, MetadataRequest,
    MetadataTopic, Request, RequestedTopic,
};

/// An operation that Kafka's access rules allow or refuse. Kafka: `AclOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AclOperation {
    /// `READ`
    Read = 3,
    /// `WRITE`
    Write = 4,
    /// `CREATE`
    Create = 5,
    /// `DELETE`: of records too.
    Delete = 6,
    /// `DESCRIBE`
    Describe = 8,
}

impl AclOperation {
    /// Whether it is among the operations of an answer, one a bit.
    #[must_use]
    pub const fn is_in(self, authorized: i32) -> bool {
        authorized & (1 << self as i32) != 0
    }

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Describe => "DESCRIBE",
        }
    }
}

/// What a cluster says of itself to this user.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The brokers.
    pub brokers: Vec<BrokerAddress>,
    /// Whether the group's broker knows the requests of streams groups.
    pub knows_streams_groups: bool,
    /// The features that are on.
    pub features: Vec<FinalizedFeature>,
    /// The topics asked about: what each has, why it cannot be told about, and what this user may do with it.
    pub topics: Vec<MetadataTopic>,
    /// The group, with what this user may do with it. Its error code says why it cannot be told about.
    pub group: Option<DescribedGroup>,
    /// The settings of the group, or why they are not shown.
    pub group_settings: Result<BTreeMap<String, String>, i16>,
}

/// Kafka's number of groups among what has settings.
const GROUP: i8 = 32;

impl GroupClient {
    /// Asks the group's broker about the cluster, these topics, and the group.
    ///
    /// # Errors
    /// [`GroupErrorKind::Retriable`](crate::group::GroupErrorKind::Retriable) when no broker answers,
    /// [`GroupErrorKind::Unauthorized`](crate::group::GroupErrorKind::Unauthorized) when it does not let us in.
    #[must_use]
    pub fn inspect(&self, topics: &[String]) -> Pending<Inspection> {
        let requested = topics.iter().map(|topic| RequestedTopic { name: Some(topic.clone()), ..RequestedTopic::default() }).collect();
        let metadata = MetadataRequest { topics: Some(requested), include_topic_authorized_operations: true, ..MetadataRequest::default() };
        self.call(async move |coordinator| {
            let channel = coordinator.channel().await?;
            let timeout = coordinator.settings().request_timeout;
            let group_id = coordinator.group_id().to_owned();
            let knows = |api: &Api| channel.versions.common(api).is_some();
            let described = channel.call(&metadata, timeout).await?;
            let group = if knows(&DescribeRequest::API) {
                let request = DescribeRequest { group_ids: vec![group_id.clone()], include_authorized_operations: true };
                channel.call(&request, timeout).await?.groups.into_iter().next()
            } else {
                None
            };
            let resource = ConfigResource { resource_type: GROUP, resource_name: group_id, configuration_keys: None };
            let request = DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
            let answer = channel.call(&request, timeout).await?;
            Ok::<_, GroupError>(Inspection {
                brokers: described.brokers,
                knows_streams_groups: knows(&HeartbeatRequest::API),
                features: channel.versions.finalized_features.clone(),
                topics: described.topics,
                group,
                group_settings: settings(answer),
            })
        })
    }
}

fn settings(answer: <DescribeConfigsRequest as Request>::Response) -> Result<BTreeMap<String, String>, i16> {
    let Some(described) = answer.results.into_iter().next() else { return Ok(BTreeMap::new()) };
    if described.error_code != 0 {
        return Err(described.error_code);
    }
    Ok(described.configs.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
}
