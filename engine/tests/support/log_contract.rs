//! What every log promises, as cases that run on any of them: `every_case!(open)` makes a test of each, where `open` gives
//! something that derefs to a `Log`. Topics, groups and ids are named after the case, so that cases can share a log.

use std::time::Duration;

use straum::log::{CommittedOffset, GroupMembership, Isolation, Log, LogErrorKind, RecordBatch, StartOffset, TopicSpec};

use super::reading::{at, batch, commit, consumer, next_error, producer, read, read_on, row, settled_end, shown, topic, values, wait_for, write};

#[macro_export]
macro_rules! every_case {
    ($open:path) => {
        $crate::every_case!($open:
            records_come_back_as_they_were_sent
            aborted_records_are_hidden_and_the_position_passes_over_them
            an_open_transaction_holds_committed_readers_back
            a_second_producer_of_an_id_fences_the_first_and_aborts_what_it_had_open
            records_and_offsets_are_committed_together_or_not_at_all
            a_group_without_members_commits_offsets_outside_transactions
            an_abort_ends_though_records_are_on_their_way
            a_transaction_may_be_empty
            an_offset_outside_a_partition_is_reported_and_the_others_go_on
            a_record_too_large_is_refused_by_number
            a_negative_timestamp_is_refused_by_number
            what_does_not_exist_is_refused_by_name
            a_topic_is_made_once_with_one_number_of_partitions
            deleted_records_are_gone
            a_paused_partition_waits
            a_paused_partition_waits_through_assignments
            an_assignment_at_its_own_position_loses_nothing
            the_end_is_that_of_the_assignment
            offsets_are_acknowledged_by_partition
            calls_out_of_turn_are_refused
        );
    };
    ($open:path: $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::support::log_contract::$case(&*$open());
            }
        )*
    };
}

pub fn records_come_back_as_they_were_sent(log: &dyn Log) {
    let topic = topic(log, "contract-round-trip", 2);
    let rows = [
        row(1, Some("key"), Some("value"), &[]),
        row(1_700_000_000_123, None, Some("no key"), &[]),
        row(1_000, Some("deleted"), None, &[]),
        row(900, Some(""), Some(""), &[]),
        row(1_000, Some("æøå"), Some("√"), &[("traceparent", Some("00-1")), ("empty", Some("")), ("null", None), ("traceparent", Some("00-2"))]),
    ];
    let mut producer = producer(log, None);
    write(producer.as_mut(), &at(&topic, 0), &rows);
    write(producer.as_mut(), &at(&topic, 1), &values(&["elsewhere"]));
    let expected: Vec<_> = (0..).zip(rows).collect();
    assert_eq!(read(log, Isolation::ReadCommitted, &at(&topic, 0), 5), expected);
    assert_eq!(shown(&read(log, Isolation::ReadUncommitted, &at(&topic, 1), 1)), ["elsewhere"]);
}

pub fn aborted_records_are_hidden_and_the_position_passes_over_them(log: &dyn Log) {
    aborted_records_never_reach_a_committed_reader(log, "contract-aborted");
}

/// Under a name of its own, to be run on a log that breaks it as well.
pub fn aborted_records_never_reach_a_committed_reader(log: &dyn Log, name: &str) {
    let partition = at(&topic(log, name, 1), 0);
    let mut producer = producer(log, Some(name));
    commit(producer.as_mut(), &partition, &values(&["a", "b"]));
    producer.begin().unwrap();
    write(producer.as_mut(), &partition, &values(&["never"]));
    producer.abort().unwrap();
    commit(producer.as_mut(), &partition, &values(&["c"]));
    producer.begin().unwrap();
    write(producer.as_mut(), &partition, &values(&["never, at the end"]));
    producer.abort().unwrap();
    let everything = read(log, Isolation::ReadUncommitted, &partition, log.offsets(&partition).unwrap().1);
    assert_eq!(shown(&everything), ["a", "b", "never", "c", "never, at the end"]);

    let mut committed = consumer(log, Isolation::ReadCommitted);
    committed.assign(&[(partition.clone(), StartOffset::Beginning)]).unwrap();
    let last = everything.last().map(|(offset, _)| *offset).unwrap();
    let rows = read_on(committed.as_mut(), &partition, last + 1);
    assert_eq!(shown(&rows), ["a", "b", "c"]);
    wait_for("position and end beyond the last marker", || {
        committed.poll(Duration::from_millis(100), &mut Vec::new()).unwrap();
        let end = Some(log.offsets(&partition).unwrap().1);
        (committed.position(&partition) == end && committed.end_offset(&partition) == end).then_some(())
    });
}

