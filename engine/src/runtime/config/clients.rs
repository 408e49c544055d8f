//! The settings of Kafka's clients: which there are, and what to write instead of those that only the JVM has.

use rdkafka::ClientConfig;

use super::{invalid, unknown_among};
use crate::error::{Error, ErrorKind};
use crate::log::kafka::is_reserved;

/// The settings of the connection that Straum reads itself.
pub(super) const CONNECTION: &[&str] = &["bootstrap.servers", "group.protocol", "replication.factor", "schema.registry.url", "basic.auth.user.info"];

/// What an application most often sets of librdkafka's; the rest is known to librdkafka alone.
const COMMON: &[&str] = &[
    "batch.size",
    "client.rack",
    "compression.type",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "linger.ms",
    "max.partition.fetch.bytes",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queued.max.messages.kbytes",
    "sasl.mechanism",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "statistics.interval.ms",
];

/// The JVM's settings of stores and JAAS, and what they are here.
const JVM: &[(&str, &str)] = &[
    ("ssl.truststore.", "ssl.ca.location, a PEM file"),
    ("ssl.keystore.", "ssl.certificate.location and ssl.key.location, PEM files"),
    ("sasl.jaas.config", "sasl.username and sasl.password"),
    ("default.", "serdes where the topology is declared"),
];

/// Kafka Streams' names of what is set elsewhere, or has another name since.
const ELSEWHERE: &[(&str, &str)] = &[
    ("num.standby.replicas", "streams.num.standby.replicas of the group, which kafka-configs sets"),
    ("cache.max.bytes.buffering", "statestore.cache.max.bytes"),
    ("default.timestamp.extractor", "a timestamp extractor where the topology is declared (Consumed)"),
    ("default.deserialization.exception.handler", "StreamsOptions::handlers"),
    ("default.production.exception.handler", "StreamsOptions::handlers"),
];

/// Whether librdkafka takes this setting; the error says what it could have been.
pub(super) fn check(key: &str, value: &str) -> Result<(), Error> {
    let name = ["admin.", "consumer.", "producer."].iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
        return Err(Error::new(ErrorKind::Config, format!("{key} is not a setting here, expected {instead}")));
    }
    if let Some((_, instead)) = JVM.iter().find(|(prefix, _)| name.starts_with(prefix)) {
        return Err(Error::new(ErrorKind::Config, format!("{key} is a setting of the JVM, expected {instead}")));
    }
    if !is_of_librdkafka(name) {
        return Err(unknown_among(key, super::KEYS.iter().chain(CONNECTION).chain(COMMON)));
    }
    if is_reserved(name) {
        return Err(Error::new(ErrorKind::Config, format!("{key} is the engine's own and cannot be set")));
    }
    // What it says of the value may be a secret.
    let taken = ClientConfig::new().set(name, value).create_native_config().is_ok();
    if taken { Ok(()) } else { Err(invalid(key, "not valid", "a value that librdkafka takes")) }
}

fn is_of_librdkafka(name: &str) -> bool {
    // A setting it does not know is refused as such, whatever the value.
    match ClientConfig::new().set(name, "").create_native_config() {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("No such configuration property"),
    }
}
