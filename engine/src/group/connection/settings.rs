//! How to reach the brokers, by Kafka's names.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{BoxError, Error, ErrorKind};

/// `security.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SecurityProtocol {
    /// `PLAINTEXT`
    #[default]
    Plaintext,
    /// `SSL`
    Ssl,
    /// `SASL_PLAINTEXT`
    SaslPlaintext,
    /// `SASL_SSL`
    SaslSsl,
}

impl SecurityProtocol {
    pub(super) fn encrypts(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    pub(super) fn authenticates(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// The files of a TLS connection, all PEM.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// `ssl.ca.location`: whom to trust; without it, the authorities that browsers trust.
    pub ca_location: Option<PathBuf>,
    /// `ssl.certificate.location`: the client's own certificate, the chain after it.
    pub certificate_location: Option<PathBuf>,
    /// `ssl.key.location`: its private key, not encrypted.
    pub key_location: Option<PathBuf>,
}

/// Makes a bearer token, new for every connection.
pub type TokenProvider = Arc<dyn Fn() -> Result<String, BoxError> + Send + Sync>;

/// `sasl.mechanism`, with what it needs.
#[derive(Clone)]
pub enum SaslSettings {
    /// `PLAIN`
    Plain {
        /// `sasl.username`
        username: String,
        /// `sasl.password`
        password: String,
    },
    /// `SCRAM-SHA-256`
    ScramSha256 {
        /// `sasl.username`
        username: String,
        /// `sasl.password`
        password: String,
    },
    /// `SCRAM-SHA-512`
    ScramSha512 {
        /// `sasl.username`
        username: String,
        /// `sasl.password`
        password: String,
    },
    /// `OAUTHBEARER`
    OauthBearer(TokenProvider),
}

impl fmt::Debug for SaslSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain { .. } => "Plain",
            Self::ScramSha256 { .. } => "ScramSha256",
            Self::ScramSha512 { .. } => "ScramSha512",
            Self::OauthBearer(_) => "OauthBearer",
        })
    }
}

/// How to reach the brokers, and in whose name.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `bootstrap.servers`: `host:port`, comma-separated.
    pub bootstrap_servers: String,
    /// `client.id`: the name the brokers see.
    pub client_id: String,
    /// `security.protocol`, `PLAINTEXT`.
    pub security_protocol: SecurityProtocol,
    /// The files of `SSL` and `SASL_SSL`.
    pub tls: TlsSettings,
    /// The credentials of `SASL_PLAINTEXT` and `SASL_SSL`.
    pub sasl: Option<SaslSettings>,
    /// `request.timeout.ms`, 10 s (Kafka: 30 s): a connection that does not answer for so long is given up. Well below the
    /// session time-out, so that a dead connection costs no membership.
    pub request_timeout: Duration,
    /// `socket.connection.setup.timeout.ms`, 10 s: connecting, TLS and SASL together.
    pub connection_setup_timeout: Duration,
    /// `default.api.timeout.ms`, 60 s: how long a call outside the membership is tried again.
    pub default_api_timeout: Duration,
    /// `retry.backoff.ms`, 100 ms: before the first retry; each further one waits twice as long.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`, 1 s: the longest wait before a retry.
    pub retry_backoff_max: Duration,
}

impl ClientSettings {
    /// Kafka's defaults for these brokers.
    #[must_use]
    pub fn new(bootstrap_servers: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            client_id: client_id.into(),
            security_protocol: SecurityProtocol::Plaintext,
            tls: TlsSettings::default(),
            sasl: None,
            request_timeout: Duration::from_secs(10),
            connection_setup_timeout: Duration::from_secs(10),
            default_api_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
        }
    }

    /// Reads the settings it knows by Kafka's names (librdkafka's `sasl.mechanisms` too) and leaves others alone: they are
    /// for the clients that carry data.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a value that is not understood, or one that is missing.
    pub fn from_settings(settings: &BTreeMap<String, String>) -> Result<Self, Error> {
        let text = |name: &str| settings.get(name).cloned();
        let servers = text("bootstrap.servers").ok_or_else(|| missing("bootstrap.servers", "host:port of a broker"))?;
        let mut read = Self::new(servers, text("client.id").unwrap_or_else(|| "straum".to_owned()));
        if let Some(protocol) = text("security.protocol") {
            read.security_protocol = protocol.parse()?;
        }
        let file = |name: &str| settings.get(name).map(PathBuf::from);
        read.tls = TlsSettings {
            ca_location: file("ssl.ca.location"),
            certificate_location: file("ssl.certificate.location"),
            key_location: file("ssl.key.location"),
        };
        if read.security_protocol.authenticates() {
            let mechanism = text("sasl.mechanism").or_else(|| text("sasl.mechanisms"));
            read.sasl = Some(sasl(mechanism.as_deref().unwrap_or("none"), &text)?);
        }
        for (name, into) in [
            ("request.timeout.ms", &mut read.request_timeout),
            ("socket.connection.setup.timeout.ms", &mut read.connection_setup_timeout),
            ("default.api.timeout.ms", &mut read.default_api_timeout),
            ("retry.backoff.ms", &mut read.retry_backoff),
            ("retry.backoff.max.ms", &mut read.retry_backoff_max),
        ] {
            if let Some(value) = settings.get(name) {
                let milliseconds = value.parse().map_err(|_| wrong(name, value, "milliseconds"))?;
                *into = Duration::from_millis(milliseconds);
            }
        }
        Ok(read)
    }
}

fn sasl(mechanism: &str, text: &dyn Fn(&str) -> Option<String>) -> Result<SaslSettings, Error> {
    let username = || text("sasl.username").ok_or_else(|| missing("sasl.username", "a user"));
    let password = || text("sasl.password").ok_or_else(|| missing("sasl.password", "the user's password"));
    match mechanism {
        "PLAIN" => Ok(SaslSettings::Plain { username: username()?, password: password()? }),
        "SCRAM-SHA-256" => Ok(SaslSettings::ScramSha256 { username: username()?, password: password()? }),
        "SCRAM-SHA-512" => Ok(SaslSettings::ScramSha512 { username: username()?, password: password()? }),
        "OAUTHBEARER" => Err(Error::new(ErrorKind::Config, "sasl.mechanism OAUTHBEARER needs a token provider, which only code can give")),
        other => Err(wrong("sasl.mechanism", other, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")),
    }
}

impl FromStr for SecurityProtocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(Self::Plaintext),
            "SSL" => Ok(Self::Ssl),
            "SASL_PLAINTEXT" => Ok(Self::SaslPlaintext),
            "SASL_SSL" => Ok(Self::SaslSsl),
            _ => Err(wrong("security.protocol", text, "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")),
        }
    }
}

fn missing(name: &str, expected: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name} is missing, expected {expected}"))
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name} is {value:?}, expected {expected}"))
}
