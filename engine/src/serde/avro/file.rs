//! A schema registry in a folder, for work without a network.
//!
//! One folder a subject, in it one file a version: `<subject>/<version>-<id>.avsc`, such as `orders-value/1-7.avsc`. The same schema
//! has the same id under every subject. People may add files by hand; several processes may share the folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::SchemaRegistryErrorKind::{InvalidAnswer, NotFound, Refused, Unavailable};
use super::{RegisteredSchema, SchemaId, SchemaRegistry, SchemaRegistryError};

const LOCK: &str = ".lock";

/// A schema registry in a folder.
///
/// It keeps ids apart and repeats what it was told, but judges no compatibility.
///
/// ```
/// use straum::serde::avro::{FileSchemaRegistry, SchemaRegistry};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let registry = FileSchemaRegistry::open(folder)?;
/// let id = registry.register("names-value", r#""string""#)?;
/// assert_eq!(&*registry.schema(id)?, r#""string""#);
/// assert!(folder.join("names-value/1-1.avsc").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileSchemaRegistry {
    folder: PathBuf,
    index: Mutex<Index>,
}

/// What the folder holds.
#[derive(Debug, Default)]
struct Index {
    schemas: BTreeMap<SchemaId, Schema>,
    subjects: BTreeMap<String, BTreeMap<u32, SchemaId>>,
}

#[derive(Debug)]
struct Schema {
    text: Arc<str>,
    /// The text without its layout, to compare by.
    json: Value,
}

impl FileSchemaRegistry {
    /// The registry in this folder, made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or read, or a file in it is no schema.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, SchemaRegistryError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        let index = Index::read(&folder)?;
        Ok(Self { folder, index: Mutex::new(index) })
    }

    /// Looks in memory, then once more in the folder: another process or a person may have added to it.
    fn look_up<T>(&self, find: impl Fn(&Index) -> Option<T>) -> Result<Option<T>, SchemaRegistryError> {
        let mut index = self.index.lock();
        if let Some(found) = find(&index) {
            return Ok(Some(found));
        }
        *index = Index::read(&self.folder)?;
        Ok(find(&index))
    }
}

impl SchemaRegistry for FileSchemaRegistry {
    fn schema(&self, id: SchemaId) -> Result<Arc<str>, SchemaRegistryError> {
        let found = self.look_up(|index| index.schemas.get(&id).map(|schema| Arc::clone(&schema.text)))?;
        found.ok_or_else(|| SchemaRegistryError::new(NotFound, format!("schema {id}"), "no such id in the folder"))
    }

    fn find(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        let json = json(subject, schema)?;
        let found = self.look_up(|index| index.find(subject, &json))?;
        found.ok_or_else(|| SchemaRegistryError::new(NotFound, format!("subject {subject}"), "no such schema under it"))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        let json = json(subject, schema)?;
        let name_is_safe = !subject.is_empty() && !subject.starts_with('.') && subject.bytes().all(is_safe);
        if !name_is_safe {
            let reason = "expected letters, digits, '.', '_' and '-', not first a '.', found another name";
            return Err(SchemaRegistryError::new(Refused, format!("subject {subject:?}"), reason));
        }
        let mut index = self.index.lock();
        if let Some(id) = index.find(subject, &json) {
            return Ok(id);
        }
        let lock_path = self.folder.join(LOCK);
        let lock = File::create(&lock_path).map_err(|error| failed(&lock_path, error))?;
        lock.lock().map_err(|error| failed(&lock_path, error))?;
        *index = Index::read(&self.folder)?;
        if let Some(id) = index.find(subject, &json) {
            return Ok(id);
        }
        let id = index.id_for(&json);
        let version = index.subjects.get(subject).and_then(|versions| versions.last_key_value()).map_or(1, |(last, _)| last + 1);
        let path = self.folder.join(subject).join(format!("{version}-{id}.avsc"));
        write(&path, schema).map_err(|error| failed(&path, error))?;
        index.add(subject, version, id, Schema { text: schema.into(), json });
        Ok(id)
    }

    fn latest(&self, subject: &str) -> Result<RegisteredSchema, SchemaRegistryError> {
        let mut index = self.index.lock();
        *index = Index::read(&self.folder)?;
        let newest = index.subjects.get(subject).and_then(|versions| versions.last_key_value());
        let found = newest.and_then(|(_, id)| index.schemas.get(id).map(|schema| (*id, Arc::clone(&schema.text))));
        let (id, schema) = found.ok_or_else(|| SchemaRegistryError::new(NotFound, format!("subject {subject}"), "no such subject in the folder"))?;
        Ok(RegisteredSchema { id, schema })
    }
}

impl Index {
    fn read(folder: &Path) -> Result<Self, SchemaRegistryError> {
        let mut index = Self::default();
        for (subject, subject_folder) in entries(folder)? {
            if subject.starts_with('.') || !subject_folder.is_dir() {
                continue;
            }
            for (file, path) in entries(&subject_folder)? {
                let Some(stem) = file.strip_suffix(".avsc") else { continue };
                let numbers = stem.split_once('-').and_then(|(version, id)| Some((version.parse().ok()?, id.parse().ok()?)));
                let Some((version, id)) = numbers else {
                    let reason = "expected a name of the form <version>-<id>.avsc";
                    return Err(SchemaRegistryError::new(InvalidAnswer, path.display().to_string(), reason));
                };
                let text = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
                let json = json(&path.display().to_string(), &text)?;
                let id = SchemaId::new(id);
                if index.schemas.get(&id).is_some_and(|other| other.json != json) {
                    let reason = format!("id {id} stands for another schema elsewhere in the folder");
                    return Err(SchemaRegistryError::new(InvalidAnswer, path.display().to_string(), reason));
                }
                index.add(&subject, version, id, Schema { text: text.into(), json });
            }
        }
        Ok(index)
    }

    fn add(&mut self, subject: &str, version: u32, id: SchemaId, schema: Schema) {
        self.subjects.entry(subject.to_owned()).or_default().insert(version, id);
        self.schemas.entry(id).or_insert(schema);
    }

    fn find(&self, subject: &str, json: &Value) -> Option<SchemaId> {
        let ids = self.subjects.get(subject)?;
        ids.values().copied().find(|id| self.schemas.get(id).is_some_and(|schema| schema.json == *json))
    }

    /// The id this schema has under another subject, or a new one.
    fn id_for(&self, json: &Value) -> SchemaId {
        let elsewhere = self.schemas.iter().find(|(_, schema)| schema.json == *json).map(|(id, _)| *id);
        elsewhere.unwrap_or_else(|| SchemaId::new(self.schemas.last_key_value().map_or(1, |(last, _)| last.get() + 1)))
    }
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, SchemaRegistryError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let entry = entry.map_err(|error| failed(folder, error))?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(entries)
}

/// Writes a file that is there whole or not at all, and never replaces one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    File::open(folder)?.sync_all()
}

fn json(where_from: &str, text: &str) -> Result<Value, SchemaRegistryError> {
    serde_json::from_str(text)
        .map_err(|error| SchemaRegistryError::new(Refused, where_from, "expected the JSON of a schema, found another text").with_source(error))
}

fn failed(path: &Path, error: io::Error) -> SchemaRegistryError {
    SchemaRegistryError::new(Unavailable, path.display().to_string(), "not accessible").with_source(error)
}

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
