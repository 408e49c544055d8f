//! StreamsGroupDescribe (89), versions 0 and 1, DescribeGroups (15), and DeleteGroups (42).
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use super::codec::{Octets, nullable, structure};
use super::{Api, Endpoint, KeyValue, Reader, Request, TaskIds, TaskOffset, TopicInfo, Wire, WireError, Writer};

/// Asks for groups as the coordinator sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeRequest {
    pub group_ids: Vec<String>,
    pub include_authorized_operations: bool,
}

impl Wire for DescribeRequest {
    fn write(&self, writer: &mut Writer, version: i16) {
        self.group_ids.write(writer, version);
        self.include_authorized_operations.write(writer, version);
        if version >= 1 {
            // The description a plugin of the broker keeps: its form is not known here, so it is never asked for.
            false.write(writer, version);
        }
        writer.no_tags();
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let request = Self { group_ids: Wire::read(reader, version)?, include_authorized_operations: Wire::read(reader, version)? };
        if version >= 1 {
            bool::read(reader, version)?;
        }
        reader.skip_tags()?;
        Ok(request)
    }
}

structure! {
    /// The groups.
    pub struct DescribeResponse {
        throttle_time_ms: i32,
        groups: Vec<DescribedGroup>,
    }
}

structure! {
    /// A group: its state, what it runs, its members.
    pub struct DescribedGroup {
        error_code: i16,
        error_message: Option<String>,
        group_id: String,
        /// `Empty`, `NotReady`, `Assigning`, `Reconciling`, `Stable` or `Dead`.
        group_state: String,
        group_epoch: i32,
        assignment_epoch: i32,
        topology: Option<DescribedTopology>,
        members: Vec<DescribedMember>,
        authorized_operations: i32,
        topology_description: Absent => 1,
        topology_description_status: i8 => 1,
        assignor_name: Option<String> => 1,
    }
}

structure! {
    /// What a group runs.
    pub struct DescribedTopology {
        epoch: i32,
        subtopologies: Option<Vec<DescribedSubtopology>>,
    }
}

structure! {
    /// A sub-topology by its topics.
    pub struct DescribedSubtopology {
        subtopology_id: String,
        source_topics: Vec<String>,
        repartition_sink_topics: Vec<String>,
        state_changelog_topics: Vec<TopicInfo>,
        repartition_source_topics: Vec<TopicInfo>,
    }
}

structure! {
    /// A member: what it has, and what it is to have.
    pub struct DescribedMember {
        member_id: String,
        member_epoch: i32,
        instance_id: Option<String>,
        rack_id: Option<String>,
        client_id: String,
        client_host: String,
        topology_epoch: i32,
        process_id: String,
        user_endpoint: Option<Endpoint>,
        client_tags: Vec<KeyValue>,
        task_offsets: Vec<TaskOffset>,
        task_end_offsets: Vec<TaskOffset>,
        assignment: DescribedAssignment,
        target_assignment: DescribedAssignment,
        is_classic: bool,
    }
}

structure! {
    /// Tasks by role.
    pub struct DescribedAssignment {
        active_tasks: Vec<TaskIds>,
        standby_tasks: Vec<TaskIds>,
        warmup_tasks: Vec<TaskIds>,
    }
}

nullable!(DescribedTopology);

/// A structure that is always null, since it is never asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Absent;

impl Wire for Absent {
    fn write(&self, writer: &mut Writer, version: i16) {
        (-1_i8).write(writer, version);
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        if i8::read(reader, version)? == -1 { Ok(Self) } else { Err(WireError::Invalid("topology description that was not asked for")) }
    }
}

structure! {
    /// Asks for classic groups.
    pub struct DescribeClassicRequest {
        groups: Vec<String>,
        include_authorized_operations: bool,
    }
}

structure! {
    /// The classic groups.
    pub struct DescribeClassicResponse {
        throttle_time_ms: i32,
        groups: Vec<DescribedClassicGroup>,
    }
}

structure! {
    /// A classic group. One that is not there is `Dead`.
    pub struct DescribedClassicGroup {
        error_code: i16,
        group_id: String,
        group_state: String,
        protocol_type: String,
        protocol_data: String,
        members: Vec<DescribedClassicMember>,
        authorized_operations: i32,
    }
}

structure! {
    /// A member of a classic group, in a form that its own kind of client reads.
    pub struct DescribedClassicMember {
        member_id: String,
        group_instance_id: Option<String>,
        client_id: String,
        client_host: String,
        member_metadata: Octets,
        member_assignment: Octets,
    }
}

structure! {
    /// Asks for empty groups to be forgotten, offsets and all.
    pub struct DeleteGroupsRequest {
        groups_names: Vec<String>,
    }
}

structure! {
    /// How each group fared.
    pub struct DeleteGroupsResponse {
        throttle_time_ms: i32,
        results: Vec<DeletedGroup>,
    }
}

structure! {
    /// How one group fared.
    pub struct DeletedGroup {
        group_id: String,
        error_code: i16,
    }
}

impl Request for DescribeRequest {
    const API: Api = Api { key: 89, name: "StreamsGroupDescribe", lowest: 0, highest: 1 };
    type Response = DescribeResponse;
}

impl Request for DescribeClassicRequest {
    const API: Api = Api { key: 15, name: "DescribeGroups", lowest: 5, highest: 5 };
    type Response = DescribeClassicResponse;
}

impl Request for DeleteGroupsRequest {
    const API: Api = Api { key: 42, name: "DeleteGroups", lowest: 2, highest: 2 };
    type Response = DeleteGroupsResponse;
}
