//! What a saga owes its family: its children, and its parent if it is a child itself. A function of state like every command,
//! so that a fresh process owes exactly what the dead one owed; each errand may be done again without harm.
//!
//! Parent and child never share a commit. A parent begins a child under an id that follows from its step, so that beginning it
//! again meets the first time; and each tells the other what it has to by notes whose ids follow from who tells whom what.
//!
//! **It must never know** how a note travels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    decide::{Begin, past_pivot, undone},
    definition::{Definition, Side, Step, limits},
    event::{Parent, Started},
    ids::{CallId, Op, SagaId, letter},
    labels, locks, locks_declared_by,
    state::{Phase, State},
    summary::Status,
    time::Time,
};

/// Something that a saga owes its family.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// Find the version that this child will be, see whether [`crate::child_may_begin`] allows it, and feed [`crate::Input::ChildPinned`] or
    /// [`crate::Input::ChildRefused`].
    Pin { call: CallId },
    /// Make the child, if it is not there: [`child_begins`].
    Begin { call: CallId },
    /// Tell the child to undo itself. One that is not there is made as one that is undone, so that nobody can make it any more
    /// who was asked to before.
    Undo { call: CallId },
    /// Tell the child that nothing undoes it any more, and feed [`crate::Input::ChildTold`].
    Settle { call: CallId },
    /// Tell the parent that the forward path is done. Repeated only after a restart: the parent answers by settling.
    ReportSuccess,
    /// Tell the parent that everything is undone, and feed [`crate::Input::Reported`]: only then does the saga end.
    ReportUndone,
}

/// What a child tells its parent.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Its forward path is done, and this is its output.
    Succeeded { output: Arc<Value> },
    /// It is undone, for this reason.
    Compensated { reason: String },
}

/// What a parent tells its child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// Nothing undoes it any more.
    Complete,
    /// It is to undo itself.
    Undo,
}

/// What is owed now.
pub(crate) fn errands(definition: &Definition, state: &State) -> Vec<Errand> {
    // Nearly every saga is nobody's child and has none, and this is asked at every step.
    if state.children.is_empty() && state.started.parent.is_none() {
        return Vec::new();
    }
    let mut owed = Vec::new();
    for (call, under_way) in state.calls().filter(|(_, call)| call.phase == Phase::Child) {
        let action = CallId { op: Op::Action, ..call.clone() };
        owed.push(match (call.op, state.status, under_way.may_have_happened) {
            (Op::Action, Status::Running, false) => Errand::Pin { call: action },
            (Op::Action, Status::Running, true) => Errand::Begin { call: action },
            _ => Errand::Undo { call: action },
        });
    }
    if settles(definition, state) {
        owed.extend(state.unsettled().map(|call| Errand::Settle { call: call.clone() }));
    }
    match state.status {
        Status::Succeeded if state.started.parent.is_some() && !state.settled => owed.push(Errand::ReportSuccess),
        Status::Compensating if state.started.parent.is_some() && undone(definition, state) => {
            owed.push(Errand::ReportUndone);
        }
        _ => {}
    }
    owed
}

/// Nothing undoes the children that have finished their forward path any more.
fn settles(definition: &Definition, state: &State) -> bool {
    match state.status {
        Status::Running => past_pivot(definition, state),
        Status::Succeeded => state.started.parent.is_none() || state.settled || past_pivot(definition, state),
        Status::Compensating | Status::Completed | Status::Compensated | Status::Abandoned => false,
    }
}

impl Errand {
    /// Whom it tells something, and the id of the note that does; `None`: nobody.
    pub fn letter(&self, state: &State) -> Option<(SagaId, Uuid)> {
        let receiver = match self {
            Self::Pin { .. } | Self::Begin { .. } => return None,
            Self::Undo { call } | Self::Settle { call } => state.child(call)?.saga,
            Self::ReportSuccess | Self::ReportUndone => state.started.parent.as_ref()?.saga,
        };
        let seq = match self {
            Self::ReportSuccess | Self::Settle { .. } => 1,
            Self::ReportUndone | Self::Undo { .. } => 2,
            Self::Pin { .. } | Self::Begin { .. } => return None,
        };
        Some((receiver, letter(receiver, state.saga, seq)))
    }
}

