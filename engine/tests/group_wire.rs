//! The codec of group requests against what Apache Kafka 4.3.1 wrote and answered, and against bytes nobody should send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;
use straum::group::wire::*;
use straum::group::{ErrorCode, Notice, NoticeKind};

const FRAMES: &str = include_str!("fixtures/kip1071/kip1071-frames.txt");
const SESSION: &str = include_str!("fixtures/kip1071/kip1071-jvm-session.txt");

struct Exchange {
    name: String,
    request: (HeartbeatRequest, Vec<u8>),
    response: (HeartbeatResponse, Vec<u8>),
    error: Option<String>,
}

fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn frames() -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    let mut lines = FRAMES.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).peekable();
    while let Some(name) = lines.next() {
        let mut marked = |mark: &str| lines.next_if(|line| line.starts_with(mark)).map(|line| line.strip_prefix(mark).unwrap());
        let request = (serde_json::from_str(marked("  > ").unwrap()).unwrap(), octets(marked("  > ").unwrap()));
        let response = (serde_json::from_str(marked("  < ").unwrap()).unwrap(), octets(marked("  < ").unwrap()));
        exchanges.push(Exchange { name: name.to_owned(), request, response, error: marked("  ! ").map(str::to_owned) });
    }
    exchanges
}

fn bytes<T: Wire>(message: &T, version: i16) -> Vec<u8> {
    let mut writer = Writer::new();
    message.write(&mut writer, version);
    writer.into_bytes()
}

fn read<T: Wire>(bytes: &[u8], version: i16) -> Result<T, WireError> {
    let mut reader = Reader::new(bytes);
    let read = T::read(&mut reader, version)?;
    assert_eq!(reader.left(), 0, "bytes are left");
    Ok(read)
}

#[test]
fn what_kafka_wrote_is_written_and_read_the_same() {
    let frames = frames();
    assert_eq!(frames.len(), 19);
    for Exchange { name, request, response, error } in frames {
        assert_eq!(bytes(&request.0, 0), request.1, "request of {name}");
        assert_eq!(read::<HeartbeatRequest>(&request.1, 0).unwrap(), request.0, "request of {name}");
        assert_eq!(bytes(&response.0, 0), response.1, "response of {name}");
        assert_eq!(read::<HeartbeatResponse>(&response.1, 0).unwrap(), response.0, "response of {name}");
        assert_eq!(ErrorCode::from_code(response.0.error_code).map(|code| code.name().to_owned()), error, "error of {name}");
    }
}

#[test]
fn a_jvm_session_goes_through_the_codec_unchanged() {
    let mut messages = 0;
    for line in SESSION.lines() {
        if let Some(json) = line.strip_prefix("> v0 ") {
            let request: HeartbeatRequest = serde_json::from_str(json).unwrap();
            assert_eq!(read::<HeartbeatRequest>(&bytes(&request, 0), 0).unwrap(), request);
            let shown: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_value(&request).unwrap(), shown, "every field is known");
            messages += 1;
        } else if let Some(json) = line.strip_prefix("< ") {
            let response: HeartbeatResponse = serde_json::from_str(json).unwrap();
            for version in [0, 1] {
                assert_eq!(read::<HeartbeatResponse>(&bytes(&response, version), version).unwrap(), response);
            }
            messages += 1;
        }
    }
    assert_eq!(messages, SESSION.lines().filter(|line| !line.starts_with('#')).count());
}

#[test]
fn versions_of_the_response_differ_as_the_protocol_says() {
    let response = HeartbeatResponse {
        member_id: "m1".to_owned(),
        member_epoch: 2,
        heartbeat_interval_ms: 5000,
        acceptable_recovery_lag: 10000,
        task_offset_interval_ms: 60000,
        ..HeartbeatResponse::default()
    };
    for (version, expected) in [
        (0, "00000000 0000 00 036d31 00000002 00001388 00002710 0000ea60 00 00 00 00 00000000 00 00"),
        (1, "00000000 0000 00 036d31 00000002 00001388 0000ea60 0000000000002710 00 00 00 00 00 00000000 00 00"),
    ] {
        assert_eq!(bytes(&response, version), octets(expected), "version {version}");
        assert_eq!(read::<HeartbeatResponse>(&octets(expected), version).unwrap(), response, "version {version}");
    }
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    // A key-value with two tags: number 7 with 3 bytes, number 300 with none.
    let known = KeyValue { key: "zone".to_owned(), value: "a".to_owned() };
    let tagged = octets("057a6f6e65 0261 02 07 03 aabbcc ac02 00");
    assert_eq!(read::<KeyValue>(&tagged, 0).unwrap(), known);
}

