//! A stream of bytes to a broker.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{ClientSettings, tls};
use crate::group::{GroupError, GroupErrorKind};

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to `host:port`.
pub(super) async fn open(settings: &ClientSettings, address: &str) -> Result<Box<dyn Stream>, GroupError> {
    let unreachable =
        |error: &dyn std::fmt::Display| GroupError::new(GroupErrorKind::Retriable, format!("broker {address} cannot be reached: {error}"));
    let stream = TcpStream::connect(address).await.map_err(|error| unreachable(&error))?;
    stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
    if !settings.security_protocol.encrypts() {
        return Ok(Box::new(stream));
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_start_matches('[').trim_end_matches(']');
    Ok(Box::new(tls::encrypt(&settings.tls, host, stream).await?))
}
