//! Avro's framing, resolution and settings against a registry in memory that counts what it is asked.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod file;
mod http;
mod memory;

use std::sync::Arc;

use ::serde::{Deserialize, Serialize};
use proptest::prelude::*;

use self::memory::MemoryRegistry;
use super::*;
use crate::serde::{Part, Serde, SerdeContext, SerdeError, SerdeExt};

const CONTEXT: SerdeContext<'static> = SerdeContext::new("orders", Part::Value);
const V1: &str = r#"{"type":"record","name":"Order","namespace":"no.nav","fields":[
    {"name":"customer","type":"string"},{"name":"amount","type":"long"},{"name":"note","type":["null","string"]}]}"#;
/// A field more, with a default, and the others in another order.
const V2: &str = r#"{"type":"record","name":"Order","namespace":"no.nav","fields":[
    {"name":"amount","type":"long"},{"name":"channel","type":"string","default":"web"},
    {"name":"note","type":["null","string"]},{"name":"customer","type":"string"}]}"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    customer: String,
    amount: i64,
    note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OrderV2 {
    amount: i64,
    channel: String,
    note: Option<String>,
    customer: String,
}

fn order() -> Order {
    Order { customer: "Kari".to_owned(), amount: -3, note: Some("rush".to_owned()) }
}

/// Id 1; customer of 4 bytes, amount zigzag 5, branch 1, note of 4 bytes.
const ORDER: &[u8] = b"\0\0\0\0\x01\x08Kari\x05\x02\x08rush";

fn error_of<T>(outcome: Result<T, SerdeError>) -> String {
    outcome.err().expect("an error").to_string()
}

#[test]
fn a_datum_is_framed_as_confluents() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = Avro::<Order>::new(registry.clone(), V1).unwrap();
    assert_eq!(orders.to_bytes(&order(), CONTEXT).unwrap().as_deref(), Some(ORDER));
    assert_eq!(orders.deserialize(Some(ORDER), CONTEXT).unwrap(), order());
    assert_eq!(registry.calls(), ["register orders-value", "schema 1"]);
}

#[test]
fn the_registry_is_asked_once() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = Avro::<Order>::new(registry.clone(), V1).unwrap();
    orders.prepare(CONTEXT).unwrap();
    for _ in 0..3 {
        let bytes = orders.to_bytes(&order(), CONTEXT).unwrap();
        orders.deserialize(bytes.as_deref(), CONTEXT).unwrap();
        orders.to_bytes(&order(), SerdeContext::new("orders", Part::Key)).unwrap();
    }
    assert_eq!(registry.calls(), ["register orders-value", "schema 1", "register orders-key"]);
}

#[test]
fn another_writers_schema_is_resolved() {
    let registry = Arc::new(MemoryRegistry::default());
    let old = Avro::<Order>::new(registry.clone(), V1).unwrap();
    let new = Avro::<OrderV2>::new(registry, V2).unwrap();
    let by_old = old.to_bytes(&order(), CONTEXT).unwrap();
    let expected = OrderV2 { amount: -3, channel: "web".to_owned(), note: Some("rush".to_owned()), customer: "Kari".to_owned() };
    assert_eq!(new.deserialize(by_old.as_deref(), CONTEXT).unwrap(), expected);
    let by_new = new.to_bytes(&expected, CONTEXT).unwrap();
    assert_eq!(old.deserialize(by_new.as_deref(), CONTEXT).unwrap(), order());
}

#[test]
fn schemas_that_do_not_resolve_say_why() {
    let registry = Arc::new(MemoryRegistry::default());
    let demanding = V2.replace(r#","default":"web""#, "");
    let bytes = Avro::<Order>::new(registry.clone(), V1).unwrap().to_bytes(&order(), CONTEXT).unwrap();
    let error = error_of(Avro::<OrderV2>::new(registry, &demanding).unwrap().deserialize(bytes.as_deref(), CONTEXT));
    assert!(error.starts_with("expected an Avro datum of schema 1, found "), "{error}");
    assert!(error.contains("the serde's schema cannot read it") && error.contains("channel"), "{error}");
    assert!(!error.contains("Kari") && !error.contains("rush"), "{error}");
}

/// At every length: the library itself takes some of these for whole.
#[test]
fn cut_off_data_are_refused() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = Avro::<Order>::new(registry.clone(), V1).unwrap();
    let resolving = Avro::<OrderV2>::new(registry.clone(), V2).unwrap();
    let generic = GenericAvro::as_written(registry);
    orders.prepare(CONTEXT).unwrap();
    for length in 0..ORDER.len() {
        let cut = Some(&ORDER[..length]);
        let expected = if length < 5 {
            format!("expected a framed Avro datum (0x00, 4 bytes of schema id, datum), found {length} bytes")
        } else {
            format!("expected an Avro datum of schema 1, found {} bytes, cut off", length - 5)
        };
        assert_eq!(error_of(orders.deserialize(cut, CONTEXT)), expected);
        assert_eq!(error_of(resolving.deserialize(cut, CONTEXT)), expected);
        assert_eq!(error_of(generic.deserialize(cut, CONTEXT)), expected);
    }
}

