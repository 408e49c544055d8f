//! An application changes hands between Kafka Streams and Straum, again and again while input flows, and every record counts
//! once.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_wrap, clippy::cast_possible_truncation)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::kafka::{HandOver, KafkaAdmin, KafkaLog, KafkaOptions};
use straum::log::{CommittedOffset, GroupMembership, HeaderView, Isolation, Log, OutputBatch, StartOffset, TopicPartition, TopicSpec};
use straum::runtime::{Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, Utf8};

use support::application::wait;
use support::broker::Broker;
use support::reading::{at, consumer, producer};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hand_over/Ledger.java");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kafka-streams");
const PARTITIONS: u32 = 3;
/// Customers, and regions.
const OWNERS: usize = 5;
const ACCOUNTS: usize = 40;

/// The same application as `Ledger.java`.
fn topology() -> Topology {
    fn owner(key: &str) -> String {
        key.split(':').next().unwrap_or_default().to_owned()
    }
    let builder = StreamsBuilder::new();
    builder
        .stream("orders", Consumed::with(Utf8, I64))
        .group_by("by-customer", |order: &String, _| owner(order), Grouped::with(Utf8, I64))
        .count(Materialized::named("orders-per-customer"))
        .to_stream()
        .to("counts", Produced::with(Utf8, I64));
    builder
        .table("accounts", Consumed::with(Utf8, I64), Materialized::named("balances"))
        .group_by("by-region", |account: &String, balance| (owner(account), *balance), Grouped::with(Utf8, I64))
        .aggregate(|| 0, |_, balance, sum| sum + balance, |_, balance, sum| sum - balance, Materialized::with("sums", I64))
        .to_stream()
        .to("sums-per-region", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

/// What was sent: how many orders each customer made, and each account's last balance.
#[derive(Clone, Default)]
struct Sent {
    orders: BTreeMap<String, i64>,
    balances: BTreeMap<String, i64>,
}

/// Input that flows until it is stopped.
struct Feeder {
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<Sent>>,
    thread: JoinHandle<()>,
}

impl Feeder {
    fn start(log: Arc<KafkaLog>) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Sent::default())));
        let (stops, books) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let mut producer = producer(&*log, None);
            let mut batch = OutputBatch::new();
            let (orders, accounts) = (batch.topic(&"orders".into()), batch.topic(&"accounts".into()));
            for number in 0_usize.. {
                if stops.load(Ordering::Acquire) {
                    break;
                }
                let mut sent = books.lock().unwrap();
                for index in number * 20..(number + 1) * 20 {
                    let customer = format!("customer{}", index % OWNERS);
                    let (order, amount) = (format!("{customer}:{index}"), index as i64);
                    batch.push(orders, index as u32 % PARTITIONS, 1_000, Some(order.as_bytes()), Some(&amount.to_be_bytes()), HeaderView::new(&[]));
                    *sent.orders.entry(customer).or_default() += 1;
                    // An account stays in its partition, and moves up and down.
                    let which = index * 7 % ACCOUNTS;
                    let (account, balance) = (format!("region{}:{which}", which % OWNERS), (index * index % 1_009) as i64);
                    batch.push(
                        accounts,
                        which as u32 % PARTITIONS,
                        1_000,
                        Some(account.as_bytes()),
                        Some(&balance.to_be_bytes()),
                        HeaderView::new(&[]),
                    );
                    sent.balances.insert(account, balance);
                }
                drop(sent);
                producer.send(&batch).unwrap();
                batch.clear();
                std::thread::sleep(Duration::from_millis(10));
            }
            producer.flush().unwrap();
        });
        Self { stop, sent, thread }
    }

    fn stop(self) -> Sent {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap();
        self.sent.lock().unwrap().clone()
    }
}

/// Who has the application.
enum Owner {
    KafkaStreams(Child),
    Straum(Box<Streams>),
}

