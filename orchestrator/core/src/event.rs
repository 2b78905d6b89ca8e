//! What can happen to a saga. The journal is a list of these and the only truth; `tests/golden.rs` freezes their spelling.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    ids::{CallId, Digest, LockName, Op, SagaId, SignalName, StepName},
    time::Time,
};

/// One row of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Dense from 1 within its saga (invariant 2).
    pub seq: u64,
    /// The ownership under which it was written (invariant 7).
    pub epoch: u64,
    /// When it was decided.
    pub at: Time,
    /// What happened.
    pub event: Event,
}

/// Something that happened to a saga.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Always the first, and only the first.
    SagaStarted(Box<Started>),
    /// A process took the saga over; the epoch is in the row. Open attempts are unknown from here on.
    Adopted,
    /// The owner let go in good order: no intended attempt that has no outcome has left, and none will before an adoption.
    Released,
    /// Others came before it for this lock: it waits for them.
    LockQueued {
        lock: LockName,
        /// Its place: of one lock no two sagas have the same, and the lower one comes first.
        arrived_at: Time,
    },
    /// It has this lock until its end: nobody who came before lives any more.
    LockTaken { lock: LockName, arrived_at: Time },
    /// It is decided to make this attempt, not before `due_at`. Durable before the first byte leaves (invariant 4).
    CallIntended {
        call: CallId,
        attempt: u32,
        due_at: Time,
        /// Of method, path and body: every attempt of a call sends the same bytes.
        request: Digest,
        /// It is the pivot's: from here on cancel and deadline have no effect.
        #[serde(default, skip_serializing_if = "is_false")]
        pivot: bool,
    },
    /// The participant will do it later, and say by callback what came of it. A person looks, or the step fails, if it has not said
    /// so by then.
    CallAccepted { call: CallId, attempt: u32, until: Time },
    /// The participant said by callback what came of the call; what that means follows in the same commit.
    CallbackReceived {
        call: CallId,
        verdict: Verdict,
        /// Of what it said: the same again is the same callback.
        digest: Digest,
    },
    /// It happened.
    CallSucceeded {
        call: CallId,
        attempt: u32,
        status: u16,
        #[serde(default, skip_serializing_if = "is_null")]
        output: Arc<Value>,
    },
    /// It happened, but the step's `output` cannot be computed from the reply.
    CallUnusable { call: CallId, attempt: u32, status: u16, reason: String },
    /// A definite no: it did not happen.
    CallRejected {
        call: CallId,
        attempt: u32,
        status: u16,
        /// The participant's barrier stands behind the answer and will repeat it.
        acked: bool,
        reason: String,
    },
    /// The request never left: it did not happen.
    CallNotSent { call: CallId, attempt: u32, reason: String },
    /// It may have happened.
    CallUnknown {
        call: CallId,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        reason: String,
    },
    /// An intended attempt that was still waiting when the saga failed: no byte of it left and none will.
    CallWithdrawn { call: CallId, attempt: u32 },
    /// Its next attempt is intended when this time has come, and not before: it may be sent only once it is known that no
    /// attempt before it was.
    CallPostponed { call: CallId, until: Time },
    /// It is decided to ask whether this attempt was applied, not before `due_at`. Asking changes nothing.
    ProbeIntended {
        call: CallId,
        attempt: u32,
        due_at: Time,
        /// The participant says no by now; what is asked is whether an attempt before had been applied.
        #[serde(default, skip_serializing_if = "is_false")]
        rejected: bool,
    },
    /// A probe came back.
    CallProbed {
        call: CallId,
        attempt: u32,
        verdict: Probed,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        reason: String,
        /// When it is asked again; only if nothing is known yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Time>,
    },
    /// This call is never made: it cannot be rendered, or would not send the bytes it sent before.
    CallRefused { call: CallId, reason: String },
    /// Its `if` was false: it is done, with no output.
    StepSkipped { step: StepName },
    /// The step cannot begin: what decides whether and how it runs has no value.
    StepRefused { step: StepName, reason: String },
    /// The step sleeps until then.
    SleepStarted { step: StepName, until: Time },
    /// It has slept.
    SleepEnded { step: StepName },
    /// The step awaits a signal of this name, at most until then.
    AwaitStarted { step: StepName, signal: SignalName, until: Time },
    /// A signal came. It is kept until a step takes it.
    SignalReceived {
        signal: SignalName,
        /// A signal that comes again under this key is the same one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "is_null")]
        payload: Arc<Value>,
    },
    /// The step has what it awaited: the oldest signal of this name that nobody took before.
    SignalTaken {
        step: StepName,
        signal: SignalName,
        #[serde(default, skip_serializing_if = "is_null")]
        output: Arc<Value>,
    },
    /// The step calls once for each of these.
    ItemsListed { step: StepName, items: Arc<[Value]> },
    /// It is decided that a saga of this name runs as a child, with this input. Which version of it is not decided yet: there is
    /// no child.
    ChildIntended {
        call: CallId,
        child: SagaId,
        name: Arc<str>,
        input: Arc<Value>,
        /// It is the pivot's: from here on cancel and deadline have no effect.
        #[serde(default, skip_serializing_if = "is_false")]
        pivot: bool,
    },
    /// The child is of this version. From here on it may be there.
    ChildPinned { call: CallId, version: u32, definition: Digest },
    /// The child has finished its forward path, and waits for what becomes of this saga.
    ChildSucceeded {
        call: CallId,
        #[serde(default, skip_serializing_if = "is_null")]
        output: Arc<Value>,
    },
    /// The same, but the step's `output` cannot be computed from it.
    ChildUnusable { call: CallId, reason: String },
    /// It is decided that a child that has finished its forward path is undone.
    ChildUndoIntended { call: CallId },
    /// The child is undone: by itself, or because it was told to.
    ChildCompensated { call: CallId, reason: String },
    /// The child has been told that nothing undoes it any more.
    ChildSettled { call: CallId },
    /// The step, or one item of it, is over without having succeeded.
    StepFailed {
        step: StepName,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
        how: FailedStep,
    },
    /// A person has to look; `call` says at what. A step that has not come to its call is meant by its action.
    AttentionRaised { call: CallId, reason: AttentionReason, detail: String },
    /// Somebody asked for the saga to be undone.
    CancelRequested {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// From here on nothing new starts and everything that may have happened is undone.
    CompensationStarted { cause: Cause },
    /// The forward path is done. A child waits for its parent to settle it; a parent settles its children before it ends.
    SagaSucceeded {
        #[serde(default, skip_serializing_if = "is_null")]
        output: Arc<Value>,
        /// Why the definition's `output` has no value, if it has none. What is done stays done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_error: Option<String>,
    },
    /// Its parent has said that nothing undoes it any more.
    SettledByParent,
    /// Terminal: the forward path is done.
    SagaCompleted {
        #[serde(default, skip_serializing_if = "is_null")]
        output: Arc<Value>,
        /// Why the definition's `output` has no value, if it has none. What is done stays done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_error: Option<String>,
    },
    /// Terminal: everything that may have happened is undone.
    SagaCompensated,
}

