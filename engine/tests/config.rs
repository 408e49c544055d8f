//! Every setting changes behaviour, and every other key is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Joined, Materialized, Produced, Repartitioned, StreamsBuilder};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{CommittedOffset, GroupMembership, HeaderView, Log, OutputBatch, ProducerOptions, TopicPartition, TopicSpec};
use straum::processor::Headers;
use straum::runtime::{Clock, ConfigSources, Decision, ExceptionHandlers, ManualClock, State, Streams, StreamsConfig, StreamsOptions, SystemClock};
use straum::serde::{I64, RawBytes, SerdeExt, Utf8};
use straum::testing::{DriverBuilder, TestRecord, TopologyTestDriver};
use waiting::wait;

fn parse(settings: &[(&str, &str)]) -> Result<StreamsConfig, straum::Error> {
    StreamsConfig::from_settings([("application.id", "app")].iter().chain(settings).copied())
}

fn counting() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream("in", Consumed::with(Utf8, I64))
        .group_by_key("by-key", Grouped::with(Utf8, I64))
        .count(Materialized::named("counts"))
        .to_stream()
        .to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

fn driver(settings: &[(&str, &str)], topology: &Topology) -> DriverBuilder {
    let parsed = parse(settings).unwrap();
    TopologyTestDriver::builder(topology).configure(move |config| {
        let (commit_interval, transaction_timeout) = (config.commit_interval, config.transaction_timeout);
        *config = parsed;
        // Unless it is what is tried, nothing commits by itself.
        let tried = |key: &str| settings.iter().any(|(name, _)| *name == key);
        if !tried("commit.interval.ms") {
            config.commit_interval = commit_interval;
        }
        if !tried("transaction.timeout.ms") {
            config.transaction_timeout = transaction_timeout;
        }
    })
}

fn pipe(driver: &mut TopologyTestDriver, topic: &str, key: &str, timestamp: i64) {
    driver.input(topic, Utf8, I64).pipe(driver, &TestRecord::new(key.to_owned(), 1, timestamp)).unwrap();
}