#[test]
fn headers_are_those_of_the_protocol() {
    let request = SaslHandshakeRequest { mechanism: "PLAIN".to_owned() };
    assert_eq!(encode_request(&request, 1, 7, "me"), octets("00000013 0011 0001 00000007 0002 6d65 0005 504c41494e"));
    let request = ApiVersionsRequest { client_software_name: "s".to_owned(), client_software_version: "1".to_owned() };
    assert_eq!(encode_request(&request, 3, 7, "me"), octets("00000012 0012 0003 00000007 0002 6d65 00 0273 0231 00"));
    // A response's header has tags, but for ApiVersions and SaslHandshake.
    let handshake = decode_response::<SaslHandshakeRequest>(&octets("00000007 0000 00000001 0005 504c41494e"), 1).unwrap();
    assert_eq!(handshake.mechanisms, ["PLAIN"]);
    let deleted = decode_response::<DeleteGroupsRequest>(&octets("00000007 00 00000000 02 0267 0044 00 00"), 2).unwrap();
    assert_eq!(deleted.results, [DeletedGroup { group_id: "g".to_owned(), error_code: 68 }]);
}

#[test]
fn versions_are_agreed_on_with_any_broker() {
    let new = octets("0000 03 0058 0000 0001 00 0009 0001 000a 00 00000000 00");
    let new: ApiVersionsResponse = read(&new, 3).unwrap();
    assert_eq!(
        [new.common(&HeartbeatRequest::API), new.common(&OffsetFetchRequest::API), new.common(&DescribeRequest::API)],
        [Some(1), Some(9), None]
    );
    // Too old for version 3, it answers in version 0's form.
    let old: ApiVersionsResponse = read(&octets("0023 00000002 0012 0000 0002 0009 0000 0007"), 3).unwrap();
    assert_eq!((old.error_code, old.common(&OffsetFetchRequest::API), old.common(&HeartbeatRequest::API)), (35, None, None));
}

#[test]
fn every_error_has_its_code_an_action_and_a_reason() {
    use straum::group::ErrorAction::{Fatal, Fenced, FindCoordinator, RefreshEpoch, Report, Retry};
    for (code, name, action) in [
        (-1, "UNKNOWN_SERVER_ERROR", Retry),
        (14, "COORDINATOR_LOAD_IN_PROGRESS", Retry),
        (15, "COORDINATOR_NOT_AVAILABLE", FindCoordinator),
        (16, "NOT_COORDINATOR", FindCoordinator),
        (22, "ILLEGAL_GENERATION", RefreshEpoch),
        (25, "UNKNOWN_MEMBER_ID", Fenced),
        (110, "FENCED_MEMBER_EPOCH", Fenced),
        (29, "TOPIC_AUTHORIZATION_FAILED", Report),
        (30, "GROUP_AUTHORIZATION_FAILED", Fatal),
        (31, "CLUSTER_AUTHORIZATION_FAILED", Fatal),
        (35, "UNSUPPORTED_VERSION", straum::group::ErrorAction::FallBack),
        (42, "INVALID_REQUEST", Fatal),
        (69, "GROUP_ID_NOT_FOUND", Fatal),
        (81, "GROUP_MAX_SIZE_REACHED", Fatal),
        (88, "UNSTABLE_OFFSET_COMMIT", Retry),
        (111, "UNRELEASED_INSTANCE_ID", Fatal),
        (113, "STALE_MEMBER_EPOCH", RefreshEpoch),
        (130, "STREAMS_INVALID_TOPOLOGY", Fatal),
        (131, "STREAMS_INVALID_TOPOLOGY_EPOCH", Fatal),
        (132, "STREAMS_TOPOLOGY_FENCED", Fatal),
        (9999, "another error", Fatal),
    ] {
        let error = ErrorCode::from_code(code).unwrap();
        assert_eq!((error.name(), error.action(), error.code()), (name, action, code));
        assert!(!error.reason().is_empty() && !error.reason().ends_with('.'), "{name}");
    }
    assert_eq!(ErrorCode::from_code(0), None);
    assert!(ErrorCode::KNOWN.windows(2).all(|pair| pair[0].code() < pair[1].code()), "in the order of the codes");
}

