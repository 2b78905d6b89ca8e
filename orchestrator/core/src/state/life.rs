//! The life of a call: of a step that calls once, and of each item of one that calls for many. The rules are the same, so
//! `evolve` knows only this one.

use std::sync::Arc;

use serde_json::Value;

use super::{CallState, StepState, Undoable};
use crate::{event::FailedStep, ids::Op};

/// The life of a step that calls, or of one item of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Life {
    Calling(CallState),
    Succeeded { output: Arc<Value> },
    Failed(FailedStep),
    Compensating { was: Undoable, call: CallState },
    Compensated,
}

impl Life {
    /// Its call under way, and which way it goes.
    pub fn under_way(&self) -> Option<(Op, &CallState)> {
        match self {
            Self::Calling(call) => Some((Op::Action, call)),
            Self::Compensating { call, .. } => Some((Op::Compensate, call)),
            Self::Succeeded { .. } | Self::Failed(_) | Self::Compensated => None,
        }
    }

    pub(crate) fn under_way_mut(&mut self) -> Option<(Op, &mut CallState)> {
        match self {
            Self::Calling(call) => Some((Op::Action, call)),
            Self::Compensating { call, .. } => Some((Op::Compensate, call)),
            Self::Succeeded { .. } | Self::Failed(_) | Self::Compensated => None,
        }
    }

    /// Something of it is to be undone, if the saga is, and is not undone yet (invariant 5).
    pub(crate) fn owes_undo(&self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Compensating { .. } => true,
            Self::Failed(how) => how.owes_undo(),
            Self::Calling(_) | Self::Compensated => false,
        }
    }

    /// What it gave, as long as it stands.
    pub fn output(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Succeeded { output } | Self::Compensating { was: Undoable::Succeeded { output }, .. } => Some(output),
            _ => None,
        }
    }
}

impl From<Life> for StepState {
    fn from(life: Life) -> Self {
        match life {
            Life::Calling(call) => Self::Calling(call),
            Life::Succeeded { output } => Self::Succeeded { output },
            Life::Failed(how) => Self::Failed(how),
            Life::Compensating { was, call } => Self::Compensating { was, call },
            Life::Compensated => Self::Compensated,
        }
    }
}

impl StepState {
    /// The same as [`Life::owes_undo`].
    pub(crate) fn owes_undo(&self) -> bool {
        match self {
            Self::Succeeded { .. } | Self::Compensating { .. } => true,
            Self::Failed(how) => how.owes_undo(),
            Self::Each(each) => each.lives.iter().flatten().any(Life::owes_undo),
            Self::Skipped | Self::Refused | Self::Waiting(_) | Self::Calling(_) | Self::Compensated => false,
        }
    }

    /// The same as the life of a call. `None`: it is a step that does not call, or does for many items.
    pub(crate) fn into_life(self) -> Option<Life> {
        match self {
            Self::Calling(call) => Some(Life::Calling(call)),
            Self::Succeeded { output } => Some(Life::Succeeded { output }),
            Self::Failed(how) => Some(Life::Failed(how)),
            Self::Compensating { was, call } => Some(Life::Compensating { was, call }),
            Self::Compensated => Some(Life::Compensated),
            Self::Skipped | Self::Refused | Self::Waiting(_) | Self::Each(_) => None,
        }
    }
}
