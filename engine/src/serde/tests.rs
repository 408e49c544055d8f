//! Byte vectors of Kafka's own serdes (made with Kafka 4.3.1), round trips, and what errors say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Debug;

use ::serde::{Deserialize, Serialize};
use minicbor::{Decode, Encode};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CONTEXT: SerdeContext<'static> = SerdeContext::new("topic", Part::Value);

#[track_caller]
fn has_form<S: Serde>(serde: &S, data: &S::Data, bytes: &[u8])
where
    S::Data: PartialEq + Debug,
{
    assert_eq!(serde.to_bytes(data, CONTEXT).unwrap().as_deref(), Some(bytes));
    assert_eq!(serde.deserialize(Some(bytes), CONTEXT).unwrap(), *data);
}

#[track_caller]
fn refuses<S: Serde>(serde: &S, bytes: Option<&[u8]>, message: &str) {
    match serde.deserialize(bytes, CONTEXT) {
        Ok(_) => panic!("read {bytes:?}"),
        Err(error) => assert_eq!(error.to_string(), message),
    }
}

#[test]
fn forms_are_kafkas() {
    has_form(&I16, &-2, &[0xff, 0xfe]);
    has_form(&I32, &305_419_896, &[0x12, 0x34, 0x56, 0x78]);
    has_form(&I64, &-2, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
    has_form(&F32, &1.5, &[0x3f, 0xc0, 0, 0]);
    has_form(&F64, &-2.5, &[0xc0, 0x04, 0, 0, 0, 0, 0, 0]);
    has_form(&Bool, &true, &[1]);
    has_form(&Bool, &false, &[0]);
    has_form(&Utf8, &"blåbær😀".to_owned(), b"bl\xc3\xa5b\xc3\xa6r\xf0\x9f\x98\x80");
    has_form(&Utf8, &String::new(), b"");
    has_form(&RawBytes, &bytes::Bytes::from_static(b"\0\xff"), &[0, 0xff]);
    let id = Uuid::parse_str("0B9AE3C7-0000-4000-8000-00000000000F").unwrap();
    has_form(&UuidText, &id, b"0b9ae3c7-0000-4000-8000-00000000000f");
    assert_eq!(UuidText.deserialize(Some(b"0B9AE3C7-0000-4000-8000-00000000000F"), CONTEXT).unwrap(), id);
}

#[test]
fn unsigned_numbers_are_big_endian() {
    has_form(&U8, &200, &[200]);
    has_form(&U16, &0x0102, &[1, 2]);
    has_form(&U32, &0x0102_0304, &[1, 2, 3, 4]);
    has_form(&U64, &0x0102_0304_0506_0708, &[1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn nan_keeps_its_bits() {
    for bits in [0x7fc0_0000_u32, 0xffc0_0001, 0x7f80_0001] {
        let bytes = F32.to_bytes(&f32::from_bits(bits), CONTEXT).unwrap().unwrap();
        assert_eq!(F32.deserialize(Some(&bytes), CONTEXT).unwrap().to_bits(), bits);
    }
}

#[test]
fn wrong_lengths_and_forms_are_refused() {
    refuses(&I16, Some(&[0]), "expected a 16-bit number (2 bytes), found 1 bytes");
    refuses(&I32, Some(&[0; 8]), "expected a 32-bit number (4 bytes), found 8 bytes");
    refuses(&I64, Some(&[]), "expected a 64-bit number (8 bytes), found 0 bytes");
    refuses(&F32, Some(&[0; 5]), "expected a 32-bit float (4 bytes), found 5 bytes");
    refuses(&F64, Some(&[0; 4]), "expected a 64-bit float (8 bytes), found 4 bytes");
    refuses(&U8, Some(&[]), "expected an unsigned 8-bit number (1 byte), found 0 bytes");
    refuses(&Bool, Some(&[2]), "expected a boolean (1 byte, 0 or 1), found another byte");
    refuses(&Bool, Some(&[]), "expected a boolean (1 byte, 0 or 1), found 0 bytes");
    refuses(&Utf8, Some(b"Kari\xff"), "expected UTF-8 text, found 5 bytes, not UTF-8 from byte 4 on");
    refuses(&UuidText, Some(b"1-2-3-4-5"), "expected a UUID (36 characters, hyphenated), found 9 bytes");
    refuses(&UuidText, Some(&[b'g'; 36]), "expected a UUID (36 characters, hyphenated), found 36 bytes of another form");
    refuses(&UuidText, Some(b"{0b9ae3c7-0000-4000-8000-0000000000}"), "expected a UUID (36 characters, hyphenated), found 36 bytes of another form");
    refuses(&Void, Some(&[]), "expected null, found 0 bytes");
}

#[test]
fn null_is_only_for_those_who_ask() {
    refuses(&Utf8, None, "expected UTF-8 text, found null (a nullable serde accepts it)");
    refuses(&I64, None, "expected a 64-bit number (8 bytes), found null (a nullable serde accepts it)");
    for refused in
        [RawBytes.deserialize(None, CONTEXT).is_err(), Bool.deserialize(None, CONTEXT).is_err(), UuidText.deserialize(None, CONTEXT).is_err()]
    {
        assert!(refused);
    }
    Void.deserialize(None, CONTEXT).unwrap();
    let shared = I32.nullable().shared();
    assert_eq!(shared.deserialize(None, CONTEXT).unwrap(), None);
    assert_eq!(shared.deserialize(Some(&[0, 0, 0, 9]), CONTEXT).unwrap(), Some(9));
    assert_eq!(shared.to_bytes(&None, CONTEXT).unwrap(), None);
    assert!(shared.deserialize(Some(&[]), CONTEXT).is_err(), "empty is not null");
}

#[test]
fn serializing_appends() {
    let mut out = vec![9];
    I16.serialize(&1, CONTEXT, &mut out).unwrap();
    Void.serialize(&(), CONTEXT, &mut out).unwrap();
    Utf8.serialize(&"a".to_owned(), CONTEXT, &mut out).unwrap();
    Json::<u8>::new().serialize(&7, CONTEXT, &mut out).unwrap();
    assert_eq!(out, [9, 0, 1, b'a', b'7']);
    let changes = ChangeSerde::new(Utf8.shared());
    changes.serialize(&change(Some("o"), Some("n")), CONTEXT, &mut out).unwrap();
    assert_eq!(out.split_off(5), b"\x02no\x02");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Encode, Decode)]
struct Order {
    #[n(0)]
    customer: String,
    #[n(1)]
    amount: i64,
    #[n(2)]
    note: Option<String>,
}

#[test]
fn json_is_compact() {
    let order = Order { customer: "Åse".to_owned(), amount: 3, note: None };
    has_form(&Json::<Order>::new(), &order, r#"{"customer":"Åse","amount":3,"note":null}"#.as_bytes());
    has_form(&Json::<Option<u8>>::new(), &None, b"null");
}

/// serde_json quotes what it finds; none of it may get out, wherever it is looked for.
#[test]
fn json_errors_hold_no_content() {
    let secret = "12345678910";
    let cases = [
        (format!(r#"{{"customer":"a","amount":"{secret}"}}"#), "JSON of another form at line 1, column 38 (39 bytes)"),
        (format!("{{\"customer\":\"a\",\n\"{secret}"), "JSON cut off at line 2, column 12 (29 bytes)"),
        (secret.to_owned(), "JSON of another form at line 1, column 11 (11 bytes)"),
        (format!("poison {secret}"), "no JSON at line 1, column 1 (18 bytes)"),
        (format!(r#"{{"amount":{secret}}}"#), "JSON of another form at line 1, column 22 (22 bytes)"),
    ];
    for (json, found) in cases {
        let error = Json::<Order>::new().deserialize(Some(json.as_bytes()), CONTEXT).unwrap_err();
        let name = std::any::type_name::<Order>();
        assert_eq!(error.to_string(), format!("expected JSON of {name}, found {found}"));
        assert!(!format!("{error:?}").contains(secret));
    }
    let unwritable = std::collections::BTreeMap::from([(vec![secret.to_owned()], 1)]);
    let error = Json::new().to_bytes(&unwritable, CONTEXT).map(|_: Option<Vec<u8>>| ()).unwrap_err();
    assert!(error.to_string().ends_with("found a value that has no form in JSON"), "{error}");
    assert!(!format!("{error:?}").contains(secret));
}

#[test]
fn cbor_has_numbers_instead_of_names() {
    let order = Order { customer: "Åse".to_owned(), amount: 3, note: None };
    has_form(&Cbor::<Order>::new(), &order, b"\x82\x64\xc3\x85se\x03");
    has_form(&Cbor::<Order>::new(), &Order { note: Some("x".to_owned()), ..order }, b"\x83\x64\xc3\x85se\x03\x61x");
}

/// The changes that the serde's documentation allows, each version reading the other's bytes.
#[test]
fn cbor_lets_types_grow_and_shrink() {
    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Later {
        #[n(0)]
        buyer: String,
        #[n(1)]
        amount: i64,
        #[cbor(n(3), default)]
        urgent: bool,
        #[n(4)]
        place: Option<String>,
    }
    let (older, newer) = (Cbor::<Order>::new(), Cbor::<Later>::new());
    let order = Order { customer: "a".to_owned(), amount: 3, note: Some("x".to_owned()) };
    let later = Later { buyer: "a".to_owned(), amount: 3, urgent: true, place: Some("y".to_owned()) };
    let read = newer.deserialize(older.to_bytes(&order, CONTEXT).unwrap().as_deref(), CONTEXT).unwrap();
    assert_eq!(read, Later { buyer: "a".to_owned(), amount: 3, urgent: false, place: None });
    let read = older.deserialize(newer.to_bytes(&later, CONTEXT).unwrap().as_deref(), CONTEXT).unwrap();
    assert_eq!(read, Order { note: None, ..order });
}

#[test]
fn cbor_errors_hold_no_content() {
    let name = std::any::type_name::<Order>();
    let cases: [(&[u8], &str); 6] = [
        (b"\x82\x6b123456", "CBOR cut off at byte "),
        (b"\x82\x6b12345678910", "CBOR cut off at byte "),
        (b"\x81\x6b12345678910", "CBOR without a field that must be there at byte "),
        (b"\x82\x61a\x6b12345678910", "CBOR of another form, or none at byte "),
        (b"\x82\x61a\x03\x6b12345678910", "12 bytes more than that (16 bytes)"),
        (b"12345678910", "CBOR of another form, or none at byte "),
    ];
    for (bytes, found) in cases {
        let error = Cbor::<Order>::new().deserialize(Some(bytes), CONTEXT).unwrap_err();
        assert!(error.to_string().starts_with(&format!("expected CBOR of {name}, found {found}")), "{error}");
        assert!(!format!("{error:?}").contains("12345"));
    }
}

fn change(old: Option<&str>, new: Option<&str>) -> Change<String> {
    Change { old: old.map(ToOwned::to_owned), new: new.map(ToOwned::to_owned) }
}

/// What Kafka Streams 4.3.1's `ChangedSerializer` writes and its `ChangedDeserializer` reads.
#[test]
fn changes_have_kafka_streams_form() {
    let changes = ChangeSerde::new(Utf8.shared());
    has_form(&changes, &change(Some("old"), None), b"old\0");
    has_form(&changes, &change(None, Some("new")), b"new\x01");
    has_form(&changes, &change(Some("old"), Some("new")), b"\x06newold\x02");
    has_form(&changes, &change(Some(""), Some("")), &[0, 2]);
    has_form(&changes, &change(None, Some("")), &[1]);
    has_form(&changes, &change(Some(""), None), &[0]);
    let lengths: [(usize, &[u8]); 4] = [(63, &[0x7e]), (64, &[0x80, 1]), (8191, &[0xfe, 0x7f]), (8192, &[0x80, 0x80, 1])];
    for (length, varint) in lengths {
        let new = "a".repeat(length);
        let form = [varint, new.as_bytes(), b"x\x02"].concat();
        has_form(&changes, &change(Some("x"), Some(&new)), &form);
    }
}

#[test]
fn changes_marked_by_other_versions_are_read() {
    let changes = ChangeSerde::new(Utf8.shared());
    let cases: [(&[u8], Change<String>); 5] = [
        (b"old\x01\x03", change(Some("old"), None)),
        (b"old\0\x03", change(Some("old"), None)),
        (b"new\x01\x04", change(None, Some("new"))),
        (b"\x06newold\x01\x05", change(Some("old"), Some("new"))),
        (b"\x06newold\0\x05", change(Some("old"), Some("new"))),
    ];
    for (bytes, expected) in cases {
        assert_eq!(changes.deserialize(Some(bytes), CONTEXT).unwrap(), expected, "{bytes:?}");
    }
}

#[test]
fn bytes_that_are_no_change_are_refused() {
    let changes = ChangeSerde::new(Utf8.shared());
    let cases: [(Option<&[u8]>, &str); 11] = [
        (None, "null (a nullable serde accepts it)"),
        (Some(b""), "0 bytes"),
        (Some(b"a\x06"), "flag 6"),
        (Some(b"old\x02\x03"), "flag 3 without a byte of 0 or 1 before it"),
        (Some(b"\x03"), "flag 3 without a byte of 0 or 1 before it"),
        (Some(b"\x02"), "a length of the new value that does not end within 5 of 0 bytes"),
        (Some(b"\x80\x02"), "a length of the new value that does not end within 5 of 1 bytes"),
        (Some(b"\xff\xff\xff\xff\xff\x02"), "a length of the new value that does not end within 5 of 5 bytes"),
        (Some(b"\x05\x02"), "a negative or too large length of the new value"),
        (Some(b"\xfe\xff\xff\xff\x7f\x02"), "a negative or too large length of the new value"),
        (Some(b"dab\x02"), "a new value of 50 bytes in 2 bytes"),
    ];
    for (bytes, found) in cases {
        refuses(&changes, bytes, &format!("expected a change of a table (values, then a flag byte of 0 to 5), found {found}"));
    }
    refuses(&changes, Some(b"\xff\x01"), "expected UTF-8 text, found 1 bytes, not UTF-8 from byte 0 on");
}

#[test]
fn a_change_of_nothing_has_no_form() {
    let error = ChangeSerde::new(Utf8.shared()).to_bytes(&change(None, None), CONTEXT).unwrap_err();
    assert!(error.to_string().ends_with("found neither an old nor a new value"), "{error}");
    let nullable = ChangeSerde::new(Utf8.nullable().shared());
    let vanished = nullable.to_bytes(&Change { old: Some(None), new: None }, CONTEXT).unwrap_err();
    assert!(vanished.to_string().ends_with("found a value that was serialised to null"), "{vanished}");
}

fn comes_back<S: Serde>(serde: &S, data: &S::Data) -> Result<(), TestCaseError>
where
    S::Data: PartialEq + Debug,
{
    let bytes = serde.to_bytes(data, CONTEXT).unwrap();
    prop_assert_eq!(&serde.deserialize(bytes.as_deref(), CONTEXT).unwrap(), data);
    Ok(())
}

proptest! {
    #[test]
    fn everything_comes_back(text: String, raw: Vec<u8>, short: i16, int: i32, long: i64, unsigned: u64, truth: bool, id: u128) {
        comes_back(&Utf8, &text)?;
        comes_back(&Utf8.nullable(), &(!truth).then_some(text.clone()))?;
        comes_back(&RawBytes, &raw.into())?;
        comes_back(&I16, &short)?;
        comes_back(&I32, &int)?;
        comes_back(&I64, &long)?;
        comes_back(&U64, &unsigned)?;
        comes_back(&Bool, &truth)?;
        comes_back(&UuidText, &Uuid::from_u128(id))?;
        let order = Order { customer: text.clone(), amount: long, note: truth.then_some(text) };
        comes_back(&Json::new(), &order)?;
        comes_back(&Cbor::new(), &order)?;
    }

    #[test]
    fn floats_come_back(single in any::<f32>(), double in any::<f64>()) {
        comes_back(&F32, &single)?;
        comes_back(&F64, &double)?;
    }

    #[test]
    fn changes_come_back(old: Option<String>, new: Option<String>) {
        prop_assume!(old.is_some() || new.is_some());
        comes_back(&ChangeSerde::new(Utf8.shared()), &Change { old, new })?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = ChangeSerde::new(RawBytes.shared()).deserialize(Some(&bytes), CONTEXT);
        let _ = UuidText.deserialize(Some(&bytes), CONTEXT);
        let _ = Json::<Order>::new().deserialize(Some(&bytes), CONTEXT);
        let _ = Cbor::<Order>::new().deserialize(Some(&bytes), CONTEXT);
    }

    #[test]
    fn unsigned_keys_sort_by_value(one: u64, other: u64) {
        let [a, b] = [one, other].map(|number| U64.to_bytes(&number, CONTEXT).unwrap());
        prop_assert_eq!(a.cmp(&b), one.cmp(&other));
    }
}
