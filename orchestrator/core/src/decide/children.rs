//! Steps that run a saga as a child: its intent, what it says of itself, and what its parent says to it.
//!
//! A child is to its parent what a call is: it succeeds, or it is undone; and it is told to undo itself where a call would be
//! compensated. There are no attempts: what is said is said by notes, which come until they are heard.
//!
//! **It must never know** whether the other side is driven here.

use std::sync::Arc;

use super::{Draft, undone};
use crate::{
    definition::{ChildStep, Side, Step},
    event::{AttentionReason, Cause, Event, FailedStep, Failure},
    family::{Errand, Report, Settlement, errands},
    ids::{CallId, Digest, Op, SagaId},
    render,
    state::{ChildStands, Phase, State},
    summary::Status,
};

impl Draft<'_> {
    /// Forward: what the child is started with. Back: that it is told to undo itself.
    pub(super) fn intend_child(&mut self, step: &Step, child: &ChildStep, id: &CallId) {
        if id.op == Op::Compensate {
            return self.push(Event::ChildUndoIntended { call: id.clone() });
        }
        match render::child_input(child, self.state, id) {
            Ok(input) => self.push(Event::ChildIntended {
                call: id.clone(),
                child: SagaId::of_child(self.state.saga, id.step.as_str(), id.index),
                name: child.name.clone(),
                input: Arc::new(input),
                pivot: step.side == Side::Pivot,
            }),
            Err(why) => self.refuse_child(step.side, id, why),
        }
    }

    pub(super) fn child_pinned(&mut self, id: &CallId, version: u32, definition: Digest) {
        if self.is_to_pin(id) {
            self.push(Event::ChildPinned { call: id.clone(), version, definition });
        }
    }

    pub(super) fn child_refused(&mut self, id: &CallId, why: String) {
        if let Some((_, step)) = self.definition.step(&id.step).filter(|_| self.is_to_pin(id)) {
            self.refuse_child(step.side, id, why);
        }
    }

    fn is_to_pin(&self, id: &CallId) -> bool {
        self.state.status == Status::Running
            && self.state.call(id).is_some_and(|call| call.phase == Phase::Child && !call.may_have_happened)
    }

    /// There is no child and never was: at the pivot nothing has happened, so that it fails as a pivot that was rejected.
    fn refuse_child(&mut self, side: Side, id: &CallId, why: String) {
        self.push(Event::CallRefused { call: id.clone(), reason: why.clone() });
        match side {
            Side::Before | Side::Pivot => self.fail(id, FailedStep::NeverSent, Failure::RefusedHere, why),
            Side::After => self.attention(id, AttentionReason::RefusedHere, why),
        }
    }

    pub(super) fn child_reported(&mut self, id: &CallId, report: Report) {
        let Some(stands) = self.state.child(id).map(|child| child.stands) else { return };
        let action = CallId { op: Op::Action, ..id.clone() };
        match (report, stands) {
            (Report::Succeeded { output }, ChildStands::UnderWay) => self.child_succeeded(&action, &output),
            (Report::Compensated { reason }, ChildStands::UnderWay) => self.child_compensated(&action, reason),
            (Report::Compensated { reason }, ChildStands::Succeeded) => self.child_undone(action, reason),
            // Told again.
            (Report::Succeeded { .. }, _)
            | (Report::Compensated { .. }, ChildStands::Settled | ChildStands::Compensated | ChildStands::Refused) => {}
        }
    }

    fn child_succeeded(&mut self, id: &CallId, output: &serde_json::Value) {
        let Some((_, step)) = self.definition.step(&id.step) else { return };
        let (Some(child), side) = (step.child(), step.side) else { return };
        let saga = SagaId::of_child(self.state.saga, id.step.as_str(), id.index);
        match render::child_output(child, saga, output, self.output_bytes(&id.step)) {
            Ok(output) => self.push(Event::ChildSucceeded { call: id.clone(), output: Arc::new(output) }),
            Err(reason) => {
                self.push(Event::ChildUnusable { call: id.clone(), reason: reason.clone() });
                match (self.state.status, side) {
                    (Status::Compensating, _) => self.fail_step(id, FailedStep::Unusable),
                    (_, Side::Before) => self.fail(id, FailedStep::Unusable, Failure::Unusable, reason),
                    (_, Side::Pivot | Side::After) => self.attention(id, AttentionReason::Unusable, reason),
                }
            }
        }
    }

    /// It failed, or was cancelled: nothing of it is left. Behind the pivot nobody can do without it.
    fn child_compensated(&mut self, id: &CallId, reason: String) {
        let side = self.definition.step(&id.step).map_or(Side::Before, |(_, step)| step.side);
        self.push(Event::ChildCompensated { call: id.clone(), reason: reason.clone() });
        match (self.state.status, side) {
            (Status::Compensating, _) => self.fail_step(id, FailedStep::Rejected),
            (_, Side::Before | Side::Pivot) => {
                self.fail(id, FailedStep::Rejected, Failure::ChildCompensated, reason);
            }
            (_, Side::After) => self.attention(id, AttentionReason::ChildCompensated, reason),
        }
    }

    /// It had finished its forward path, and did as it was told. Told while it ran, it may say both at once.
    fn child_undone(&mut self, action: CallId, reason: String) {
        let undo = CallId { op: Op::Compensate, ..action };
        if self.state.status != Status::Compensating {
            return;
        }
        if self.state.call(&undo).is_none() {
            self.push(Event::ChildUndoIntended { call: undo.clone() });
        }
        self.push(Event::ChildCompensated { call: undo, reason });
    }

    pub(super) fn child_told(&mut self, id: &CallId) {
        if errands(self.definition, self.state).contains(&Errand::Settle { call: id.clone() }) {
            self.push(Event::ChildSettled { call: id.clone() });
        }
    }

    // ---- as a child ---------------------------------------------------------------------------------------------------

    pub(super) fn settled(&mut self, settlement: Settlement) {
        if self.state.started.parent.is_none() || self.state.settled {
            return;
        }
        match (settlement, self.state.status) {
            (Settlement::Complete, Status::Succeeded) => self.push(Event::SettledByParent),
            (Settlement::Undo, Status::Running | Status::Succeeded) => self.compensate_because(Cause::UndoneByParent),
            _ => {}
        }
    }

    /// Its parent has it in writing: it may end.
    pub(super) fn reported(&mut self) {
        if self.state.status == Status::Compensating && undone(self.definition, self.state) {
            self.push(Event::SagaCompensated);
        }
    }

    /// Its forward path is done. Who has a parent waits for it; who has children settles them before it ends.
    pub(super) fn advance_settling(&mut self) {
        let family = self.state.started.parent.is_some() && !self.state.settled;
        if !family && self.state.unsettled().next().is_none() {
            let output = self.state.output.clone();
            self.push(Event::SagaCompleted { output, output_error: None });
        }
    }
}

/// Why a child is undone, for its parent.
pub fn why_undone(state: &State) -> String {
    match &state.cause {
        Some(Cause::StepFailed { step, index: None, reason, .. }) => format!("step {step} failed: {reason}"),
        Some(Cause::StepFailed { step, index: Some(index), reason, .. }) => {
            format!("step {step}[{index}] failed: {reason}")
        }
        Some(Cause::Cancelled { reason: Some(reason) }) => format!("it was cancelled: {reason}"),
        Some(Cause::Cancelled { reason: None }) => "it was cancelled".to_owned(),
        Some(Cause::DeadlinePassed) => "its deadline passed".to_owned(),
        Some(Cause::UndoneByParent) | None => "its parent is undone".to_owned(),
    }
}
