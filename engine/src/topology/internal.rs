//! The settings of internal topics, for whoever makes them: the runtime itself, or a broker that is told by the group.

use std::collections::BTreeMap;

use crate::topology::Topology;

/// Every internal topic has it: Kafka Streams forces it, since stream time is the records' own.
const CREATE_TIME: (&str, &str) = ("message.timestamp.type", "CreateTime");

/// Of a repartition topic: kept until it is purged.
const REPARTITION: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("segment.bytes", "52428800")];

/// The settings of a repartition topic, by Kafka's names.
pub(crate) fn repartition_config() -> BTreeMap<String, String> {
    REPARTITION.into_iter().chain([CREATE_TIME]).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The settings of a store's changelog topic, by Kafka's names; `None` for a store without one.
pub(crate) fn changelog_config(topology: &Topology, store: &str) -> Option<BTreeMap<String, String>> {
    let mut settings = topology.graph.stores.get(store)?.supplier.changelog_config()?;
    let (key, value) = CREATE_TIME;
    settings.insert(key.to_owned(), value.to_owned());
    Some(settings)
}
