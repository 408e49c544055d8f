//! A schema registry over HTTP: Confluent's, Karapace, or another of the same interface.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::serde::de::DeserializeOwned;
use ::serde::{Deserialize, Serialize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderValue, Response};
use ureq::{Agent, Body};

use super::SchemaRegistryErrorKind::{Incompatible, InvalidAnswer, NotFound, Refused, Unavailable};
use super::{RegisteredSchema, SchemaId, SchemaRegistry, SchemaRegistryError};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const TIMEOUT: Duration = Duration::from_secs(10);
const LARGEST_ANSWER: u64 = 16 * 1024 * 1024;
const LONGEST_REASON: usize = 300;

/// A schema registry over HTTP.
///
/// One connection pool a process; threads that meet the same unknown id wait for one request. A request takes at most
/// the timeout (10 seconds unless set), everything included. Redirects are not followed and proxies of the environment not used:
/// credentials go to the address given, nowhere else. Schemas that refer to other subjects are refused.
///
/// ```
/// use std::time::Duration;
///
/// use straum::serde::avro::HttpSchemaRegistry;
///
/// let registry = HttpSchemaRegistry::new("https://registry.example:26484")?
///     .basic_auth("user", "password")
///     .timeout(Duration::from_secs(5));
/// # Ok::<(), straum::serde::avro::SchemaRegistryError>(())
/// ```
pub struct HttpSchemaRegistry {
    agent: Agent,
    address: String,
    timeout: Duration,
    authorization: Option<HeaderValue>,
    asked: Mutex<HashMap<SchemaId, Arc<Question>>>,
}

/// A schema asked for: unanswered, or answered for ever. A failure is forgotten by whoever sees it.
type Question = OnceLock<Result<Arc<str>, SchemaRegistryError>>;

impl HttpSchemaRegistry {
    /// The registry at this address (`https://host:port`, or with a path).
    ///
    /// # Errors
    /// When the address is not one of HTTP, or has credentials in it: those belong in [`HttpSchemaRegistry::basic_auth`].
    pub fn new(address: &str) -> Result<Self, SchemaRegistryError> {
        let refuse = |reason: &str| SchemaRegistryError::new(Refused, "address of the registry", reason);
        let Some(rest) = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")) else {
            return Err(refuse("no http:// or https:// at its start"));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() || rest.contains(['?', '#']) {
            return Err(refuse("expected http(s)://host[:port][/path]"));
        }
        if authority.contains('@') {
            return Err(refuse("credentials in it, which belong in the basic_auth setting"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("straum")
            .accept(MEDIA_TYPE)
            .build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            address: address.trim_end_matches('/').to_owned(),
            timeout: TIMEOUT,
            authorization: None,
            asked: Mutex::new(HashMap::new()),
        })
    }

    /// Sends these credentials with every request. Confluent: `basic.auth.user.info`.
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        // Base64 has no character that a header could not hold.
        self.authorization = HeaderValue::try_from(format!("Basic {credentials}")).ok();
        if let Some(header) = &mut self.authorization {
            header.set_sensitive(true);
        }
        self
    }

    /// How long a request may take, from name look-up to the last byte of the answer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, SchemaRegistryError> {
        let mut request = self.agent.get(format!("{}{path}", self.address));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let answer = request.config().timeout_global(Some(self.timeout)).build().call();
        read(&format!("GET {path}"), answer)
    }

    fn post<T: DeserializeOwned>(&self, path: &str, schema: &str) -> Result<T, SchemaRegistryError> {
        let operation = format!("POST {path}");
        let mut request = self.agent.post(format!("{}{path}", self.address)).content_type(MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let body = serde_json::to_vec(&SchemaBody { schema })
            .map_err(|error| SchemaRegistryError::new(Refused, operation.as_str(), "a schema that has no form in JSON").with_source(error))?;
        let answer = request.config().timeout_global(Some(self.timeout)).build().send(body.as_slice());
        read(&operation, answer)
    }

    fn fetch(&self, id: SchemaId) -> Result<Arc<str>, SchemaRegistryError> {
        let path = format!("/schemas/ids/{id}");
        let answer: SchemaAnswer = self.get(&path)?;
        answer.avro(&format!("GET {path}"))
    }
}

