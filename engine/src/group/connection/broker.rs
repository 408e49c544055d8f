//! A connection that is ready for requests: versions known, user authenticated.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Channel, ClientSettings, sasl, transport};
use crate::group::wire::{ApiVersionsRequest, Request, SaslAuthenticateRequest, SaslHandshakeRequest};
use crate::group::{ErrorCode, GroupError, GroupErrorKind};

/// Connects, asks for versions, authenticates.
pub(super) async fn connect(settings: &ClientSettings, address: &str) -> Result<Channel, GroupError> {
    let limit = settings.connection_setup_timeout;
    let late = || GroupError::new(GroupErrorKind::Retriable, format!("broker {address} did not take a connection within {} ms", limit.as_millis()));
    timeout(limit, set_up(settings, address)).await.map_err(|_| late())?
}

async fn set_up(settings: &ClientSettings, address: &str) -> Result<Channel, GroupError> {
    let stream = transport::open(settings, address).await?;
    let mut channel = Channel::over(stream, address, &settings.client_id);
    let request = ApiVersionsRequest { client_software_name: "straum".to_owned(), client_software_version: env!("CARGO_PKG_VERSION").to_owned() };
    let versions = channel.call_version(&request, ApiVersionsRequest::API.highest, settings.connection_setup_timeout).await.map_err(|error| {
        // A broker that was spoken to in the wrong way, or misses a certificate, just hangs up.
        let certificate = if settings.tls.certificate_location.is_none() { ", and does it want an ssl.certificate.location?" } else { "?" };
        GroupError::new(error.kind(), format!("{error}; is security.protocol that of the listener{certificate}"))
    })?;
    channel.versions = versions;
    if settings.security_protocol.authenticates() {
        channel.expires = authenticate(settings, &channel).await?;
    }
    Ok(channel)
}

/// Goes through the mechanism's steps. Says when the connection must be renewed, if ever.
async fn authenticate(settings: &ClientSettings, channel: &Channel) -> Result<Option<Instant>, GroupError> {
    let sasl =
        settings.sasl.as_ref().ok_or_else(|| GroupError::new(GroupErrorKind::Fatal, "sasl.mechanism is missing, security.protocol asks for one"))?;
    let mut mechanism = sasl::mechanism(sasl);
    let handshake = SaslHandshakeRequest { mechanism: mechanism.name().to_owned() };
    let offered = channel.call(&handshake, settings.connection_setup_timeout).await?;
    if let Some(error) = ErrorCode::from_code(offered.error_code) {
        let offers = format!("the broker offers {}", offered.mechanisms.join(", "));
        return Err(GroupError::of_code(&format!("authentication by {}", mechanism.name()), error, Some(&offers)));
    }
    let mut step = mechanism.first()?;
    loop {
        let answer = channel.call(&SaslAuthenticateRequest { auth_bytes: step }, settings.connection_setup_timeout).await?;
        if let Some(error) = ErrorCode::from_code(answer.error_code) {
            // What the broker says may name the user.
            return Err(GroupError::of_code(&format!("authentication by {}", mechanism.name()), error, None));
        }
        match mechanism.answer(&answer.auth_bytes)? {
            Some(next) => step = next,
            None => {
                let lifetime = u64::try_from(answer.session_lifetime_ms).ok().filter(|lifetime| *lifetime > 0);
                // A new connection is made in good time: the broker closes one that outlives its credentials.
                return Ok(lifetime.map(|lifetime| Instant::now() + Duration::from_millis(lifetime).mul_f64(0.8)));
            }
        }
    }
}
