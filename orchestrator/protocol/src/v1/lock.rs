//! Locks: who has one, who waits for it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::SagaStatus;

/// A lock of a saga.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockView {
    #[schema(example = "account:7")]
    pub name: String,
    pub status: LockStatus,
    /// Since when it has it, or is known to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// While it waits: its place, from 2 on. Absent far behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// While it waits: the sagas before it, the one that has the lock first. Of many the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<QueuedSaga>,
}

/// How it stands with a lock of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockStatus {
    /// Its turn has not come: locks are taken one at a time.
    Needed,
    /// Others came before.
    Waiting,
    /// The saga has it, until its end.
    Held,
    /// The saga has ended.
    Released,
}

impl LockStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Released => "released",
        }
    }
}

/// A saga in the queue of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuedSaga {
    pub id: Uuid,
    /// The name of its definition.
    pub name: String,
    pub status: SagaStatus,
    /// Of one lock no two are the same: the earlier one comes first.
    pub arrived_at: DateTime<Utc>,
}

/// A lock that a saga has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldLock {
    #[schema(example = "account:7")]
    pub name: String,
    /// The saga that has it.
    pub holder: QueuedSaga,
    /// How many sagas wait for it.
    pub waiting: u64,
}
