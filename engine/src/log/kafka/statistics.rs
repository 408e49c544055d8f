//! What librdkafka's clients say about themselves, kept for whoever looks: the latest of each client that lives.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;

/// What one client of librdkafka last said about itself. librdkafka: `STATISTICS.md`. Kafka Streams: the metrics of its
/// consumers and producers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStatistics {
    /// Its `client.id`.
    pub client_id: String,
    /// `consumer` or `producer`.
    pub kind: String,
    /// Requests sent to brokers since it was made.
    pub requests: u64,
    /// Bytes sent to brokers.
    pub bytes_sent: u64,
    /// Bytes received from brokers.
    pub bytes_received: u64,
    /// Records written, or read.
    pub records: u64,
    /// Records that wait: a producer's to be sent, a consumer's to be taken.
    pub queued_records: u64,
    /// Bytes of those.
    pub queued_bytes: u64,
    /// Brokers it has a connection to.
    pub brokers_up: u64,
    /// The longest 99th percentile of a broker's answers, in the last interval.
    pub round_trip: Duration,
}

/// The latest statistics of all clients that report.
#[derive(Debug, Default)]
pub(super) struct StatisticsBoard(Mutex<Vec<Weak<Latest>>>);

impl StatisticsBoard {
    /// A place for one client's, which is there as long as the client holds it.
    pub(super) fn place(&self) -> Arc<Latest> {
        let place = Arc::default();
        let mut places = self.0.lock();
        places.retain(|place: &Weak<Latest>| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    pub(super) fn all(&self) -> Vec<ClientStatistics> {
        self.0.lock().iter().filter_map(|place| place.upgrade()?.0.lock().clone()).collect()
    }
}

/// What one client last said about itself; nothing before its first interval is over.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<ClientStatistics>>);

impl Latest {
    /// librdkafka's document replaces the one before. One that cannot be read changes nothing.
    pub(super) fn put(&self, document: &[u8]) {
        match serde_json::from_slice::<Document>(document) {
            Ok(document) => *self.0.lock() = Some(document.summary()),
            Err(error) => tracing::debug!(%error, "statistics of librdkafka cannot be read"),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    client_id: String,
    #[serde(rename = "type")]
    kind: String,
    tx: u64,
    tx_bytes: u64,
    rx_bytes: u64,
    txmsgs: u64,
    rxmsgs: u64,
    msg_cnt: u64,
    msg_size: u64,
    #[serde(default)]
    brokers: BTreeMap<String, Broker>,
    #[serde(default)]
    topics: BTreeMap<String, Topic>,
}

#[derive(Deserialize)]
struct Broker {
    state: String,
    rtt: Window,
}

/// Microseconds.
#[derive(Deserialize)]
struct Window {
    p99: i64,
}

#[derive(Deserialize)]
struct Topic {
    partitions: BTreeMap<String, Partition>,
}

#[derive(Deserialize)]
struct Partition {
    fetchq_cnt: i64,
    fetchq_size: u64,
}

impl Document {
    fn summary(self) -> ClientStatistics {
        let partitions = || self.topics.values().flat_map(|topic| topic.partitions.values());
        let fetched: u64 = partitions().map(|partition| u64::try_from(partition.fetchq_cnt).unwrap_or(0)).sum();
        let fetched_bytes: u64 = partitions().map(|partition| partition.fetchq_size).sum();
        let slowest = self.brokers.values().map(|broker| broker.rtt.p99).max().unwrap_or(0);
        ClientStatistics {
            requests: self.tx,
            bytes_sent: self.tx_bytes,
            bytes_received: self.rx_bytes,
            records: self.txmsgs + self.rxmsgs,
            queued_records: self.msg_cnt + fetched,
            queued_bytes: self.msg_size + fetched_bytes,
            brokers_up: self.brokers.values().filter(|broker| broker.state == "UP").count() as u64,
            round_trip: Duration::from_micros(u64::try_from(slowest).unwrap_or(0)),
            client_id: self.client_id,
            kind: self.kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_document_of_each_client_counts_until_it_is_gone() {
        let board = StatisticsBoard::default();
        let document = |sent: u64| {
            format!(
                r#"{{"name":"reader#consumer-1","client_id":"reader","type":"consumer","tx":3,"tx_bytes":{sent},"rx":3,"rx_bytes":70,"txmsgs":0,"rxmsgs":9,
                "msg_cnt":0,"msg_size":0,"brokers":{{"a:1/1":{{"state":"UP","rtt":{{"p99":1500}}}},"b:1/2":{{"state":"DOWN","rtt":{{"p99":0}}}}}},
                "topics":{{"t":{{"partitions":{{"0":{{"fetchq_cnt":2,"fetchq_size":20}},"-1":{{"fetchq_cnt":0,"fetchq_size":0}}}}}}}}}}"#
            )
        };
        let (one, other, silent) = (board.place(), board.place(), board.place());
        one.put(document(10).as_bytes());
        one.put(document(50).as_bytes());
        other.put(document(7).as_bytes());
        other.put(b"no document");
        let sent = || board.all().iter().map(|client| client.bytes_sent).collect::<Vec<_>>();
        assert_eq!(sent(), [50, 7]);
        drop((other, silent));
        assert_eq!(sent(), [50]);
        let expected = ClientStatistics {
            client_id: "reader".to_owned(),
            kind: "consumer".to_owned(),
            requests: 3,
            bytes_sent: 50,
            bytes_received: 70,
            records: 9,
            queued_records: 2,
            queued_bytes: 20,
            brokers_up: 1,
            round_trip: Duration::from_micros(1500),
        };
        assert_eq!(board.all(), [expected]);
    }
}
