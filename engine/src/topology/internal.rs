//! The settings of internal topics, for whoever makes them: the runtime itself, or a broker that is told by the group.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::topology::{Topology, changelog_topic};

/// Every internal topic has it: Kafka Streams forces it, since stream time is the records' own.
const CREATE_TIME: (&str, &str) = ("message.timestamp.type", "CreateTime");

/// Of a repartition topic: kept until it is purged.
const REPARTITION: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("segment.bytes", "52428800")];

/// The settings of a repartition topic, by Kafka's names.
pub(crate) fn repartition_config() -> BTreeMap<String, String> {
    REPARTITION.into_iter().chain([CREATE_TIME]).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The settings of a store's changelog topic, by Kafka's names; `None` for a store without one of its own.
pub(crate) fn changelog_config(topology: &Topology, store: &str) -> Option<BTreeMap<String, String>> {
    let entry = topology.graph.stores.get(store)?;
    if entry.source.is_some() {
        return None;
    }
    let mut settings = entry.supplier.changelog_config()?;
    let (key, value) = CREATE_TIME;
    settings.insert(key.to_owned(), value.to_owned());
    Some(settings)
}

/// The topic that a store's rows have their bytes from: its serdes are told of it.
pub(crate) fn topic_of_store(topology: &Topology, application: &str, store: &str) -> Arc<str> {
    let source = topology.graph.stores.get(store).and_then(|entry| entry.source.as_ref());
    source.map_or_else(|| changelog_topic(application, store), |source| Arc::clone(&source.topic))
}