/// What the child of this call begins with, apart from what its version gives; `None`: the call runs no child.
pub fn child_begins(definition: &Definition, state: &State, call: &CallId, version: u32) -> Option<Begin> {
    let child = state.child(call)?;
    let (_, step) = definition.step(&call.step)?;
    let of = Descent { saga: state.saga, started: &state.started, step, index: call.index };
    Some(Begin { undone: state.status == Status::Compensating, ..of.begins(child.input.clone(), version) })
}

/// Whose child a saga is.
#[derive(Clone, Copy)]
pub(crate) struct Descent<'a> {
    /// The parent.
    pub(crate) saga: SagaId,
    pub(crate) started: &'a Started,
    pub(crate) step: &'a Step,
    pub(crate) index: Option<u32>,
}

impl Descent<'_> {
    pub(crate) fn begins(self, input: Arc<Value>, version: u32) -> Begin {
        let Self { saga, started, step, index } = self;
        let own = started.parent.as_ref();
        let mut line = own.map(|parent| parent.line.clone()).unwrap_or_default();
        line.push(started.name.clone());
        let locks = own.map_or(&started.locks, |parent| &parent.locks).clone();
        Begin {
            version,
            input,
            labels: serde_json::Map::new(),
            locks: [].into(),
            traceparent: started.traceparent.clone(),
            // From the intent of its pivot on a saga's deadline has no effect, on its children neither.
            deadline_at: started.deadline_at.filter(|_| step.side == Side::Before),
            parent: Some(Parent { saga, step: step.name.clone(), index, line, locks }),
            undone: false,
        }
    }
}

/// Whether this version may be the child of this call, and begin like this.
///
/// # Errors
/// Why not: the step is *refused here*.
pub fn child_may_begin(
    definition: &Definition,
    state: &State,
    call: &CallId,
    (child, version): (&Definition, u32),
    now: Time,
) -> Result<(), String> {
    let (Some(with), Some((_, step)), Some(known)) =
        (child_begins(definition, state, call, version), definition.step(&call.step), state.child(call))
    else {
        return Err("the step runs no child".to_owned());
    };
    may_begin(&with, step.side, known.saga, (child, version), now)
}

/// The same of a child that begins with this, at a step on this side of the pivot.
///
/// # Errors
/// As [`child_may_begin`].
pub(crate) fn may_begin(
    with: &Begin,
    side: Side,
    saga: SagaId,
    (child, version): (&Definition, u32),
    now: Time,
) -> Result<(), String> {
    let line = with.parent.as_ref().map(|parent| parent.line.clone()).unwrap_or_default();
    let name = &child.name;
    if line.contains(name) {
        return Err(format!("saga {name} would be its own descendant: {} → {name}", line.join(" → ")));
    }
    if line.len() >= limits::GENERATIONS {
        return Err(format!("more than {} generations: {} → {name}", limits::GENERATIONS, line.join(" → ")));
    }
    if side == Side::Before && child.has_pivot() {
        return Err(format!("saga {name} version {version} has a pivot, and this step is before the pivot"));
    }
    if let Err(wrong) = child.check_input(&with.input) {
        let wrong: Vec<String> = wrong.iter().map(|wrong| format!("{}: {}", wrong.pointer, wrong.message)).collect();
        return Err(format!("saga {name} version {version} takes no such input: {}", wrong.join("; ")));
    }
    labels(child, saga, with, now).map_err(|why| format!("saga {name} version {version}: {why}"))?;
    let asked = locks(child, saga, with, now).map_err(|why| format!("saga {name} version {version}: {why}"))?;
    let of_root = with.parent.as_ref().map_or(&[][..], |parent| &parent.locks);
    locks_declared_by(of_root, &asked).map_err(|missing| {
        let missing: Vec<&str> = missing.iter().map(|lock| lock.as_str()).collect();
        format!("saga {name} version {version} needs locks that its root does not take: {}", missing.join(", "))
    })
}
