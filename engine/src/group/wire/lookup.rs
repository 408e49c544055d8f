//! Where things are: FindCoordinator (10) and Metadata (3).
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use super::codec::structure;
use super::{Api, Request};

structure! {
    /// Asks for the coordinators of groups.
    pub struct FindCoordinatorRequest {
        /// 0: a group.
        key_type: i8,
        coordinator_keys: Vec<String>,
    }
}

structure! {
    /// The coordinators, one a key.
    pub struct FindCoordinatorResponse {
        throttle_time_ms: i32,
        coordinators: Vec<Coordinator>,
    }
}

structure! {
    /// The broker that answers for a group.
    pub struct Coordinator {
        key: String,
        node_id: i32,
        host: String,
        port: i32,
        error_code: i16,
        error_message: Option<String>,
    }
}

structure! {
    /// Asks what topics there are.
    pub struct MetadataRequest {
        /// Null: all.
        topics: Option<Vec<RequestedTopic>>,
        allow_auto_topic_creation: bool,
        include_topic_authorized_operations: bool,
    }
}

structure! {
    /// A topic by its name; the id is zero then.
    pub struct RequestedTopic {
        topic_id: [u8; 16],
        name: Option<String>,
    }
}

structure! {
    /// Brokers and topics.
    pub struct MetadataResponse {
        throttle_time_ms: i32,
        brokers: Vec<BrokerAddress>,
        cluster_id: Option<String>,
        controller_id: i32,
        topics: Vec<MetadataTopic>,
    }
}

structure! {
    /// A broker.
    pub struct BrokerAddress {
        node_id: i32,
        host: String,
        port: i32,
        rack: Option<String>,
    }
}

structure! {
    /// A topic, or why it cannot be told about.
    pub struct MetadataTopic {
        error_code: i16,
        name: Option<String>,
        topic_id: [u8; 16],
        is_internal: bool,
        partitions: Vec<MetadataPartition>,
        topic_authorized_operations: i32,
    }
}

structure! {
    /// A partition.
    pub struct MetadataPartition {
        error_code: i16,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32,
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        offline_replicas: Vec<i32>,
    }
}

impl Request for FindCoordinatorRequest {
    const API: Api = Api { key: 10, name: "FindCoordinator", lowest: 4, highest: 4 };
    type Response = FindCoordinatorResponse;
}

impl Request for MetadataRequest {
    const API: Api = Api { key: 3, name: "Metadata", lowest: 12, highest: 12 };
    type Response = MetadataResponse;
}