fn outputs(driver: &TopologyTestDriver) -> usize {
    driver.output("out", Utf8, RawBytes.nullable()).read(driver).unwrap().len()
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_one() {
    for (key, nearest) in [
        ("num.stream.thread", "num.stream.threads"),
        ("commit.interval", "commit.interval.ms"),
        ("cache.max.bytes", "statestore.cache.max.bytes"),
        ("processing.garantee", "processing.guarantee"),
    ] {
        let error = parse(&[(key, "1")]).unwrap_err().to_string();
        assert!(error.contains(&format!("{key} is not a setting")) && error.contains(nearest), "{error}");
    }
}

#[test]
fn values_out_of_range_are_named_with_what_was_expected() {
    for (key, value) in [("num.stream.threads", "0"), ("commit.interval.ms", "soon"), ("max.task.idle.ms", "-2"), ("processing.guarantee", "twice")] {
        let error = parse(&[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(value) && error.contains("expected"), "{error}");
    }
    assert!(StreamsConfig::from_settings([("num.stream.threads", "1")]).unwrap_err().to_string().contains("application.id is missing"));
}

#[test]
fn application_id_prefixes_internal_topics() {
    let driver = driver(&[], &counting()).start().unwrap();
    assert!(driver.log().topics().unwrap().contains(&"app-counts-changelog".to_owned()));
}

#[test]
fn statestore_cache_max_bytes_holds_updates_back() {
    for (bytes, expected) in [("0", 3), ("1000000", 1)] {
        let mut driver = driver(&[("statestore.cache.max.bytes", bytes)], &counting()).start().unwrap();
        (0..3).for_each(|timestamp| pipe(&mut driver, "in", "a", timestamp));
        driver.commit().unwrap();
        assert_eq!(outputs(&driver), expected, "{bytes} bytes");
    }
}

#[test]
fn commit_interval_ms_commits_by_the_clock() {
    for (interval, expected) in [("50", Some(1)), ("5000", None)] {
        let mut driver = driver(&[("commit.interval.ms", interval)], &counting()).start().unwrap();
        pipe(&mut driver, "in", "a", 0);
        driver.advance_wall_clock(Duration::from_millis(60)).unwrap();
        let committed = driver.log().committed("app", &[TopicPartition::new("in", 0)]).unwrap();
        assert_eq!(committed[0].as_ref().map(|committed| committed.offset), expected, "{interval} ms");
    }
}

#[test]
fn processing_guarantee_decides_whether_outputs_wait_for_the_commit() {
    for (guarantee, visible) in [("exactly_once_v2", 0), ("at_least_once", 1)] {
        let settings = [("processing.guarantee", guarantee), ("statestore.cache.max.bytes", "0")];
        let mut driver = driver(&settings, &counting()).start().unwrap();
        pipe(&mut driver, "in", "a", 0);
        let committed = driver.output("out", Utf8, I64).committed().read(&driver).unwrap().len();
        assert_eq!(committed, visible, "{guarantee}");
    }
    assert_eq!(parse(&[("processing.guarantee", "at_least_once")]).unwrap().commit_interval, Duration::from_secs(30));
}

#[test]
fn topology_optimization_gives_a_table_its_source_topic_for_a_changelog() {
    let built = |optimization: &str| {
        let builder = StreamsBuilder::new();
        builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows")).to_stream().to("out", Produced::with(Utf8, I64));
        builder.build_for(&parse(&[("topology.optimization", optimization)]).unwrap()).unwrap()
    };
    for (optimization, has_own) in [("none", true), ("reuse.ktable.source.topics", false)] {
        let topology = built(optimization);
        let mut driver = driver(&[("topology.optimization", optimization)], &topology).start().unwrap();
        pipe(&mut driver, "in", "a", 0);
        assert_eq!(driver.store::<String, i64>("rows").unwrap().get(&"a".to_owned()).unwrap(), Some(1));
        assert_eq!(driver.log().topics().unwrap().contains(&"app-rows-changelog".to_owned()), has_own, "{optimization}");
    }
    for refused in ["all", "merge.repartition.topics", "reuse.ktable.source.topics,single.store.self.join", "some"] {
        let error = parse(&[("topology.optimization", refused)]).unwrap_err().to_string();
        assert!(error.contains(&format!("topology.optimization is {refused}, expected none or reuse.ktable.source.topics")), "{error}");
    }
    for (set, of_topology) in [("none", "reuse.ktable.source.topics"), ("reuse.ktable.source.topics", "none")] {
        let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
        let config = parse(&[("topology.optimization", set)]).unwrap();
        let error = Streams::new(&built(of_topology), config, log, StreamsOptions::default()).start().unwrap_err();
        assert_eq!(error.kind(), straum::ErrorKind::Config);
        assert!(error.to_string().contains(&format!("topology.optimization is {set}, expected {of_topology}")), "{error}");
    }
}

fn joining() -> Topology {
    let builder = StreamsBuilder::new();
    let table = builder.table("table", Consumed::with(Utf8, I64), Materialized::named("table"));
    builder
        .stream("in", Consumed::with(Utf8, I64))
        .join(table, |left, right| left + right, Joined::named("join"))
        .to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

#[test]
fn max_task_idle_ms_waits_for_an_empty_partition() {
    for (idle, expected) in [("0", 0), ("1000", 1), ("-1", 0)] {
        let mut driver = driver(&[("max.task.idle.ms", idle)], &joining()).start().unwrap();
        // The stream's record is first; the table's, which is older, comes while the task waits.
        pipe(&mut driver, "in", "a", 10);
        driver.advance_wall_clock(Duration::from_millis(500)).unwrap();
        pipe(&mut driver, "table", "a", 5);
        driver.advance_wall_clock(Duration::from_millis(1000)).unwrap();
        assert_eq!(outputs(&driver), expected, "{idle} ms");
    }
}

#[test]
fn errors_dead_letter_queue_topic_name_names_the_topic_or_none() {
    for (name, topic) in [("letters", Some("letters")), ("", None)] {
        let mut driver = driver(&[("errors.dead.letter.queue.topic.name", name)], &counting()).start().unwrap();
        driver.write(&"in".into(), None, Some(b"a"), Some(b"garbage"), 0, &Headers::new()).unwrap();
        driver.run().unwrap();
        driver.commit().unwrap();
        let expected: Vec<&str> = ["app-counts-changelog", "in"].into_iter().chain(topic).chain(["out"]).collect();
        assert_eq!(driver.log().topics().unwrap(), expected, "{name:?}");
        if let Some(topic) = topic {
            assert_eq!(driver.output(topic, RawBytes, RawBytes).read(&driver).unwrap().len(), 1);
        }
    }
}

#[test]
fn max_request_size_bounds_an_output_record() {
    for (size, expected) in [("4", 0), ("1000", 1)] {
        let mut driver = driver(&[("max.request.size", size), ("statestore.cache.max.bytes", "0")], &counting()).start().unwrap();
        pipe(&mut driver, "in", "a", 0);
        driver.commit().unwrap();
        assert_eq!(outputs(&driver), expected, "{size} bytes");
    }
}

#[test]
fn transaction_timeout_ms_commits_before_the_log_would_abort() {
    let settings = [("transaction.timeout.ms", "2000"), ("commit.interval.ms", "1000000"), ("statestore.cache.max.bytes", "0")];
    let mut driver = driver(&settings, &counting()).start().unwrap();
    pipe(&mut driver, "in", "a", 0);
    driver.advance_wall_clock(Duration::from_millis(900)).unwrap();
    let committed = |driver: &TopologyTestDriver| driver.output("out", Utf8, I64).committed().read(driver).unwrap().len();
    assert_eq!(committed(&driver), 0);
    driver.advance_wall_clock(Duration::from_millis(200)).unwrap();
    assert_eq!(committed(&driver), 1);
}

/// An application on an embedded log in memory, with `records` waiting in one partition.
fn application(settings: &[(&str, &str)], records: usize, clock: Arc<dyn Clock>) -> (Streams, Arc<EmbeddedLog>, tempfile::TempDir) {
    application_of(&counting(), settings, records, clock)
}

fn application_of(
    topology: &Topology,
    settings: &[(&str, &str)],
    records: usize,
    clock: Arc<dyn Clock>,
) -> (Streams, Arc<EmbeddedLog>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
    for name in ["in", "table", "out"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 4, config: BTreeMap::new() }).unwrap();
    }
    let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"in".into());
    for _ in 0..records {
        batch.push(topic, 0, 0, Some(b"a"), Some(&1_i64.to_be_bytes()), HeaderView::new(&[]));
    }
    producer.send(&batch).unwrap();
    let mut config = parse(settings).unwrap();
    if config.state_dir == StreamsConfig::new("app").state_dir {
        config.state_dir = folder.path().to_owned();
    }
    let streams = Streams::new(topology, config, Arc::<EmbeddedLog>::clone(&log), StreamsOptions::default().clock(clock));
    (streams, log, folder)
}

