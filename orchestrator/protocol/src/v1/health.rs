//! Whether the server is there, and which one it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    pub live: bool,
}

/// The server takes starts. When it does not, the answer is a problem with status 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    pub ready: bool,
    /// Sagas that are driven by this process now.
    pub live_sagas: u64,
    /// How many it drives at most.
    pub max_live_sagas: u64,
    /// Sagas that are this process's and cannot be read, so that it does not drive them; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_sagas: Option<u64>,
    /// Only in a server that may inject faults: how many rules are set now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_rules: Option<u64>,
}

/// Which server it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// SemVer.
    pub version: String,
    /// The versions of the API it speaks.
    #[schema(example = json!(["v1"]))]
    pub api: Vec<String>,
}