pub fn an_open_transaction_holds_committed_readers_back(log: &dyn Log) {
    let partition = at(&topic(log, "contract-open", 1), 0);
    let mut producer = producer(log, Some("contract-open"));
    commit(producer.as_mut(), &partition, &values(&["before"]));
    let stable = settled_end(log, &partition);
    producer.begin().unwrap();
    write(producer.as_mut(), &partition, &values(&["open"]));
    let (_, end) = log.offsets(&partition).unwrap();
    assert!(end > stable, "{end}: the high watermark counts open transactions");

    let mut committed = consumer(log, Isolation::ReadCommitted);
    committed.assign(&[(partition.clone(), StartOffset::Beginning)]).unwrap();
    assert_eq!(shown(&read_on(committed.as_mut(), &partition, stable)), ["before"]);
    wait_for("the last stable offset as the end", || {
        let mut batches = Vec::new();
        committed.poll(Duration::from_millis(100), &mut batches).unwrap();
        assert!(batches.iter().all(RecordBatch::is_empty), "{batches:?}");
        (committed.end_offset(&partition) == Some(stable)).then_some(())
    });
    assert_eq!(committed.position(&partition), Some(stable));
    assert_eq!(shown(&read(log, Isolation::ReadUncommitted, &partition, end)), ["before", "open"]);

    producer.commit().unwrap();
    assert_eq!(shown(&read_on(committed.as_mut(), &partition, end)), ["open"]);
}

pub fn a_second_producer_of_an_id_fences_the_first_and_aborts_what_it_had_open(log: &dyn Log) {
    let partition = at(&topic(log, "contract-fencing", 1), 0);
    let mut first = producer(log, Some("contract-fencing"));
    first.begin().unwrap();
    write(first.as_mut(), &partition, &values(&["of a zombie"]));
    let mut second = producer(log, Some("contract-fencing"));
    let error = first.send(&batch(&partition, &values(&["too late"]))).and_then(|()| first.commit()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Fenced, "{error}");
    assert_eq!(first.abort().unwrap_err().kind(), LogErrorKind::Fenced, "and it stays fenced");
    commit(second.as_mut(), &partition, &values(&["of its successor"]));
    let end = settled_end(log, &partition);
    assert_eq!(shown(&read(log, Isolation::ReadCommitted, &partition, end)), ["of its successor"]);
}

pub fn records_and_offsets_are_committed_together_or_not_at_all(log: &dyn Log) {
    let topic = topic(log, "contract-offsets", 2);
    let (input, output) = (at(&topic, 0), at(&topic, 1));
    let membership = GroupMembership { group: "contract-offsets".to_owned(), member: None };
    let offset = |offset, metadata: &str| [CommittedOffset { partition: input.clone(), offset, metadata: metadata.to_owned() }];
    let committed = || log.committed("contract-offsets", &[input.clone(), output.clone()]).unwrap();
    assert_eq!(committed(), [None, None]);

    let mut producer = producer(log, Some("contract-offsets"));
    producer.begin().unwrap();
    write(producer.as_mut(), &output, &values(&["first"]));
    producer.send_offsets(&membership, &offset(7, "AgAAAAAAAAPo")).unwrap();
    producer.commit().unwrap();
    assert_eq!(committed(), [offset(7, "AgAAAAAAAAPo").into_iter().next(), None]);

    producer.begin().unwrap();
    write(producer.as_mut(), &output, &values(&["aborted"]));
    producer.send_offsets(&membership, &offset(9, "")).unwrap();
    producer.abort().unwrap();
    assert_eq!(committed(), [offset(7, "AgAAAAAAAAPo").into_iter().next(), None]);

    producer.begin().unwrap();
    producer.send_offsets(&membership, &offset(8, "")).unwrap();
    producer.send_offsets(&membership, &offset(9, "")).unwrap();
    producer.commit().unwrap();
    assert_eq!(committed(), [offset(9, "").into_iter().next(), None]);
    let end = settled_end(log, &output);
    assert_eq!(shown(&read(log, Isolation::ReadCommitted, &output, end)), ["first"]);
}

