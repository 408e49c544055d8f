//! One file of a partition: a header, then frames in offset order. The index to it is in memory only, made anew at open.
//!
//! Header: magic 8 | base offset 8 | covers 8 | made 8 | crc 4 | 0 4. `covers` is 0, or in a compacted file the offset up to
//! which it stands in for the files it was made from, which are deleted when they are still found. `made` is the wall clock
//! when the file, or the first it stands in for, was begun.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::failure::{corrupt, failed};
use super::frame::{self, Frame, HEADER};
use super::storage::{Storage, StorageFile};
use crate::log::{LogError, Offset};

const MAGIC: [u8; 8] = *b"straum02";
pub(super) const SEGMENT_HEADER: usize = 40;
const INDEX_EVERY: u64 = 4096;
const READ: usize = 1 << 20;

/// A segment file and what is known of it.
pub(super) struct Segment {
    pub(super) path: String,
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) base: Offset,
    pub(super) covers: Offset,
    /// The bytes that count; what stands behind them in the file is a write that failed.
    pub(super) size: u64,
    pub(super) next: Offset,
    pub(super) records: u64,
    /// When it was begun, in milliseconds of the wall clock.
    pub(super) made: i64,
    pub(super) max_timestamp: i64,
    index: Vec<(Offset, u64)>,
}

impl Segment {
    /// Makes the file. On an error it may be left, empty or in part; making it again empties it.
    pub(super) fn create(storage: &dyn Storage, path: String, base: Offset, covers: Offset, made: i64) -> Result<Self, LogError> {
        let make = || {
            let file = storage.create(&path)?;
            file.append(0, &header(base, covers, made))?;
            io::Result::Ok(file)
        };
        let file = make().map_err(|error| failed("make", &path, error))?;
        Ok(Self::of(path, file, base, covers, made))
    }

    fn of(path: String, file: Arc<dyn StorageFile>, base: Offset, covers: Offset, made: i64) -> Self {
        let (size, max_timestamp) = (SEGMENT_HEADER as u64, i64::MIN);
        Self { path, file, base, covers, size, next: base.max(covers), records: 0, made, max_timestamp, index: Vec::new() }
    }

    /// Opens the file without reading frames; `None` when its header is not there.
    pub(super) fn open(storage: &dyn Storage, path: &str) -> Result<Option<Self>, LogError> {
        let read = || {
            let file = storage.open(path)?;
            let header = file.read(0, SEGMENT_HEADER)?;
            io::Result::Ok((file, header))
        };
        let (file, bytes) = read().map_err(|error| failed("open", path, error))?;
        let (base, covers, made) = (frame::read_i64(&bytes, 8), frame::read_i64(&bytes, 16), frame::read_i64(&bytes, 24));
        Ok((bytes[..] == header(base, covers, made)).then(|| Self::of(path.to_owned(), file, base, covers, made)))
    }

    /// Reads all frames up to the first bad one and shows them to `visit`. Gives true when all of the file was good.
    pub(super) fn scan(&mut self, mut visit: impl FnMut(&Frame)) -> Result<bool, LogError> {
        let end = self.file.length().map_err(|error| failed("read", &self.path, error))?;
        let mut frames = Frames::new(Arc::clone(&self.file), self.size, end);
        let mut frontier = self.base;
        loop {
            match frames.step().map_err(|error| failed("read", &self.path, error))? {
                Step::Frame(frame, _) if frame.base >= frontier => {
                    frontier = frame.next();
                    self.note(&frame);
                    visit(&frame);
                }
                Step::End => return Ok(true),
                Step::Bad(_) | Step::Frame(..) => return Ok(false),
            }
        }
    }

    /// Takes in a frame that stands at [`Segment::size`].
    pub(super) fn note(&mut self, frame: &Frame) {
        if self.index.last().is_none_or(|(_, position)| self.size - position >= INDEX_EVERY) {
            self.index.push((frame.base, self.size));
        }
        self.size += frame.length() as u64;
        self.next = self.next.max(frame.next());
        self.records += u64::from(frame.records);
        self.max_timestamp = self.max_timestamp.max(frame.max_timestamp);
    }

    /// Where to start reading to find `offset` or the first record after it.
    pub(super) fn position_of(&self, offset: Offset) -> u64 {
        let after = self.index.partition_point(|(base, _)| *base <= offset);
        after.checked_sub(1).and_then(|at| self.index.get(at)).map_or(SEGMENT_HEADER as u64, |(_, position)| *position)
    }

    /// All frames, checked.
    pub(super) fn frames(&self) -> Frames {
        Frames::new(Arc::clone(&self.file), SEGMENT_HEADER as u64, self.size)
    }
}

fn header(base: Offset, covers: Offset, made: i64) -> [u8; SEGMENT_HEADER] {
    let mut header = [0; SEGMENT_HEADER];
    frame::put(&mut header, 0, MAGIC);
    frame::put(&mut header, 8, base.to_le_bytes());
    frame::put(&mut header, 16, covers.to_le_bytes());
    frame::put(&mut header, 24, made.to_le_bytes());
    let crc = crc32c::crc32c(header.get(..32).unwrap_or_default());
    frame::put(&mut header, 32, crc.to_le_bytes());
    header
}

/// Steps through the frames of a file.
#[derive(Clone)]
pub(super) struct Frames {
    file: Arc<dyn StorageFile>,
    at: u64,
    end: u64,
    chunk: Bytes,
}

/// What [`Frames::step`] finds.
pub(super) enum Step {
    /// A good frame and its body.
    Frame(Frame, Bytes),
    /// The end, exactly after a frame.
    End,
    /// No good frame at this position.
    Bad(u64),
}

impl Frames {
    fn new(file: Arc<dyn StorageFile>, at: u64, end: u64) -> Self {
        Self { file, at, end, chunk: Bytes::new() }
    }

    /// The next frame.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        if self.at >= self.end {
            return Ok(Step::End);
        }
        if self.chunk.len() < HEADER {
            self.fill(READ)?;
        }
        let Some(frame) = Frame::parse(&self.chunk) else { return Ok(Step::Bad(self.at)) };
        if self.chunk.len() < frame.length() {
            if frame.length() as u64 > self.end - self.at {
                return Ok(Step::Bad(self.at));
            }
            self.fill(frame.length().max(READ))?;
        }
        if self.chunk.len() < frame.length() {
            return Ok(Step::Bad(self.at));
        }
        let mut whole = self.chunk.split_to(frame.length());
        let body = whole.split_off(HEADER);
        if !frame.holds(&body) {
            return Ok(Step::Bad(self.at));
        }
        self.at += frame.length() as u64;
        Ok(Step::Frame(frame, body))
    }

    /// The next frame where a bad one is an error.
    pub(super) fn checked(&mut self, path: &str) -> Result<Option<(Frame, Bytes)>, LogError> {
        match self.step().map_err(|error| failed("read", path, error))? {
            Step::Frame(frame, body) => Ok(Some((frame, body))),
            Step::End => Ok(None),
            Step::Bad(position) => Err(corrupt(path, position, "a frame's checksum does not match")),
        }
    }

    fn fill(&mut self, length: usize) -> io::Result<()> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        self.chunk = self.file.read(self.at, length.min(left))?;
        Ok(())
    }
}