impl SchemaRegistry for HttpSchemaRegistry {
    fn schema(&self, id: SchemaId) -> Result<Arc<str>, SchemaRegistryError> {
        let question = Arc::clone(self.asked.lock().entry(id).or_default());
        let answer = question.get_or_init(|| self.fetch(id)).clone();
        if answer.is_err() {
            let mut asked = self.asked.lock();
            if asked.get(&id).is_some_and(|current| Arc::ptr_eq(current, &question)) {
                asked.remove(&id);
            }
        }
        answer
    }

    fn find(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        let path = format!("/subjects/{}", path_segment(subject));
        self.post(&path, schema).map(|answer: IdAnswer| SchemaId::new(answer.id))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError> {
        let path = format!("/subjects/{}/versions", path_segment(subject));
        self.post(&path, schema).map(|answer: IdAnswer| SchemaId::new(answer.id))
    }

    fn latest(&self, subject: &str) -> Result<RegisteredSchema, SchemaRegistryError> {
        let path = format!("/subjects/{}/versions/latest", path_segment(subject));
        let answer: LatestAnswer = self.get(&path)?;
        let schema = answer.schema.avro(&format!("GET {path}"))?;
        Ok(RegisteredSchema { id: SchemaId::new(answer.id), schema })
    }
}

impl fmt::Debug for HttpSchemaRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpSchemaRegistry").field("address", &self.address).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct SchemaBody<'a> {
    schema: &'a str,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaAnswer {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<::serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct LatestAnswer {
    id: u32,
    #[serde(flatten)]
    schema: SchemaAnswer,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error_code: i64,
    #[serde(default)]
    message: String,
}

impl SchemaAnswer {
    fn avro(self, operation: &str) -> Result<Arc<str>, SchemaRegistryError> {
        match self.schema_type.as_deref() {
            None | Some("AVRO") if self.references.is_empty() => Ok(self.schema.into()),
            None | Some("AVRO") => {
                let reason = format!("expected a schema on its own, found one with {} references to others", self.references.len());
                Err(SchemaRegistryError::new(Refused, operation, reason))
            }
            Some(other) => Err(SchemaRegistryError::new(Refused, operation, format!("expected a schema of type AVRO, found {other}"))),
        }
    }
}

fn read<T: DeserializeOwned>(operation: &str, answer: Result<Response<Body>, ureq::Error>) -> Result<T, SchemaRegistryError> {
    let failed = |error| SchemaRegistryError::new(Unavailable, operation, "no answer").with_source(error);
    let mut answer = answer.map_err(failed)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec().map_err(failed)?;
    if status != 200 {
        return Err(refusal(operation, status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| {
        let reason = format!("status 200, but {} bytes that are no answer of a schema registry", body.len());
        SchemaRegistryError::new(InvalidAnswer, operation, reason).with_source(error)
    })
}

fn refusal(operation: &str, status: u16, body: &[u8]) -> SchemaRegistryError {
    let kind = match status {
        404 => NotFound,
        408 | 429 | 500.. => Unavailable,
        409 => Incompatible,
        400.. => Refused,
        _ => InvalidAnswer,
    };
    let reason = match serde_json::from_slice(body) {
        // What the registry says of a schema helps its author; other messages are not needed.
        Ok(ErrorAnswer { error_code, message }) if matches!(status, 409 | 422) => {
            let message: String = message.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect();
            format!("expected status 200, found {status} (error code {error_code}): {message}")
        }
        Ok(ErrorAnswer { error_code, .. }) => format!("expected status 200, found {status} (error code {error_code})"),
        Err(_) => format!("expected status 200, found {status}"),
    };
    SchemaRegistryError::new(kind, operation, reason)
}

/// A subject as one segment of a path.
fn path_segment(subject: &str) -> String {
    let mut segment = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}
