//! What is expected of a list in an answer, without its elements one by one.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::file::{ExpectedList, Span};
use super::matching::contains;

/// Compares a list of the answer; says what is wrong.
///
/// # Errors
/// What came and what was expected, in a sentence. No element is repeated.
pub fn check(answer: &Value, expected: &ExpectedList) -> Result<(), String> {
    let at = &expected.at;
    let list = answer.pointer(at).and_then(Value::as_array).ok_or_else(|| format!("no list at {at} in the answer"))?;
    let elements: Vec<&Value> = list.iter().filter(|element| expected.having.as_ref().is_none_or(|having| contains(element, having))).collect();
    let with = expected.having.as_ref().map(|having| format!(" with {having}")).unwrap_or_default();
    if let Some(rows) = expected.rows.filter(|rows| *rows != elements.len()) {
        return Err(format!("{} elements at {at}{with}, expected {rows}", elements.len()));
    }
    for (field, count) in &expected.distinct {
        let values: BTreeSet<String> = elements.iter().filter_map(|element| element.get(field)).map(Value::to_string).collect();
        if values.len() != *count {
            return Err(format!("{} different {field} at {at}{with}, expected {count}", values.len()));
        }
    }
    match &expected.span {
        Some(span) => spans(&elements, span).map_err(|wrong| format!("{wrong} at {at}{with}")),
        None => Ok(()),
    }
}

fn spans(elements: &[&Value], expected: &Span) -> Result<(), String> {
    let days = elements.iter().map(|element| {
        let date = |field: &str| element.get(field).and_then(Value::as_str).and_then(|text| text.parse::<Date>().ok());
        let (from, to) = date(&expected.from)
            .zip(date(&expected.to))
            .ok_or_else(|| format!("an element without the dates {} and {}", expected.from, expected.to))?;
        from.until(to).map(|days| days.get_days() + 1).map_err(|error| error.to_string())
    });
    let days = days.collect::<Result<Vec<i32>, String>>()?;
    let (shortest, longest) = (days.iter().min().copied(), days.iter().max().copied());
    if (shortest, longest) != (Some(expected.shortest), Some(expected.longest)) {
        let shown = |span: Option<i32>| span.map_or_else(|| "none".to_owned(), |span| span.to_string());
        return Err(format!("spans of {} to {} days, expected {} to {}", shown(shortest), shown(longest), expected.shortest, expected.longest));
    }
    Ok(())
}
