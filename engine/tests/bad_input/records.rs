//! Records that cannot be read, kept or written.

use std::sync::Arc;
use std::time::Duration;

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::{Log, TopicPartition};
use straum::processor::Headers;
use straum::runtime::dead_letter;
use straum::serde::avro::FileSchemaRegistry;
use straum::serde::{Avro, I64, Part, SerdeContext, SerdeExt, Utf8};
use straum::testing::TopologyTestDriver;

use super::{Order, dead_letters, header, orders, write};

#[test]
fn poison_json_goes_to_the_dead_letter_topic_as_it_came() {
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    write(&mut driver, "orders", b"a", b"poison-pill");
    write(&mut driver, "orders", b"a", br#"{"customer":"c","amount":1}"#);
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].key.as_deref(), Some(b"a".as_slice()));
    assert_eq!(letters[0].value.as_deref(), Some(b"poison-pill".as_slice()));
    assert_eq!(header(&letters[0], dead_letter::EXCEPTION), "Deserialization");
    assert_eq!(header(&letters[0], dead_letter::TOPIC), "orders");
    assert_eq!(header(&letters[0], dead_letter::PARTITION), "0");
    assert_eq!(header(&letters[0], dead_letter::OFFSET), "0");
    assert!(!header(&letters[0], dead_letter::MESSAGE).contains("poison-pill"), "an error must not repeat the content");
    assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(1));
}

/// An order in Avro's framing: a zero byte, the schema's id, the datum.
const AVRO: &str = r#"{"type":"record","name":"Order","fields":[{"name":"customer","type":"string"},{"name":"amount","type":"long"}]}"#;

#[test]
fn truncated_avro_goes_to_the_dead_letter_topic_wherever_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Arc::new(FileSchemaRegistry::open(folder.path()).unwrap());
    let serde = Avro::<Order>::new(registry, AVRO).unwrap();
    let order = Order { customer: "Kari".to_owned(), amount: 300 };
    let whole = serde.to_bytes(&order, SerdeContext::new("orders", Part::Value)).unwrap().unwrap();
    let builder = StreamsBuilder::new();
    builder.stream("orders", Consumed::with(Utf8, serde)).map_values(|order| order.amount).to("amounts", Produced::with(Utf8, I64));
    let mut driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    for length in 0..=whole.len() {
        write(&mut driver, "orders", b"a", &whole[..length]);
    }
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), whole.len());
    for (length, letter) in letters.iter().enumerate() {
        assert_eq!(letter.value.as_deref(), Some(&whole[..length]), "the bytes as they came");
        assert_eq!(header(letter, dead_letter::EXCEPTION), "Deserialization");
        assert_eq!(header(letter, dead_letter::OFFSET), length.to_string());
        let message = header(letter, dead_letter::MESSAGE);
        let place = format!("in node KSTREAM-SOURCE-0000000000 at orders-0 offset {length}");
        assert!(message.contains("cannot deserialise the value") && message.contains(&place), "{message}");
        assert!(!message.contains("Kari"), "an error must not repeat the content: {message}");
    }
    assert_eq!(driver.output("amounts", Utf8, I64).read_pairs(&driver).unwrap(), [("a".to_owned(), 300)], "the whole one is through, alone");
}

#[test]
fn a_serde_that_panics_names_its_source_node() {
    let builder = StreamsBuilder::new();
    let panics = Consumed::with(Utf8, Utf8).with_timestamp_extractor(|record, _| if record.value == "panic" { panic!("no time") } else { 0 });
    builder.stream("in", panics).to("out", Produced::with(Utf8, Utf8));
    let mut driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    write(&mut driver, "in", b"a", b"panic");
    write(&mut driver, "in", b"a", b"fine");
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("KSTREAM-SOURCE-0000000000 at in-0 offset 0") && message.contains("no time"), "{message}");
    assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver).unwrap(), [("a".to_owned(), "fine".to_owned())]);
}

#[test]
fn a_value_of_20_mib_is_a_production_error() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, Utf8)).map_values(|value| value.repeat(20 * 1024)).to("out", Produced::with(Utf8, Utf8));
    let mut driver = TopologyTestDriver::new(&builder.build().unwrap()).unwrap();
    write(&mut driver, "in", b"large", &[b'x'; 1024]);
    write(&mut driver, "in", b"small", b"x");
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("20971525 bytes") && message.contains("1048576 (max.request.size)"), "{message}");
    assert_eq!(driver.output("out", Utf8, Utf8).read(&driver).unwrap().len(), 1);
}

#[test]
fn a_dead_letter_that_is_too_large_names_where_its_bytes_are() {
    let mut driver = TopologyTestDriver::builder(&orders()).configure(|config| config.max_request_size = 4096).start().unwrap();
    write(&mut driver, "orders", b"a", &[b'x'; 5000]);
    write(&mut driver, "orders", b"a", br#"{"customer":"c","amount":1}"#);
    driver.commit().unwrap();
    let letters = dead_letters(&driver);
    assert_eq!((letters.len(), &letters[0].key, &letters[0].value), (1, &None, &None));
    assert_eq!(header(&letters[0], dead_letter::LEFT_OUT), "5001");
    assert_eq!((header(&letters[0], dead_letter::TOPIC), header(&letters[0], dead_letter::OFFSET)), ("orders", "0"));
    assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(1), "the next record is processed");
}