#[test]
fn bytes_that_are_no_datum_are_refused() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = Avro::<Order>::new(registry, V1).unwrap();
    orders.prepare(CONTEXT).unwrap();
    let form = "a framed Avro datum (0x00, 4 bytes of schema id, datum)";
    let datum = "an Avro datum of schema 1";
    let cases: [(Option<&[u8]>, &str, &str); 6] = [
        (None, form, "null (a nullable serde accepts it)"),
        (Some(b"\x01\0\0\0\x01\x08Kari"), form, "magic byte 0x01 (10 bytes)"),
        (Some(br#"{"customer":"Kari"}"#), form, "magic byte 0x7b (19 bytes)"),
        (Some(b"\0\0\0\0\x01\x08Kari\x05\0more"), datum, "11 bytes, of which it takes 7"),
        (Some(b"\0\0\0\0\x01\x08Kar\xff\x05\0"), datum, "a string that is not UTF-8 by byte 5 of 7"),
        (Some(b"\0\0\0\0\x01\x07Kari\x05\0"), datum, "a negative length or index by byte 1 of 7"),
    ];
    for (bytes, expected, found) in cases {
        assert_eq!(error_of(orders.deserialize(bytes, CONTEXT)), format!("expected {expected}, found {found}"), "{bytes:?}");
    }
}

#[test]
fn an_unknown_id_is_asked_for_at_each_record_until_known() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = Avro::<Order>::new(registry.clone(), V1).unwrap();
    let error = orders.deserialize(Some(ORDER), CONTEXT).unwrap_err();
    assert_eq!(error.to_string(), "expected a datum of a known Avro schema (id 1), found no schema: schema registry: schema 1: not found");
    assert!(!is_retriable(&error), "the record's own fault");
    registry.register("orders-value", V1).unwrap();
    assert_eq!(orders.deserialize(Some(ORDER), CONTEXT).unwrap(), order());
    orders.deserialize(Some(ORDER), CONTEXT).unwrap();
    assert_eq!(registry.calls(), ["schema 1", "register orders-value", "schema 1"]);
}

#[test]
fn an_unavailable_registry_is_no_fault_of_the_record() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = Avro::<Order>::new(registry.clone(), V1).unwrap();
    registry.be_available(false);
    assert!(is_retriable(&orders.deserialize(Some(ORDER), CONTEXT).unwrap_err()));
    assert!(is_retriable(&orders.to_bytes(&order(), CONTEXT).unwrap_err()));
    let nullable = Avro::<Order>::new(registry.clone(), V1).unwrap().nullable();
    assert!(is_retriable(&nullable.deserialize(Some(ORDER), CONTEXT).unwrap_err()), "through a serde around it");
    registry.be_available(true);
    orders.to_bytes(&order(), CONTEXT).unwrap();
    orders.deserialize(Some(ORDER), CONTEXT).unwrap();
}

#[test]
fn without_registering_the_schema_must_be_there() {
    let registry = Arc::new(MemoryRegistry::default());
    let settings = AvroSettings::default().auto_register_schemas(false);
    let orders = Avro::<Order>::with_settings(registry.clone(), V1, settings).unwrap();
    assert_eq!(
        error_of(orders.to_bytes(&order(), CONTEXT)),
        "expected an Avro schema under subject orders-value, found none: schema registry: subject orders-value: not found"
    );
    registry.register("orders-value", V1).unwrap();
    assert_eq!(orders.to_bytes(&order(), CONTEXT).unwrap().as_deref(), Some(ORDER));
    assert_eq!(registry.calls(), ["find orders-value", "register orders-value", "find orders-value"]);
}

