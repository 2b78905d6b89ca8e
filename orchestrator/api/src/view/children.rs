//! The children of steps, as far as the saga's own journal tells.

use std::collections::BTreeMap;

use amends_core::{
    definition::Step,
    event::{Event, Recorded},
    ids::{CallId, Op},
    state::{ChildStands, State},
    time::Time,
};
use amends_protocol::v1::{ChildStatus, ChildView, ChildrenView, ParentView};

use super::time;

/// What a journal says of each child.
#[derive(Default)]
pub(super) struct Children(BTreeMap<CallId, Seen>);

struct Seen {
    intended_at: Time,
    undo_at: Option<Time>,
    told_at: Option<Time>,
    detail: Option<String>,
}

impl Children {
    pub(super) fn read(journal: &[Recorded]) -> Self {
        let mut children = Self::default();
        for recorded in journal {
            children.see(recorded.at, &recorded.event);
        }
        children
    }

    fn see(&mut self, at: Time, event: &Event) {
        match event {
            Event::ChildIntended { call, .. } => {
                self.0.insert(call.clone(), Seen { intended_at: at, undo_at: None, told_at: None, detail: None });
            }
            Event::ChildUndoIntended { call } => self.change(call, |seen| seen.undo_at = Some(at)),
            Event::ChildSucceeded { call, .. } => self.change(call, |seen| seen.told_at = Some(at)),
            Event::ChildUnusable { call, reason } | Event::ChildCompensated { call, reason } => {
                self.change(call, |seen| (seen.told_at, seen.detail) = (Some(at), Some(reason.clone())));
            }
            Event::CallRefused { call, reason } => self.change(call, |seen| seen.detail = Some(reason.clone())),
            _ => {}
        }
    }

    fn change(&mut self, call: &CallId, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.0.get_mut(&CallId { op: Op::Action, ..call.clone() }) {
            change(seen);
        }
    }

    /// `None`: it is no step that runs children.
    pub(super) fn of(&self, step: &Step, state: &State) -> Option<ChildrenView> {
        let definition = step.child()?.name.to_string();
        let of_step = state.children.iter().filter(|(call, _)| call.step == step.name);
        let sagas = of_step.filter_map(|(call, child)| {
            let seen = self.0.get(call)?;
            Some(ChildView {
                id: child.saga.0,
                index: call.index,
                version: child.pinned.as_ref().map(|(version, _)| *version),
                status: status(child.stands),
                intended_at: time(seen.intended_at),
                undo_at: seen.undo_at.map(time),
                told_at: seen.told_at.map(time),
                detail: seen.detail.clone(),
            })
        });
        Some(ChildrenView { definition, sagas: sagas.collect() })
    }
}

pub(super) fn parent(state: &State) -> Option<ParentView> {
    let parent = state.started.parent.as_ref()?;
    Some(ParentView { id: parent.saga.0, step: parent.step.to_string(), index: parent.index })
}

fn status(stands: ChildStands) -> ChildStatus {
    match stands {
        ChildStands::UnderWay => ChildStatus::UnderWay,
        ChildStands::Succeeded => ChildStatus::Succeeded,
        ChildStands::Settled => ChildStatus::Completed,
        ChildStands::Compensated => ChildStatus::Compensated,
        ChildStands::Refused => ChildStatus::Refused,
    }
}
