//! What must not be shown without being asked for: personal ids in keys and values.

use serde_json::Value;

/// What a personal id is replaced by.
const MASK: &str = "***********";

/// Where the personal ids of a topology are. Masking errs on the side of too much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Personal {
    /// Fields whose values are masked wherever they are.
    pub fields: &'static [&'static str],
    /// Whether a run of exactly eleven digits, the form of a Norwegian personal id, is masked wherever it is.
    pub eleven_digits: bool,
}

impl Personal {
    /// Masks inside a JSON value.
    pub fn mask(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    // Bytes that are no text may say anything, if there are enough of them for an id.
                    let bytes = name == "hex" && *self != Self::default() && field.as_str().is_some_and(|hex| hex.len() >= 2 * MASK.len());
                    if (bytes || self.fields.contains(&name.as_str())) && !field.is_null() {
                        *field = Value::from(MASK);
                    } else {
                        self.mask(field);
                    }
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.mask(element)),
            Value::String(text) => *text = self.mask_text(text),
            Value::Number(number) if self.eleven_digits && number.to_string().len() == MASK.len() && number.is_u64() => *value = Value::from(MASK),
            _ => {}
        }
    }

    /// Masks inside text.
    #[must_use]
    pub fn mask_text(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, uuid, after)) = around_uuid(rest) {
            self.mask_part(before, &mut masked);
            masked.push_str(uuid);
            rest = after;
        }
        self.mask_part(rest, &mut masked);
        masked
    }

    fn mask_part(&self, text: &str, masked: &mut String) {
        let mut digits = String::new();
        for character in text.chars().map(Some).chain([None]) {
            match character {
                Some(digit) if digit.is_ascii_digit() => digits.push(digit),
                other => {
                    masked.push_str(if self.eleven_digits && digits.len() == MASK.len() { MASK } else { &digits });
                    digits.clear();
                    masked.extend(other);
                }
            }
        }
    }
}

/// The first uuid of a text, and what is around it: eleven of its digits in a row are no personal id.
fn around_uuid(text: &str) -> Option<(&str, &str, &str)> {
    const LENGTH: usize = 36;
    let bytes = text.as_bytes();
    let fits = |window: &[u8]| {
        window.iter().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() })
    };
    let start = bytes.windows(LENGTH).enumerate().position(|(at, window)| {
        let joined = |neighbour: Option<&u8>| neighbour.is_some_and(u8::is_ascii_alphanumeric);
        fits(window) && !joined(at.checked_sub(1).and_then(|before| bytes.get(before))) && !joined(bytes.get(at + LENGTH))
    })?;
    let (before, rest) = text.split_at_checked(start)?;
    let (uuid, after) = rest.split_at_checked(LENGTH)?;
    Some((before, uuid, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PERSONAL: Personal = Personal { fields: &["navIdent"], eleven_digits: true };

    #[test]
    fn ids_are_masked_wherever_they_are() {
        let mut value =
            json!({"navIdent": "Z123456", "nr": 4, "deep": [{"id": "01810000001", "of": "01810000001/a1", "n": 12_345_678_901_u64}], "none": null});
        PERSONAL.mask(&mut value);
        assert_eq!(value, json!({"navIdent": MASK, "nr": 4, "deep": [{"id": MASK, "of": format!("{MASK}/a1"), "n": MASK}], "none": null}));
    }

    #[test]
    fn bytes_that_could_hold_an_id_are_masked() {
        let mut value = json!([{"hex": "00ff"}, {"hex": "3031383130303030303031"}]);
        PERSONAL.mask(&mut value);
        assert_eq!(value, json!([{"hex": "00ff"}, {"hex": MASK}]));
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "999999999",
            "123456789012",
            "2026-01-26T13:51:10.534473Z",
            "",
            "104e330a-e90d-4d0e-aaf8-a53427434477",
            "ø 104e330a-e90d-4d0e-aaf8-53427434477a.",
        ] {
            assert_eq!(PERSONAL.mask_text(text), text);
        }
    }

    #[test]
    fn ids_beside_a_uuid_are_masked() {
        for (text, masked) in [
            ("01810000001/104e330a-e90d-4d0e-aaf8-a53427434477", "***********/104e330a-e90d-4d0e-aaf8-a53427434477"),
            ("104e330a-e90d-4d0e-aaf8-a53427434477/01810000001", "104e330a-e90d-4d0e-aaf8-a53427434477/***********"),
            ("x104e330a-e90d-4d0e-aaf8-a53427434477", "x104e330a-e90d-4d0e-aaf8-a***********"),
        ] {
            assert_eq!(PERSONAL.mask_text(text), masked);
        }
    }
}
