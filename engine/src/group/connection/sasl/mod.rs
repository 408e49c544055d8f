//! SASL: what to say, step by step. The connection carries it.

mod oauth_bearer;
mod plain;
mod scram;

use sha2::{Sha256, Sha512};

use super::SaslSettings;
use crate::group::GroupError;

/// One authentication.
pub(super) trait Mechanism: Send {
    /// Kafka's name of it.
    fn name(&self) -> &'static str;

    /// What the client says first.
    fn first(&mut self) -> Result<Vec<u8>, GroupError>;

    /// What the client says to what the broker said; `None` when that was the end.
    fn answer(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, GroupError>;
}

/// The mechanism of these settings, at its beginning.
pub(super) fn mechanism(settings: &SaslSettings) -> Box<dyn Mechanism> {
    let nonce = || uuid::Uuid::new_v4().simple().to_string();
    match settings {
        SaslSettings::Plain { username, password } => Box::new(plain::Plain::new(username, password)),
        SaslSettings::ScramSha256 { username, password } => Box::new(scram::Scram::<Sha256>::new("SCRAM-SHA-256", username, password, nonce())),
        SaslSettings::ScramSha512 { username, password } => Box::new(scram::Scram::<Sha512>::new("SCRAM-SHA-512", username, password, nonce())),
        SaslSettings::OauthBearer(provider) => Box::new(oauth_bearer::OauthBearer::new(provider.clone())),
    }
}
