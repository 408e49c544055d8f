//! Frames: what a segment file consists of after its own header. A frame holds records, or ends a transaction.
//!
//! ```text
//!  0 magic 4 | crc of the header's rest 4 | body length 4 | crc of the body 4
//! 16 base offset 8 | offsets taken 4 | records 4
//! 32 kind 1 | 0 7 | transaction 8 (0: none)
//! 48 greatest timestamp 8 | time from which its tombstones may go 8 (-1: not compacted yet)
//! 64 body: records, each
//!      offset less the base 4 | timestamp 8 | key length 4 (-1: null) | value length 4 (-1: null) | headers length 4
//!      key | value | headers, as `encode_header` writes them
//! ```
//! Numbers are little-endian, checksums CRC-32C. A body is written once and copied from then on as it is: the offset is
//! in the header, so that a batch is encoded before it is known where it goes.

use std::ops::Range;

use crate::log::{LogRecord, Offset};

pub(super) const HEADER: usize = 64;
pub(super) const RECORD_HEADER: usize = 24;
/// A frame is closed when its body gets this long or holds this many records, so that a small read is possible.
pub(super) const FULL_BYTES: usize = 128 << 10;
pub(super) const FULL_RECORDS: u32 = 500;
const MAGIC: [u8; 4] = *b"Sfrm";

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Records,
    Commit,
    Abort,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Records => 1,
            Self::Commit => 2,
            Self::Abort => 3,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Records),
            2 => Some(Self::Commit),
            3 => Some(Self::Abort),
            _ => None,
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) base: Offset,
    /// How many offsets it covers; those without a record are gaps.
    pub(super) span: u32,
    pub(super) records: u32,
    pub(super) transaction: u64,
    pub(super) max_timestamp: i64,
    pub(super) horizon: i64,
    pub(super) body: usize,
    body_crc: u32,
}

impl Frame {
    /// The header at the start of `bytes`; `None` when that is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if header.get(..4)? != MAGIC || read_u32(header, 4) != crc32c::crc32c(header.get(8..)?) {
            return None;
        }
        Some(Self {
            kind: Kind::of(*header.get(32)?)?,
            base: read_i64(header, 16),
            span: read_u32(header, 24),
            records: read_u32(header, 28),
            transaction: read_u64(header, 40),
            max_timestamp: read_i64(header, 48),
            horizon: read_i64(header, 56),
            body: read_u32(header, 8) as usize,
            body_crc: read_u32(header, 12),
        })
    }

    /// The offset after the frame.
    pub(super) fn next(&self) -> Offset {
        self.base.saturating_add(i64::from(self.span))
    }

    /// Its length in the file.
    pub(super) fn length(&self) -> usize {
        HEADER + self.body
    }

    /// Whether `body` is what was written.
    pub(super) fn holds(&self, body: &[u8]) -> bool {
        body.len() == self.body && crc32c::crc32c(body) == self.body_crc
    }
}

/// Where a record's parts are, counted from the start of the bytes that hold the body.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) delta: u32,
    pub(super) timestamp: i64,
    pub(super) key: Option<Range<u32>>,
    pub(super) value: Option<Range<u32>>,
    pub(super) headers: Range<u32>,
}

/// The records of the body that `bytes` holds from `start` to `end`.
pub(super) fn records(bytes: &[u8], start: usize, end: usize) -> impl Iterator<Item = Parts> + '_ {
    let mut at = start;
    std::iter::from_fn(move || {
        let header = bytes.get(at..end)?.first_chunk::<RECORD_HEADER>()?;
        let (key, value, headers) = (read_i32(header, 12), read_i32(header, 16), read_u32(header, 20));
        let mut next = u32::try_from(at + RECORD_HEADER).ok()?;
        let mut part = |length: u32| -> Range<u32> {
            let begin = next;
            next = next.saturating_add(length);
            begin..next
        };
        let key = u32::try_from(key).ok().map(&mut part);
        let value = u32::try_from(value).ok().map(&mut part);
        let headers = part(headers);
        at = headers.end as usize;
        (at <= end).then(|| Parts { delta: read_u32(header, 0), timestamp: read_i64(header, 4), key, value, headers })
    })
}