pub fn a_group_without_members_commits_offsets_outside_transactions(log: &dyn Log) {
    let topic = topic(log, "contract-at-least-once", 2);
    let membership = GroupMembership { group: "contract-at-least-once".to_owned(), member: None };
    let offset = |partition, offset, metadata: &str| CommittedOffset { partition: at(&topic, partition), offset, metadata: metadata.to_owned() };
    let committed = || log.committed(&membership.group, &[at(&topic, 1), at(&topic, 0)]).unwrap();
    log.commit_offsets(&membership, &[offset(0, 3, "some")]).unwrap();
    assert_eq!(committed(), [None, Some(offset(0, 3, "some"))]);
    log.commit_offsets(&membership, &[offset(0, 2, ""), offset(1, 5, "")]).unwrap();
    assert_eq!(committed(), [Some(offset(1, 5, "")), Some(offset(0, 2, ""))]);
    assert_eq!(log.committed("contract-at-least-once-other", &[at(&topic, 0)]).unwrap(), [None]);
}

pub fn an_abort_ends_though_records_are_on_their_way(log: &dyn Log) {
    let partition = at(&topic(log, "contract-abort", 1), 0);
    let mut producer = producer(log, Some("contract-abort"));
    let many: Vec<String> = (0..20_000).map(|number| format!("aborted {number}")).collect();
    let many = batch(&partition, &values(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    for round in ["one", "two"] {
        producer.begin().unwrap();
        producer.send(&many).unwrap();
        producer.abort().unwrap();
        commit(producer.as_mut(), &partition, &values(&[round]));
    }
    let end = settled_end(log, &partition);
    assert_eq!(shown(&read(log, Isolation::ReadCommitted, &partition, end)), ["one", "two"]);
}

pub fn a_transaction_may_be_empty(log: &dyn Log) {
    let partition = at(&topic(log, "contract-empty", 1), 0);
    let mut producer = producer(log, Some("contract-empty"));
    producer.begin().unwrap();
    producer.commit().unwrap();
    producer.begin().unwrap();
    producer.abort().unwrap();
    commit(producer.as_mut(), &partition, &values(&["something"]));
    assert_eq!(shown(&read(log, Isolation::ReadCommitted, &partition, 1)), ["something"]);
}

pub fn an_offset_outside_a_partition_is_reported_and_the_others_go_on(log: &dyn Log) {
    let topic = topic(log, "contract-out-of-range", 2);
    let (good, bad) = (at(&topic, 0), at(&topic, 1));
    let mut producer = producer(log, None);
    write(producer.as_mut(), &good, &values(&["a"]));
    write(producer.as_mut(), &bad, &values(&["b"]));
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    consumer.assign(&[(good.clone(), StartOffset::At(0)), (bad.clone(), StartOffset::At(999))]).unwrap();
    assert_eq!(next_error(consumer.as_mut()), (LogErrorKind::OffsetOutOfRange, Some(bad.clone())));
    write(producer.as_mut(), &good, &values(&["c"]));
    wait_for("the other partition", || {
        consumer.poll(Duration::from_millis(100), &mut Vec::new()).unwrap();
        (consumer.position(&good) == Some(2)).then_some(())
    });
    consumer.assign(&[(good, StartOffset::At(2)), (bad.clone(), StartOffset::Beginning)]).unwrap();
    assert_eq!(shown(&read_on(consumer.as_mut(), &bad, 1)), ["b"]);
}

pub fn a_record_too_large_is_refused_by_number(log: &dyn Log) {
    let partition = at(&topic(log, "contract-too-large", 1), 0);
    let large = "x".repeat(2 * 1024 * 1024);
    let mut producer = producer(log, None);
    let error = producer.send(&batch(&partition, &values(&["small", &large, "after it"]))).unwrap_err();
    assert_eq!((error.kind(), error.record()), (LogErrorKind::RecordTooLarge, Some(1)), "{error}");
    write(producer.as_mut(), &partition, &values(&["later"]));
    assert_eq!(shown(&read(log, Isolation::ReadUncommitted, &partition, 2)), ["small", "later"]);
}

pub fn a_negative_timestamp_is_refused_by_number(log: &dyn Log) {
    let partition = at(&topic(log, "contract-negative", 1), 0);
    let mut producer = producer(log, None);
    let rows = [row(1, None, Some("before"), &[]), row(-1, None, Some("negative"), &[]), row(1, None, Some("after"), &[])];
    let error = producer.send(&batch(&partition, &rows)).unwrap_err();
    assert_eq!((error.kind(), error.record()), (LogErrorKind::Invalid, Some(1)), "{error}");
    assert!(error.to_string().contains("-1"), "{error}");
    write(producer.as_mut(), &partition, &values(&["later"]));
    assert_eq!(shown(&read(log, Isolation::ReadUncommitted, &partition, 2)), ["before", "later"]);
}

pub fn what_does_not_exist_is_refused_by_name(log: &dyn Log) {
    let topic = topic(log, "contract-unknown", 1);
    let (here, beyond, nowhere) = (at(&topic, 0), at(&topic, 1), at(&"contract-unknown-topic".into(), 0));
    assert_eq!(log.partitions("contract-unknown-topic").unwrap(), None);
    let mut producer = producer(log, None);
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    for partition in [&beyond, &nowhere] {
        let start = StartOffset::Beginning;
        let assigned = consumer.assign(&[(here.clone(), start), (partition.clone(), start)]).unwrap_err();
        let asked = log.offsets(partition).unwrap_err();
        let sent = producer.send(&batch(partition, &values(&["lost"]))).unwrap_err();
        for error in [&assigned, &asked, &sent] {
            assert_eq!((error.kind(), error.partition()), (LogErrorKind::UnknownTopic, Some(partition)), "{error}");
        }
        assert_eq!(sent.record(), Some(0));
    }
    assert_eq!(consumer.position(&here), None);
    write(producer.as_mut(), &here, &values(&["found"]));
}

pub fn a_topic_is_made_once_with_one_number_of_partitions(log: &dyn Log) {
    let spec = |partitions, setting: Option<(&str, &str)>| TopicSpec {
        name: "contract-topic".to_owned(),
        partitions,
        config: setting.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    assert_eq!((log.partitions("contract-topic").unwrap(), log.topic_id("contract-topic").unwrap()), (None, None));
    let nonsense = log.create_topic(&spec(3, Some(("no.such.setting", "1")))).unwrap_err();
    assert_eq!(nonsense.kind(), LogErrorKind::Invalid, "{nonsense}");
    assert_eq!(log.create_topic(&spec(0, None)).unwrap_err().kind(), LogErrorKind::Invalid);
    log.create_topic(&spec(3, Some(("cleanup.policy", "compact")))).unwrap();
    log.create_topic(&spec(3, None)).unwrap();
    assert_eq!(log.create_topic(&spec(4, None)).unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!(log.partitions("contract-topic").unwrap(), Some(3));
    let id = log.topic_id("contract-topic").unwrap();
    log.create_topic(&TopicSpec { name: "contract-other-topic".to_owned(), ..spec(1, None) }).unwrap();
    assert!(id.is_some() && id == log.topic_id("contract-topic").unwrap() && id != log.topic_id("contract-other-topic").unwrap(), "{id:?}");
    let topics = log.topics().unwrap();
    assert!(topics.is_sorted() && topics.contains(&"contract-topic".to_owned()), "{topics:?}");
    assert_eq!(log.offsets(&at(&"contract-topic".into(), 2)).unwrap(), (0, 0));
}

pub fn deleted_records_are_gone(log: &dyn Log) {
    let topic = topic(log, "contract-deleted", 2);
    let mut producer = producer(log, None);
    for partition in [0, 1] {
        write(producer.as_mut(), &at(&topic, partition), &values(&["a", "b", "c"]));
    }
    log.delete_records(&[(at(&topic, 1), 2)]).unwrap();
    assert_eq!(log.offsets(&at(&topic, 0)).unwrap(), (0, 3));
    assert_eq!(log.offsets(&at(&topic, 1)).unwrap(), (2, 3));
    assert_eq!(shown(&read(log, Isolation::ReadCommitted, &at(&topic, 1), 3)), ["c"]);
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    consumer.assign(&[(at(&topic, 1), StartOffset::At(0))]).unwrap();
    assert_eq!(next_error(consumer.as_mut()), (LogErrorKind::OffsetOutOfRange, Some(at(&topic, 1))));
}

pub fn a_paused_partition_waits(log: &dyn Log) {
    let topic = topic(log, "contract-paused", 2);
    let (paused, other) = (at(&topic, 0), at(&topic, 1));
    let mut producer = producer(log, None);
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    consumer.assign(&[(paused.clone(), StartOffset::At(0)), (other.clone(), StartOffset::At(0))]).unwrap();
    consumer.pause(&[paused.clone(), at(&"contract-unassigned".into(), 0)]).unwrap();
    write(producer.as_mut(), &paused, &values(&["a", "b"]));
    write(producer.as_mut(), &other, &values(&["c"]));
    assert_eq!(shown(&read_on(consumer.as_mut(), &other, 1)), ["c"]);
    assert_eq!(consumer.position(&paused), Some(0));
    consumer.resume(std::slice::from_ref(&paused)).unwrap();
    assert_eq!(shown(&read_on(consumer.as_mut(), &paused, 2)), ["a", "b"]);
}

pub fn a_paused_partition_waits_through_assignments(log: &dyn Log) {
    let topic = topic(log, "contract-paused-assigned", 2);
    let (paused, other) = (at(&topic, 0), at(&topic, 1));
    let mut producer = producer(log, None);
    write(producer.as_mut(), &paused, &values(&["a", "b"]));
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    consumer.assign(&[(paused.clone(), StartOffset::At(0))]).unwrap();
    consumer.pause(std::slice::from_ref(&paused)).unwrap();
    // Where it stood, and elsewhere.
    for (place, word) in [(0, "c"), (1, "d")] {
        consumer.assign(&[(paused.clone(), StartOffset::At(place)), (other.clone(), StartOffset::At(place))]).unwrap();
        write(producer.as_mut(), &other, &values(&[word]));
        assert_eq!(shown(&read_on(consumer.as_mut(), &other, place + 1)), [word]);
        assert_eq!(consumer.position(&paused), Some(place));
    }
    consumer.resume(std::slice::from_ref(&paused)).unwrap();
    assert_eq!(shown(&read_on(consumer.as_mut(), &paused, 2)), ["b"]);
    // One that has gone in between has forgotten it.
    consumer.pause(std::slice::from_ref(&paused)).unwrap();
    consumer.assign(&[]).unwrap();
    consumer.assign(&[(paused.clone(), StartOffset::At(0))]).unwrap();
    assert_eq!(shown(&read_on(consumer.as_mut(), &paused, 2)), ["a", "b"]);
}

pub fn an_assignment_at_its_own_position_loses_nothing(log: &dyn Log) {
    let topic = topic(log, "contract-reassigned", 2);
    let (stays, comes) = (at(&topic, 0), at(&topic, 1));
    let mut producer = producer(log, None);
    write(producer.as_mut(), &stays, &values(&["a", "b"]));
    write(producer.as_mut(), &comes, &values(&["x"]));
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    consumer.assign(&[(stays.clone(), StartOffset::Beginning)]).unwrap();
    assert_eq!(shown(&read_on(consumer.as_mut(), &stays, 2)), ["a", "b"]);
    write(producer.as_mut(), &stays, &values(&["c"]));
    consumer.assign(&[(stays.clone(), StartOffset::At(2)), (comes.clone(), StartOffset::At(0))]).unwrap();
    let mut batches = Vec::new();
    wait_for("both partitions", || {
        consumer.poll(Duration::from_millis(100), &mut batches).unwrap();
        (consumer.position(&stays) == Some(3) && consumer.position(&comes) == Some(1)).then_some(())
    });
    let mut seen: Vec<String> =
        batches.iter().flat_map(RecordBatch::iter).map(|record| String::from_utf8_lossy(record.value.unwrap()).into_owned()).collect();
    seen.sort();
    assert_eq!(seen, ["c", "x"]);
    // Backwards, too; and what has gone has no position.
    consumer.assign(&[(stays.clone(), StartOffset::At(1))]).unwrap();
    assert_eq!(consumer.position(&comes), None);
    assert_eq!(shown(&read_on(consumer.as_mut(), &stays, 3)), ["b", "c"]);
}

pub fn the_end_is_that_of_the_assignment(log: &dyn Log) {
    let partition = at(&topic(log, "contract-end", 1), 0);
    let mut producer = producer(log, None);
    write(producer.as_mut(), &partition, &values(&["before"]));
    let mut consumer = consumer(log, Isolation::ReadCommitted);
    assert_eq!((consumer.position(&partition), consumer.end_offset(&partition)), (None, None));
    consumer.assign(&[(partition.clone(), StartOffset::End)]).unwrap();
    write(producer.as_mut(), &partition, &values(&["after"]));
    assert_eq!(shown(&read_on(consumer.as_mut(), &partition, 2)), ["after"]);
}

pub fn offsets_are_acknowledged_by_partition(log: &dyn Log) {
    let topic = topic(log, "contract-acknowledged", 2);
    let mut producer = producer(log, Some("contract-acknowledged"));
    assert_eq!(producer.acknowledged(&at(&topic, 0)), None);
    producer.begin().unwrap();
    write(producer.as_mut(), &at(&topic, 0), &values(&["a", "b"]));
    assert_eq!(producer.acknowledged(&at(&topic, 0)), Some(1));
    assert_eq!(producer.acknowledged(&at(&topic, 1)), None);
    producer.commit().unwrap();
    commit(producer.as_mut(), &at(&topic, 0), &values(&["c"]));
    let last = producer.acknowledged(&at(&topic, 0)).unwrap();
    assert_eq!(read(log, Isolation::ReadCommitted, &at(&topic, 0), last + 1).last().map(|(offset, _)| *offset), Some(last));
}

pub fn calls_out_of_turn_are_refused(log: &dyn Log) {
    let partition = at(&topic(log, "contract-turns", 1), 0);
    let mut transactional = producer(log, Some("contract-turns"));
    let mut plain = producer(log, None);
    let one = batch(&partition, &values(&["x"]));
    assert_eq!(transactional.send(&one).unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!(transactional.commit().unwrap_err().kind(), LogErrorKind::Invalid);
    transactional.begin().unwrap();
    assert_eq!(transactional.begin().unwrap_err().kind(), LogErrorKind::Invalid);
    transactional.abort().unwrap();
    assert_eq!(plain.begin().unwrap_err().kind(), LogErrorKind::Invalid);
    assert_eq!(plain.commit().unwrap_err().kind(), LogErrorKind::Invalid);
    plain.send(&one).unwrap();
    plain.flush().unwrap();
}
