//! What is Kafka's own in the log on Kafka, on a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::shadow_unrelated)]

mod support;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{CommittedOffset, GroupMembership, HeaderView, Isolation, Log, LogErrorKind, OutputBatch, RecordBatch, StartOffset};
use support::broker::Broker;
use support::reading::{at, batch, commit, consumer, producer, read, row, settled_end, shown, topic, values, write};

static KAFKA: LazyLock<(Broker, KafkaLog)> = LazyLock::new(|| {
    let broker = Broker::start("log-client");
    let log = KafkaLog::connect(KafkaOptions::new(broker.bootstrap(), "client")).expect("the broker has answered before");
    (broker, log)
});

fn kafka() -> &'static KafkaLog {
    &KAFKA.1
}

#[test]
fn an_unknown_members_offsets_end_the_transaction_and_not_the_producer() {
    let partition = at(&topic(kafka(), "client-member", 1), 0);
    let offset = [CommittedOffset { partition: partition.clone(), offset: 1, metadata: String::new() }];
    let stranger = GroupMembership { group: "client-member".to_owned(), member: Some(("nobody".to_owned(), 3)) };
    let mut producer = producer(kafka(), Some("client-member"));
    producer.begin().unwrap();
    write(producer.as_mut(), &partition, &values(&["by a stranger"]));
    let error = producer.send_offsets(&stranger, &offset).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Abortable, "{error}");
    producer.abort().unwrap();
    commit(producer.as_mut(), &partition, &values(&["by us"]));
    let end = settled_end(kafka(), &partition);
    assert_eq!(shown(&read(kafka(), Isolation::ReadCommitted, &partition, end)), ["by us"]);
    assert_eq!(kafka().committed("client-member", &[partition]).unwrap(), [None]);
}

#[test]
fn the_first_millisecond_is_the_oldest_timestamp_that_can_be_written() {
    let partition = at(&topic(kafka(), "client-timestamps", 1), 0);
    let mut producer = producer(kafka(), None);
    write(producer.as_mut(), &partition, &[row(0, None, Some("zero"), &[])]);
    let refused = producer.send(&batch(&partition, &[row(-1, None, Some("before time"), &[])])).unwrap_err();
    assert_eq!((refused.kind(), refused.record()), (LogErrorKind::Invalid, Some(0)));
    let rows = read(kafka(), Isolation::ReadCommitted, &partition, 1);
    assert_eq!(rows.first().map(|(_, row)| row.timestamp), Some(1));
}

#[test]
fn a_setting_that_librdkafka_does_not_know_is_named() {
    let broker = KAFKA.0.bootstrap();
    for (name, value) in [("no.such.setting", "1"), ("fetch.wait.max.ms", "soon")] {
        let error = KafkaLog::connect(KafkaOptions::new(broker, "client").with(name, value)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn no_broker_is_worth_another_try() {
    let options = KafkaOptions { request_timeout: Duration::from_millis(300), ..KafkaOptions::new("127.0.0.1:1", "client") };
    let error = KafkaLog::connect(options).unwrap().topics().unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Retriable);
    assert!(error.to_string().contains("bootstrap.servers"), "{error}");
}

#[test]
fn an_open_transaction_keeps_the_groups_offsets_unknown() {
    let partition = at(&topic(kafka(), "client-unstable", 1), 0);
    let impatient = KafkaOptions { request_timeout: Duration::from_secs(3), ..KafkaOptions::new(KAFKA.0.bootstrap(), "client") };
    let impatient = KafkaLog::connect(impatient).unwrap();
    let group = GroupMembership { group: "client-unstable".to_owned(), member: None };
    let offset = CommittedOffset { partition: partition.clone(), offset: 4, metadata: String::new() };
    let mut producer = producer(kafka(), Some("client-unstable"));
    producer.begin().unwrap();
    producer.send_offsets(&group, std::slice::from_ref(&offset)).unwrap();
    let error = impatient.committed("client-unstable", std::slice::from_ref(&partition)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Retriable, "{error}");
    producer.commit().unwrap();
    assert_eq!(kafka().committed("client-unstable", &[partition]).unwrap(), [Some(offset)]);
}

/// This process's CPU time so far, in seconds. Linux counts it in hundredths.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Printed, not asserted: `cargo test … -- --nocapture throughput`.
#[test]
fn throughput_of_writing_in_transactions_and_of_reading() {
    let topic = topic(kafka(), "client-throughput", 4);
    let (count, value) = (1_000_000_u32, [b'v'; 100]);
    let mut output = OutputBatch::new();
    let number = output.topic(&topic);
    let mut writer = producer(kafka(), Some("client-throughput"));
    let (start, before) = (Instant::now(), cpu());
    let mut commits = 0;
    for first in (0..count).step_by(50_000) {
        writer.begin().unwrap();
        for some in (first..first + 50_000).step_by(1_000) {
            output.clear();
            for key in some..some + 1_000 {
                output.push(number, key % 4, 1_000, Some(&key.to_be_bytes()), Some(&value), HeaderView::new(&[]));
            }
            writer.send(&output).unwrap();
        }
        writer.commit().unwrap();
        commits += 1;
    }
    let (written, writing) = (start.elapsed(), cpu() - before);

    let mut reader = consumer(kafka(), Isolation::ReadCommitted);
    let partitions: Vec<_> = (0..4).map(|partition| (at(&topic, partition), StartOffset::Beginning)).collect();
    reader.assign(&partitions).unwrap();
    let (start, before, mut records, mut polls, mut batches) = (Instant::now(), cpu(), 0, 0, Vec::new());
    while records < count as usize {
        reader.poll(Duration::from_millis(100), &mut batches).unwrap();
        records += batches.iter().map(RecordBatch::len).sum::<usize>();
        polls += 1;
        batches.clear();
    }
    let (read, reading) = (start.elapsed(), cpu() - before);
    let rate = |elapsed: Duration| f64::from(count) / elapsed.as_secs_f64() / 1_000.0;
    println!("{count} records of 104 bytes, 4 partitions");
    println!("written {:.0} k/s in {commits} transactions, {writing:.2} CPU s", rate(written));
    println!("read {:.0} k/s in {polls} polls, {reading:.2} CPU s", rate(read));
    assert_eq!(records, count as usize);
}

/// Links only where librdkafka's handling of leader hints is wrapped: the original's name is defined by nothing else.
#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code)]
fn librdkafka_never_follows_a_leader_hint() {
    unsafe extern "C" {
        fn __real_rd_kafka_metadata_update_op();
        fn __wrap_rd_kafka_metadata_update_op();
        fn rd_kafka_metadata_update_op();
    }
    let address = |function: unsafe extern "C" fn()| function as usize;
    assert_eq!(address(rd_kafka_metadata_update_op), address(__wrap_rd_kafka_metadata_update_op));
    assert_ne!(address(__real_rd_kafka_metadata_update_op), address(__wrap_rd_kafka_metadata_update_op));
}
