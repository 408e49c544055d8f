//! Records on their way in and out, in batches that own their bytes.
//!
//! A batch is one buffer and one index into it: reading or writing a record allocates nothing. Headers are kept in one
//! encoded run, so that a record without headers costs nothing and one with headers a slice.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use straum_state::Serialized;

use super::{Offset, TopicPartition};

/// A key, a value or the headers inside a batch's buffer; `None` is Kafka's null.
type Span = Option<Range<u32>>;

fn resolve<'a>(data: &'a [u8], span: &Span) -> Option<&'a [u8]> {
    span.as_ref().map(|range| data.get(range.start as usize..range.end as usize).unwrap_or_default())
}

/// Records of one partition, in offset order, read together. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    partition: TopicPartition,
    data: Bytes,
    records: Vec<RecordSpan>,
    next_offset: Offset,
}

#[derive(Clone, Debug)]
struct RecordSpan {
    offset: Offset,
    timestamp: i64,
    key: Span,
    value: Span,
    headers: Range<u32>,
}

/// One record of a [`RecordBatch`].
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// Its position in the partition.
    pub offset: Offset,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: HeaderView<'a>,
}

impl RecordBatch {
    /// The partition all records come from.
    #[must_use]
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True for a batch that only moves the position past markers or aborted records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes that the batch keeps alive.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The position after this batch, beyond any marker or aborted record that followed.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The record at `index`, in offset order.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<LogRecord<'_>> {
        self.records.get(index).map(|span| self.view(span))
    }

    /// All records, in offset order.
    pub fn iter(&self) -> impl Iterator<Item = LogRecord<'_>> {
        self.records.iter().map(|span| self.view(span))
    }

    /// The encoded headers of the record at `index`, sharing the batch's bytes.
    #[must_use]
    pub fn headers(&self, index: usize) -> Bytes {
        match self.records.get(index) {
            Some(span) if !span.headers.is_empty() => self.data.slice(span.headers.start as usize..span.headers.end as usize),
            _ => Bytes::new(),
        }
    }

    fn view(&self, span: &RecordSpan) -> LogRecord<'_> {
        let headers = self.data.get(span.headers.start as usize..span.headers.end as usize).unwrap_or_default();
        LogRecord {
            offset: span.offset,
            timestamp: span.timestamp,
            key: resolve(&self.data, &span.key),
            value: resolve(&self.data, &span.value),
            headers: HeaderView::new(headers),
        }
    }
}

/// Builds a [`RecordBatch`], either by copying records in ([`RecordBatchBuilder::push`]) or over bytes that already
/// hold them ([`RecordBatchBuilder::over`], [`RecordBatchBuilder::index`]).
#[derive(Debug)]
pub struct RecordBatchBuilder {
    partition: TopicPartition,
    data: Vec<u8>,
    shared: Option<Bytes>,
    records: Vec<RecordSpan>,
}

impl RecordBatchBuilder {
    /// An empty batch of `partition`.
    #[must_use]
    pub fn new(partition: TopicPartition) -> Self {
        Self { partition, data: Vec::new(), shared: None, records: Vec::new() }
    }

    /// An empty batch of `partition` with room for so many records and bytes.
    #[must_use]
    pub fn with_capacity(partition: TopicPartition, records: usize, bytes: usize) -> Self {
        Self { partition, data: Vec::with_capacity(bytes), shared: None, records: Vec::with_capacity(records) }
    }

    /// A batch over `data`, which holds the records' bytes already.
    #[must_use]
    pub fn over(partition: TopicPartition, data: Bytes) -> Self {
        Self { partition, data: Vec::new(), shared: Some(data), records: Vec::new() }
    }

    /// Copies a record in. `headers` is the encoded form of [`encode_header`].
    pub fn push(&mut self, offset: Offset, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]) {
        let key = key.map(|bytes| append(&mut self.data, bytes));
        let value = value.map(|bytes| append(&mut self.data, bytes));
        let headers = append(&mut self.data, headers);
        self.records.push(RecordSpan { offset, timestamp, key, value, headers });
    }

    /// Adds a record whose parts stand in the bytes given to [`RecordBatchBuilder::over`].
    pub fn index(&mut self, offset: Offset, timestamp: i64, key: Span, value: Span, headers: Range<u32>) {
        self.records.push(RecordSpan { offset, timestamp, key, value, headers });
    }

    /// How many bytes were copied in so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The batch; `next_offset` is the position after it.
    #[must_use]
    pub fn build(self, next_offset: Offset) -> RecordBatch {
        let data = self.shared.unwrap_or_else(|| Bytes::from(self.data));
        RecordBatch { partition: self.partition, data, records: self.records, next_offset }
    }
}

fn append(data: &mut Vec<u8>, bytes: &[u8]) -> Range<u32> {
    let start = position(data);
    data.extend_from_slice(bytes);
    start..position(data)
}

