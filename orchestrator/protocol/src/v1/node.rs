//! A process that drives sagas.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One node of a cluster on one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Made new at each start of the process, and after each loss of its lease.
    pub id: Uuid,
    /// Host and process.
    pub name: String,
    pub joined_at: DateTime<Utc>,
    /// By the database's clock; missing where the store belongs to one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<DateTime<Utc>>,
    /// It is the one that answers.
    pub asked: bool,
}
