//! Kafka's wire protocol, as much of it as a streams group needs.
//!
//! Own codec: the crate `kafka-protocol` (0.18) has neither StreamsGroupHeartbeat nor StreamsGroupDescribe and keeps its
//! encoder to itself, so it would have been a second codec beside this one, for the sake of five small messages, at the
//! price of compiling every message Kafka has.
//!
//! A message is a table: `structure!` lists its fields in the order of the wire. Bytes from a socket are never
//! trusted: lengths are checked against what is there before anything is allocated.

mod api_versions;
mod codec;
mod configs;
mod frame;
mod groups;
mod heartbeat;
mod lookup;
mod offsets;
mod reader;
mod sasl;
mod writer;

pub use api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeature};
pub use codec::{Octets, Wire};
pub use configs::{ConfigEntry, ConfigResource, ConfigSynonym, DescribeConfigsRequest, DescribeConfigsResponse, DescribedConfigs};
pub use frame::{Api, MAX_FRAME_BYTES, Request, RequestHeader, decode_response, encode_request};
pub use groups::{
    Absent, DeleteGroupsRequest, DeleteGroupsResponse, DeletedGroup, DescribeClassicRequest, DescribeClassicResponse, DescribeRequest,
    DescribeResponse, DescribedAssignment, DescribedClassicGroup, DescribedClassicMember, DescribedGroup, DescribedMember, DescribedSubtopology,
    DescribedTopology,
};
pub use heartbeat::{
    CopartitionGroup, Endpoint, EndpointPartitions, HeartbeatRequest, HeartbeatResponse, HeartbeatStatus, HeartbeatSubtopology, HeartbeatTopology,
    KeyValue, TaskIds, TaskOffset, TopicInfo, TopicPartitions,
};
pub use lookup::{
    BrokerAddress, Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, MetadataPartition, MetadataRequest, MetadataResponse, MetadataTopic,
    RequestedTopic,
};
pub use offsets::{
    FetchGroup, FetchTopic, FetchedGroup, FetchedPartition, FetchedTopic, OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse,
    OffsetCommitTopic, OffsetCommitted, OffsetCommittedTopic, OffsetFetchRequest, OffsetFetchResponse,
};
pub use reader::{Reader, WireError};
pub use sasl::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse};
pub use writer::Writer;