fn position(data: &[u8]) -> u32 {
    // A batch is bounded far below 4 GiB by every fetch and transaction limit.
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

/// Appends a header in the encoded form that batches keep: key length, key, value length (−1 for null), value; lengths
/// are 4 bytes, little-endian.
pub fn encode_header(key: &str, value: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(key.as_bytes());
    let length = value.map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

/// The headers of a record, read from their encoded form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderView<'a> {
    encoded: &'a [u8],
}

impl<'a> HeaderView<'a> {
    /// Headers in the form of [`encode_header`].
    #[must_use]
    pub const fn new(encoded: &'a [u8]) -> Self {
        Self { encoded }
    }

    /// The encoded form.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// True without headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The headers in order; a key may occur more than once.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.encoded;
        std::iter::from_fn(move || {
            let (key_length, after) = rest.split_first_chunk::<4>()?;
            let (key, after) = after.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
            let (value_length, after) = after.split_first_chunk::<4>()?;
            let (value, after) = match usize::try_from(i32::from_le_bytes(*value_length)) {
                Ok(length) => after.split_at_checked(length).map(|(value, after)| (Some(value), after))?,
                Err(_) => (None, after),
            };
            rest = after;
            Some((std::str::from_utf8(key).unwrap_or("\u{fffd}"), value))
        })
    }
}

/// Records to be written, over any number of partitions, in order. Reused from batch to batch.
#[derive(Debug, Default)]
pub struct OutputBatch {
    data: Vec<u8>,
    records: Vec<OutputSpan>,
    topics: Vec<Arc<str>>,
}

#[derive(Debug)]
struct OutputSpan {
    topic: u32,
    partition: u32,
    timestamp: i64,
    key: Span,
    value: Span,
    headers: Range<u32>,
}

/// A place in an [`OutputBatch`] to go back to.
#[derive(Clone, Copy, Debug)]
pub struct OutputMark {
    data: usize,
    records: usize,
}

/// One record of an [`OutputBatch`].
#[derive(Clone, Copy, Debug)]
pub struct OutputRecord<'a> {
    /// The topic's index in [`OutputBatch::topics`].
    pub topic: u32,
    /// The partition, chosen by the engine.
    pub partition: u32,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: HeaderView<'a>,
}

impl OutputBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The index by which [`OutputBatch::push`] names a topic. It stays valid for the batch's life.
    pub fn topic(&mut self, name: &Arc<str>) -> u32 {
        let index = self.topics.iter().position(|topic| topic == name).unwrap_or_else(|| {
            self.topics.push(Arc::clone(name));
            self.topics.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The topics by index.
    #[must_use]
    pub fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    /// Appends a record from bytes.
    pub fn push(&mut self, topic: u32, partition: u32, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: HeaderView<'_>) {
        let key = key.map(|bytes| append(&mut self.data, bytes));
        let value = value.map(|bytes| append(&mut self.data, bytes));
        let headers = append(&mut self.data, headers.encoded());
        self.records.push(OutputSpan { topic, partition, timestamp, key, value, headers });
    }

    /// Appends a record that is serialised in place. `partition` is asked once the key's bytes are there; `None` drops
    /// the record.
    ///
    /// # Errors
    /// That of a serialiser; the batch is then as it was.
    pub fn push_with<E>(
        &mut self,
        topic: u32,
        timestamp: i64,
        headers: HeaderView<'_>,
        key: impl FnOnce(&mut Vec<u8>) -> Result<Serialized, E>,
        value: impl FnOnce(&mut Vec<u8>) -> Result<Serialized, E>,
        partition: impl FnOnce(Option<&[u8]>) -> Option<u32>,
    ) -> Result<bool, E> {
        let start = self.data.len();
        let spans = serialize(&mut self.data, key).and_then(|key| serialize(&mut self.data, value).map(|value| (key, value)));
        let (key, value) = match spans {
            Ok(spans) => spans,
            Err(error) => {
                self.data.truncate(start);
                return Err(error);
            }
        };
        let Some(partition) = partition(resolve(&self.data, &key)) else {
            self.data.truncate(start);
            return Ok(false);
        };
        let headers = append(&mut self.data, headers.encoded());
        self.records.push(OutputSpan { topic, partition, timestamp, key, value, headers });
        Ok(true)
    }

    /// The place after the last record.
    #[must_use]
    pub fn mark(&self) -> OutputMark {
        OutputMark { data: self.data.len(), records: self.records.len() }
    }

    /// Drops all records after `mark`.
    pub fn truncate(&mut self, mark: OutputMark) {
        self.data.truncate(mark.data);
        self.records.truncate(mark.records);
    }

    /// Drops all records and keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.records.clear();
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True without records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of keys, values and headers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The record at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<OutputRecord<'_>> {
        self.records.get(index).map(|span| self.view(span))
    }

    /// All records, in the order they were pushed.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = OutputRecord<'_>> {
        self.records.iter().map(|span| self.view(span))
    }

    fn view(&self, span: &OutputSpan) -> OutputRecord<'_> {
        let headers = self.data.get(span.headers.start as usize..span.headers.end as usize).unwrap_or_default();
        OutputRecord {
            topic: span.topic,
            partition: span.partition,
            timestamp: span.timestamp,
            key: resolve(&self.data, &span.key),
            value: resolve(&self.data, &span.value),
            headers: HeaderView::new(headers),
        }
    }
}

fn serialize<E>(data: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<Serialized, E>) -> Result<Span, E> {
    let start = position(data);
    Ok(match write(data)? {
        Serialized::Bytes => Some(start..position(data)),
        Serialized::Null => None,
    })
}
