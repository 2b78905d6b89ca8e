//! Children: what a saga knows of those it has, and what is due because of family.

use std::sync::Arc;

use serde_json::Value;

use super::{Phase, State};
use crate::{
    ids::{CallId, Digest, Op, SagaId},
    summary::Status,
    time::Time,
};

/// A child of a saga, as far as the saga knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    pub saga: SagaId,
    /// Of its definition.
    pub name: Arc<str>,
    pub input: Arc<Value>,
    /// Its version and the digest of its text; `None`: there is no child yet.
    pub pinned: Option<(u32, Digest)>,
    /// What it has come to, as far as it has said.
    pub stands: ChildStands,
}

/// Where a child stands, seen from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildStands {
    /// It is to begin, or runs, or is being undone.
    UnderWay,
    /// It has finished its forward path and can still be undone.
    Succeeded,
    /// It has been told that nothing undoes it any more.
    Settled,
    /// It is undone.
    Compensated,
    /// It was refused before there was one.
    Refused,
}

impl State {
    /// The child that this call runs, or undoes.
    pub fn child(&self, id: &CallId) -> Option<&Child> {
        self.children.get(&CallId { op: Op::Action, ..id.clone() })
    }

    /// Children that can still be undone, by the calls that run them.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = &CallId> {
        self.children.iter().filter(|(_, child)| child.stands == ChildStands::Succeeded).map(|(id, _)| id)
    }

    /// Whoever finds the saga in nobody's memory must not leave it there: something is owed to its family that nobody else
    /// waits for. What is told by a note is not owed any more: the note is durable, and wakes its receiver.
    pub(super) fn family_due(&self) -> Option<Time> {
        let to_pin = self.status == Status::Running
            && self.calls().any(|(_, call)| call.phase == Phase::Child && !call.may_have_happened);
        // All that is left of it is to say so: what is undone has a call under way.
        let undone = self.status == Status::Compensating
            && self.started.parent.is_some()
            && self.calls().next().is_none()
            && self.waits().next().is_none();
        // A child that had nothing to do but to begin: it was made asleep, and nobody has driven it yet.
        let unsaid =
            self.status == Status::Succeeded && self.started.parent.is_some() && !self.settled && self.epoch == 1;
        (to_pin || undone || unsaid).then_some(self.updated_at)
    }
}
