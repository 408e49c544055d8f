//! StreamsGroupHeartbeat (88), versions 0 and 1. KIP-1071; fields carry Kafka's names.
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use super::codec::{nullable, structure};
use super::{Api, Reader, Request, Wire, WireError, Writer};

structure! {
    /// What a member says: who it is, what it owns, and at its join what the group is to run.
    pub struct HeartbeatRequest {
        group_id: String,
        member_id: String,
        /// 0 joins, −1 leaves, −2 is a static member's leave.
        member_epoch: i32,
        /// The last one seen, −1 at first.
        endpoint_information_epoch: i32,
        instance_id: Option<String>,
        rack_id: Option<String>,
        /// −1: unchanged.
        rebalance_timeout_ms: i32,
        /// At the join only.
        topology: Option<HeartbeatTopology>,
        /// Owned tasks; null: unchanged since the last request that arrived.
        active_tasks: Option<Vec<TaskIds>>,
        standby_tasks: Option<Vec<TaskIds>>,
        warmup_tasks: Option<Vec<TaskIds>>,
        process_id: Option<String>,
        user_endpoint: Option<Endpoint>,
        client_tags: Option<Vec<KeyValue>>,
        /// Refused by brokers up to 4.3.1 unless null.
        task_offsets: Option<Vec<TaskOffset>>,
        task_end_offsets: Option<Vec<TaskOffset>>,
        shutdown_application: bool,
    }
}

structure! {
    /// What the group runs. The broker compares it literally with what the first member sent.
    pub struct HeartbeatTopology {
        epoch: i32,
        subtopologies: Vec<HeartbeatSubtopology>,
    }
}

structure! {
    /// A sub-topology by its topics.
    pub struct HeartbeatSubtopology {
        subtopology_id: String,
        source_topics: Vec<String>,
        source_topic_regex: Vec<String>,
        state_changelog_topics: Vec<TopicInfo>,
        repartition_sink_topics: Vec<String>,
        repartition_source_topics: Vec<TopicInfo>,
        copartition_groups: Vec<CopartitionGroup>,
    }
}

structure! {
    /// Topics that must have equally many partitions, as indices into the sub-topology's arrays.
    pub struct CopartitionGroup {
        source_topics: Vec<i16>,
        source_topic_regex: Vec<i16>,
        repartition_source_topics: Vec<i16>,
    }
}

structure! {
    /// An internal topic, which the broker makes.
    pub struct TopicInfo {
        name: String,
        /// 0: the broker decides.
        partitions: i32,
        /// −1 or 0: the broker's default.
        replication_factor: i16,
        topic_configs: Vec<KeyValue>,
    }
}

structure! {
    /// A setting or a tag.
    pub struct KeyValue {
        key: String,
        value: String,
    }
}

structure! {
    /// Tasks of one sub-topology.
    pub struct TaskIds {
        subtopology_id: String,
        partitions: Vec<i32>,
    }
}

structure! {
    /// How far a task's changelogs are read.
    pub struct TaskOffset {
        subtopology_id: String,
        partition: i32,
        offset: i64,
    }
}

structure! {
    /// Where a process answers queries. Kafka Streams: `application.server`.
    pub struct Endpoint {
        host: String,
        port: u16,
    }
}

structure! {
    /// What the group wants to be known, by a code and in words.
    pub struct HeartbeatStatus {
        status_code: i8,
        status_detail: String,
    }
}

structure! {
    /// What is where: the partitions a process answers for.
    pub struct EndpointPartitions {
        user_endpoint: Endpoint,
        active_partitions: Vec<TopicPartitions>,
        standby_partitions: Vec<TopicPartitions>,
    }
}

structure! {
    /// Partitions of one topic.
    pub struct TopicPartitions {
        topic: String,
        partitions: Vec<i32>,
    }
}

nullable!(HeartbeatTopology, Endpoint);

/// What the coordinator answers. Version 1 moves one field, widens it and adds another, so this one is written out.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    pub member_id: String,
    pub member_epoch: i32,
    pub heartbeat_interval_ms: i32,
    pub acceptable_recovery_lag: i64,
    pub task_offset_interval_ms: i32,
    pub status: Option<Vec<HeartbeatStatus>>,
    /// The tasks the member may own now; null: unchanged. All three arrays are there or none is.
    pub active_tasks: Option<Vec<TaskIds>>,
    pub standby_tasks: Option<Vec<TaskIds>>,
    pub warmup_tasks: Option<Vec<TaskIds>>,
    /// The broker would like a description of the topology (4.4; nothing is lost without it).
    pub topology_description_required: bool,
    pub endpoint_information_epoch: i32,
    /// Null: unchanged since the epoch the member sent.
    pub partitions_by_user_endpoint: Option<Vec<EndpointPartitions>>,
}

impl Wire for HeartbeatResponse {
    fn write(&self, writer: &mut Writer, version: i16) {
        self.throttle_time_ms.write(writer, version);
        self.error_code.write(writer, version);
        self.error_message.write(writer, version);
        self.member_id.write(writer, version);
        self.member_epoch.write(writer, version);
        self.heartbeat_interval_ms.write(writer, version);
        if version == 0 {
            i32::try_from(self.acceptable_recovery_lag).unwrap_or(i32::MAX).write(writer, version);
        }
        self.task_offset_interval_ms.write(writer, version);
        if version >= 1 {
            self.acceptable_recovery_lag.write(writer, version);
        }
        self.status.write(writer, version);
        self.active_tasks.write(writer, version);
        self.standby_tasks.write(writer, version);
        self.warmup_tasks.write(writer, version);
        if version >= 1 {
            self.topology_description_required.write(writer, version);
        }
        self.endpoint_information_epoch.write(writer, version);
        self.partitions_by_user_endpoint.write(writer, version);
        writer.no_tags();
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let mut response = Self {
            throttle_time_ms: Wire::read(reader, version)?,
            error_code: Wire::read(reader, version)?,
            error_message: Wire::read(reader, version)?,
            member_id: Wire::read(reader, version)?,
            member_epoch: Wire::read(reader, version)?,
            heartbeat_interval_ms: Wire::read(reader, version)?,
            ..Self::default()
        };
        if version == 0 {
            response.acceptable_recovery_lag = i32::read(reader, version)?.into();
        }
        response.task_offset_interval_ms = Wire::read(reader, version)?;
        if version >= 1 {
            response.acceptable_recovery_lag = Wire::read(reader, version)?;
        }
        response.status = Wire::read(reader, version)?;
        response.active_tasks = Wire::read(reader, version)?;
        response.standby_tasks = Wire::read(reader, version)?;
        response.warmup_tasks = Wire::read(reader, version)?;
        if version >= 1 {
            response.topology_description_required = Wire::read(reader, version)?;
        }
        response.endpoint_information_epoch = Wire::read(reader, version)?;
        response.partitions_by_user_endpoint = Wire::read(reader, version)?;
        reader.skip_tags()?;
        Ok(response)
    }
}

impl Request for HeartbeatRequest {
    const API: Api = Api { key: 88, name: "StreamsGroupHeartbeat", lowest: 0, highest: 1 };
    type Response = HeartbeatResponse;
}
