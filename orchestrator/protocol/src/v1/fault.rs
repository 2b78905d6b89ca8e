//! Faults that a server injects because it was told to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What goes wrong on purpose, in the process that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaultsView {
    /// The plan as it was set; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    pub rules: Vec<FaultRuleView>,
}

/// A rule of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaultRuleView {
    #[schema(example = "rule 1")]
    pub name: String,
    /// The key under which its fault stands in the plan.
    #[schema(example = "lose")]
    pub fault: String,
    /// How often it has befallen an attempt since the plan was set.
    pub fired: u64,
    /// How often it may, if that is bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}