/// What a saga is started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Name of the definition.
    pub name: Arc<str>,
    /// Its version.
    pub version: u32,
    /// Its text's digest: the saga finishes on exactly this text (invariant 11).
    pub definition: Digest,
    /// Valid by the definition's `input` schema.
    pub input: Arc<Value>,
    /// Free words to find it by.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub labels: Map<String, Value>,
    /// The end of the forward path, fixed at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Time>,
    /// What it takes before its first step, in this order.
    #[serde(default, skip_serializing_if = "<[LockName]>::is_empty")]
    pub locks: Arc<[LockName]>,
    /// W3C trace context of the start, passed on to every participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Whose child it is; a root is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// Whose child a saga is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    pub saga: SagaId,
    pub step: StepName,
    /// The item, for steps that run once per item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The names of the definitions above it, the root's first. None stands there twice.
    pub line: Vec<Arc<str>>,
    /// The locks of its root, under which it runs.
    #[serde(default, skip_serializing_if = "<[LockName]>::is_empty")]
    pub locks: Arc<[LockName]>,
}

impl Parent {
    /// The parent's call that it is.
    pub fn call(&self) -> CallId {
        CallId { step: self.step.clone(), index: self.index, op: Op::Action }
    }
}

/// What a callback says of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It happened.
    Succeeded,
    /// A definite no: it did not happen.
    Rejected,
}

/// Why a saga is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// A step failed.
    StepFailed {
        step: StepName,
        /// The item, for steps that run once per item.
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
    /// The forward path took longer than `deadline`.
    DeadlinePassed,
    /// Its parent is undone.
    UndoneByParent,
}

/// What a failed step left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedStep {
    /// A definite no, and no attempt that may have happened: nothing to undo.
    Rejected,
    /// No attempt ever left: nothing to undo.
    NeverSent,
    /// It happened, but its reply is of no use: to be undone.
    Unusable,
    /// An attempt may have happened: to be undone.
    Unresolved,
    /// The signal it awaited did not come in time: nothing to undo.
    TimedOut,
    /// It waited when the saga failed: nothing to undo.
    CutShort,
}

impl FailedStep {
    /// It happened, or may have.
    pub fn owes_undo(self) -> bool {
        match self {
            Self::Unusable | Self::Unresolved => true,
            Self::Rejected | Self::NeverSent | Self::TimedOut | Self::CutShort => false,
        }
    }
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probed {
    /// It happened.
    Applied,
    /// It did not, and will not: it was asked late enough.
    NotApplied,
    /// It had not, but may still arrive: it was asked too early to tell.
    NotAppliedYet,
    /// It is happening.
    InProgress,
    /// No answer, or none that says anything.
    Unknown,
}

impl Probed {
    /// It is asked again.
    pub fn asks_again(self) -> bool {
        match self {
            Self::Applied | Self::NotApplied => false,
            Self::NotAppliedYet | Self::InProgress | Self::Unknown => true,
        }
    }
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The participant said no.
    Rejected,
    /// It happened, but the reply is of no use.
    Unusable,
    /// All attempts are used up.
    AttemptsExhausted,
    /// It could not be sent as the definition says.
    RefusedHere,
    /// The signal it awaited, or the verdict on what was accepted, did not come in time.
    TimedOut,
    /// It may have happened, and must not be sent again.
    Unresolved,
    /// The child ended compensated.
    ChildCompensated,
}

/// Why a person has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionReason {
    /// More attempts than `attempts` allows without asking; it goes on being retried.
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
    /// The signal it awaits, or the verdict on what was accepted, did not come in time, from the pivot on; it goes on waiting.
    TimedOut,
    /// It may have happened, must not be sent again, and there is no probe to ask; waits for an operator.
    Unresolved,
    /// The child ended compensated where nothing is undone any more; waits for an operator.
    ChildCompensated,
}

impl AttentionReason {
    /// The call is not made again until an operator says so.
    pub fn halts(self) -> bool {
        match self {
            Self::Rejected
            | Self::RefusedHere
            | Self::Unusable
            | Self::RejectedAfterUnknown
            | Self::Unresolved
            | Self::ChildCompensated => true,
            Self::AttemptsExhausted | Self::StaleEpoch | Self::OtherBody | Self::TimedOut => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn is_null(value: &Arc<Value>) -> bool {
    value.is_null()
}
