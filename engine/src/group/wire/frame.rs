//! Frames: a length, a header, a message.

use super::{Reader, Wire, WireError, Writer};

/// A frame larger than this is refused before a byte of it is read.
pub const MAX_FRAME_BYTES: usize = 32 * 1024 * 1024;

/// A request by its number and name, and the versions of it that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// Kafka's number of it.
    pub key: i16,
    /// Kafka's name of it.
    pub name: &'static str,
    /// The oldest version spoken.
    pub lowest: i16,
    /// The newest version spoken.
    pub highest: i16,
}

/// A message that is answered.
pub trait Request: Wire {
    /// Its number and versions.
    const API: Api;
    /// Request header v2 rather than v1.
    const TAGS_IN_REQUEST_HEADER: bool = true;
    /// Response header v1 rather than v0.
    const TAGS_IN_RESPONSE_HEADER: bool = true;
    /// What comes back.
    type Response: Wire;
}

/// What every request begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The request's number.
    pub api_key: i16,
    /// The version of the message.
    pub version: i16,
    /// Comes back with the answer.
    pub correlation_id: i32,
    /// The name the client shows.
    pub client_id: String,
}

/// The whole frame of a request, its length included.
pub fn encode_request<R: Request>(request: &R, version: i16, correlation_id: i32, client_id: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    R::API.key.write(&mut writer, version);
    version.write(&mut writer, version);
    correlation_id.write(&mut writer, version);
    writer.plain_text(client_id);
    if R::TAGS_IN_REQUEST_HEADER {
        writer.no_tags();
    }
    request.write(&mut writer, version);
    let body = writer.into_bytes();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), body.as_slice()].concat()
}

impl RequestHeader {
    /// Takes the header off a request's frame (without its length); the message follows.
    ///
    /// # Errors
    /// When the bytes are no header.
    pub fn read<R: Request>(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let [api_key, version] = [i16::read(reader, 0)?, i16::read(reader, 0)?];
        let correlation_id = i32::read(reader, 0)?;
        let length = i16::read(reader, 0)?;
        let client_id = match reader.plain_length(length.into())? {
            Some(length) => reader.text(length)?,
            None => String::new(),
        };
        if R::TAGS_IN_REQUEST_HEADER {
            reader.skip_tags()?;
        }
        Ok(Self { api_key, version, correlation_id, client_id })
    }
}

/// The message of a response's frame (without its length), whose correlation id has been looked at before.
///
/// # Errors
/// When the bytes are not of its form.
pub fn decode_response<R: Request>(frame: &[u8], version: i16) -> Result<R::Response, WireError> {
    let mut reader = Reader::new(frame);
    let _correlation_id = i32::read(&mut reader, version)?;
    if R::TAGS_IN_RESPONSE_HEADER {
        reader.skip_tags()?;
    }
    R::Response::read(&mut reader, version)
}
