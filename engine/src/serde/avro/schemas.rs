//! The schemas a serde has met: those it read under, by id, and those it writes, by topic.
//!
//! Both are resolved on first use and kept for ever. The registry is never called with a lock held.

use std::error::Error as StdError;
use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema};

use super::error::without_content;
use super::framing::{Datum, write_header};
use super::known::Known;
use super::parsing::parsed;
use super::{AvroSettings, SchemaId, SchemaRegistry};
use crate::serde::{Part, SerdeContext, SerdeError, Serialized};

/// A serde's own schema.
pub(super) struct OwnSchema {
    text: Arc<str>,
    schema: &'static Schema,
    name: Option<String>,
}

impl OwnSchema {
    pub(super) fn parse(text: &str) -> Result<Self, SerdeError> {
        let schema = parsed(text).map_err(|error| SerdeError::new("an Avro schema", "a text that cannot be used as one").with_source(error))?;
        let name = schema.name().map(|name| name.fullname(None));
        Ok(Self { text: text.into(), schema, name })
    }
}

pub(super) struct Schemas {
    registry: Arc<dyn SchemaRegistry>,
    settings: AvroSettings,
    own: Option<OwnSchema>,
    readers: Known<SchemaId, Reader>,
    writers: Known<(Box<str>, Part), Writer>,
}

impl Schemas {
    pub(super) const fn new(registry: Arc<dyn SchemaRegistry>, settings: AvroSettings, own: Option<OwnSchema>) -> Self {
        Self { registry, settings, own, readers: Known::new(), writers: Known::new() }
    }

    /// How to read data with this id. Asks the registry the first time.
    pub(super) fn reader(&self, id: SchemaId) -> Result<&Reader, SerdeError> {
        if let Some(reader) = self.readers.find(|known| *known == id) {
            return Ok(reader);
        }
        let expected = || format!("a datum of a known Avro schema (id {id})");
        let text = self.registry.schema(id).map_err(|error| SerdeError::new(expected(), "no schema").with_source(error))?;
        let reader = parsed(&text)
            .and_then(|written| Ok(Reader::new(id, written, self.own.as_ref().map(|own| own.schema))?))
            .map_err(|error| SerdeError::new(expected(), "a schema that cannot be used").with_source(error))?;
        Ok(self.readers.add(id, reader))
    }

    /// How to write to this topic. Asks the registry the first time.
    pub(super) fn writer(&self, context: SerdeContext<'_>) -> Result<&Writer, SerdeError> {
        let known = self.writers.find(|(topic, part)| *part == context.part() && **topic == *context.topic());
        if let Some(writer) = known {
            return Ok(writer);
        }
        let Some(own) = &self.own else {
            return Err(SerdeError::new("a serde with a schema to write in", "one that only reads"));
        };
        let writer = self.resolve_writer(own, context)?;
        Ok(self.writers.add((context.topic().into(), context.part()), writer))
    }

    fn resolve_writer(&self, own: &OwnSchema, context: SerdeContext<'_>) -> Result<Writer, SerdeError> {
        let strategy = self.settings.strategy(context.part());
        let Some(subject) = strategy.subject(context, own.name.as_deref()) else {
            return Err(SerdeError::new(format!("a schema with a name ({strategy:?})"), "one without"));
        };
        let expected = || format!("an Avro schema under subject {subject}");
        let unknown = |error| SerdeError::new(expected(), "none").with_source(error);
        let unusable = |error: Box<dyn StdError + Send + Sync>| SerdeError::new(expected(), "one that cannot be used").with_source(error);
        if self.settings.registers() {
            let id = self.registry.register(&subject, &own.text).map_err(unknown)?;
            Writer::new(id, own.schema, own.schema).map_err(|error| unusable(error.into()))
        } else if self.settings.uses_latest() {
            let latest = self.registry.latest(&subject).map_err(unknown)?;
            let newest = parsed(&latest.schema).map_err(unusable)?;
            if let Err(reason) = SchemaCompatibility::can_read(own.schema, newest) {
                let found = format!("id {}, which cannot take the serde's data", latest.id);
                return Err(SerdeError::new(expected(), found).with_source(reason.to_string()));
            }
            Writer::new(latest.id, own.schema, newest).map_err(|error| unusable(error.into()))
        } else {
            let id = self.registry.find(&subject, &own.text).map_err(unknown)?;
            Writer::new(id, own.schema, own.schema).map_err(|error| unusable(error.into()))
        }
    }
}