#[test]
fn every_status_can_be_read() {
    for (code, kind, holds_back) in [
        (0, NoticeKind::StaleTopology, false),
        (1, NoticeKind::MissingSourceTopics, true),
        (2, NoticeKind::IncorrectlyPartitionedTopics, true),
        (3, NoticeKind::MissingInternalTopics, true),
        (4, NoticeKind::ShutdownApplication, false),
        (5, NoticeKind::AssignmentDelayed, true),
        (6, NoticeKind::Unknown(6), false),
    ] {
        let notice = Notice::from(&HeartbeatStatus { status_code: code, status_detail: String::new() });
        assert_eq!((notice.kind(), notice.kind().holds_tasks_back()), (kind, holds_back), "{code}");
    }
    let missing = HeartbeatStatus { status_code: 1, status_detail: "Source topics orders are missing.".to_owned() };
    assert_eq!(Notice::from(&missing).to_string(), "waiting for source topics to be made (Source topics orders are missing)");
}

/// Reads the bytes as every message; the answer does not matter, only that there is one.
fn read_as_everything(bytes: &[u8]) {
    macro_rules! each {
        ($($message:ty),*) => {$(
            for version in [0, 1] {
                let _ = <$message>::read(&mut Reader::new(bytes), version);
                let _ = decode_response::<$message>(bytes, version);
            }
        )*};
    }
    each!(
        ApiVersionsRequest,
        DeleteGroupsRequest,
        DescribeClassicRequest,
        DescribeRequest,
        FindCoordinatorRequest,
        HeartbeatRequest,
        MetadataRequest,
        OffsetCommitRequest,
        OffsetFetchRequest,
        SaslAuthenticateRequest,
        SaslHandshakeRequest
    );
    let _ = RequestHeader::read::<HeartbeatRequest>(&mut Reader::new(bytes));
}

#[test]
fn a_count_of_billions_is_refused_before_room_is_made() {
    // Group id and member id, then an array of 2^32 - 2 subtopologies.
    for claim in ["ffffffff0f", "80808008"] {
        let bytes = octets(&format!("0267 026d 00000000 ffffffff 00 00 00000000 01 00000000 {claim}"));
        assert!(matches!(read::<HeartbeatRequest>(&bytes, 0), Err(WireError::Truncated { .. })));
    }
    assert!(matches!(read::<SaslHandshakeResponse>(&octets("0000 7fffffff 0001"), 1), Err(WireError::Truncated { .. })));
    assert!(matches!(read::<KeyValue>(&octets("ffffffffff"), 0), Err(WireError::Invalid(_))), "a varint of more than 32 bits");
}

#[test]
fn a_truncated_frame_is_an_error_at_every_length() {
    for Exchange { name, request, response, .. } in frames() {
        for length in 0..request.1.len() {
            assert!(read::<HeartbeatRequest>(&request.1[..length], 0).is_err(), "{length} bytes of the request of {name}");
        }
        for length in 0..response.1.len() {
            assert!(read::<HeartbeatResponse>(&response.1[..length], 0).is_err(), "{length} bytes of the response of {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn no_damage_to_a_frame_breaks_the_reader(which in 0..19_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let exchange = &frames()[which];
        for mut bytes in [exchange.request.1.clone(), exchange.response.1.clone()] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            read_as_everything(&bytes);
            read_as_everything(&bytes[..cut.index(bytes.len())]);
        }
    }
}