#[test]
fn num_stream_threads_runs_as_many_producers() {
    for threads in ["1", "3"] {
        let (mut streams, _log, _folder) = application(&[("num.stream.threads", threads)], 1, Arc::new(ManualClock::new(0)));
        streams.start().unwrap();
        wait(&streams, |streams| streams.state() == State::Running);
        assert_eq!(streams.thread_names().len().to_string(), threads);
        streams.close().unwrap();
    }
}

#[test]
fn buffered_records_per_partition_holds_fetching_back() {
    // The records wait for the table's, so that only fetching decides how many.
    for (limit, waiting) in [("10", 10..=3000), ("1000000", 20_000..=20_000)] {
        let settings = [("buffered.records.per.partition", limit), ("poll.ms", "1"), ("max.task.idle.ms", "3600000")];
        let (mut streams, _log, _folder) = application_of(&joining(), &settings, 20_000, Arc::new(ManualClock::new(0)));
        streams.start().unwrap();
        let buffered = |streams: &Streams| streams.tasks().iter().map(|task| task.buffered).sum::<usize>();
        wait(&streams, |streams| waiting.contains(&buffered(streams)));
        let rounds = streams.rounds();
        wait(&streams, |streams| streams.rounds() > rounds + 20);
        assert!(waiting.contains(&buffered(&streams)), "{limit}: {} records wait", buffered(&streams));
        streams.close().unwrap();
    }
}

