//! TLS by rustls: whom to trust, and what to show.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use super::TlsSettings;
use crate::group::{GroupError, GroupErrorKind};

/// Speaks TLS on a connection. The files are read each time: credentials change while a process lives.
pub(super) async fn encrypt(settings: &TlsSettings, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, GroupError> {
    let config = config(settings)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| refused(format!("{host} is no name a certificate can have: {error}")))?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| {
        GroupError::new(GroupErrorKind::Retriable, format!("no TLS with {host}: {error}; see ssl.ca.location and the broker's certificate"))
    })
}

fn config(settings: &TlsSettings) -> Result<ClientConfig, GroupError> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_location {
        Some(path) => {
            for authority in certificates(path, "ssl.ca.location")? {
                roots.add(authority).map_err(|error| refused(format!("ssl.ca.location {}: {error}", path.display())))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| refused(format!("TLS cannot be set up: {error}")))?.with_root_certificates(roots);
    match (&settings.certificate_location, &settings.key_location) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "ssl.certificate.location")?;
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| refused(format!("ssl.key.location {}: {error}, expected an unencrypted PEM key", key.display())))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| refused(format!("ssl.certificate.location and ssl.key.location do not fit: {error}")))
        }
        (None, None) => Ok(builder.with_no_client_auth()),
        _ => Err(refused("ssl.certificate.location and ssl.key.location go together, only one is given".to_owned())),
    }
}

fn certificates(path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, GroupError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let found = read().map_err(|error| refused(format!("{setting} {}: {error}, expected PEM certificates", path.display())))?;
    if found.is_empty() { Err(refused(format!("{setting} {} has no certificate, expected at least one in PEM", path.display()))) } else { Ok(found) }
}

fn refused(message: String) -> GroupError {
    GroupError::new(GroupErrorKind::Fatal, message)
}
