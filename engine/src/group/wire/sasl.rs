//! SaslHandshake (17), version 1, which is older than the flexible forms, and SaslAuthenticate (36), version 2.
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use std::fmt;

use super::codec::Octets;
use super::{Api, Reader, Request, Wire, WireError, Writer};

/// Names the mechanism to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaslHandshakeRequest {
    pub mechanism: String,
}

impl Wire for SaslHandshakeRequest {
    fn write(&self, writer: &mut Writer, _version: i16) {
        writer.plain_text(&self.mechanism);
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        Ok(Self { mechanism: plain_text(reader, version)? })
    }
}

/// The mechanisms the broker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaslHandshakeResponse {
    pub error_code: i16,
    pub mechanisms: Vec<String>,
}

impl Wire for SaslHandshakeResponse {
    fn write(&self, writer: &mut Writer, version: i16) {
        self.error_code.write(writer, version);
        i32::try_from(self.mechanisms.len()).unwrap_or(i32::MAX).write(writer, version);
        self.mechanisms.iter().for_each(|mechanism| writer.plain_text(mechanism));
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let error_code = i16::read(reader, version)?;
        let count = i32::read(reader, version)?;
        let count = reader.plain_length(count)?.unwrap_or_default();
        let mechanisms = (0..count).map(|_| plain_text(reader, version)).collect::<Result<_, _>>()?;
        Ok(Self { error_code, mechanisms })
    }
}

fn plain_text(reader: &mut Reader<'_>, version: i16) -> Result<String, WireError> {
    let length = i16::read(reader, version)?;
    let length = reader.plain_length(length.into())?.ok_or(WireError::Invalid("null text where one is required"))?;
    reader.text(length)
}

/// One step of the mechanism. Its bytes are credentials: they are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SaslAuthenticateRequest {
    pub auth_bytes: Vec<u8>,
}

impl fmt::Debug for SaslAuthenticateRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SaslAuthenticateRequest").finish_non_exhaustive()
    }
}

impl Wire for SaslAuthenticateRequest {
    fn write(&self, writer: &mut Writer, version: i16) {
        Octets(self.auth_bytes.clone()).write(writer, version);
        writer.no_tags();
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let auth_bytes = Octets::read(reader, version)?.0;
        reader.skip_tags()?;
        Ok(Self { auth_bytes })
    }
}

/// The broker's step.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SaslAuthenticateResponse {
    pub error_code: i16,
    pub error_message: Option<String>,
    pub auth_bytes: Vec<u8>,
    /// How long the broker honours this; 0: as long as the connection lives.
    pub session_lifetime_ms: i64,
}

impl fmt::Debug for SaslAuthenticateResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("SaslAuthenticateResponse");
        shown.field("error_code", &self.error_code).field("error_message", &self.error_message).finish_non_exhaustive()
    }
}

impl Wire for SaslAuthenticateResponse {
    fn write(&self, writer: &mut Writer, version: i16) {
        self.error_code.write(writer, version);
        self.error_message.write(writer, version);
        Octets(self.auth_bytes.clone()).write(writer, version);
        self.session_lifetime_ms.write(writer, version);
        writer.no_tags();
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let response = Self {
            error_code: Wire::read(reader, version)?,
            error_message: Wire::read(reader, version)?,
            auth_bytes: Octets::read(reader, version)?.0,
            session_lifetime_ms: Wire::read(reader, version)?,
        };
        reader.skip_tags()?;
        Ok(response)
    }
}

impl Request for SaslHandshakeRequest {
    const API: Api = Api { key: 17, name: "SaslHandshake", lowest: 1, highest: 1 };
    const TAGS_IN_REQUEST_HEADER: bool = false;
    const TAGS_IN_RESPONSE_HEADER: bool = false;
    type Response = SaslHandshakeResponse;
}

impl Request for SaslAuthenticateRequest {
    const API: Api = Api { key: 36, name: "SaslAuthenticate", lowest: 2, highest: 2 };
    type Response = SaslAuthenticateResponse;
}
