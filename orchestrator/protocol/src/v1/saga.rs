//! One saga, whole or as an item of a list.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{LockView, ParentView, StepView};

/// Everything there is to know of a saga, short of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SagaView {
    pub id: Uuid,
    /// The name of its definition.
    pub name: String,
    pub version: u32,
    /// Digest of the very text it was started with and finishes on.
    pub definition: String,
    /// Whose child it is; absent for one that was started by somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentView>,
    pub status: SagaStatus,
    /// What a person has to look at; empty when all is well.
    pub attention: Vec<AttentionView>,
    /// The saga cannot be read and is not driven: input, steps and output are not known, and a person has to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<UnreadableView>,
    pub input: Value,
    pub labels: BTreeMap<String, Value>,
    /// The definition's `output`, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why it has none, if the definition's `output` could not be computed. What is done stays done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_error: Option<String>,
    pub started_at: DateTime<Utc>,
    /// When the last event was decided.
    pub updated_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Retention took its journal, at this time: input, steps and output are not known any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged_at: Option<DateTime<Utc>>,
    /// The end of the forward path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<DateTime<Utc>>,
    /// Why it is undone, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseView>,
    /// What it takes before its first step, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockView>,
    /// The ownership under which the last event was written.
    pub epoch: u64,
    /// In source order.
    pub steps: Vec<StepView>,
}

/// How a saga went: the answer to `Prefer: return=minimal`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SagaResult {
    pub id: Uuid,
    pub status: SagaStatus,
    /// A person has to look.
    pub attention: bool,
    /// The definition's `output`, once completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// A saga in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SagaItem {
    pub id: Uuid,
    pub name: String,
    pub version: u32,
    /// Whose child it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    pub status: SagaStatus,
    /// A person has to look.
    pub attention: bool,
    pub started_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// The life of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SagaStatus {
    /// On its forward path.
    Running,
    /// Undoing what may have happened.
    Compensating,
    /// Ended: the forward path is done.
    Completed,
    /// Ended: everything that may have happened is undone.
    Compensated,
    /// Ended by a named operator, with the residual effects listed.
    Abandoned,
    /// Its forward path is done: a child waits for its parent to settle it, a parent settles its children. Not an end.
    Succeeded,
}

impl SagaStatus {
    /// Nothing but annotations follows.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Compensated | Self::Abandoned => true,
            Self::Running | Self::Compensating | Self::Succeeded => false,
        }
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Abandoned => "abandoned",
            Self::Succeeded => "succeeded",
        }
    }
}

impl fmt::Display for SagaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Action,
    Compensate,
}

/// A call that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttentionView {
    pub step: String,
    pub op: Op,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    pub reason: AttentionReason,
    pub detail: String,
    pub since: DateTime<Utc>,
}

/// What keeps a saga from being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnreadableView {
    #[schema(example = "unreadable row: journal of saga 0190…, seq 2: unknown variant `later_call_intended`")]
    pub reason: String,
    /// Since its owner said so; absent if this was only found by asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Which process said so last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Why a person has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionReason {
    /// More attempts than are made without asking; it goes on being retried.
    AttemptsExhausted,
    /// A definite no where none can be accepted; waits for an operator.
    Rejected,
    /// It cannot be sent as the definition says; waits for an operator.
    RefusedHere,
    /// It happened at or after the pivot, but its reply is of no use; waits for an operator.
    Unusable,
    /// The pivot was rejected after an attempt that may have happened, by a service whose word does not settle it.
    RejectedAfterUnknown,
    /// The participant has seen a higher epoch than the true owner's; it goes on being retried.
    StaleEpoch,
    /// The participant has stored another body under this key; it goes on being retried.
    OtherBody,
    /// The signal it awaits did not come in time, behind the pivot; it goes on waiting.
    TimedOut,
    /// It may have happened, must not be sent again, and there is no probe to ask; waits for an operator.
    Unresolved,
    /// Its child ended compensated where nothing is undone any more; waits for an operator.
    ChildCompensated,
}

/// Why a saga is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CauseView {
    /// One sentence for people.
    #[schema(example = "charge was rejected by payments: 402 insufficient funds")]
    pub summary: String,
    #[serde(flatten)]
    pub kind: CauseKind,
}

/// Why a saga is undone, for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CauseKind {
    /// A step failed.
    StepFailed {
        step: String,
        /// The item, for a step that calls once for each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
        failure: Failure,
        reason: String,
    },
    /// Somebody asked for it.
    Cancelled {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The forward path took longer than the definition's `deadline`, or a parent's.
    DeadlinePassed,
    /// Its parent is undone.
    UndoneByParent,
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The participant said no.
    Rejected,
    /// It happened, but the reply is of no use.
    Unusable,
    /// All attempts are used up.
    AttemptsExhausted,
    /// It could not be sent, or could not begin, as the definition says.
    RefusedHere,
    /// The signal it awaited did not come in time.
    TimedOut,
    /// It may have happened, and must not be sent again.
    Unresolved,
    /// Its child ended compensated.
    ChildCompensated,
}
