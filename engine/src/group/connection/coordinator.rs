//! The broker that answers for a group: found when needed, kept while it does.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::{Channel, ClientSettings, broker};
use crate::group::wire::{FindCoordinatorRequest, MetadataRequest, RequestedTopic};
use crate::group::{ErrorCode, GroupError, GroupErrorKind};

const OF_GROUP: i8 = 0;

/// The coordinator of one group.
pub(in crate::group) struct Coordinator {
    settings: ClientSettings,
    group_id: String,
    known: Mutex<Option<Arc<Channel>>>,
}

impl Coordinator {
    pub(in crate::group) fn new(settings: ClientSettings, group_id: String) -> Self {
        Self { settings, group_id, known: Mutex::new(None) }
    }

    pub(in crate::group) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    pub(in crate::group) fn group_id(&self) -> &str {
        &self.group_id
    }

    /// A connection to it. Who comes while it is looked for waits for the same one.
    pub(in crate::group) async fn channel(&self) -> Result<Arc<Channel>, GroupError> {
        let mut known = self.known.lock().await;
        if let Some(channel) = known.as_ref().filter(|channel| channel.is_usable()) {
            return Ok(Arc::clone(channel));
        }
        *known = None;
        let channel = Arc::new(self.find().await?);
        tracing::debug!(group = self.group_id, broker = channel.address(), "found the group's coordinator");
        *known = Some(Arc::clone(&channel));
        Ok(channel)
    }

    /// This one is not it any more.
    pub(in crate::group) async fn forget(&self, channel: &Arc<Channel>) {
        self.known.lock().await.take_if(|known| Arc::ptr_eq(known, channel));
    }

    async fn find(&self) -> Result<Channel, GroupError> {
        let bootstrap = self.bootstrap().await?;
        let request = FindCoordinatorRequest { key_type: OF_GROUP, coordinator_keys: vec![self.group_id.clone()] };
        let response = bootstrap.call(&request, self.settings.request_timeout).await?;
        let nobody = || GroupError::new(GroupErrorKind::Retriable, format!("broker {} names no coordinator", bootstrap.address()));
        let coordinator = response.coordinators.into_iter().next().ok_or_else(nobody)?;
        if let Some(error) = ErrorCode::from_code(coordinator.error_code) {
            return Err(GroupError::of_code("looking up the group's coordinator", error, coordinator.error_message.as_deref()));
        }
        let host = if coordinator.host.contains(':') { format!("[{}]", coordinator.host) } else { coordinator.host };
        let address = format!("{host}:{}", coordinator.port);
        if address == bootstrap.address() { Ok(bootstrap) } else { broker::connect(&self.settings, &address).await }
    }

    /// The first broker that answers.
    async fn bootstrap(&self) -> Result<Channel, GroupError> {
        let mut failed = GroupError::new(GroupErrorKind::Fatal, "bootstrap.servers is empty, expected host:port of a broker");
        for address in self.settings.bootstrap_servers.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            match broker::connect(&self.settings, address).await {
                Ok(channel) => return Ok(channel),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Which of these topics do not exist.
    pub(in crate::group) async fn missing_topics(&self, topics: &[String]) -> Result<Vec<String>, GroupError> {
        let channel = self.channel().await?;
        let requested = topics.iter().map(|topic| RequestedTopic { name: Some(topic.clone()), ..RequestedTopic::default() }).collect();
        let request = MetadataRequest { topics: Some(requested), ..MetadataRequest::default() };
        let response = channel.call(&request, self.settings.request_timeout).await?;
        let missing = response.topics.into_iter().filter(|topic| ErrorCode::from_code(topic.error_code) == Some(ErrorCode::UnknownTopicOrPartition));
        Ok(missing.filter_map(|topic| topic.name).collect())
    }
}
