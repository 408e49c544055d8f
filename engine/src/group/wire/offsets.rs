//! OffsetCommit (8) and OffsetFetch (9), version 9: those that know member epochs.
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use super::codec::structure;
use super::{Api, Request};

structure! {
    /// Commits offsets in a member's name.
    pub struct OffsetCommitRequest {
        group_id: String,
        /// The member's epoch; −1 with an empty member id for a group without members.
        generation_id_or_member_epoch: i32,
        member_id: String,
        group_instance_id: Option<String>,
        topics: Vec<OffsetCommitTopic>,
    }
}

structure! {
    /// Offsets of one topic.
    pub struct OffsetCommitTopic {
        name: String,
        partitions: Vec<OffsetCommitPartition>,
    }
}

structure! {
    /// The next record to be processed of one partition.
    pub struct OffsetCommitPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32,
        committed_metadata: Option<String>,
    }
}

structure! {
    /// How each partition fared.
    pub struct OffsetCommitResponse {
        throttle_time_ms: i32,
        topics: Vec<OffsetCommittedTopic>,
    }
}

structure! {
    /// How the partitions of one topic fared.
    pub struct OffsetCommittedTopic {
        name: String,
        partitions: Vec<OffsetCommitted>,
    }
}

structure! {
    /// How one partition fared.
    pub struct OffsetCommitted {
        partition_index: i32,
        error_code: i16,
    }
}

structure! {
    /// Asks for committed offsets.
    pub struct OffsetFetchRequest {
        groups: Vec<FetchGroup>,
        /// Answer only what no pending transaction will change.
        require_stable: bool,
    }
}

structure! {
    /// The group, the member that asks, and for what.
    pub struct FetchGroup {
        group_id: String,
        member_id: Option<String>,
        member_epoch: i32,
        /// Null: every partition that has one.
        topics: Option<Vec<FetchTopic>>,
    }
}

structure! {
    /// Partitions of one topic.
    pub struct FetchTopic {
        name: String,
        partition_indexes: Vec<i32>,
    }
}

structure! {
    /// The committed offsets.
    pub struct OffsetFetchResponse {
        throttle_time_ms: i32,
        groups: Vec<FetchedGroup>,
    }
}

structure! {
    /// The committed offsets of one group.
    pub struct FetchedGroup {
        group_id: String,
        topics: Vec<FetchedTopic>,
        error_code: i16,
    }
}

structure! {
    /// The committed offsets of one topic.
    pub struct FetchedTopic {
        name: String,
        partitions: Vec<FetchedPartition>,
    }
}

structure! {
    /// The committed offset of one partition, −1 for none.
    pub struct FetchedPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32,
        metadata: Option<String>,
        error_code: i16,
    }
}

impl Request for OffsetCommitRequest {
    const API: Api = Api { key: 8, name: "OffsetCommit", lowest: 9, highest: 9 };
    type Response = OffsetCommitResponse;
}

impl Request for OffsetFetchRequest {
    const API: Api = Api { key: 9, name: "OffsetFetch", lowest: 9, highest: 9 };
    type Response = OffsetFetchResponse;
}