#[test]
fn state_dir_holds_the_state_and_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("state.dir", folder.path().to_str().unwrap())];
    let (mut streams, log, _other) = application(&settings, 1, Arc::new(ManualClock::new(0)));
    streams.start().unwrap();
    assert!(folder.path().join("app").join("process-id").exists());
    let config = parse(&settings).unwrap();
    let mut second = Streams::new(&counting(), config, log, StreamsOptions::default());
    let error = second.start().unwrap_err().to_string();
    assert!(error.contains("in use by process") && error.contains(&std::process::id().to_string()), "{error}");
    streams.close().unwrap();
}

#[test]
fn state_cleanup_delay_ms_is_how_long_state_that_nobody_uses_is_kept() {
    for (delay, kept) in [("0", false), ("600000", true)] {
        let folder = tempfile::tempdir().unwrap();
        let (state, left) = (folder.path().join("app"), folder.path().join("app").join("7_0"));
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("something"), "left").unwrap();
        let settings = [("state.dir", folder.path().to_str().unwrap()), ("state.cleanup.delay.ms", delay)];
        let (mut streams, _log, _other) = application(&settings, 1, Arc::new(ManualClock::new(0)));
        streams.start().unwrap();
        let since = Instant::now();
        wait(&streams, |streams| streams.state() == State::Running && (!left.exists() || since.elapsed() > Duration::from_secs(1)));
        assert_eq!((left.exists(), state.join("0_0").exists()), (kept, true), "{delay}");
        streams.close().unwrap();
    }
}

#[test]
fn poll_ms_is_how_long_an_idle_thread_waits() {
    let idle = |poll: &str| {
        let (mut streams, log, folder) = application(&[("poll.ms", poll)], 0, Arc::new(ManualClock::new(0)));
        streams.start().unwrap();
        wait(&streams, |streams| streams.state() == State::Running);
        (streams, log, folder)
    };
    let (mut patient, _log, _folder) = idle("5000");
    let (mut eager, _other_log, _other_folder) = idle("1");
    // Rounds of the one are the clock of the other: how fast the machine is does not matter.
    let (of_patient, of_eager) = (patient.rounds(), eager.rounds());
    wait(&eager, |eager| eager.rounds() > of_eager + 20);
    assert!(patient.rounds() <= of_patient + 1);
    eager.close().unwrap();
    patient.close().unwrap();
}

#[test]
fn memory_max_bytes_commits_before_uncommitted_state_fills_it() {
    for (bytes, commits_early) in [("16777216", true), ("536870912", false)] {
        let mut driver = driver(&[("memory.max.bytes", bytes)], &counting()).start().unwrap();
        let long = "k".repeat(1000);
        driver.input("in", Utf8, I64).pipe_values(&mut driver, (0..4000).map(|number| (format!("{long}{number}"), 1))).unwrap();
        let committed = driver.log().committed("app", &[TopicPartition::new("in", 0)]).unwrap();
        assert_eq!(committed[0].is_some(), commits_early, "{bytes} bytes");
    }
}

#[test]
fn auto_offset_reset_decides_where_to_read_what_was_never_read() {
    for (reset, expected) in [("earliest", 5), ("latest", 0)] {
        let (mut streams, _log, _folder) = application(&[("auto.offset.reset", reset), ("poll.ms", "1")], 5, Arc::new(SystemClock));
        streams.start().unwrap();
        wait(&streams, |streams| streams.state() == State::Running && streams.is_idle());
        assert_eq!(streams.tasks().iter().map(|task| task.processed).sum::<u64>(), expected, "{reset}");
        streams.close().unwrap();
    }
    let (mut streams, _log, _folder) = application(&[("auto.offset.reset", "none")], 5, Arc::new(ManualClock::new(0)));
    streams.start().unwrap();
    wait(&streams, |streams| streams.tasks().iter().any(|task| task.failing.is_some()));
    let failing = streams.tasks().into_iter().find_map(|task| task.failing).unwrap();
    assert!(failing.contains("no offset to read in-") && failing.contains("auto.offset.reset is none"), "{failing}");
    streams.close().unwrap();
}

