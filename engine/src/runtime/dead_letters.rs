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
/// The same where the letter would be too large: as many as fit.
const MESSAGE_LENGTHS: [usize; 4] = [LONGEST_MESSAGE, 1024, 128, 0];

/// Appends the letter to the output.
///
/// # Errors
/// When there is no such topic, or no letter is small enough. The output is then as it was.
pub(crate) fn write(collector: &Collector, topic: &Arc<str>, failure: &Failure<'_>) -> Result<(), Error> {
    let target = collector.target(topic)?;
    let (key, value) = failure.record.map_or((None, None), |record| (record.key, record.value));
    let own_headers = failure.record.map_or(&[][..], |record| record.headers.encoded());
    let timestamp = failure.record.map_or(0, |record| record.timestamp.max(0));
    let partition = collector.partition(key, target.partitions);
    let mark = collector.mark();
    let push = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]| {
        let mut output = collector.output();
        let before = output.bytes();
        output.push(target.topic, partition, timestamp, key, value, HeaderView::new(headers));
        let fits = collector.check_size(output.bytes() - before, topic);
        if fits.is_err() {
            output.truncate(mark);
        }
        fits
    };
    let mut headers = own_headers.to_vec();
    describe(failure, LONGEST_MESSAGE, &mut headers);
    let Err(mut too_large) = push(key, value, &headers) else { return Ok(()) };
    // The bytes stay where they were read from, which the headers name.
    let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
    encode_header(dead_letter::LEFT_OUT, Some(bytes.to_string().as_bytes()), &mut headers);
    if push(None, None, &headers).is_ok() {
        return Ok(());
    }
    let bytes = (bytes + own_headers.len()).to_string();
    for length in MESSAGE_LENGTHS {
        headers.clear();
        describe(failure, length, &mut headers);
        encode_header(dead_letter::LEFT_OUT, Some(bytes.as_bytes()), &mut headers);
        match push(None, None, &headers) {
            Ok(()) => return Ok(()),
            Err(error) => too_large = error,
        }
    }
    Err(too_large)
}

/// What happened, and where, as headers.
fn describe(failure: &Failure<'_>, longest_message: usize, headers: &mut Vec<u8>) {
    let mut add = |key: &str, value: &str| encode_header(key, Some(value.as_bytes()), headers);
    add(dead_letter::EXCEPTION, &format!("{:?}", failure.error.kind()));
    add(dead_letter::STACKTRACE, &shortened(chain(failure.error), longest_message));
    add(dead_letter::MESSAGE, &shortened(failure.error.to_string(), longest_message));
    if let (Some(partition), Some(record)) = (failure.partition, &failure.record) {
        add(dead_letter::TOPIC, &partition.topic);
        add(dead_letter::PARTITION, &partition.partition.to_string());
        add(dead_letter::OFFSET, &record.offset.to_string());
    }
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

fn shortened(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest));
        text.push('…');
    }
    text
}
