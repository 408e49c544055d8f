//! What can be asked of a data folder: the same questions whether a process runs on it or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use straum::log::partitioner::partition_for_key;
use straum::log::{Log, OutputBatch, ProducerOptions, TopicPartition};
use straum_topologies::registry::{Selection, StoreDefinition, Stores, TopologyDefinition};
use straum_topologies::scenario::payload;

use super::application::Application;
use super::place::Place;

/// A question. Keys may be personal: they are in bodies, never in addresses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Which stores there are, and how many rows they have.
    Stores,
    /// The row of a key.
    Get { store: String, key: String },
    /// Rows.
    Range {
        store: String,
        from: Option<String>,
        to: Option<String>,
        prefix: Option<String>,
        #[serde(default)]
        reverse: bool,
        limit: Option<usize>,
    },
    /// How many rows.
    Count { store: String },
    /// Which topics there are.
    Topics,
    /// The last records of a topic.
    Tail { topic: String, partition: Option<u32>, records: usize },
    /// Writes records.
    Produce { topic: String, partition: Option<u32>, records: Vec<NewRecord> },
}

/// A record to be written; key and value as in a scenario file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRecord {
    #[serde(default)]
    pub(super) key: Value,
    #[serde(default)]
    pub(super) value: Value,
    #[serde(default)]
    pub(super) timestamp: Option<i64>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
}

/// Answers a question about stores.
pub(super) fn of_stores(application: &Application, request: &Request) -> Result<Value> {
    let streams = application.streams.read();
    let stores = Stores::Application(&streams);
    match request {
        Request::Stores => {
            let rows = application.stores.iter().map(|store| Ok(json!({ "store": store.name, "rows": store.count(stores)?, "about": store.about })));
            Ok(Value::Array(rows.collect::<Result<_>>()?))
        }
        Request::Get { store, key } => Ok(serde_json::to_value(find(application, store)?.get(stores, key)?)?),
        Request::Count { store } => Ok(json!(find(application, store)?.count(stores)?)),
        Request::Range { store, from, to, prefix, reverse, limit } => {
            let selection = Selection { from: from.clone(), to: to.clone(), prefix: prefix.clone(), reverse: *reverse, limit: *limit };
            Ok(serde_json::to_value(find(application, store)?.range(stores, &selection)?)?)
        }
        Request::Topics | Request::Tail { .. } | Request::Produce { .. } => {
            let definition = Some(&*application.definition);
            of_topics(&application.place, |topic| application.has_topic(topic), definition, request, application.clock.now())
        }
    }
}

fn find<'a>(application: &'a Application, name: &str) -> Result<&'a StoreDefinition> {
    application.stores.iter().find(|store| store.name == name).with_context(|| {
        let names: Vec<_> = application.stores.iter().map(|store| store.name).collect();
        format!("no store {name:?}, expected one of [{}]", names.join(", "))
    })
}

/// Answers a question about topics; the topology, where one has run, can read what only it can.
pub(super) fn of_topics(
    place: &Place,
    of_application: impl Fn(&str) -> bool,
    definition: Option<&dyn TopologyDefinition>,
    request: &Request,
    now: i64,
) -> Result<Value> {
    match request {
        Request::Topics => place.topics(of_application),
        Request::Tail { topic, partition, records } => {
            tail(place, topic, *partition, *records, |value| definition.and_then(|definition| definition.internal_value(topic, value)))
        }
        Request::Produce { topic, partition, records } => produce(place.log(), topic, *partition, records, now),
        _ => bail!("nothing has run in this folder yet; start with: straum run TOPOLOGY"),
    }
}

/// How many partitions the topic has, the one that is asked for among them.
fn partitions(log: &dyn Log, topic: &str, asked: Option<u32>) -> Result<u32> {
    let Some(partitions) = log.partitions(topic)? else { bail!("no topic {topic:?}, expected one of [{}]", log.topics()?.join(", ")) };
    match asked {
        Some(partition) if partition >= partitions => bail!("no partition {partition} of topic {topic}, expected less than {partitions}"),
        _ => Ok(partitions),
    }
}

/// `read` shows values that only the topology can read.
fn tail(place: &Place, topic: &str, partition: Option<u32>, records: usize, read: impl Fn(&[u8]) -> Option<Value>) -> Result<Value> {
    let mut found = Vec::new();
    for number in 0..partitions(place.log(), topic, partition)? {
        if partition.is_some_and(|partition| partition != number) {
            continue;
        }
        for batch in place.tail(&TopicPartition::new(topic, number), records)? {
            for record in batch.iter() {
                let headers: BTreeMap<&str, Value> = record.headers.iter().map(|(name, value)| (name, payload::shown(value, true))).collect();
                let value = record.value.and_then(&read).unwrap_or_else(|| payload::shown(record.value, false));
                let key = payload::shown(record.key, true);
                let (offset, timestamp) = (record.offset, record.timestamp);
                let shown = json!({ "partition": number, "offset": offset, "timestamp": timestamp, "key": key, "value": value, "headers": headers });
                found.push((timestamp, number, offset, shown));
            }
        }
    }
    found.sort_by_key(|(timestamp, partition, offset, _)| (*timestamp, *partition, *offset));
    let skipped = found.len().saturating_sub(records);
    Ok(Value::Array(found.into_iter().skip(skipped).map(|(.., shown)| shown).collect()))
}

fn produce(log: &dyn Log, topic: &str, partition: Option<u32>, records: &[NewRecord], now: i64) -> Result<Value> {
    let partitions = partitions(log, topic, partition)?;
    let options = ProducerOptions { client_id: "straum-produce".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(60) };
    let mut producer = log.producer(&options)?;
    let mut batch = OutputBatch::new();
    let index = batch.topic(&Arc::from(topic));
    for (number, record) in (0_u32..).zip(records) {
        let key = payload::bytes(&record.key, true).map_err(anyhow::Error::msg)?;
        let value = payload::bytes(&record.value, false).map_err(anyhow::Error::msg)?;
        let mut headers = Vec::new();
        for (name, value) in &record.headers {
            straum::log::encode_header(name, Some(value.as_bytes()), &mut headers);
        }
        let target = partition.unwrap_or_else(|| key.as_ref().map_or(number % partitions, |key| partition_for_key(key, partitions)));
        let headers = straum::log::HeaderView::new(&headers);
        batch.push(index, target, record.timestamp.unwrap_or(now), key.as_deref(), value.as_deref(), headers);
    }
    producer.send(&batch)?;
    producer.flush()?;
    Ok(json!({ "topic": topic, "records": records.len() }))
}
