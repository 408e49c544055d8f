//! ApiVersions (18), version 3: the first request on every connection.
#![allow(missing_docs, reason = "the fields are Kafka's own, described in the protocol guide")]

use super::codec::structure;
use super::{Api, Reader, Request, Wire, WireError, Writer};

structure! {
    /// Says who asks.
    pub struct ApiVersionsRequest {
        client_software_name: String,
        client_software_version: String,
    }
}

/// The requests a broker knows. One too old for version 3 answers in version 0's form, with UNSUPPORTED_VERSION.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersionsResponse {
    pub error_code: i16,
    pub api_keys: Vec<ApiVersion>,
    /// The features that the cluster has switched on, and how far: `streams.version` among them.
    pub finalized_features: Vec<FinalizedFeature>,
}

structure! {
    /// The versions a broker knows of one request.
    pub struct ApiVersion {
        api_key: i16,
        min_version: i16,
        max_version: i16,
    }
}

structure! {
    /// A feature of the cluster and the versions of it that are on.
    pub struct FinalizedFeature {
        name: String,
        max_version_level: i16,
        min_version_level: i16,
    }
}

const UNSUPPORTED_VERSION: i16 = 35;
/// The tag of the finalized features.
const FINALIZED_FEATURES: u32 = 2;

impl Wire for ApiVersionsResponse {
    fn write(&self, writer: &mut Writer, version: i16) {
        self.error_code.write(writer, version);
        if self.error_code == UNSUPPORTED_VERSION {
            i32::try_from(self.api_keys.len()).unwrap_or(i32::MAX).write(writer, version);
            for api in &self.api_keys {
                [api.api_key, api.min_version, api.max_version].iter().for_each(|number| number.write(writer, version));
            }
            return;
        }
        self.api_keys.write(writer, version);
        0_i32.write(writer, version);
        if self.finalized_features.is_empty() {
            return writer.no_tags();
        }
        let mut features = Writer::new();
        self.finalized_features.write(&mut features, version);
        writer.tag(FINALIZED_FEATURES, &features.into_bytes());
    }

    fn read(reader: &mut Reader<'_>, version: i16) -> Result<Self, WireError> {
        let error_code = i16::read(reader, version)?;
        if error_code == UNSUPPORTED_VERSION {
            let count = i32::read(reader, version)?;
            let count = reader.plain_length(count)?.unwrap_or_default();
            let mut api_keys = Vec::new();
            for _ in 0..count {
                let [api_key, min_version, max_version] = [i16::read(reader, version)?, i16::read(reader, version)?, i16::read(reader, version)?];
                api_keys.push(ApiVersion { api_key, min_version, max_version });
            }
            return Ok(Self { error_code, api_keys, finalized_features: Vec::new() });
        }
        let api_keys = Wire::read(reader, version)?;
        let _throttle_time_ms = i32::read(reader, version)?;
        let finalized_features = reader.tag(FINALIZED_FEATURES)?.map_or(Ok(Vec::new()), |bytes| Wire::read(&mut Reader::new(bytes), version))?;
        Ok(Self { error_code, api_keys, finalized_features })
    }
}

impl ApiVersionsResponse {
    /// The newest version of a request that both sides know.
    #[must_use]
    pub fn common(&self, api: &Api) -> Option<i16> {
        let known = self.api_keys.iter().find(|known| known.api_key == api.key)?;
        let newest = known.max_version.min(api.highest);
        (newest >= known.min_version.max(api.lowest)).then_some(newest)
    }
}

impl Request for ApiVersionsRequest {
    const API: Api = Api { key: 18, name: "ApiVersions", lowest: 3, highest: 3 };
    /// So that a client can read the answer of a broker whose versions it does not know yet.
    const TAGS_IN_RESPONSE_HEADER: bool = false;
    type Response = ApiVersionsResponse;
}
