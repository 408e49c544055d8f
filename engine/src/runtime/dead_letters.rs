//! Writes a failed record to the dead-letter topic: its bytes as they came, and headers that say what happened (KIP-1034).
//! It is sent by the same producer, so it is a part of the transaction that leaves the record behind.

use std::error::Error as StdError;
use std::fmt::Write;
use std::sync::Arc;

use crate::error::Error;
use crate::log::{HeaderView, encode_header};
use crate::runtime::collector::Collector;
use crate::runtime::handlers::{Failure, dead_letter};

/// Bytes of a message in a header.
const LONGEST_MESSAGE: usize = 16 * 1024;

pub(crate) fn write(collector: &Collector, topic: &Arc<str>, failure: &Failure<'_>) -> Result<(), Error> {
    let target = collector.target(topic)?;
    let mut headers = failure.record.map(|record| record.headers.encoded().to_vec()).unwrap_or_default();
    let mut add = |key: &str, value: &str| encode_header(key, Some(value.as_bytes()), &mut headers);
    add(dead_letter::EXCEPTION, &format!("{:?}", failure.error.kind()));
    add(dead_letter::STACKTRACE, &shortened(chain(failure.error)));
    add(dead_letter::MESSAGE, &shortened(failure.error.to_string()));
    if let (Some(partition), Some(record)) = (failure.partition, &failure.record) {
        add(dead_letter::TOPIC, &partition.topic);
        add(dead_letter::PARTITION, &partition.partition.to_string());
        add(dead_letter::OFFSET, &record.offset.to_string());
    }
    let (key, value) = failure.record.map_or((None, None), |record| (record.key, record.value));
    let timestamp = failure.record.map_or(0, |record| record.timestamp.max(0));
    let partition = collector.partition(key, target.partitions);
    let mark = collector.mark();
    let push = |key, value, headers: &[u8]| {
        let mut output = collector.output();
        let before = output.bytes();
        output.push(target.topic, partition, timestamp, key, value, HeaderView::new(headers));
        let written = output.bytes() - before;
        collector.check_size(written, topic)
    };
    if push(key, value, &headers).is_err() {
        // The bytes stay where they were read from, which the headers name.
        collector.truncate(mark);
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        encode_header(dead_letter::LEFT_OUT, Some(bytes.to_string().as_bytes()), &mut headers);
        push(None, None, &headers)?;
    }
    Ok(())
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{source}");
        next = source.source();
    }
    text
}

/// No message is so long that the letter could not be sent for it.
fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_MESSAGE {
        text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
        text.push('…');
    }
    text
}