#[test]
fn the_latest_version_is_written_if_asked_for() {
    let registry = Arc::new(MemoryRegistry::default());
    registry.register("orders-value", V1).unwrap();
    registry.register("orders-value", V2).unwrap();
    let settings = AvroSettings::default().use_latest_version(true);
    let registering = Avro::<Order>::with_settings(registry.clone(), V1, settings).unwrap();
    assert_eq!(registering.to_bytes(&order(), CONTEXT).unwrap().as_deref(), Some(ORDER), "registering goes first");

    let settings = settings.auto_register_schemas(false);
    let orders = Avro::<Order>::with_settings(registry.clone(), V1, settings).unwrap();
    let bytes = orders.to_bytes(&order(), CONTEXT).unwrap();
    assert_eq!(bytes.as_deref(), Some(b"\0\0\0\0\x02\x05\x06web\x02\x08rush\x08Kari".as_slice()));
    assert_eq!(orders.deserialize(bytes.as_deref(), CONTEXT).unwrap(), order());

    registry.register("orders-value", r#"{"type":"record","name":"Order","namespace":"no.nav","fields":[{"name":"id","type":"int"}]}"#).unwrap();
    let late = Avro::<Order>::with_settings(registry, V1, settings).unwrap();
    let error = error_of(late.to_bytes(&order(), CONTEXT));
    assert!(error.starts_with("expected an Avro schema under subject orders-value, found id 3, which cannot take the serde's data"), "{error}");
}

#[test]
fn subjects_follow_the_strategy() {
    use SubjectNameStrategy::{RecordName, TopicName, TopicRecordName};
    let cases = [
        (TopicName, Part::Key, "register orders-key"),
        (TopicName, Part::Value, "register orders-value"),
        (RecordName, Part::Key, "register no.nav.Order"),
        (TopicRecordName, Part::Value, "register orders-no.nav.Order"),
    ];
    for (strategy, part, expected) in cases {
        let registry = Arc::new(MemoryRegistry::default());
        let settings = match part {
            Part::Key => AvroSettings::default().key_subject_name_strategy(strategy),
            Part::Value => AvroSettings::default().value_subject_name_strategy(strategy),
        };
        let orders = Avro::<Order>::with_settings(registry.clone(), V1, settings).unwrap();
        orders.prepare(SerdeContext::new("orders", part)).unwrap();
        assert_eq!(registry.calls(), [expected], "{strategy:?}");
    }
    let settings = AvroSettings::default().value_subject_name_strategy(RecordName);
    let nameless = GenericAvro::with_settings(Arc::new(MemoryRegistry::default()), r#""string""#, settings).unwrap();
    assert_eq!(error_of(nameless.prepare(CONTEXT)), "expected a schema with a name (RecordName), found one without");
}

#[test]
fn generic_values_come_and_go() {
    let registry = Arc::new(MemoryRegistry::default());
    let orders = GenericAvro::new(registry.clone(), V1).unwrap();
    let value = orders.deserialize(Avro::<Order>::new(registry.clone(), V1).unwrap().to_bytes(&order(), CONTEXT).unwrap().as_deref(), CONTEXT);
    let value = value.unwrap();
    assert_eq!(orders.to_bytes(&value, CONTEXT).unwrap().as_deref(), Some(ORDER));
    let as_written = GenericAvro::as_written(registry);
    assert_eq!(as_written.deserialize(Some(ORDER), CONTEXT).unwrap(), value);
    assert_eq!(error_of(as_written.to_bytes(&value, CONTEXT)), "expected a serde with a schema to write in, found one that only reads");
}

#[test]
fn values_that_do_not_fit_the_schema_are_refused_without_content() {
    let registry = Arc::new(MemoryRegistry::default());
    let schema = V1.replace(r#""type":"long""#, r#""type":"string""#);
    let error = error_of(Avro::<Order>::new(registry.clone(), &schema).unwrap().to_bytes(&order(), CONTEXT));
    assert!(error.starts_with("expected a value of Avro schema 1, found "), "{error}");
    let generic = error_of(GenericAvro::new(registry.clone(), V1).unwrap().to_bytes(&AvroValue::String("Kari".to_owned()), CONTEXT));
    let mistyped = Avro::<OrderV2>::new(registry, V1).unwrap().deserialize(Some(b"\0\0\0\0\x02\x08Kari\x05\x02\x08rush"), CONTEXT);
    for shown in [error, generic, error_of(mistyped)] {
        assert!(!shown.contains("Kari") && !shown.contains("rush") && !shown.contains("-3"), "{shown}");
    }
}

#[test]
fn a_text_that_is_no_schema_is_refused() {
    let registry = Arc::new(MemoryRegistry::default());
    assert!(
        error_of(Avro::<Order>::new(registry.clone(), "{").map(|_| ()))
            .starts_with("expected an Avro schema, found a text that cannot be used as one")
    );
    registry.register("orders-value", r#"{"type":"no such type"}"#).unwrap();
    let error = error_of(GenericAvro::as_written(registry).deserialize(Some(b"\0\0\0\0\x01x"), CONTEXT));
    assert!(error.starts_with("expected a datum of a known Avro schema (id 1), found a schema that cannot be used"), "{error}");
}

proptest! {
    #[test]
    fn orders_come_back(customer: String, amount: i64, note: Option<String>) {
        let orders = Avro::<Order>::new(Arc::new(MemoryRegistry::default()), V1).unwrap();
        let order = Order { customer, amount, note };
        let bytes = orders.to_bytes(&order, CONTEXT).unwrap();
        prop_assert_eq!(orders.deserialize(bytes.as_deref(), CONTEXT).unwrap(), order);
    }

    #[test]
    fn any_datum_is_read_or_refused(datum: Vec<u8>) {
        let registry = Arc::new(MemoryRegistry::default());
        registry.register("orders-value", V1).unwrap();
        let frame = [b"\0\0\0\0\x01".as_slice(), &datum].concat();
        if let Ok(order) = Avro::<Order>::new(registry.clone(), V1).unwrap().deserialize(Some(&frame), CONTEXT) {
            // A number may be written longer than needed, so compare what is read.
            let resolved = Avro::<OrderV2>::new(registry, V2).unwrap().deserialize(Some(&frame), CONTEXT).unwrap();
            prop_assert_eq!((resolved.customer, resolved.amount, resolved.note), (order.customer, order.amount, order.note));
        }
    }
}
