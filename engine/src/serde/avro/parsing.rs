//! Schemas from their text.

use std::collections::HashMap;
use std::error::Error as StdError;

use apache_avro::Schema;
use parking_lot::Mutex;

/// The schema of this text, parsed once a process and kept for ever: readers and writers borrow it for every record, and a process
/// meets few.
///
/// A schema that contains itself is refused. The library reads its data by recursion without a limit, so that one hostile datum could
/// overflow the stack and end the process.
pub(super) fn parsed(text: &str) -> Result<&'static Schema, Box<dyn StdError + Send + Sync>> {
    static PARSED: Mutex<Option<HashMap<Box<str>, &'static Schema>>> = Mutex::new(None);
    let mut guard = PARSED.lock();
    let schemas = guard.get_or_insert_default();
    if let Some(schema) = schemas.get(text) {
        return Ok(schema);
    }
    let schema = Schema::parse_str(text)?;
    if let Some(name) = name_inside_itself(&schema, None, &mut Vec::new()) {
        return Err(format!("{name} contains itself, which is not supported").into());
    }
    let kept: &'static Schema = Box::leak(Box::new(schema));
    schemas.insert(text.into(), kept);
    Ok(kept)
}

/// The record that refers to itself, if one does. A reference follows its definition, so the definitions around it are all to see.
fn name_inside_itself(schema: &Schema, namespace: Option<&str>, around: &mut Vec<String>) -> Option<String> {
    match schema {
        Schema::Record(record) => {
            around.push(record.name.fullname(namespace));
            let inner_namespace = record.name.namespace().or(namespace);
            let found = record.fields.iter().find_map(|field| name_inside_itself(&field.schema, inner_namespace, around));
            around.pop();
            found
        }
        Schema::Array(array) => name_inside_itself(&array.items, namespace, around),
        Schema::Map(map) => name_inside_itself(&map.types, namespace, around),
        Schema::Union(union) => union.variants().iter().find_map(|variant| name_inside_itself(variant, namespace, around)),
        Schema::Ref { name } => Some(name.fullname(namespace)).filter(|name| around.contains(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_text_is_parsed_once() {
        let text = r#"{"type":"fixed","name":"ParsedOnce","size":3}"#;
        assert!(std::ptr::eq(parsed(text).unwrap(), parsed(text).unwrap()));
    }

    #[test]
    fn only_a_schema_inside_itself_is_refused() {
        let list = |next: &str| format!(r#"{{"type":"record","name":"a.List","fields":[{{"name":"next","type":{next}}}]}}"#);
        let refused = [
            list(r#"["null","List"]"#),
            list(r#"{"type":"array","items":"a.List"}"#),
            list(r#"{"type":"map","values":{"type":"record","name":"Entry","fields":[{"name":"up","type":"List"}]}}"#),
        ];
        for text in refused {
            assert_eq!(parsed(&text).unwrap_err().to_string(), "a.List contains itself, which is not supported", "{text}");
        }
        let point = r#"{"type":"record","name":"Point","fields":[{"name":"x","type":"int"}]}"#;
        let twice = format!(r#"{{"type":"record","name":"Line","fields":[{{"name":"from","type":{point}}},{{"name":"to","type":"Point"}}]}}"#);
        assert!(parsed(&twice).is_ok());
    }
}
