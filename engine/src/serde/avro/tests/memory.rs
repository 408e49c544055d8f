//! A registry in memory that writes down what it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::serde::avro::{RegisteredSchema, SchemaId, SchemaRegistry, SchemaRegistryError, SchemaRegistryErrorKind};

#[derive(Default)]
pub(super) struct MemoryRegistry {
    schemas: Mutex<Vec<Arc<str>>>,
    subjects: Mutex<Vec<(String, SchemaId)>>,
    calls: Mutex<Vec<String>>,
    away: AtomicBool,
}

impl MemoryRegistry {
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().clone()
    }

    pub(super) fn be_available(&self, available: bool) {
        self.away.store(!available, Ordering::Relaxed);
    }

    fn call(&self, operation: &str, of: &str) -> Result<(), SchemaRegistryError> {
        self.calls.lock().push(format!("{operation} {of}"));
        match self.away.load(Ordering::Relaxed) {
            true => Err(SchemaRegistryError::new(SchemaRegistryErrorKind::Unavailable, operation, "away")),
            false => Ok(()),
        }
    }
}

fn not_found(what: String) -> SchemaRegistryError {
    SchemaRegistryError::new(SchemaRegistryErrorKind::NotFound, what, "not found")
}

impl SchemaRegistry for MemoryRegistry {
    fn schema(&self, id: SchemaId) -> Result<Arc<str>, SchemaRegistryError> {
        self.call("schema", &id.to_string())?;
        let index = usize::try_from(id.get()).unwrap().checked_sub(1);
        index.and_then(|index| self.schemas.lock().get(index).cloned()).ok_or_else(|| not_found(format!("schema {id}")))
    }

    fn find(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        self.call("find", subject)?;
        let schemas = self.schemas.lock();
        let is_it = |id: SchemaId| *schemas[usize::try_from(id.get()).unwrap() - 1] == *schema;
        let found = self.subjects.lock().iter().find(|(name, id)| name == subject && is_it(*id)).map(|(_, id)| *id);
        found.ok_or_else(|| not_found(format!("subject {subject}")))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        self.call("register", subject)?;
        let mut schemas = self.schemas.lock();
        let index = schemas.iter().position(|known| **known == *schema).unwrap_or_else(|| {
            schemas.push(schema.into());
            schemas.len() - 1
        });
        let id = SchemaId::new(u32::try_from(index + 1).unwrap());
        let mut subjects = self.subjects.lock();
        if !subjects.contains(&(subject.to_owned(), id)) {
            subjects.push((subject.to_owned(), id));
        }
        Ok(id)
    }

    fn latest(&self, subject: &str) -> Result<RegisteredSchema, SchemaRegistryError> {
        self.call("latest", subject)?;
        let id = self.subjects.lock().iter().rev().find(|(name, _)| name == subject).map(|(_, id)| *id);
        let id = id.ok_or_else(|| not_found(format!("subject {subject}")))?;
        let schema = self.schemas.lock()[usize::try_from(id.get()).unwrap() - 1].clone();
        Ok(RegisteredSchema { id, schema })
    }
}
