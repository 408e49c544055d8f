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
                    if self.fields.contains(&name.as_str()) && !field.is_null() {
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
        masked
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PERSONAL: Personal = Personal { fields: &["navIdent"], eleven_digits: true };

    #[test]
    fn ids_are_masked_wherever_they_are() {
        let mut value = json!({"navIdent": "Z123456", "nr": 4, "deep": [{"id": "01810000001", "of": "01810000001/a1", "n": 12_345_678_901_u64}], "none": null});
        PERSONAL.mask(&mut value);
        assert_eq!(value, json!({"navIdent": MASK, "nr": 4, "deep": [{"id": MASK, "of": format!("{MASK}/a1"), "n": MASK}], "none": null}));
    }

    #[test]
    fn other_numbers_stay() {
        for text in ["999999999", "123456789012", "2026-01-26T13:51:10.534473Z", ""] {
            assert_eq!(PERSONAL.mask_text(text), text);
        }
    }
}
