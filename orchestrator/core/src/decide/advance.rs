//! What follows by itself: intents whose conditions are met, the deadline, the turn back, the end.
//!
//! **It must never know** what an answer was: that is `judge`'s.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{Draft, owes_undo, point_of_no_return};
use crate::{
    definition::{Kind, Side, Step, StepIx},
    event::{AttentionReason, Cause, Event, FailedStep, Failure},
    ids::{CallId, Op},
    render::{self, render},
    state::{CallState, Phase, StepState},
    summary::Status,
    time::Time,
};

impl Draft<'_> {
    pub(super) fn advance(&mut self) {
        if self.state.status == Status::Running {
            self.advance_forward();
        }
        if self.state.status == Status::Succeeded {
            self.advance_settling();
        }
        if self.state.status == Status::Compensating {
            self.advance_back();
        }
    }

    fn advance_forward(&mut self) {
        let overdue = self.state.started.deadline_at.is_some_and(|deadline| deadline <= self.now);
        if overdue && !point_of_no_return(self.definition, self.state) {
            return self.compensate_because(Cause::DeadlinePassed);
        }
        self.end_acceptances();
        if self.state.next_lock().is_some() {
            return;
        }
        if self.state.status == Status::Running {
            self.resume_postponed();
        }
        let definition = self.definition;
        // Only what is done in this very decision makes further steps ready.
        while self.state.status == Status::Running && (self.end_waits() | self.begin_ready()) {}
        if self.state.status == Status::Running && (0..definition.steps.len()).all(|ix| self.done(ix)) {
            let (output, output_error) = match render::output(definition, self.state) {
                Ok(output) => (output, None),
                Err(why) => (Value::Null, Some(why)),
            };
            let output = Arc::new(output);
            if self.state.started.parent.is_some() || self.state.unsettled().next().is_some() {
                self.push(Event::SagaSucceeded { output, output_error });
            } else {
                self.push(Event::SagaCompleted { output, output_error });
            }
        }
    }

    /// Begins every step whose needs are met. Whether one of them may be done already, so that others are ready.
    fn begin_ready(&mut self) -> bool {
        let definition = self.definition;
        let mut done = false;
        for step in &definition.steps {
            if self.state.status != Status::Running {
                break;
            }
            match self.state.step(&step.name) {
                None if step.needs.iter().all(|need| self.done(*need)) => done |= self.begin(step),
                Some(StepState::Each(each)) if each.output.is_none() => self.begin_items(step),
                _ => {}
            }
        }
        done
    }

    /// Whether the step may be done with that.
    fn begin(&mut self, step: &Step) -> bool {
        let runs = step.condition.as_ref().map_or(Ok(true), |condition| render::condition(condition, self.state));
        match runs {
            Ok(true) => match (&step.kind, step.each()) {
                (Kind::Wait(wait), _) => self.begin_wait(step, wait),
                (Kind::Call(_) | Kind::Saga(_), Some(each)) => self.list_items(step, each),
                (Kind::Call(_) | Kind::Saga(_), None) => self.intend(&CallId::action(&step.name), self.now),
            },
            Ok(false) => self.push(Event::StepSkipped { step: step.name.clone() }),
            Err(why) => self.refuse(step, why),
        }
        // A wait may be over as soon as it begins: its signal may be there. And there may be no item.
        match self.state.step(&step.name) {
            Some(StepState::Skipped | StepState::Waiting(_)) => true,
            Some(StepState::Each(each)) => each.output.is_some(),
            _ => false,
        }
    }

    /// A step that cannot begin: before the pivot it fails, behind it a person looks.
    pub(super) fn refuse(&mut self, step: &Step, why: String) {
        self.push(Event::StepRefused { step: step.name.clone(), reason: why.clone() });
        match step.side {
            Side::Before => {
                self.fail(&CallId::action(&step.name), FailedStep::NeverSent, Failure::RefusedHere, why);
            }
            Side::Pivot | Side::After => {
                self.attention(&CallId::action(&step.name), AttentionReason::RefusedHere, why);
            }
        }
    }

    fn done(&self, ix: StepIx) -> bool {
        let step = self.state.step(&self.definition.steps[ix].name);
        match step {
            Some(StepState::Succeeded { .. } | StepState::Skipped) => true,
            Some(StepState::Each(each)) => each.output.is_some(),
            _ => false,
        }
    }

    /// No new action starts. Attempts that cannot have left are withdrawn; those that may be under way are awaited.
    pub(super) fn compensate_because(&mut self, cause: Cause) {
        self.push(Event::CompensationStarted { cause });
        let calling: Vec<(CallId, CallState)> = self.state.calls().map(|(id, call)| (id, call.clone())).collect();
        for (id, call) in calling {
            match call.phase {
                Phase::Open { due_at } if due_at > self.now || self.intended_just_now(&id, call.attempt) => {
                    self.push(Event::CallWithdrawn { call: id.clone(), attempt: call.attempt });
                    self.fail_step_in_doubt(&id);
                }
                Phase::Open { .. } => {}
                // What is accepted is not awaited: nobody knows when its verdict comes. What is still asked after is undone
                // without an answer.
                Phase::Accepted { .. }
                | Phase::Closed
                | Phase::Applied
                | Phase::Halted
                | Phase::Postponed { .. }
                | Phase::Probing(_) => self.fail_step_in_doubt(&id),
                Phase::Told { .. } => {}
                // A child that may be there is told to undo itself, and awaited.
                Phase::Child if call.may_have_happened => {}
                Phase::Child => self.fail_step_in_doubt(&id),
            }
        }
    }

    /// The attempt's intent is part of this very decision: it is not durable yet, so nothing has left.
    fn intended_just_now(&self, id: &CallId, number: u32) -> bool {
        self.events.iter().any(|recorded| match &recorded.event {
            Event::CallIntended { call, attempt, .. } => call == id && *attempt == number,
            _ => false,
        })
    }

    /// No wait goes on. Undoes in reverse order of dependency: a step waits for those that depended on it, and for nobody else.
    fn advance_back(&mut self) {
        self.cut_waits_short();
        let in_flight = self.state.calls().any(|(id, _)| id.op == Op::Action);
        if in_flight {
            return;
        }
        let definition = self.definition;
        let owes = |ix: &StepIx| owes_undo(&definition.steps[*ix], self.state);
        let owed: BTreeSet<StepIx> = (0..definition.steps.len()).filter(owes).collect();
        match (owed.is_empty(), &self.state.started.parent) {
            (true, None) => return self.push(Event::SagaCompensated),
            // A child ends when its parent has that in writing.
            (true, Some(_)) => return,
            (false, _) => {}
        }
        for ix in owed.iter().rev() {
            let step = &definition.steps[*ix];
            let waits = owed.iter().any(|later| definition.steps[*later].ancestors.contains(ix));
            match self.state.step(&step.name) {
                _ if waits => {}
                Some(StepState::Compensating { .. }) => {}
                Some(StepState::Each(_)) => self.undo_items(step),
                _ => self.intend(&CallId::compensate(&step.name), self.now),
            }
        }
    }

    /// Intends the next attempt of a call, if it can be made with the bytes it has always had; otherwise refuses it here.
    pub(super) fn intend(&mut self, id: &CallId, due_at: Time) {
        let (_, step) = self.definition.step(&id.step).expect("invariant: only steps of the definition are intended");
        if let Some(child) = step.child() {
            return self.intend_child(step, child, id);
        }
        let side = step.side;
        let before = self.state.call(id).cloned();
        let rendered = render(self.definition, self.state, id).and_then(|rendered| match id.op {
            Op::Action => render::check_beside(step, self.state, id).map(|()| rendered),
            Op::Compensate => Ok(rendered),
        });
        let sent = before.as_ref().and_then(|call| call.request.as_ref());
        let changed = "it would be another request than the attempts before it were".to_owned();
        // A template that fails ends a step before the pivot. Other bytes under the same key end nothing: a person looks.
        let (why, fails) = match rendered {
            Ok(rendered) if sent.is_none_or(|sent| *sent == rendered.digest) => {
                let pivot = id.op == Op::Action && side == Side::Pivot;
                let attempt = before.map_or(1, |call| call.attempt.saturating_add(1));
                let request = rendered.digest.clone();
                self.requests.push((id.clone(), rendered));
                return self.push(Event::CallIntended { call: id.clone(), attempt, due_at, request, pivot });
            }
            Ok(_) => (changed, false),
            Err(why) => (why, id.op == Op::Action && side == Side::Before),
        };
        self.push(Event::CallRefused { call: id.clone(), reason: why.clone() });
        if fails {
            let how = self.never_sent_or_unresolved(id);
            self.fail(id, how, Failure::RefusedHere, why);
        } else {
            self.attention(id, AttentionReason::RefusedHere, why);
        }
    }
}
