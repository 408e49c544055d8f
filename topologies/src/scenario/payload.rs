//! Keys and values as YAML and as bytes.

use serde_json::{Map, Value};

/// The bytes of what a file says: null is null; `text:` and `hex:` are those bytes, `json:` is JSON whatever its form; any
/// other is JSON. A key is text as it stands.
///
/// # Errors
/// A message about text or hex that is none.
pub fn bytes(value: &Value, key: bool) -> Result<Option<Vec<u8>>, String> {
    match (value, special(value)) {
        (Value::Null, _) => Ok(None),
        (_, Some(("text", Value::String(text)))) => Ok(Some(text.clone().into_bytes())),
        (_, Some(("hex", Value::String(hex)))) => from_hex(hex).map(Some),
        (_, Some(("text" | "hex", other))) => Err(format!("{other}, expected text")),
        (_, Some((_, json))) => Ok(Some(json.to_string().into_bytes())),
        (Value::String(text), None) if key => Ok(Some(text.clone().into_bytes())),
        (json, None) => Ok(Some(json.to_string().into_bytes())),
    }
}

/// The one field of a value in one of the other forms.
fn special(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object()?;
    let (name, value) = fields.iter().next()?;
    (fields.len() == 1 && ["text", "hex", "json"].contains(&name.as_str())).then_some((name, value))
}

/// What bytes are in a file's terms: JSON where they are (`json:` where it would be taken for one of the other forms), else `text:`,
/// else `hex:`.
#[must_use]
pub fn shown(bytes: Option<&[u8]>, key: bool) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    match std::str::from_utf8(bytes) {
        Ok(text) if key => Value::from(text),
        Ok(text) => match serde_json::from_str(text) {
            Ok(json) if special(&json).is_some() => wrapped("json", json),
            Ok(json) => json,
            Err(_) => wrapped("text", Value::from(text)),
        },
        Err(_) => wrapped("hex", Value::from(to_hex(bytes))),
    }
}

/// What [`shown`] gives, in a line that tells text from JSON: text stands as it is, JSON as JSON (a JSON string in quotes), other bytes
/// after `hex`.
#[must_use]
pub fn line(shown: &Value) -> String {
    match (shown, special(shown)) {
        (Value::Null, _) => String::new(),
        (_, Some(("text", Value::String(text)))) => text.clone(),
        (_, Some(("hex", Value::String(hex)))) => format!("hex {hex}"),
        (_, Some((_, json))) => json.to_string(),
        (json, None) => json.to_string(),
    }
}

/// An expected value in the form of [`shown`], so that both compare.
#[must_use]
pub fn normal(expected: &Value, key: bool) -> Value {
    match bytes(expected, key) {
        Ok(bytes) => shown(bytes.as_deref(), key),
        Err(_) => expected.clone(),
    }
}

fn wrapped(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> =
        text.chars().filter(|character| !character.is_whitespace()).map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()),
        _ => Err(format!("hex {text:?}, expected pairs of hexadecimal digits")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn values_in_every_form() {
        for (value, expected) in [
            (json!(null), None),
            (json!({"a": [1, null]}), Some(&b"{\"a\":[1,null]}"[..])),
            (json!("t"), Some(b"\"t\"")),
            (json!({"text": "poison-pill"}), Some(b"poison-pill")),
            (json!({"hex": "00 ff"}), Some(b"\x00\xff")),
            (json!({"json": {"text": "x"}}), Some(b"{\"text\":\"x\"}")),
            (json!({"text": "x", "b": 1}), Some(b"{\"b\":1,\"text\":\"x\"}")),
        ] {
            assert_eq!(bytes(&value, false).unwrap().as_deref(), expected, "{value}");
        }
        assert_eq!(bytes(&json!("t"), true).unwrap().as_deref(), Some(&b"t"[..]));
        assert!(bytes(&json!({"hex": "0"}), false).unwrap_err().contains("pairs"));
    }

    #[test]
    fn bytes_are_shown_as_they_are_written() {
        for value in [json!(null), json!({"a": 1}), json!({"text": "poison pill"}), json!({"hex": "00ff"}), json!(3)] {
            assert_eq!(normal(&value, false), value);
        }
    }
}
