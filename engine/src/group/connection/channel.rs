//! One connection, many requests: each is answered by its number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::transport::Stream;
use crate::group::wire::{Api, ApiVersionsResponse, MAX_FRAME_BYTES, Request, WireError, decode_response, encode_request};
use crate::group::{GroupError, GroupErrorKind};

/// Those who wait for an answer; `None` once the connection is closed.
type Waiting = Arc<Mutex<Option<HashMap<i32, oneshot::Sender<Vec<u8>>>>>>;

/// A connection. Dropped, it closes.
pub(in crate::group) struct Channel {
    address: String,
    client_id: String,
    waiting: Waiting,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    correlation: AtomicI32,
    reader: AbortHandle,
    writer: AbortHandle,
    /// What the broker can do; empty before it was asked.
    pub(in crate::group) versions: ApiVersionsResponse,
    /// When the broker stops honouring the credentials.
    pub(super) expires: Option<Instant>,
}

impl Channel {
    pub(super) fn over(stream: Box<dyn Stream>, address: &str, client_id: &str) -> Self {
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (outgoing, frames) = mpsc::unbounded_channel();
        let (input, output) = split(stream);
        let reader = tokio::spawn(read_all(input, Arc::clone(&waiting))).abort_handle();
        let writer = tokio::spawn(write_all(output, frames, Arc::clone(&waiting))).abort_handle();
        Self {
            address: address.to_owned(),
            client_id: client_id.to_owned(),
            waiting,
            outgoing,
            correlation: AtomicI32::new(0),
            reader,
            writer,
            versions: ApiVersionsResponse::default(),
            expires: None,
        }
    }

    pub(in crate::group) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it can carry another request.
    pub(super) fn is_usable(&self) -> bool {
        self.waiting.lock().is_some() && self.expires.is_none_or(|expires| Instant::now() < expires)
    }

    /// Sends a request in the newest version both sides know, and waits for its answer.
    pub(in crate::group) async fn call<R: Request>(&self, request: &R, timeout: Duration) -> Result<R::Response, GroupError> {
        let version = self.versions.common(&R::API).ok_or_else(|| self.unsupported(&R::API))?;
        self.call_version(request, version, timeout).await
    }

    pub(super) async fn call_version<R: Request>(&self, request: &R, version: i16, timeout: Duration) -> Result<R::Response, GroupError> {
        let correlation_id = self.correlation.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let lost =
            |how: &str| GroupError::new(GroupErrorKind::Retriable, format!("{} got no answer from broker {}: {how}", R::API.name, self.address));
        match self.waiting.lock().as_mut() {
            Some(waiting) => waiting.insert(correlation_id, reply),
            None => return Err(lost("the connection is closed")),
        };
        let frame = encode_request(request, version, correlation_id, &self.client_id);
        self.outgoing.send(frame).map_err(|_| lost("the connection is closed"))?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(frame)) => decode_response::<R>(&frame, version).map_err(|error| {
                self.close();
                lost(&error.to_string())
            }),
            Ok(Err(_)) => Err(lost("the connection broke")),
            Err(_) => {
                // Whatever came now on this connection would wait behind it.
                self.close();
                Err(lost(&format!("nothing for {} ms", timeout.as_millis())))
            }
        }
    }

    fn unsupported(&self, api: &Api) -> GroupError {
        let (name, lowest, highest) = (api.name, api.lowest, api.highest);
        GroupError::new(GroupErrorKind::Unsupported, format!("broker {} does not know {name} in a version from {lowest} to {highest}", self.address))
    }

    pub(super) fn close(&self) {
        self.waiting.lock().take();
        self.reader.abort();
        self.writer.abort();
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close();
    }
}

async fn write_all(mut output: impl AsyncWrite + Unpin, mut frames: mpsc::UnboundedReceiver<Vec<u8>>, waiting: Waiting) {
    while let Some(frame) = frames.recv().await {
        if output.write_all(&frame).await.is_err() || output.flush().await.is_err() {
            break;
        }
    }
    waiting.lock().take();
}

async fn read_all(mut input: impl AsyncRead + Unpin, waiting: Waiting) {
    while let Ok(frame) = read_frame(&mut input).await {
        let Some(correlation_id) = frame.first_chunk().map(|id| i32::from_be_bytes(*id)) else { break };
        // One that nobody waits for any more was given up.
        let reply = waiting.lock().as_mut().and_then(|waiting| waiting.remove(&correlation_id));
        if let Some(reply) = reply {
            _ = reply.send(frame);
        }
    }
    waiting.lock().take();
}

/// Takes room only for bytes that have come: the length is a claim.
async fn read_frame(input: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = u64::from(input.read_u32().await?);
    if length > MAX_FRAME_BYTES as u64 {
        return Err(std::io::Error::other(WireError::TooLarge(length)));
    }
    let mut frame = Vec::new();
    input.take(length).read_to_end(&mut frame).await?;
    if (frame.len() as u64) < length { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(frame) }
}