#[test]
fn auto_offset_reset_decides_where_to_read_on_when_the_next_record_was_deleted() {
    // A task that stands is closed, and has no store to ask.
    for (reset, expected) in [("earliest", Some(3)), ("latest", Some(2)), ("none", None)] {
        let mut driver = driver(&[("auto.offset.reset", reset)], &counting()).start().unwrap();
        let partition = TopicPartition::new("in", 0);
        let one = 1_i64.to_be_bytes();
        let write = |driver: &TopologyTestDriver| driver.write(&"in".into(), Some(0), Some(b"a"), Some(&one), 0, &Headers::new()).unwrap();
        if reset == "none" {
            // Without an offset it would stand from the beginning.
            let membership = GroupMembership { group: "app".to_owned(), member: None };
            let offset = CommittedOffset { partition: partition.clone(), offset: 0, metadata: String::new() };
            driver.log().commit_offsets(&membership, &[offset]).unwrap();
            driver.resume().unwrap();
        }
        write(&driver);
        driver.run().unwrap();
        driver.commit().unwrap();
        // Two more come and the first of them is deleted before it is read.
        write(&driver);
        write(&driver);
        driver.log().delete_records(&[(partition.clone(), 2)]).unwrap();
        driver.run().unwrap();
        write(&driver);
        driver.run().unwrap();
        assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), expected, "{reset}");
        let failing = driver.failing().map(|(_, error)| error.to_string()).collect::<String>();
        assert_eq!(failing.contains("no offset to read in-0 from"), reset == "none", "{failing}");
    }
}

#[test]
fn repartition_purge_interval_ms_deletes_what_is_processed() {
    for (interval, purged) in [("1000", true), ("60000", false)] {
        let builder = StreamsBuilder::new();
        let stream = builder.stream("in", Consumed::with(Utf8, I64));
        stream.repartition("again", Repartitioned::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
        let mut driver = driver(&[("repartition.purge.interval.ms", interval)], &builder.build().unwrap()).start().unwrap();
        (0..3).for_each(|timestamp| pipe(&mut driver, "in", "a", timestamp));
        driver.settle().unwrap();
        driver.advance_wall_clock(Duration::from_millis(2000)).unwrap();
        pipe(&mut driver, "in", "a", 3);
        driver.settle().unwrap();
        let (first, _) = driver.log().offsets(&TopicPartition::new("app-again-repartition", 0)).unwrap();
        assert_eq!(first >= 3, purged, "{interval} ms: {first}");
        assert_eq!(outputs(&driver), 4);
        // A restart reads on after what was purged.
        driver.crash().unwrap();
        pipe(&mut driver, "in", "a", 4);
        driver.settle().unwrap();
        assert_eq!(outputs(&driver), 5);
    }
}

/// How often a failing record was tried, as the wall clock went on by these steps.
fn tries(settings: &[(&str, &str)], steps: &[u64]) -> Vec<u32> {
    let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&count);
    let processing: straum::runtime::ExceptionHandler = Arc::new(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Decision::Retry
    });
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, I64)).filter(|_, _| Err::<bool, _>("not yet")).to("out", Produced::with(Utf8, I64));
    let handlers = ExceptionHandlers { processing, ..Default::default() };
    let mut driver = driver(settings, &builder.build().unwrap()).handlers(handlers).start().unwrap();
    pipe(&mut driver, "in", "a", 0);
    let step = |milliseconds: &u64| {
        driver.advance_wall_clock(Duration::from_millis(*milliseconds)).unwrap();
        count.load(std::sync::atomic::Ordering::SeqCst)
    };
    steps.iter().map(step).collect()
}

#[test]
fn retry_backoff_ms_is_the_wait_before_the_first_retry() {
    assert_eq!(tries(&[("retry.backoff.ms", "100")], &[99, 1]), [1, 2]);
    assert_eq!(tries(&[("retry.backoff.ms", "300")], &[99, 1, 200]), [1, 1, 2]);
}

