//! The registry in a folder.

use std::fs;

use crate::serde::avro::{FileSchemaRegistry, SchemaId, SchemaRegistry, SchemaRegistryErrorKind};

const NAME: &str = r#"{"type":"string"}"#;
const COUNT: &str = r#"{"type":"long"}"#;

#[test]
fn what_is_registered_is_found_by_a_second_process() {
    let folder = tempfile::tempdir().unwrap();
    let one = FileSchemaRegistry::open(folder.path()).unwrap();
    let other = FileSchemaRegistry::open(folder.path()).unwrap();
    let name = one.register("a-value", NAME).unwrap();
    assert_eq!(&*other.schema(name).unwrap(), NAME);
    let count = other.register("a-value", COUNT).unwrap();
    assert_eq!((name, count), (SchemaId::new(1), SchemaId::new(2)));
    assert_eq!(one.register("a-value", COUNT).unwrap(), count);
    assert_eq!(one.find("a-value", r#" { "type" : "string" } "#).unwrap(), name, "layout is no difference");
    let latest = one.latest("a-value").unwrap();
    assert_eq!((latest.id, &*latest.schema), (count, COUNT));
    assert!(folder.path().join("a-value/2-2.avsc").exists());
}

#[test]
fn a_schema_has_one_id_under_every_subject() {
    let folder = tempfile::tempdir().unwrap();
    let registry = FileSchemaRegistry::open(folder.path()).unwrap();
    assert_eq!(registry.register("a-value", NAME).unwrap(), registry.register("b-value", NAME).unwrap());
    let reopened = FileSchemaRegistry::open(folder.path()).unwrap();
    assert_eq!(reopened.find("b-value", NAME).unwrap(), SchemaId::new(1));
    assert_eq!(reopened.register("c-value", COUNT).unwrap(), SchemaId::new(2));
}

#[test]
fn threads_and_handles_that_register_at_once_get_ids_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let registry = FileSchemaRegistry::open(folder.path()).unwrap();
            scope.spawn(move || {
                for size in 0..5 {
                    let schema = format!(r#"{{"type":"fixed","name":"F{thread}","size":{size}}}"#);
                    let id = registry.register(&format!("s{}-value", size % 2), &schema).unwrap();
                    assert_eq!(&*registry.schema(id).unwrap(), schema);
                }
            });
        }
    });
    let registry = FileSchemaRegistry::open(folder.path()).unwrap();
    for id in 1..=20 {
        registry.schema(SchemaId::new(id)).unwrap();
    }
    assert!(registry.schema(SchemaId::new(21)).is_err());
}

#[test]
fn what_is_not_there_or_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let registry = FileSchemaRegistry::open(folder.path()).unwrap();
    let error = registry.schema(SchemaId::new(7)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (SchemaRegistryErrorKind::NotFound, "schema registry: schema 7: no such id in the folder")
    );
    assert_eq!(registry.find("a-value", NAME).unwrap_err().kind(), SchemaRegistryErrorKind::NotFound);
    assert_eq!(registry.latest("a-value").unwrap_err().kind(), SchemaRegistryErrorKind::NotFound);
    for subject in ["", "..", "../a", "a/b", ".hidden"] {
        assert_eq!(registry.register(subject, NAME).unwrap_err().kind(), SchemaRegistryErrorKind::Refused, "{subject:?}");
    }
    assert_eq!(registry.register("a-value", "{").unwrap_err().kind(), SchemaRegistryErrorKind::Refused);

    registry.register("a-value", NAME).unwrap();
    fs::write(folder.path().join("a-value/2-1.avsc"), COUNT).unwrap();
    let two_schemas = FileSchemaRegistry::open(folder.path()).unwrap_err();
    assert!(two_schemas.to_string().ends_with("id 1 stands for another schema elsewhere in the folder"), "{two_schemas}");
    fs::rename(folder.path().join("a-value/2-1.avsc"), folder.path().join("a-value/two.avsc")).unwrap();
    let misnamed = FileSchemaRegistry::open(folder.path()).unwrap_err();
    assert_eq!(misnamed.kind(), SchemaRegistryErrorKind::InvalidAnswer);
    assert!(misnamed.to_string().ends_with("expected a name of the form <version>-<id>.avsc"), "{misnamed}");
}
