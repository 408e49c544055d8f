//! DescribeConfigs (32), version 4: the settings of a group, a topic or a broker.
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use super::codec::structure;
use super::{Api, Request};

structure! {
    /// Asks for settings.
    pub struct DescribeConfigsRequest {
        resources: Vec<ConfigResource>,
        include_synonyms: bool,
        include_documentation: bool,
    }
}

structure! {
    /// What has the settings.
    pub struct ConfigResource {
        /// 2: a topic; 4: a broker; 32: a group.
        resource_type: i8,
        resource_name: String,
        /// Null: all.
        configuration_keys: Option<Vec<String>>,
    }
}

structure! {
    /// The settings.
    pub struct DescribeConfigsResponse {
        throttle_time_ms: i32,
        results: Vec<DescribedConfigs>,
    }
}

structure! {
    /// The settings of one resource.
    pub struct DescribedConfigs {
        error_code: i16,
        error_message: Option<String>,
        resource_type: i8,
        resource_name: String,
        configs: Vec<ConfigEntry>,
    }
}

structure! {
    /// A setting; one that is secret has no value.
    pub struct ConfigEntry {
        name: String,
        value: Option<String>,
        read_only: bool,
        config_source: i8,
        is_sensitive: bool,
        synonyms: Vec<ConfigSynonym>,
        config_type: i8,
        documentation: Option<String>,
    }
}

structure! {
    /// Another place that has the setting.
    pub struct ConfigSynonym {
        name: String,
        value: Option<String>,
        source: i8,
    }
}

impl Request for DescribeConfigsRequest {
    const API: Api = Api { key: 32, name: "DescribeConfigs", lowest: 4, highest: 4 };
    type Response = DescribeConfigsResponse;
}
