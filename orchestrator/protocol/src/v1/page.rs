//! Lists, a page at a time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last one. Opaque: only to be given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One event of a saga's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryEntry {
    /// Dense from 1 within its saga.
    pub seq: u64,
    /// The ownership under which it was written.
    pub epoch: u64,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// What happened; `kind` says which event it is.
    #[schema(value_type = Object, example = json!({ "kind": "saga_compensated" }))]
    pub event: Map<String, Value>,
}
