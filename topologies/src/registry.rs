//! The declared topologies by name, with all that tools need to run, fill, read and show one without knowing it.
//!
//! The `straum` command and the scenario files work on [`TopologyDefinition`]s alone; a domain adds itself to [`all`]. Nothing
//! here runs anything.

mod count;
mod datadeling;
mod datadeling_settings;
mod personal;
mod service;
mod store;

use std::collections::BTreeMap;

use serde_json::Value;
use straum::runtime::{ExceptionHandlers, StreamsConfig};
use straum::{BoxError, Topology};

pub use personal::Personal;
pub use service::{Answer, Behind, Call, HttpService};
pub use store::{Row, Selection, StoreDefinition, Stores, text_of};

/// The settings of a topology, by name.
pub type Settings = BTreeMap<String, Value>;

/// A record that a generator makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` deletes.
    pub value: Option<Vec<u8>>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

/// What to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The same seed gives the same records.
    pub seed: u64,
    /// How many records.
    pub records: u64,
}

/// A topic that a topology reads or writes, with what it has when a tool makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefinition {
    /// Its name.
    pub name: &'static str,
    /// How many partitions.
    pub partitions: u32,
    /// Settings by Kafka's names.
    pub config: &'static [(&'static str, &'static str)],
}

/// A topology that tools can build, run and look into.
pub trait TopologyDefinition: Send + Sync {
    /// The name a user types.
    fn name(&self) -> &'static str;

    /// One line of what it is for.
    fn about(&self) -> &'static str;

    /// The application id.
    fn application_id(&self) -> &'static str;

    /// Builds it.
    ///
    /// # Errors
    /// A setting that is not known or not valid, by name; a topology that cannot be built.
    fn build(&self, settings: &Settings) -> Result<Topology, BoxError>;

    /// Changes what the engine is set to, from its defaults.
    fn configure(&self, _config: &mut StreamsConfig) {}

    /// What becomes of records that fail.
    fn handlers(&self) -> ExceptionHandlers {
        ExceptionHandlers::default()
    }

    /// The topics it reads and writes: the first is the one that is fed.
    fn topics(&self) -> Vec<TopicDefinition>;

    /// Those of its topics that fill global stores: every process reads them whole.
    fn global_topics(&self) -> &'static [&'static str] {
        &[]
    }

    /// Its stores, as text and JSON.
    fn stores(&self) -> Vec<StoreDefinition>;

    /// A value of one of its repartition or changelog topics as JSON, where only it can read it. The topic is named in full.
    fn internal_value(&self, _topic: &str, _value: &[u8]) -> Option<Value> {
        None
    }

    /// What is personal in its keys and values.
    fn personal(&self) -> Personal {
        // What looks like an ident is taken for one.
        Personal { fields: &[], eleven_digits: true }
    }

    /// Records for the first topic, if there is a generator.
    fn generate(&self, _wish: Wish) -> Option<Box<dyn Iterator<Item = Generated>>> {
        None
    }

    /// Its query API, if it has one.
    ///
    /// # Errors
    /// As [`TopologyDefinition::build`].
    fn http(&self, _settings: &Settings) -> Result<Option<Box<dyn HttpService>>, BoxError> {
        Ok(None)
    }
}

/// All declared topologies.
#[must_use]
pub fn all() -> Vec<Box<dyn TopologyDefinition>> {
    vec![Box::new(datadeling::Datadeling), Box::new(count::Count)]
}

/// The topology of this name.
///
/// # Errors
/// A message with the names that there are.
pub fn find(name: &str) -> Result<Box<dyn TopologyDefinition>, BoxError> {
    let mut names = Vec::new();
    for definition in all() {
        if definition.name() == name {
            return Ok(definition);
        }
        names.push(definition.name());
    }
    Err(format!("no topology {name:?}, expected one of [{}]", names.join(", ")).into())
}

/// Refuses settings that a topology does not have.
pub(crate) fn only(settings: &Settings, known: &[&str]) -> Result<(), BoxError> {
    match settings.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) if known.is_empty() => Err(format!("no setting {name:?}, expected none: this topology has no settings").into()),
        Some(name) => Err(format!("no setting {name:?}, expected one of [{}]", known.join(", ")).into()),
        None => Ok(()),
    }
}
