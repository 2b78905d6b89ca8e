//! What an orchestrator writes down: summary rows and journals. Its events are spelled here a second time, on purpose: the
//! checker shares no code with what it checks.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::words::Call;

/// One saga as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Saga {
    pub id: Uuid,
    pub name: String,
    pub version: u32,
    /// Digest of the definition it started with, from its first event.
    pub definition: String,
    pub row: Row,
    pub journal: Vec<Recorded>,
}

/// The summary row beside the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub status: String,
    pub attention: bool,
    pub started_at: i64,
    pub updated_at: i64,
    pub ended_at: Option<i64>,
    pub wake_at: Option<i64>,
    pub epoch: u64,
    pub next_seq: u64,
    /// Under which identity a process drives it; `None`: nobody does.
    pub owner: Option<Uuid>,
    /// When somebody is to wake it.
    pub asleep_until: Option<i64>,
}

/// One row of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub seq: u64,
    pub epoch: u64,
    pub at: i64,
    pub event: Event,
}

/// What happened, as far as the checker cares.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    SagaStarted {
        name: String,
        version: u32,
        definition: String,
        #[serde(default)]
        input: Value,
        #[serde(default)]
        deadline_at: Option<i64>,
        /// What it takes before its first step, in this order.
        #[serde(default)]
        locks: Vec<String>,
        /// Whose child it is.
        #[serde(default)]
        parent: Option<Parent>,
    },
    /// Others came before.
    LockQueued {
        lock: String,
        arrived_at: i64,
    },
    LockTaken {
        lock: String,
        arrived_at: i64,
    },
    Adopted,
    /// The owner let go in good order: nothing that is open has left.
    Released,
    CallIntended {
        call: Call,
        attempt: u32,
        due_at: i64,
        request: String,
    },
    CallSucceeded {
        call: Call,
        attempt: u32,
    },
    CallUnusable {
        call: Call,
        attempt: u32,
    },
    CallRejected {
        call: Call,
        attempt: u32,
        acked: bool,
    },
    CallNotSent {
        call: Call,
        attempt: u32,
    },
    CallUnknown {
        call: Call,
        attempt: u32,
    },
    CallAccepted {
        call: Call,
        attempt: u32,
        until: i64,
    },
    CallbackReceived {
        call: Call,
        verdict: Verdict,
    },
    CallWithdrawn {
        call: Call,
        attempt: u32,
    },
    CallRefused {
        call: Call,
    },
    /// The next attempt is intended at that time.
    CallPostponed {
        call: Call,
        until: i64,
    },
    /// It is asked whether the attempt was applied.
    ProbeIntended {
        call: Call,
        attempt: u32,
        due_at: i64,
    },
    CallProbed {
        call: Call,
        attempt: u32,
        verdict: Probed,
        /// It is asked again.
        #[serde(default)]
        due_at: Option<i64>,
    },
    /// Its `if` was false.
    StepSkipped {
        step: String,
    },
    /// What decides how it runs has no value.
    StepRefused {
        step: String,
    },
    SleepStarted {
        step: String,
        until: i64,
    },
    SleepEnded {
        step: String,
    },
    AwaitStarted {
        step: String,
        signal: String,
        until: i64,
    },
    SignalReceived {
        signal: String,
        #[serde(default)]
        key: Option<String>,
        #[serde(default)]
        payload: Value,
    },
    SignalTaken {
        step: String,
        signal: String,
    },
    /// The step calls once for each.
    ItemsListed {
        step: String,
        items: Vec<Value>,
    },
    ChildIntended {
        call: Call,
        child: Uuid,
    },
    /// From here on it may be there.
    ChildPinned {
        call: Call,
    },
    ChildSucceeded {
        call: Call,
    },
    ChildUnusable {
        call: Call,
    },
    ChildUndoIntended {
        call: Call,
    },
    ChildCompensated {
        call: Call,
    },
    /// It was told that nothing undoes it any more.
    ChildSettled {
        call: Call,
    },
    SagaSucceeded {},
    /// Its parent said so of it.
    SettledByParent,
    StepFailed {
        step: String,
        #[serde(default)]
        index: Option<u32>,
        how: How,
    },
    AttentionRaised {
        call: Call,
        reason: String,
    },
    CancelRequested {},
    CompensationStarted {
        cause: Cause,
    },
    SagaCompleted {},
    SagaCompensated,
}

/// What a callback says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Succeeded,
    Rejected,
}

/// What a probe said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probed {
    Applied,
    NotApplied,
    NotAppliedYet,
    InProgress,
    Unknown,
}

/// What a failed step left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Rejected,
    NeverSent,
    Unusable,
    Unresolved,
    TimedOut,
    CutShort,
}

/// Why a saga is undone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    StepFailed {
        step: String,
        #[serde(default)]
        index: Option<u32>,
    },
    Cancelled {},
    DeadlinePassed,
    UndoneByParent,
}

/// Whose child a saga is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Parent {
    pub saga: Uuid,
    pub step: String,
    #[serde(default)]
    pub index: Option<u32>,
}
