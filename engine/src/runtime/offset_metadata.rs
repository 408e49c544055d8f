//! The metadata string of a committed offset: the partition time, so that a new owner's stream time goes on where the old
//! one's stood. Kafka Streams' form: base64 of magic 2, the 8-byte time, and a map it may leave out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const MAGIC: u8 = 2;

pub(crate) fn encode(partition_time: i64) -> String {
    let mut bytes = Vec::with_capacity(13);
    bytes.push(MAGIC);
    bytes.extend_from_slice(&partition_time.to_be_bytes());
    bytes.extend_from_slice(&0_i32.to_be_bytes());
    STANDARD.encode(bytes)
}

/// The partition time; `None` for an empty or unknown form, which is no error.
pub(crate) fn decode(metadata: &str) -> Option<i64> {
    let bytes = STANDARD.decode(metadata).ok()?;
    match bytes.split_first()? {
        (1 | 2, rest) => rest.first_chunk::<8>().map(|time| i64::from_be_bytes(*time)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_time_survives() {
        for time in [-1, 0, 1_700_000_000_000, i64::MAX] {
            assert_eq!(decode(&encode(time)), Some(time));
        }
    }

    #[test]
    fn both_forms_of_kafka_streams_are_read() {
        assert_eq!(decode("AQAAAAAAAAAF"), Some(5));
        assert_eq!(decode("AgAAAAAAAAAFAAAAAA=="), Some(5));
    }

    #[test]
    fn anything_else_is_no_time() {
        for metadata in ["", "hello", "AwAAAAAAAAAF", "AgA="] {
            assert_eq!(decode(metadata), None);
        }
    }
}