/// An order of one more header than fits, and what the letter about it is to be.
#[test]
fn a_dead_letter_is_cut_until_it_fits() {
    for (limit, what) in [(2048, "without the record's headers"), (600, "and with short messages")] {
        let mut driver = TopologyTestDriver::builder(&orders()).configure(move |config| config.max_request_size = limit).start().unwrap();
        let mut headers = Headers::new();
        headers.add("large", Some(&[b'x'; 5000]));
        driver.write(&"orders".into(), None, Some(b"a"), Some(b"poison-pill"), 0, &headers).unwrap();
        driver.write(&"orders".into(), None, Some(b"a"), Some(br#"{"customer":"c","amount":1}"#), 0, &Headers::new()).unwrap();
        driver.run().unwrap();
        driver.commit().unwrap();
        let letters = dead_letters(&driver);
        assert_eq!((letters.len(), driver.failing().count()), (1, 0), "{what}");
        let letter = &letters[0];
        assert_eq!((&letter.key, &letter.value, letter.headers.last("large")), (&None, &None, None), "{what}");
        assert_eq!(header(letter, dead_letter::LEFT_OUT), "5025", "key, value and headers: {what}");
        assert_eq!((header(letter, dead_letter::TOPIC), header(letter, dead_letter::OFFSET)), ("orders", "0"));
        assert!(header(letter, dead_letter::MESSAGE).starts_with("cannot deserialise"), "{what}");
        assert_eq!(driver.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(1), "the next record is processed");
    }
}

#[test]
fn a_dead_letter_that_cannot_be_cut_enough_leaves_none_and_the_task_stands() {
    let mut driver = TopologyTestDriver::builder(&orders()).configure(|config| config.max_request_size = 100).start().unwrap();
    write(&mut driver, "orders", b"a", b"poison-pill");
    for _ in 0..5 {
        driver.advance_wall_clock(Duration::from_secs(10)).unwrap();
        driver.commit().unwrap();
    }
    assert_eq!(dead_letters(&driver).len(), 0, "each try left one more");
    let reasons: Vec<String> = driver.failing().map(|(_, error)| error.to_string()).collect();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("test-dead-letter-queue") && reasons[0].contains("100 (max.request.size)"), "{}", reasons[0]);
}

#[test]
fn a_store_value_too_large_for_its_changelog_pauses_its_task_alone() {
    let builder = StreamsBuilder::new();
    let grouped = builder.stream("in", Consumed::with(Utf8, Utf8)).group_by_key("by-key", Grouped::with(Utf8, Utf8));
    let long = grouped.aggregate(String::new, |_, value, all| all + &value, Materialized::with("long", Utf8));
    long.to_stream().map_values(|all| all.map_or(0, |all| all.len() as i64)).to("out", Produced::with(Utf8, I64));
    let topology = builder.build().unwrap();
    let mut driver = TopologyTestDriver::builder(&topology).configure(|config| config.max_request_size = 4096).partitions(2).start().unwrap();
    let topic: Arc<str> = "in".into();
    for (partition, value) in [(0, 3000), (0, 3000), (1, 10)] {
        let value = "x".repeat(value);
        driver.write(&topic, Some(partition), Some(b"a"), Some(value.as_bytes()), 0, &Headers::new()).unwrap();
    }
    driver.run().unwrap();
    driver.settle().unwrap();
    let failing: Vec<String> = driver.failing().map(|(task, error)| format!("{task}: {error}")).collect();
    assert_eq!(failing.len(), 1);
    assert!(
        failing[0].starts_with("0_0: ") && failing[0].contains("in store long") && failing[0].contains("4096 (max.request.size)"),
        "{}",
        failing[0]
    );
    assert_eq!(driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap(), [("a".to_owned(), 10)], "the other task went on");
}

#[test]
fn an_unknown_output_topic_is_named() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, Utf8)).to_extracted(|_, value| value.clone(), Produced::with(Utf8, Utf8));
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).topic("known", 1).start().unwrap();
    write(&mut driver, "in", b"k", b"unknown");
    write(&mut driver, "in", b"k", b"known");
    let letters = dead_letters(&driver);
    assert_eq!(letters.len(), 1);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("topic unknown does not exist"), "{message}");
    assert_eq!(driver.output("known", Utf8, Utf8).read(&driver).unwrap().len(), 1);
}

#[test]
fn a_null_where_the_serde_has_none_says_what_to_do() {
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    driver.write(&"orders".into(), None, None, Some(br#"{"customer":"c","amount":1}"#), 0, &Headers::new()).unwrap();
    driver.run().unwrap();
    let letters = dead_letters(&driver);
    let message = header(&letters[0], dead_letter::MESSAGE);
    assert!(message.contains("nullable serde"), "{message}");
}

#[test]
fn a_topic_of_garbage_still_commits() {
    let mut driver = TopologyTestDriver::new(&orders()).unwrap();
    for _ in 0..5 {
        write(&mut driver, "orders", b"a", b"garbage");
    }
    driver.commit().unwrap();
    let committed = driver.log().committed("test", &[TopicPartition::new("orders", 0)]).unwrap();
    assert_eq!(committed[0].as_ref().map(|committed| committed.offset), Some(5));
}
