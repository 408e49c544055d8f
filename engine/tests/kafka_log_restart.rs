//! What a broker's death and return look like through the log. Each test has a broker of its own to kill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::shadow_unrelated)]

mod support;

use std::time::Duration;

use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{Isolation, Log, LogErrorKind, Producer, StartOffset, TopicPartition};
use support::broker::Broker;
use support::reading::{at, batch, commit, consumer, producer, read, read_on, settled_end, shown, topic, values, write};

fn connect(broker: &Broker) -> KafkaLog {
    KafkaLog::connect(KafkaOptions::new(broker.bootstrap(), "restart")).expect("the broker has answered before")
}

/// Commits, or does what the error's kind asks for and tells the kind.
fn finish(log: &dyn Log, writer: &mut Box<dyn Producer>, id: &str) -> Option<LogErrorKind> {
    let error = writer.commit().err()?;
    match error.kind() {
        LogErrorKind::Abortable if writer.abort().is_ok() => {}
        LogErrorKind::Abortable | LogErrorKind::Fenced | LogErrorKind::Fatal => *writer = producer(log, Some(id)),
        kind => panic!("a commit is not answered with {kind:?}: {error}"),
    }
    Some(error.kind())
}

fn all_or_nothing(log: &dyn Log, partition: &TopicPartition, outcome: Option<LogErrorKind>) {
    let end = settled_end(log, partition);
    let rows = read(log, Isolation::ReadCommitted, partition, end);
    let expected: &[&str] = if outcome.is_none() { &["before", "a", "b", "after"] } else { &["before", "after"] };
    assert_eq!(shown(&rows), expected, "after {outcome:?}");
}

#[test]
fn a_transaction_outlives_a_restart_or_says_that_it_did_not() {
    let broker = Broker::start("log-restart");
    let log = connect(&broker);
    let partition = at(&topic(&log, "restart-middle", 1), 0);
    let mut reader = consumer(&log, Isolation::ReadCommitted);
    reader.assign(&[(partition.clone(), StartOffset::Beginning)]).unwrap();
    let mut writer = producer(&log, Some("restart-middle"));
    commit(writer.as_mut(), &partition, &values(&["before"]));
    assert_eq!(shown(&read_on(reader.as_mut(), &partition, 1)), ["before"]);

    writer.begin().unwrap();
    write(writer.as_mut(), &partition, &values(&["a"]));
    broker.kill();
    writer.send(&batch(&partition, &values(&["b"]))).unwrap();
    reader.poll(Duration::from_millis(100), &mut Vec::new()).unwrap();
    broker.start_again();
    let outcome = finish(&log, &mut writer, "restart-middle");
    println!("the commit after a restart: {outcome:?}");

    commit(writer.as_mut(), &partition, &values(&["after"]));
    all_or_nothing(&log, &partition, outcome);
    let end = settled_end(&log, &partition);
    let rows = read_on(reader.as_mut(), &partition, end);
    assert_eq!(shown(&rows).last(), Some(&"after"), "the reader that saw the restart goes on");

    // While nothing answers, a commit is neither done nor failed: it ends when the answer comes.
    writer.begin().unwrap();
    write(writer.as_mut(), &partition, &values(&["c"]));
    broker.kill();
    let outcome = std::thread::scope(|scope| {
        let committing = scope.spawn(|| finish(&log, &mut writer, "restart-middle"));
        broker.start_again();
        committing.join().unwrap()
    });
    println!("the commit during a restart: {outcome:?}");
    commit(writer.as_mut(), &partition, &values(&["last"]));
    let end = settled_end(&log, &partition);
    let rows = read(&log, Isolation::ReadCommitted, &partition, end);
    assert_eq!(shown(&rows).contains(&"c"), outcome.is_none());
    assert_eq!(shown(&rows).last(), Some(&"last"));
}

#[test]
fn an_abort_with_the_broker_gone_ends_with_its_return() {
    let broker = Broker::start("log-restart-abort");
    let log = connect(&broker);
    let partition = at(&topic(&log, "restart-abort", 1), 0);
    let mut writer = producer(&log, Some("restart-abort"));
    writer.begin().unwrap();
    write(writer.as_mut(), &partition, &values(&["a"]));
    broker.kill();
    writer.send(&batch(&partition, &values(&["b"]))).unwrap();
    let aborted = std::thread::scope(|scope| {
        let aborting = scope.spawn(|| writer.abort());
        broker.start_again();
        aborting.join().unwrap()
    });
    println!("the abort during a restart: {:?}", aborted.as_ref().map_err(straum::log::LogError::kind));
    if let Err(error) = aborted {
        assert!(matches!(error.kind(), LogErrorKind::Fenced | LogErrorKind::Fatal), "{error}");
        writer = producer(&log, Some("restart-abort"));
    }
    commit(writer.as_mut(), &partition, &values(&["after"]));
    let end = settled_end(&log, &partition);
    assert_eq!(shown(&read(&log, Isolation::ReadCommitted, &partition, end)), ["after"]);
}
