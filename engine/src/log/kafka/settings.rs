//! librdkafka's settings for each kind of client: the engine's defaults, over them the user's, over them what the engine
//! relies on.

use std::time::Duration;

use crate::log::{ConsumerOptions, Isolation, LogError, LogErrorKind, ProducerOptions};

use super::options::KafkaOptions;

/// What the engine decides itself. A user's value could only break a promise of the log.
const RESERVED: &[&str] = &[
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "transaction.timeout.ms",
    "transactional.id",
];

/// For every client. A broker that comes back is found within a second.
const COMMON: &[(&str, &str)] = &[("reconnect.backoff.max.ms", "1000"), ("socket.nagle.disable", "true")];

/// Fetching ahead is kept low, since it is memory, and unpaused fast: librdkafka's own back-off of a full queue is a
/// whole second. The end of a partition is heard of within `fetch.wait.max.ms`.
const CONSUMER: &[(&str, &str)] = &[
    ("fetch.error.backoff.ms", "100"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.wait.max.ms", "100"),
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "20000"),
];

/// A bounded queue: back-pressure instead of memory.
const PRODUCER: &[(&str, &str)] = &[
    ("linger.ms", "5"),
    // Room for the default of max.request.size, which librdkafka's own default is not. Who raises the one gives the other
    // as producer.message.max.bytes.
    ("message.max.bytes", "1049600"),
    ("queue.buffering.max.kbytes", "65536"),
    // Offsets of a transaction wait in librdkafka, without a time-out, for a group coordinator that has left the cluster, until any
    // connection opens or closes (librdkafka issues 5456 and 5511). While a producer waits, its connections are idle: to close them
    // makes it look for the new coordinator, in time for the default of transaction.timeout.ms.
    ("connections.max.idle.ms", "9000"),
];

/// librdkafka's default of `session.timeout.ms`.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// librdkafka takes no longer `max.poll.interval.ms`.
const LONGEST_POLL_INTERVAL: Duration = Duration::from_secs(86_400);

/// Settings in the order in which librdkafka is to get them; a later one wins.
type Settings = Vec<(String, String)>;

/// Whether a setting of librdkafka is the engine's to decide.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&unprefixed(name))
}

/// Refuses settings that are the engine's.
pub(super) fn check(options: &KafkaOptions) -> Result<(), LogError> {
    let reserved = options.settings.keys().find(|name| is_reserved(name));
    reserved.map_or(Ok(()), |name| Err(LogError::new(LogErrorKind::Invalid, format!("setting {name:?} is the engine's own and cannot be given"))))
}

/// For questions about topics and offsets, which see everything that is written.
pub(super) fn of_inquirer(options: &KafkaOptions) -> Settings {
    let group = reading_group(options);
    unserved(reading(options, &format!("{}-inquirer", options.application_id), &group, Isolation::ReadUncommitted))
}

/// For the committed offsets of `group`. Reading committed is what makes librdkafka ask for stable offsets.
pub(super) fn of_group(options: &KafkaOptions, group: &str) -> Settings {
    #[cfg(feature = "faults")]
    if options.unstable_offsets {
        return unserved(reading(options, &format!("{}-offsets", options.application_id), group, Isolation::ReadUncommitted));
    }
    unserved(reading(options, &format!("{}-offsets", options.application_id), group, Isolation::ReadCommitted))
}

/// For a member of a classic group. Tasks are partitions of different topics, which `roundrobin` deals out evenly where `range`
/// gives the first member more of each topic.
pub(super) fn of_member(options: &KafkaOptions, group: &str, max_poll_interval: Duration) -> Settings {
    let mut settings = reading(options, &format!("{}-member", options.application_id), group, Isolation::ReadUncommitted);
    let session = settings.iter().rev().find(|(name, _)| name == "session.timeout.ms").and_then(|(_, value)| value.parse().ok());
    // How long the group waits for a revocation; librdkafka takes none that is shorter than the session. A thread that hangs is
    // noticed by the member itself.
    let rebalance = max_poll_interval.max(session.map_or(SESSION_TIMEOUT, Duration::from_millis)).min(LONGEST_POLL_INTERVAL);
    put(&mut settings, &[("max.poll.interval.ms", &milliseconds(rebalance)), ("partition.assignment.strategy", "roundrobin")]);
    unserved(settings)
}

/// For creating and deleting.
pub(super) fn of_admin(options: &KafkaOptions) -> Settings {
    unserved(base(options, &format!("{}-admin", options.application_id), &[], "admin."))
}

pub(super) fn of_consumer(options: &KafkaOptions, consumer: &ConsumerOptions) -> Settings {
    reading(options, &consumer.client_id, &reading_group(options), consumer.isolation)
}

pub(super) fn of_producer(options: &KafkaOptions, producer: &ProducerOptions) -> Settings {
    let message_timeout = milliseconds(message_timeout(producer.transaction_timeout));
    let defaults = [PRODUCER, &[("message.timeout.ms", &message_timeout)]].concat();
    let mut settings = base(options, &producer.client_id, &defaults, "producer.");
    put(&mut settings, &[("enable.idempotence", "true")]);
    if let Some(id) = &producer.transactional_id {
        put(&mut settings, &[("transactional.id", id), ("transaction.timeout.ms", &milliseconds(producer.transaction_timeout))]);
    }
    settings
}