#[test]
fn retry_backoff_max_ms_is_the_longest_wait() {
    let steps = [100, 200, 400, 800];
    assert_eq!(tries(&[("retry.backoff.max.ms", "10000")], &steps), [2, 3, 4, 5]);
    assert_eq!(tries(&[("retry.backoff.max.ms", "10000")], &[100, 200, 200, 200]), [2, 3, 3, 4]);
    assert_eq!(tries(&[("retry.backoff.max.ms", "200")], &[100, 200, 200, 200]), [2, 3, 4, 5]);
}

#[test]
fn task_timeout_ms_ends_the_retries() {
    let steps = [1000, 1000, 1000, 1000];
    assert_eq!(tries(&[("task.timeout.ms", "2000")], &steps), [2, 3, 3, 3]);
    assert_eq!(tries(&[("task.timeout.ms", "300000")], &steps), [2, 3, 4, 5]);
}

fn sources(file: &str, variables: &[(&str, &str)]) -> Result<ConfigSources, straum::Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.properties");
    std::fs::write(&path, file).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    ConfigSources::new().properties(&path)?.environment(variables)
}

#[test]
fn group_protocol_decides_who_hands_out_the_tasks() {
    use straum::log::GroupProtocol::{Classic, Fixed, Streams};
    for (file, expected) in [("", Streams), ("group.protocol=streams", Streams), ("group.protocol=classic", Classic), ("group.protocol=fixed", Fixed)]
    {
        let kafka = sources(&format!("bootstrap.servers=b:9092\n{file}"), &[]).unwrap().kafka("app").unwrap();
        assert_eq!(kafka.group_protocol, expected, "{file}");
        assert_eq!(straum::log::kafka::KafkaLog::connect(kafka).unwrap().group_protocol(), expected, "{file}");
    }
}

const FILE: &str = "# of the pod\nnum.stream.threads=2\nbootstrap.servers = file:9092\nlinger.ms: 7\nstate.dir=/var/\\\n  straum\n";

#[test]
fn the_last_source_of_a_setting_holds_and_the_others_stay() {
    let sources = sources(FILE, &[("KAFKA_BROKERS", "nais:26484"), ("STRAUM_NUM_STREAM_THREADS", "3"), ("STRAUM_DATA", "folder"), ("PATH", "/bin")]);
    let sources = sources.unwrap().set("commit.interval.ms", "250", "--config").unwrap();
    let mut config = StreamsConfig::new("app");
    config.commit_interval = Duration::from_millis(1);
    sources.apply_to(&mut config).unwrap();
    assert_eq!((config.num_stream_threads, config.commit_interval, config.state_dir.to_str()), (3, Duration::from_millis(250), Some("/var/straum")));
    let kafka = sources.kafka("app").unwrap();
    assert_eq!((kafka.bootstrap_servers.as_str(), kafka.application_id.as_str()), ("nais:26484", "app"));
    assert_eq!(kafka.settings.into_iter().collect::<Vec<_>>(), [("linger.ms".to_owned(), "7".to_owned())]);
    assert_eq!((sources.origin("num.stream.threads"), sources.get("linger.ms")), (Some("STRAUM_NUM_STREAM_THREADS"), Some("7")));
}

