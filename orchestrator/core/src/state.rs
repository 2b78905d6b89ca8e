//! What a journal folds to: where a saga stands. Every variant holds only what is true there.

mod children;
mod life;
mod locks;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

pub use self::{
    children::{Child, ChildStands},
    life::Life,
    locks::Locks,
};
use crate::{
    event::{AttentionReason, Cause, FailedStep, Started, Verdict},
    ids::{CallId, Digest, Op, SagaId, SignalName, StepName},
    summary::{Status, Summary},
    time::Time,
};

/// One saga.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub saga: SagaId,
    pub started: Arc<Started>,
    pub started_at: Time,
    /// `at` of the last event.
    pub updated_at: Time,
    pub ended_at: Option<Time>,
    pub status: Status,
    pub epoch: u64,
    /// `seq` of the next event.
    pub next_seq: u64,
    /// Its owner let go in good order: what is open has not left.
    pub released: bool,
    /// The intent of the pivot's call is committed: cancel and deadline have no effect any more.
    pub past_return: bool,
    /// Why it is undone, if it is.
    pub cause: Option<Cause>,
    /// Steps that have begun; the others are pending.
    pub steps: BTreeMap<StepName, StepState>,
    /// What a person has to look at.
    pub attention: BTreeMap<CallId, AttentionReason>,
    /// Signals that came, in order.
    pub signals: Vec<Received>,
    /// What came by callback, of each call the first.
    pub callbacks: BTreeMap<CallId, CalledBack>,
    pub locks: Locks,
    /// By the calls that run them.
    pub children: BTreeMap<CallId, Child>,
    /// Its parent has said that nothing undoes it any more.
    pub settled: bool,
    pub output: Arc<Value>,
}

/// One step. A step that is in no map is pending.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Its `if` was false.
    Skipped,
    /// It cannot begin, and waits for an operator.
    Refused,
    /// It sleeps, or awaits a signal.
    Waiting(Waiting),
    /// Its action is under way.
    Calling(CallState),
    /// It is done.
    Succeeded { output: Arc<Value> },
    /// It is over without having succeeded.
    Failed(FailedStep),
    /// What it did, or may have done, is being undone. `was` is what is undone.
    Compensating { was: Undoable, call: CallState },
    /// It is undone.
    Compensated,
    /// It calls once for each item.
    Each(Each),
}

/// A step that calls once for each item.
#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    pub items: Arc<[Value]>,
    /// Of each item; `None`: its turn has not come.
    pub lives: Vec<Option<Life>>,
    /// In order of the items, once all have succeeded.
    pub output: Option<Arc<Value>>,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Waiting {
    Sleep {
        until: Time,
    },
    Signal {
        signal: SignalName,
        /// The `seq` of the event with which it began: of several that await the same, the first gets the first.
        since: u64,
        /// `None`: that is over, and a person was asked to look.
        until: Option<Time>,
    },
}

impl Waiting {
    /// When it ends by itself.
    pub fn until(&self) -> Option<Time> {
        match self {
            Self::Sleep { until } => Some(*until),
            Self::Signal { until, .. } => *until,
        }
    }
}

/// A signal that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    pub signal: SignalName,
    pub key: Option<Arc<str>>,
    /// Of its payload.
    pub digest: Digest,
    /// `None`: a step has taken it.
    pub kept: Option<Arc<Value>>,
}

/// A verdict that came by callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledBack {
    pub verdict: Verdict,
    /// Of all that it said.
    pub digest: Digest,
}

/// What can be undone.
#[derive(Clone, Debug, PartialEq)]
pub enum Undoable {
    Succeeded { output: Arc<Value> },
    Unusable,
    Unresolved,
}

/// One call with its attempts.
#[derive(Clone, Debug, PartialEq)]
pub struct CallState {
    /// Digest of the bytes that every attempt sends; `None` before the first intent.
    pub request: Option<Digest>,
    /// Number of the last attempt intended; 0: none was.
    pub attempt: u32,
    pub phase: Phase,
    /// An attempt may have happened. Never cleared (stickiness of *unknown*).
    pub may_have_happened: bool,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The attempt is intended and has no outcome yet. It is not sent before `due_at`.
    Open { due_at: Time },
    /// The participant does it later. `None`: that took too long, and a person was asked to look.
    Accepted { until: Option<Time> },
    /// It came by callback, and what follows from it is decided in the same commit.
    Told { verdict: Verdict },
    /// The last attempt has an outcome, and what follows from it is decided in the same commit.
    Closed,
    /// The next attempt is intended at this time; until then there is none.
    Postponed { until: Time },
    /// Whether the last attempt was applied is to be asked, not before `due_at`.
    Probing(Probing),
    /// A probe found that it was applied; what follows from it is decided in the same commit.
    Applied,
    /// It is a child's: of a saga that is to begin if nothing may have happened, that is under way, or that is told to undo itself.
    Child,
    /// Waits for an operator.
    Halted,
}

