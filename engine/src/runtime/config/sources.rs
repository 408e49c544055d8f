//! Settings from everywhere they come from: code, a properties file, the environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::{KEYS, StreamsConfig, clients, environment, invalid, number};
use crate::error::{Error, ErrorKind};
use crate::log::kafka::{GroupProtocol, KafkaOptions};

/// Settings by Kafka's names, from code, a properties file and the environment; of each the one that was given last holds.
///
/// Those of the application ([`StreamsConfig`]) and of Kafka's clients stand side by side, as in Kafka Streams' own files. A
/// name that neither knows is refused where it stands, with the nearest one that is known.
///
/// ```
/// use straum::runtime::{ConfigSources, StreamsConfig};
///
/// let nais = [("KAFKA_BROKERS", "broker:26484"), ("KAFKA_CA_PATH", "/var/run/secrets/ca.crt"), ("STRAUM_LINGER_MS", "20")];
/// let sources = ConfigSources::new()
///     .environment(nais.map(|(name, value)| (name.to_owned(), value.to_owned())))?
///     .set("num.stream.threads", "2", "--config")?;
/// let mut config = StreamsConfig::new("orders");
/// sources.apply_to(&mut config)?;
/// assert_eq!(config.num_stream_threads, 2);
/// let kafka = sources.kafka("orders")?;
/// assert_eq!(kafka.bootstrap_servers, "broker:26484");
/// assert_eq!(kafka.settings.get("security.protocol").map(String::as_str), Some("SSL"));
/// # Ok::<(), straum::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ConfigSources {
    values: BTreeMap<String, Setting>,
}

#[derive(Clone)]
struct Setting {
    value: String,
    /// Where it is from, for people.
    from: String,
}

/// Names the settings and where they are from, not their values, among which are passwords.
impl fmt::Debug for ConfigSources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.values.iter().map(|(key, setting)| (key, &setting.from))).finish()
    }
}

impl ConfigSources {
    /// No settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds those of a properties file (`key=value` a line, `#` comments), in ISO 8859-1 as Java reads them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it cannot be read, or names a setting that is not known, or not valid.
    pub fn properties(self, path: &Path) -> Result<Self, Error> {
        let unreadable = || Error::new(ErrorKind::Config, format!("cannot read the settings in {}", path.display()));
        let file = std::fs::File::open(path).map_err(|error| unreadable().with_source(error))?;
        let mut read = Vec::new();
        java_properties::PropertiesIter::new(std::io::BufReader::new(file))
            .read_into(|key, value| read.push((key, value)))
            .map_err(|error| unreadable().with_source(error))?;
        read.into_iter().try_fold(self, |sources, (key, value)| sources.set(key, value, &path.display().to_string()))
    }

    /// Adds those of the environment (`std::env::vars()`): `STRAUM_NUM_STREAM_THREADS` is `num.stream.threads`, and so on. NAIS'
    /// variables are taken as they are: `KAFKA_BROKERS`, `KAFKA_CA_PATH`, `KAFKA_CERTIFICATE_PATH`, `KAFKA_PRIVATE_KEY_PATH` (each of
    /// the three makes `security.protocol` `SSL`), `KAFKA_SCHEMA_REGISTRY`, `…_USER`, `…_PASSWORD`, and
    /// `KAFKA_STREAMS_APPLICATION_ID`, the application id. A `STRAUM_` variable holds over one of NAIS'.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a `STRAUM_` variable that is no setting, or a value that is not valid.
    pub fn environment(self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let variables: Vec<_> = variables.into_iter().collect();
        environment::settings(&variables).into_iter().try_fold(self, |sources, (key, value, variable)| sources.set(key, value, &variable))
    }

    /// Adds a setting; `from` says where it is from, for the messages.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a key that is not known, with the nearest that is, and for a value that is not valid.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>, from: &str) -> Result<Self, Error> {
        let (key, value) = (key.into(), value.into());
        check(&key, &value).map_err(|error| at(&error, from))?;
        self.values.insert(key, Setting { value, from: from.to_owned() });
        Ok(self)
    }

    /// The value of a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|setting| setting.value.as_str())
    }

    /// Where a setting is from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|setting| setting.from.as_str())
    }

    /// Puts the application's settings over those there are, `application.id` left out: that is for whoever makes the
    /// [`StreamsConfig`].
    ///
    /// # Errors
    /// As [`StreamsConfig::apply`].
    pub fn apply_to(&self, config: &mut StreamsConfig) -> Result<(), Error> {
        let own = self.values.iter().filter(|(key, _)| key.as_str() != "application.id" && KEYS.contains(&key.as_str()));
        config.apply(own.map(|(key, setting)| (key, &setting.value)))
    }

    /// How to reach Kafka with these settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without `bootstrap.servers`.
    pub fn kafka(&self, application_id: &str) -> Result<KafkaOptions, Error> {
        let servers = self.get("bootstrap.servers").ok_or_else(|| {
            Error::new(ErrorKind::Config, "bootstrap.servers is missing, expected host:port of a broker (from NAIS: KAFKA_BROKERS)")
        })?;
        let mut options = KafkaOptions::new(servers, application_id);
        if let Some(protocol) = self.get("group.protocol") {
            options.group_protocol = group_protocol(protocol)?;
        }
        if let Some(replicas) = self.get("replication.factor") {
            // −1 is the broker's default.
            options.replication_factor = u16::try_from(number::<i32>("replication.factor", replicas, -1)?).ok();
        }
        for (key, setting) in &self.values {
            if !KEYS.contains(&key.as_str()) && !clients::CONNECTION.contains(&key.as_str()) {
                options.settings.insert(key.clone(), setting.value.clone());
            }
        }
        Ok(options)
    }
}

fn at(error: &Error, from: &str) -> Error {
    Error::new(error.kind(), format!("{from}: {error}"))
}

fn check(key: &str, value: &str) -> Result<(), Error> {
    match key {
        "application.id" if value.is_empty() => Err(invalid(key, "empty", "a name")),
        "application.id" | "bootstrap.servers" | "schema.registry.url" | "basic.auth.user.info" => Ok(()),
        "group.protocol" => group_protocol(value).map(|_| ()),
        "replication.factor" => number::<i16>(key, value, -1).map(|_| ()),
        key if KEYS.contains(&key) => StreamsConfig::new("checked").apply([(key, value)]),
        key => clients::check(key, value),
    }
}

fn group_protocol(value: &str) -> Result<GroupProtocol, Error> {
    match value {
        "streams" => Ok(GroupProtocol::Streams),
        "classic" => Ok(GroupProtocol::Classic),
        "fixed" => Ok(GroupProtocol::Fixed),
        other => {
            Err(invalid("group.protocol", other, "streams, classic on brokers without streams groups, or fixed where one process has all tasks"))
        }
    }
}