#[test]
fn nais_variables_are_taken_as_they_are() {
    let sources = sources(
        "",
        &[
            ("KAFKA_BROKERS", "a:26484,b:26484"),
            ("KAFKA_CA_PATH", "/secrets/ca.crt"),
            ("KAFKA_CERTIFICATE_PATH", "/secrets/kafka.crt"),
            ("KAFKA_PRIVATE_KEY_PATH", "/secrets/kafka.key"),
            ("KAFKA_TRUSTSTORE_PATH", "/secrets/truststore.jks"),
            ("KAFKA_KEYSTORE_PATH", "/secrets/keystore.p12"),
            ("KAFKA_CREDSTORE_PASSWORD", "changeit"),
            ("KAFKA_SCHEMA_REGISTRY", "https://registry:26487"),
            ("KAFKA_SCHEMA_REGISTRY_USER", "user"),
            ("KAFKA_SCHEMA_REGISTRY_PASSWORD", "word"),
            ("KAFKA_STREAMS_APPLICATION_ID", "team.app_stream_1"),
        ],
    );
    let sources = sources.unwrap();
    let kafka = sources.kafka("app").unwrap();
    assert_eq!(kafka.bootstrap_servers, "a:26484,b:26484");
    let expected = [
        ("security.protocol", "SSL"),
        ("ssl.ca.location", "/secrets/ca.crt"),
        ("ssl.certificate.location", "/secrets/kafka.crt"),
        ("ssl.key.location", "/secrets/kafka.key"),
    ];
    assert_eq!(kafka.settings, expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
    for (key, value) in
        [("schema.registry.url", "https://registry:26487"), ("basic.auth.user.info", "user:word"), ("application.id", "team.app_stream_1")]
    {
        assert_eq!(sources.get(key), Some(value), "{key}");
    }
    assert!(!format!("{sources:?}").contains("word"), "values are not printed");
}

#[test]
fn what_no_source_may_say_is_refused_where_it_stands() {
    for (file, variables, says) in [
        ("num.stream.thread=2", &[][..], &["app.properties", "num.stream.thread is not a setting, did you mean num.stream.threads"][..]),
        ("linger.msec=2", &[], &["linger.msec is not a setting, did you mean linger.ms"]),
        ("consumer.fetch.min.byte=2", &[], &["did you mean fetch.min.bytes"]),
        ("commit.interval.ms=soon", &[], &["app.properties", "commit.interval.ms is soon, expected a whole number"]),
        ("linger.ms=soon", &[], &["linger.ms is not valid"]),
        ("group.protocol=consumer", &[], &["group.protocol is consumer, expected streams, classic"]),
        ("ssl.truststore.location=/x.jks", &[], &["a setting of the JVM", "ssl.ca.location"]),
        ("producer.sasl.jaas.config=x", &[], &["a setting of the JVM", "sasl.username"]),
        ("transactional.id=x", &[], &["transactional.id", "the engine's own"]),
        ("consumer.isolation.level=x", &[], &["isolation.level", "the engine's own"]),
        ("num.standby.replicas=1", &[], &["streams.num.standby.replicas of the group"]),
        ("cache.max.bytes.buffering=1", &[], &["statestore.cache.max.bytes"]),
        ("", &[("STRAUM_NUM_STREAM_THREAD", "2")], &["STRAUM_NUM_STREAM_THREAD: ", "did you mean num.stream.threads"]),
        ("", &[("STRAUM_NUM_STREAM_THREADS", "0")], &["STRAUM_NUM_STREAM_THREADS: ", "num.stream.threads is 0"]),
    ] {
        let error = sources(file, variables).err().unwrap_or_else(|| panic!("{file:?} {variables:?}")).to_string();
        for part in says {
            assert!(error.contains(part), "{error}\nmisses {part}");
        }
    }
    let missing = ConfigSources::new().properties(std::path::Path::new("none.properties")).unwrap_err();
    assert!(missing.to_string().contains("none.properties"), "{missing}");
    assert!(sources("", &[]).unwrap().kafka("app").unwrap_err().to_string().contains("bootstrap.servers is missing"));
}

#[test]
fn settings_are_put_over_those_of_code() {
    let mut config = StreamsConfig::new("app");
    config.dead_letter_topic = None;
    config.apply([("processing.guarantee", "at_least_once"), ("poll.ms", "7")]).unwrap();
    assert_eq!((config.commit_interval, config.poll, config.dead_letter_topic.clone()), (Duration::from_secs(30), Duration::from_millis(7), None));
    config.apply([("processing.guarantee", "exactly_once_v2"), ("commit.interval.ms", "10")]).unwrap();
    assert_eq!(config.commit_interval, Duration::from_millis(10));
    let other = config.apply([("application.id", "other")]).unwrap_err().to_string();
    assert!(other.contains("application.id is other, expected app"), "{other}");
    config.apply([("application.id", "app")]).unwrap();
    assert!(config.apply([("nope", "1")]).unwrap_err().to_string().contains("nope is not a setting"));
}