impl CallState {
    /// It may have happened, as far as anybody knows here.
    pub fn in_doubt(&self) -> bool {
        self.may_have_happened || matches!(self.phase, Phase::Accepted { .. })
    }
}

/// What is known of a call that is being asked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    /// No attempt left after this.
    pub since: Time,
    pub due_at: Time,
    /// Probes that came back without a verdict and count.
    pub asked: u32,
    /// The participant says no by now.
    pub rejected: bool,
}

impl State {
    /// The step's state; `None` while it is pending.
    pub fn step(&self, name: &StepName) -> Option<&StepState> {
        self.steps.get(name)
    }

    /// The output of a step that has succeeded.
    pub fn output_of(&self, name: &str) -> Option<&Arc<Value>> {
        match self.steps.get(name)? {
            StepState::Succeeded { output } | StepState::Compensating { was: Undoable::Succeeded { output }, .. } => {
                Some(output)
            }
            StepState::Each(each) => each.output.as_ref(),
            _ => None,
        }
    }

    /// What the action of this call gave, as long as it stands.
    pub(crate) fn own_output(&self, id: &CallId) -> Option<&Arc<Value>> {
        match (self.steps.get(&id.step)?, id.index) {
            (StepState::Each(each), Some(index)) => each.lives.get(index as usize)?.as_ref()?.output(),
            (StepState::Each(_), None) | (_, Some(_)) => None,
            (_, None) => self.output_of(id.step.as_str()),
        }
    }

    /// The item that this call is for.
    pub(crate) fn item(&self, id: &CallId) -> Option<&Value> {
        match (self.steps.get(&id.step)?, id.index) {
            (StepState::Each(each), Some(index)) => each.items.get(index as usize),
            _ => None,
        }
    }

    /// The call, if it is under way.
    pub fn call(&self, id: &CallId) -> Option<&CallState> {
        match (self.steps.get(&id.step)?, id.op, id.index) {
            (StepState::Calling(call), Op::Action, None)
            | (StepState::Compensating { call, .. }, Op::Compensate, None) => Some(call),
            (StepState::Each(each), op, Some(index)) => {
                let (way, call) = each.lives.get(index as usize)?.as_ref()?.under_way()?;
                (way == op).then_some(call)
            }
            _ => None,
        }
    }

    /// Calls under way, in order of their steps' names.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &CallState)> {
        self.steps.iter().flat_map(|(name, step)| {
            let (alone, items) = match step {
                StepState::Calling(call) => (Some((CallId::action(name), call)), &[][..]),
                StepState::Compensating { call, .. } => (Some((CallId::compensate(name), call)), &[][..]),
                StepState::Each(each) => (None, &each.lives[..]),
                _ => (None, &[][..]),
            };
            let items = items.iter().zip(0_u32..).filter_map(move |(life, index)| {
                let (op, call) = life.as_ref()?.under_way()?;
                Some((CallId { step: name.clone(), index: Some(index), op }, call))
            });
            alone.into_iter().chain(items)
        })
    }

    /// Steps that wait, in order of their names.
    pub fn waits(&self) -> impl Iterator<Item = (&StepName, &Waiting)> {
        self.steps.iter().filter_map(|(name, step)| match step {
            StepState::Waiting(waiting) => Some((name, waiting)),
            _ => None,
        })
    }

    /// The oldest signal of that name that nobody has taken.
    pub fn kept(&self, signal: &SignalName) -> Option<&Arc<Value>> {
        self.signals.iter().filter(|received| received.signal == *signal).find_map(|received| received.kept.as_ref())
    }

    /// The row beside the journal (invariant 2).
    pub fn summary(&self) -> Summary {
        Summary {
            status: self.status,
            attention: !self.attention.is_empty(),
            wake_at: self.wake_at(),
            ended_at: self.ended_at,
        }
    }

    /// The next time at which something is due by itself. A deadline without effect is not: whoever sweeps what is due would
    /// find the saga again and again.
    fn wake_at(&self) -> Option<Time> {
        let due = self.calls().filter_map(|(_, call)| match call.phase {
            Phase::Open { due_at } | Phase::Postponed { until: due_at } => Some(due_at),
            Phase::Accepted { until } => until,
            Phase::Probing(probing) => Some(probing.due_at),
            Phase::Told { .. } | Phase::Closed | Phase::Applied | Phase::Child | Phase::Halted => None,
        });
        let deadline = self.started.deadline_at.filter(|_| self.status == Status::Running && !self.past_return);
        let waits = self.waits().filter_map(|(_, waiting)| waiting.until());
        due.chain(waits).chain(deadline).chain(self.look_at_lock()).chain(self.family_due()).min()
    }
}