impl Owner {
    /// It leaves the group.
    fn stop(mut self) {
        match &mut self {
            Self::KafkaStreams(child) => {
                assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
                let _ = child.wait().unwrap();
            }
            Self::Straum(streams) => streams.close_and_leave().unwrap(),
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Self::KafkaStreams(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Application {
    id: &'static str,
    options: KafkaOptions,
    admin: KafkaAdmin,
    log: Arc<KafkaLog>,
    folder: tempfile::TempDir,
    processed: i64,
}

impl Application {
    fn new(broker: &Broker, id: &'static str) -> Self {
        let options = KafkaOptions::new(broker.bootstrap(), id);
        let log = Arc::new(KafkaLog::connect(options.clone()).unwrap());
        for name in ["orders", "accounts", "counts", "sums-per-region"] {
            log.create_topic(&TopicSpec { name: name.to_owned(), partitions: PARTITIONS, config: BTreeMap::new() }).unwrap();
        }
        Self { id, admin: KafkaAdmin::new(&options).unwrap(), options, log, folder: tempfile::tempdir().unwrap(), processed: 0 }
    }

    fn kafka_streams(&self, protocol: &str) -> Owner {
        let state = self.folder.path().join(format!("jvm-{protocol}"));
        let mut command = Command::new(SCRIPT);
        command.args([PROGRAM, &self.options.bootstrap_servers, self.id, protocol]).arg(state);
        Owner::KafkaStreams(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn straum(&self) -> Owner {
        let mut config = StreamsConfig::new(self.id);
        config.state_dir = self.folder.path().join("straum");
        let log = Arc::new(KafkaLog::connect(self.options.clone()).unwrap());
        let mut streams = Streams::new(&topology(), config, log, StreamsOptions::default());
        streams.start().unwrap();
        Owner::Straum(Box::new(streams))
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept.json")
    }

    fn plan(&self) -> HandOver {
        HandOver::plan(&self.admin, &self.log, &topology(), self.id, &self.kept()).unwrap()
    }

    /// All that is committed.
    fn committed(&self) -> Vec<CommittedOffset> {
        let partitions =
            ["orders".to_owned(), "accounts".to_owned(), self.internal("by-customer-repartition"), self.internal("by-region-repartition")];
        let partitions: Vec<TopicPartition> =
            partitions.iter().flat_map(|topic| (0..PARTITIONS).map(|partition| TopicPartition::new(topic.as_str(), partition))).collect();
        let mut committed: Vec<CommittedOffset> = self.log.committed(self.id, &partitions).unwrap().into_iter().flatten().collect();
        committed.sort_by(|left, right| left.partition.cmp(&right.partition));
        committed
    }

    fn internal(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    fn progress(&self) -> i64 {
        self.committed().iter().filter(|offset| &*offset.partition.topic == "orders").map(|offset| offset.offset).sum()
    }

    fn end(&self) -> i64 {
        (0..PARTITIONS).map(|partition| self.log.offsets(&TopicPartition::new("orders", partition)).unwrap().1).sum()
    }

    /// Lets the owner process for a while, and stops it half-way: it has processed, and not all there is.
    fn work_and_stop(&mut self, owner: Owner) {
        let before = self.processed;
        wait("its owner has processed for a while", || self.progress() > before + 2_000);
        owner.stop();
        wait("the group is empty", || self.admin.standing().unwrap().is_some_and(|standing| standing.members == 0));
        self.processed = self.progress();
        assert!(self.processed < self.end(), "input goes on");
    }

    /// With Straum's own way of handing over.
    fn hand_over(&self) {
        let (plan, before) = (self.plan(), self.committed());
        assert_eq!((plan.obstacles(), plan.strangers.as_slice()), (Vec::new(), &[][..]));
        plan.execute(&self.admin, &self.log, &self.kept()).unwrap();
        assert_eq!(self.committed(), before);
        assert!(!self.kept().exists());
    }

    /// The last row of each key, and whether a count ever went back or came twice.
    fn rows(&self, topic: &str) -> BTreeMap<String, Vec<i64>> {
        let topic = topic.into();
        let mut consumer = consumer(&*self.log, Isolation::ReadCommitted);
        consumer.assign(&(0..PARTITIONS).map(|partition| (at(&topic, partition), StartOffset::Beginning)).collect::<Vec<_>>()).unwrap();
        let mut rows: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut batches = Vec::new();
        let read_all = |consumer: &dyn straum::log::Consumer| {
            (0..PARTITIONS).all(|partition| {
                let partition = at(&topic, partition);
                consumer.end_offset(&partition).zip(consumer.position(&partition)).is_some_and(|(end, position)| position >= end)
            })
        };
        wait("the topic is read", || {
            consumer.poll(Duration::from_millis(100), &mut batches).unwrap();
            let last = batches.is_empty() && read_all(&*consumer);
            for batch in batches.drain(..) {
                for record in batch.iter() {
                    let number = i64::from_be_bytes(record.value.unwrap().try_into().unwrap());
                    rows.entry(String::from_utf8(record.key.unwrap().to_vec()).unwrap()).or_default().push(number);
                }
            }
            last
        });
        rows
    }

    /// Waits until all that was sent is processed; what is wrong with the outputs then.
    fn differences(&self, sent: &Sent) -> Vec<String> {
        wait("all is processed", || self.progress() >= self.end() && self.plan_lag() == 0);
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for (account, balance) in &sent.balances {
            *sums.entry(account.split(':').next().unwrap().to_owned()).or_default() += balance;
        }
        let (counts, balances) = (self.rows("counts"), self.rows("sums-per-region"));
        let mut differences = Vec::new();
        for (expected, found) in [(&sent.orders, &counts), (&sums, &balances)] {
            for (key, expected) in expected {
                let last = found.get(key).and_then(|rows| rows.last());
                if last != Some(expected) {
                    differences.push(format!("{key}: {last:?}, expected {expected}"));
                }
            }
        }
        for (customer, counts) in counts {
            if let Some(pair) = counts.windows(2).find(|pair| pair[1] <= pair[0]) {
                differences.push(format!("{customer}: {} after {}", pair[1], pair[0]));
            }
        }
        differences
    }

    /// What is left to be processed of the internal topics: records, and the markers between them.
    fn plan_lag(&self) -> i64 {
        let committed = self.committed();
        let internal = ["by-customer-repartition", "by-region-repartition"].map(|name| self.internal(name));
        let partitions = internal.iter().flat_map(|topic| (0..PARTITIONS).map(|partition| TopicPartition::new(topic.as_str(), partition)));
        partitions
            .map(|partition| {
                let (_, end) = self.log.offsets(&partition).unwrap();
                // The marker of the last transaction may be after what was committed.
                let at = committed.iter().find(|offset| offset.partition == partition).map_or(0, |offset| offset.offset);
                (end - at - 1).max(0)
            })
            .sum()
    }
}

#[test]
fn an_application_changes_hands_both_ways_and_every_record_counts_once() {
    let broker = Broker::start("hand-over");
    let mut application = Application::new(&broker, "ledger");
    let nothing = application.plan().obstacles();
    assert!(nothing.iter().any(|obstacle| obstacle.contains("group ledger has committed nothing")), "{nothing:?}");
    assert!(nothing.iter().any(|obstacle| obstacle.contains("ledger-sums-changelog is missing")), "{nothing:?}");

    let feeder = Feeder::start(Arc::clone(&application.log));
    for protocol in ["classic", "streams"] {
        let jvm = application.kafka_streams(protocol);
        wait("it is there", || application.progress() > application.processed);
        let obstacles = application.plan().obstacles();
        assert!(obstacles.iter().any(|obstacle| obstacle.contains("ledger has 1 members")), "{obstacles:?}");
        application.work_and_stop(jvm);
        application.hand_over();
        let straum = application.straum();
        application.work_and_stop(straum);
        application.hand_over();
    }
    // And back, by the protocol that it has not gone back to so far.
    let jvm = application.kafka_streams("classic");
    application.work_and_stop(jvm);
    application.hand_over();
    let straum = application.straum();
    let sent = feeder.stop();
    assert_eq!(application.differences(&sent), Vec::<String>::new());
    straum.stop();
}

/// What would be wrong if only the group were deleted, so that its topology is out of the way.
#[test]
fn a_hand_over_that_loses_the_offsets_is_seen() {
    let broker = Broker::start("hand-over-fault");
    let mut application = Application::new(&broker, "ledger");
    let feeder = Feeder::start(Arc::clone(&application.log));
    let first = application.straum();
    application.work_and_stop(first);
    application.admin.delete_group().unwrap();
    application.processed = 0;
    let second = application.straum();
    wait("it has begun", || application.progress() > 0);
    let sent = feeder.stop();
    let differences = application.differences(&sent);
    assert!(differences.iter().any(|difference| difference.starts_with("customer")), "{differences:?}");
    second.stop();
}

/// Killed between the deletion of the group and the return of its offsets, and run again.
#[test]
fn a_hand_over_that_was_interrupted_is_ended() {
    let broker = Broker::start("hand-over-again");
    let mut application = Application::new(&broker, "ledger");
    let feeder = Feeder::start(Arc::clone(&application.log));
    let first = application.straum();
    application.work_and_stop(first);
    let committed = application.committed();
    interrupt(&application);
    assert!(application.committed().is_empty());
    let plan = application.plan();
    assert!(plan.resumed && plan.standing.is_none() && plan.obstacles().is_empty(), "{plan:?}");
    let mut kept = plan.offsets.clone();
    kept.sort_by(|left, right| left.partition.cmp(&right.partition));
    assert_eq!(kept, committed);
    plan.execute(&application.admin, &application.log, &application.kept()).unwrap();
    assert_eq!(application.committed(), committed);
    assert!(!application.kept().exists());
    let second = application.straum();
    let sent = feeder.stop();
    assert_eq!(application.differences(&sent), Vec::<String>::new());
    second.stop();

    // An old file does not stand over what the application has done since.
    interrupt(&application);
    let older = CommittedOffset { partition: TopicPartition::new("orders", 0), offset: 1, metadata: String::new() };
    application.log.commit_offsets(&GroupMembership { group: "ledger".to_owned(), member: None }, &[older]).unwrap();
    let obstacles = application.plan().obstacles();
    assert!(obstacles.iter().any(|obstacle| obstacle.contains("not those it has now")), "{obstacles:?}");
}

/// Hands over, and loses the way to the broker right after the group is deleted.
fn interrupt(application: &Application) {
    let plan = application.plan();
    let away = KafkaOptions { request_timeout: Duration::from_secs(1), ..KafkaOptions::new("127.0.0.1:1", "ledger") };
    let unreachable = KafkaLog::connect(away).unwrap();
    assert!(plan.execute(&application.admin, &unreachable, &application.kept()).is_err());
    assert!(application.kept().exists());
}
