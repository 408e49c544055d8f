//! Settings of the Avro serdes, by the names and meanings of Confluent's.

use crate::serde::{Part, SerdeContext};

/// Which subject a schema stands under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectNameStrategy {
    /// `<topic>-key` or `<topic>-value`. Confluent: `TopicNameStrategy`.
    #[default]
    TopicName,
    /// The full name of the record type. Confluent: `RecordNameStrategy`.
    RecordName,
    /// `<topic>-<full name of the record type>`. Confluent: `TopicRecordNameStrategy`.
    TopicRecordName,
}

impl SubjectNameStrategy {
    /// The subject, or `None` where the strategy needs the name of a type and the schema has none.
    pub(super) fn subject(self, context: SerdeContext<'_>, type_name: Option<&str>) -> Option<String> {
        match self {
            Self::TopicName => {
                let part = match context.part() {
                    Part::Key => "key",
                    Part::Value => "value",
                };
                Some(format!("{}-{part}", context.topic()))
            }
            Self::RecordName => type_name.map(ToOwned::to_owned),
            Self::TopicRecordName => type_name.map(|name| format!("{}-{name}", context.topic())),
        }
    }
}

/// How the Avro serdes use the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvroSettings {
    auto_register_schemas: bool,
    use_latest_version: bool,
    key_subject: SubjectNameStrategy,
    value_subject: SubjectNameStrategy,
}

impl Default for AvroSettings {
    fn default() -> Self {
        Self {
            auto_register_schemas: true,
            use_latest_version: false,
            key_subject: SubjectNameStrategy::default(),
            value_subject: SubjectNameStrategy::default(),
        }
    }
}

impl AvroSettings {
    /// `auto.register.schemas` (default true): register the serde's schema when its subject is first written. Otherwise it must
    /// stand there already. Changelogs and repartition topics have subjects too.
    #[must_use]
    pub const fn auto_register_schemas(mut self, register: bool) -> Self {
        self.auto_register_schemas = register;
        self
    }

    /// `use.latest.version` (default false), looked at only without `auto.register.schemas`: write in the newest schema of the
    /// subject, whatever the serde's own is. A field that the newest adds gets its default; where it cannot take the serde's data
    /// the record is refused (`latest.compatibility.strict`).
    #[must_use]
    pub const fn use_latest_version(mut self, latest: bool) -> Self {
        self.use_latest_version = latest;
        self
    }

    /// `key.subject.name.strategy` (default topic name).
    #[must_use]
    pub const fn key_subject_name_strategy(mut self, strategy: SubjectNameStrategy) -> Self {
        self.key_subject = strategy;
        self
    }

    /// `value.subject.name.strategy` (default topic name).
    #[must_use]
    pub const fn value_subject_name_strategy(mut self, strategy: SubjectNameStrategy) -> Self {
        self.value_subject = strategy;
        self
    }

    pub(super) const fn registers(self) -> bool {
        self.auto_register_schemas
    }

    pub(super) const fn uses_latest(self) -> bool {
        self.use_latest_version
    }

    pub(super) const fn strategy(self, part: Part) -> SubjectNameStrategy {
        match part {
            Part::Key => self.key_subject,
            Part::Value => self.value_subject,
        }
    }
}