/// A client whose reports about itself nobody takes, where they would pile up.
fn unserved(mut settings: Settings) -> Settings {
    put(&mut settings, &[("statistics.interval.ms", "0")]);
    settings
}

/// A record that is not acknowledged within its transaction's life fails before the broker gives the transaction up: a
/// transaction that outlives its time is fatal to librdkafka's producer.
pub(super) fn message_timeout(transaction_timeout: Duration) -> Duration {
    transaction_timeout.mul_f64(0.8)
}

/// librdkafka asks for a group even where partitions are assigned by hand. Nothing is ever committed under this one.
fn reading_group(options: &KafkaOptions) -> String {
    format!("{}-reading", options.application_id)
}

fn reading(options: &KafkaOptions, client_id: &str, group: &str, isolation: Isolation) -> Settings {
    let isolation = match isolation {
        Isolation::ReadUncommitted => "read_uncommitted",
        Isolation::ReadCommitted => "read_committed",
    };
    let mut settings = base(options, client_id, CONSUMER, "consumer.");
    put(
        &mut settings,
        &[
            ("allow.auto.create.topics", "false"),
            ("auto.offset.reset", "error"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("enable.partition.eof", "true"),
            ("group.id", group),
            ("isolation.level", isolation),
        ],
    );
    settings
}

/// Defaults, and the user's settings for every client and for those under `prefix` over them.
fn base(options: &KafkaOptions, client_id: &str, defaults: &[(&str, &str)], prefix: &str) -> Settings {
    let mut settings = Settings::new();
    put(&mut settings, COMMON);
    put(&mut settings, &[("bootstrap.servers", &options.bootstrap_servers), ("client.id", client_id)]);
    put(&mut settings, defaults);
    let shared = options.settings.iter().filter(|(name, _)| unprefixed(name) == *name);
    settings.extend(shared.map(|(name, value)| (name.clone(), value.clone())));
    let own = options.settings.iter().filter_map(|(name, value)| name.strip_prefix(prefix).map(|name| (name.to_owned(), value.clone())));
    settings.extend(own);
    settings
}

fn put(settings: &mut Settings, values: &[(&str, &str)]) {
    settings.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

fn unprefixed(name: &str) -> &str {
    ["admin.", "consumer.", "producer."].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn last<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
        settings.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn producer(transactional_id: Option<&str>) -> ProducerOptions {
        ProducerOptions {
            client_id: "writer".to_owned(),
            transactional_id: transactional_id.map(str::to_owned),
            transaction_timeout: Duration::from_secs(10),
        }
    }

    #[test]
    fn a_users_setting_wins_over_a_default_for_the_clients_it_names() {
        let options = KafkaOptions::new("broker:9092", "shop")
            .with("linger.ms", "1")
            .with("producer.linger.ms", "20")
            .with("consumer.queued.min.messages", "5");
        let consumer = ConsumerOptions { client_id: "reader".to_owned(), isolation: Isolation::ReadCommitted };
        let member = of_member(&options.clone().with("session.timeout.ms", "6000"), "shop", Duration::from_secs(5));
        let (reading, writing) = (of_consumer(&options, &consumer), of_producer(&options, &producer(None)));
        for (settings, name, value) in [
            (&writing, "linger.ms", Some("20")),
            (&writing, "queued.min.messages", None),
            (&writing, "transactional.id", None),
            (&writing, "enable.idempotence", Some("true")),
            (&reading, "queued.min.messages", Some("5")),
            (&reading, "isolation.level", Some("read_committed")),
            (&reading, "group.id", Some("shop-reading")),
            (&member, "group.id", Some("shop")),
            (&member, "max.poll.interval.ms", Some("6000")),
        ] {
            assert_eq!(last(settings, name), value, "{name}");
        }
    }

    #[test]
    fn only_clients_that_are_served_report_on_themselves() {
        let options = KafkaOptions::new("broker:9092", "shop").with("statistics.interval.ms", "1000");
        let consumer = ConsumerOptions { client_id: "reader".to_owned(), isolation: Isolation::ReadCommitted };
        for (settings, interval) in [
            (of_consumer(&options, &consumer), "1000"),
            (of_producer(&options, &producer(None)), "1000"),
            (of_inquirer(&options), "0"),
            (of_group(&options, "shop"), "0"),
            (of_member(&options, "shop", Duration::from_secs(5)), "0"),
            (of_admin(&options), "0"),
        ] {
            assert_eq!(last(&settings, "statistics.interval.ms"), Some(interval), "{:?}", last(&settings, "client.id"));
        }
    }

    #[test]
    fn a_record_times_out_before_its_transaction() {
        let settings = of_producer(&KafkaOptions::new("broker:9092", "shop"), &producer(Some("shop-1")));
        let number = |name| last(&settings, name).unwrap().parse::<u64>().unwrap();
        assert!(number("message.timeout.ms") < number("transaction.timeout.ms"));
    }

    #[test]
    fn what_the_engine_relies_on_cannot_be_set() {
        for name in ["enable.auto.commit", "consumer.isolation.level", "producer.transactional.id"] {
            let error = check(&KafkaOptions::new("broker:9092", "shop").with(name, "x")).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Invalid, "{name}");
        }
        assert!(check(&KafkaOptions::new("broker:9092", "shop").with("compression.type", "lz4")).is_ok());
    }
}