/// How to read data written under one schema.
pub(super) struct Reader {
    id: SchemaId,
    written: &'static Schema,
    own: Option<&'static Schema>,
    datum: GenericDatumReader<'static>,
}

impl Reader {
    fn new(id: SchemaId, written: &'static Schema, own: Option<&'static Schema>) -> AvroResult<Self> {
        let differing = own.filter(|own| *own != written);
        let datum = GenericDatumReader::builder(written).maybe_reader_schema(differing).build()?;
        Ok(Self { id, written, own: differing, datum })
    }

    /// Whether the data need no resolution from the writer's schema to the serde's.
    pub(super) const fn is_direct(&self) -> bool {
        self.own.is_none()
    }

    /// Reads a whole datum with `decode`, neither more nor less.
    pub(super) fn read<'a, T>(
        &self,
        mut datum: Datum<'a>,
        decode: impl FnOnce(&GenericDatumReader<'static>, &mut Datum<'a>) -> AvroResult<T>,
    ) -> Result<T, SerdeError> {
        let outcome = decode(&self.datum, &mut datum);
        let found = match outcome {
            _ if datum.is_short() => format!("{} bytes, cut off", datum.length()),
            Ok(value) if datum.position() == datum.length() => return Ok(value),
            Ok(_) => format!("{} bytes, of which it takes {}", datum.length(), datum.position()),
            Err(error) => {
                let what = without_content(&error);
                format!("{what} by byte {} of {}{}", datum.position(), datum.length(), self.incompatibility())
            }
        };
        Err(SerdeError::new(format!("an Avro datum of schema {}", self.id), found))
    }

    /// Why the serde's schema cannot read the writer's, where that is the cause.
    fn incompatibility(&self) -> String {
        match self.own.map(|own| SchemaCompatibility::can_read(self.written, own)) {
            Some(Err(reason)) => format!(" (the serde's schema cannot read it: {reason})"),
            _ => String::new(),
        }
    }
}

/// How to write data under one id.
pub(super) struct Writer {
    id: SchemaId,
    own: GenericDatumWriter<'static>,
    onto: Option<Projection>,
}

/// From the serde's schema to the one that is written.
struct Projection {
    resolve: GenericDatumReader<'static>,
    write: GenericDatumWriter<'static>,
}

impl Writer {
    fn new(id: SchemaId, own: &'static Schema, written: &'static Schema) -> AvroResult<Self> {
        let onto = if own == written {
            None
        } else {
            let resolve = GenericDatumReader::builder(own).reader_schema(written).build()?;
            Some(Projection { resolve, write: GenericDatumWriter::builder(written).build()? })
        };
        Ok(Self { id, own: GenericDatumWriter::builder(own).build()?, onto })
    }

    /// Appends a frame with what `encode` writes under the serde's own schema.
    pub(super) fn write(
        &self,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&GenericDatumWriter<'static>, &mut Vec<u8>) -> AvroResult<usize>,
    ) -> Result<Serialized, SerdeError> {
        write_header(self.id, out);
        let outcome = match &self.onto {
            None => encode(&self.own, out),
            Some(projection) => {
                let mut own = Vec::new();
                encode(&self.own, &mut own)
                    .and_then(|_| projection.resolve.read_value(&mut own.as_slice()))
                    .and_then(|value| projection.write.write_value_ref(out, &value))
            }
        };
        match outcome {
            Ok(_) => Ok(Serialized::Bytes),
            Err(error) => Err(SerdeError::new(format!("a value of Avro schema {}", self.id), without_content(&error))),
        }
    }
}
