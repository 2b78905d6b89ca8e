//! One step of a saga, with its calls and their attempts.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ChildrenView;

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    pub name: String,
    pub status: StepStatus,
    /// It is the point of no return: nothing before it is undone once it succeeded.
    pub pivot: bool,
    /// What later steps may refer to, once succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Steps that must be done before this one starts.
    pub needs: Vec<String>,
    /// What it waits for, if it is a step that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitView>,
    /// The sagas that it runs as children, if it is a step that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<ChildrenView>,
    /// One for each item, if it is a step that calls once for each; then `action` and `compensation` have no attempts of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<ItemView>>,
    /// What it calls, if it is a step that calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<CallView>,
    /// How it is undone; absent when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<CallView>,
}

/// The life of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It has not begun.
    Pending,
    /// Its action is under way.
    Calling,
    /// It sleeps, awaits a signal, the verdict on what was accepted or its child, or cannot begin and waits for a person.
    Waiting,
    /// It is done.
    Succeeded,
    /// A definite no: nothing to undo.
    Rejected,
    /// No attempt ever left, or its wait is over: nothing to undo.
    Failed,
    /// It happened, but its reply is of no use.
    Unusable,
    /// It may have happened.
    Unresolved,
    /// Its `if` was false.
    Skipped,
    /// What it did, or may have done, is being undone.
    Compensating,
    /// It is undone.
    Compensated,
    /// An operator decided not to undo it.
    CompensationSkipped,
}

impl StepStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Calling => "calling",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unusable => "unusable",
            Self::Unresolved => "unresolved",
            Self::Skipped => "skipped",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
            Self::CompensationSkipped => "compensation_skipped",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One call: the action or the compensation of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    pub service: String,
    #[schema(example = "POST")]
    pub method: String,
    /// As written in the definition, expressions and all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why it is not made, if it cannot be sent as the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    pub attempts: Vec<AttemptView>,
}

/// One item of a step that calls once for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    /// From 0, in order of the list.
    pub index: u32,
    pub status: StepStatus,
    /// As it stood in the list.
    pub item: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The attempts of its call.
    pub attempts: Vec<AttemptView>,
    /// The attempts to undo it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo_attempts: Vec<AttemptView>,
    /// Why its call is not made, or not undone, if it cannot be sent as the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// One wait: a sleep, or for a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitView {
    /// The signal it awaits; absent for a sleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// When it began; absent while the step is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime<Utc>>,
    /// When a sleep is over, and when somebody is asked about a signal that has not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<WaitOutcome>,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitOutcome {
    /// It has slept.
    Slept,
    /// Its signal came.
    Signalled,
    /// Its signal did not come in time.
    TimedOut,
    /// The saga failed meanwhile.
    CutShort,
}

impl WaitOutcome {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slept => "slept",
            Self::Signalled => "signalled",
            Self::TimedOut => "timed_out",
            Self::CutShort => "cut_short",
        }
    }
}

/// One HTTP request of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Counts from 1.
    pub attempt: u32,
    /// When it was decided to make it.
    pub intended_at: DateTime<Utc>,
    /// It is not sent before.
    pub due_at: DateTime<Utc>,
    /// When it was accepted, to be decided later by callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<DateTime<Utc>>,
    /// The verdict on what was accepted is due by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict_until: Option<DateTime<Utc>>,
    /// The outcome came by callback.
    #[serde(default, skip_serializing_if = "is_false")]
    pub called_back: bool,
    /// When its outcome was known; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// Of the HTTP answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What the answer, or its absence, said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was found out by asking whether it was applied; the last ones, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeView>,
}

/// One answer to the question whether an attempt was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProbeView {
    pub answered_at: DateTime<Utc>,
    pub verdict: ProbeVerdict,
    /// Of the HTTP answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub detail: String,
}

/// What a probe says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeVerdict {
    /// It happened.
    Applied,
    /// It did not happen, and will not.
    NotApplied,
    /// It had not happened, but what was sent may still arrive.
    NotAppliedYet,
    /// It is happening.
    InProgress,
    /// No answer, or none that says anything.
    Unknown,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// What an attempt meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It happened.
    Success,
    /// It happened, but its reply is of no use.
    Unusable,
    /// It did not happen.
    Rejected,
    /// The request never left: it did not happen.
    NotSent,
    /// It may have happened.
    Unknown,
    /// It was still waiting for its time when the saga failed, and will never be sent.
    Withdrawn,
}

impl AttemptOutcome {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Unusable => "unusable",
            Self::Rejected => "rejected",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Withdrawn => "withdrawn",
        }
    }
}