/// The bytes of a part.
pub(super) fn part(bytes: &[u8], range: &Range<u32>) -> Range<usize> {
    let end = (range.end as usize).min(bytes.len());
    (range.start as usize).min(end)..end
}

/// Writes frames one after the other into a buffer. Offsets and transaction are filled in by [`seal`].
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    pub(super) buffer: Vec<u8>,
    start: usize,
    records: u32,
    span: u32,
    max_timestamp: i64,
    horizon: i64,
}

impl FrameWriter {
    /// Adds a record, `gap` offsets after the one before it in the same frame. `horizon` is that of a compacted tombstone.
    pub(super) fn push(&mut self, gap: u32, record: &LogRecord<'_>, horizon: Option<i64>) {
        if self.records == 0 {
            self.start = self.buffer.len();
            self.buffer.resize(self.start + HEADER, 0);
            self.span = 0;
            self.max_timestamp = i64::MIN;
            self.horizon = -1;
        }
        self.horizon = horizon.unwrap_or(self.horizon);
        let delta = self.span.saturating_add(gap);
        let length = |part: Option<&[u8]>| part.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        let headers = record.headers.encoded();
        let mut header = [0; RECORD_HEADER];
        put(&mut header, 0, delta.to_le_bytes());
        put(&mut header, 4, record.timestamp.to_le_bytes());
        put(&mut header, 12, length(record.key).to_le_bytes());
        put(&mut header, 16, length(record.value).to_le_bytes());
        put(&mut header, 20, u32::try_from(headers.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.buffer.extend_from_slice(&header);
        self.buffer.extend_from_slice(record.key.unwrap_or_default());
        self.buffer.extend_from_slice(record.value.unwrap_or_default());
        self.buffer.extend_from_slice(headers);
        self.records += 1;
        self.span = delta.saturating_add(1);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        if self.buffer.len() - self.start >= FULL_BYTES || self.records >= FULL_RECORDS {
            self.close();
        }
    }

    /// Closes the frame that is open, if one is.
    pub(super) fn close(&mut self) {
        if self.records == 0 {
            return;
        }
        if let Some(frame) = self.buffer.get_mut(self.start..) {
            finish(frame, Kind::Records, self.span, self.records, self.max_timestamp, self.horizon);
        }
        self.records = 0;
    }

    /// How many offsets the open frame covers so far; `None` when none is open.
    pub(super) fn open_span(&self) -> Option<u32> {
        (self.records > 0).then_some(self.span)
    }

    /// The horizon of the tombstones in the open frame, -1 without.
    pub(super) fn horizon(&self) -> i64 {
        if self.records > 0 { self.horizon } else { -1 }
    }

    /// Drops everything and keeps the memory, unless it is very much.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(4 << 20);
        self.records = 0;
    }
}

/// A frame that ends a transaction.
pub(super) fn marker(kind: Kind, timestamp: i64) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    finish(&mut frame, kind, 1, 0, timestamp, -1);
    frame
}

fn finish(frame: &mut [u8], kind: Kind, span: u32, records: u32, max_timestamp: i64, horizon: i64) {
    let body = frame.get(HEADER..).unwrap_or_default();
    let (length, crc) = (u32::try_from(body.len()).unwrap_or(u32::MAX), crc32c::crc32c(body));
    put(frame, 0, MAGIC);
    put(frame, 8, length.to_le_bytes());
    put(frame, 12, crc.to_le_bytes());
    put(frame, 24, span.to_le_bytes());
    put(frame, 28, records.to_le_bytes());
    put(frame, 32, [kind.byte()]);
    put(frame, 48, max_timestamp.to_le_bytes());
    put(frame, 56, horizon.to_le_bytes());
}

/// Fills in where a closed frame at the start of `frame` goes, and gives the finished header.
pub(super) fn seal(frame: &mut [u8], base: Offset, transaction: u64) -> Option<Frame> {
    put(frame, 16, base.to_le_bytes());
    put(frame, 40, transaction.to_le_bytes());
    let crc = crc32c::crc32c(frame.get(8..HEADER)?);
    put(frame, 4, crc.to_le_bytes());
    Frame::parse(frame)
}

pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..at + N) {
        place.copy_from_slice(&value);
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

pub(super) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn read_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(array(bytes, at))
}

pub(super) fn read_i64(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array(bytes, at))
}

fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}
