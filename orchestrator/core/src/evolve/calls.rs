//! What calls make of the life of a step, or of one of its items.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    event::FailedStep,
    ids::{CallId, Digest, Op},
    state::{CallState, Life, Phase, State, StepState, Undoable},
    time::Time,
};

pub(super) fn first(due_at: Time, request: &Digest) -> CallState {
    CallState { request: Some(request.clone()), attempt: 1, phase: Phase::Open { due_at }, may_have_happened: false }
}

/// One more attempt of the same call: the same bytes, the next number.
pub(super) fn again(call: CallState, due_at: Time, request: &Digest) -> Result<CallState, &'static str> {
    match call.phase {
        Phase::Open { .. } | Phase::Told { .. } => Err("the attempt before it has no outcome yet"),
        Phase::Accepted { .. } => Err("what is accepted is not asked for again"),
        Phase::Child => Err("a child begins once"),
        Phase::Probing(_) | Phase::Applied => Err("whether the attempt before it was applied is still being asked"),
        Phase::Closed | Phase::Postponed { .. } | Phase::Halted
            if call.request.as_ref().is_some_and(|before| before != request) =>
        {
            Err("every attempt of a call sends the same bytes")
        }
        Phase::Closed | Phase::Postponed { .. } | Phase::Halted => Ok(CallState {
            request: Some(request.clone()),
            attempt: call.attempt.saturating_add(1),
            phase: Phase::Open { due_at },
            may_have_happened: call.may_have_happened,
        }),
    }
}

pub(super) fn halted(call: CallState) -> Result<CallState, &'static str> {
    match call.phase {
        Phase::Open { .. } | Phase::Accepted { .. } | Phase::Told { .. } | Phase::Probing(_) | Phase::Applied => {
            Err("the attempt has no outcome yet")
        }
        Phase::Child if call.may_have_happened => Err("the child may be there already"),
        Phase::Child | Phase::Closed | Phase::Postponed { .. } | Phase::Halted => {
            Ok(CallState { phase: Phase::Halted, ..call })
        }
    }
}

pub(super) fn undoable(life: Life) -> Result<Undoable, &'static str> {
    match life {
        Life::Succeeded { output } => Ok(Undoable::Succeeded { output }),
        Life::Failed(FailedStep::Unusable) => Ok(Undoable::Unusable),
        Life::Failed(FailedStep::Unresolved) => Ok(Undoable::Unresolved),
        Life::Failed(FailedStep::Rejected | FailedStep::NeverSent | FailedStep::TimedOut | FailedStep::CutShort)
        | Life::Calling(_)
        | Life::Compensating { .. }
        | Life::Compensated => Err("this step has nothing to undo"),
    }
}

pub(super) fn call_failed(call: Option<&CallState>, how: FailedStep) -> Result<(), &'static str> {
    let Some(CallState { phase, may_have_happened, .. }) = call else {
        return Err("only a step whose attempts are over can fail");
    };
    match phase {
        // What is not known yet may stay so: it is undone as what may have happened.
        Phase::Closed | Phase::Halted | Phase::Postponed { .. } | Phase::Probing(_) | Phase::Applied => {}
        Phase::Accepted { .. } if how == FailedStep::Unresolved => return Ok(()),
        Phase::Accepted { .. } => return Err("what is accepted may have happened"),
        Phase::Child if *may_have_happened => return Err("the child has not said what came of it"),
        Phase::Child => {}
        Phase::Open { .. } | Phase::Told { .. } => return Err("only a step whose attempts are over can fail"),
    }
    match (how, may_have_happened) {
        (FailedStep::NeverSent, true) => Err("an attempt may have happened, and that is never cleared"),
        (FailedStep::Unresolved | FailedStep::Unusable, false) => Err("no attempt may have happened"),
        (FailedStep::TimedOut | FailedStep::CutShort, _) => Err("it does not wait"),
        (FailedStep::Rejected, _)
        | (FailedStep::NeverSent, false)
        | (FailedStep::Unresolved | FailedStep::Unusable, true) => Ok(()),
    }
}

/// The life of the step or item of a call, taken out of the state. `None`: it has not begun.
pub(super) fn take(state: &mut State, id: &CallId) -> Result<Option<Life>, &'static str> {
    match (state.steps.get_mut(&id.step), id.index) {
        (Some(StepState::Each(each)), Some(index)) => {
            each.lives.get_mut(index as usize).map(Option::take).ok_or("there is no such item")
        }
        (Some(StepState::Each(_)), None) | (_, Some(_)) => Err("a step calls for itself, or for each item"),
        (None, None) => Ok(None),
        (Some(_), None) => match state.steps.remove(&id.step).and_then(StepState::into_life) {
            Some(life) => Ok(Some(life)),
            None => Err("this step does not call"),
        },
    }
}

/// What was [`take`]n comes back as what it has become.
pub(super) fn put(state: &mut State, id: &CallId, life: Life) {
    match (state.steps.get_mut(&id.step), id.index) {
        (Some(StepState::Each(each)), Some(index)) => {
            if let Some(place) = each.lives.get_mut(index as usize) {
                *place = Some(life);
            }
            let succeeded = |life: &Option<Life>| matches!(life, Some(Life::Succeeded { .. }));
            if each.output.is_none() && each.lives.iter().all(succeeded) {
                each.output = Some(outputs(&each.lives));
            }
        }
        _ => drop(state.steps.insert(id.step.clone(), life.into())),
    }
}

/// In order of the items.
pub(super) fn outputs(lives: &[Option<Life>]) -> Arc<Value> {
    let outputs = lives.iter().flatten().filter_map(|life| life.output().map(|output| Value::clone(output)));
    Arc::new(Value::Array(outputs.collect()))
}

pub(super) fn call_mut<'s>(state: &'s mut State, id: &CallId) -> Option<&'s mut CallState> {
    match (state.steps.get_mut(&id.step)?, id.op, id.index) {
        (StepState::Calling(call), Op::Action, None) | (StepState::Compensating { call, .. }, Op::Compensate, None) => {
            Some(call)
        }
        (StepState::Each(each), op, Some(index)) => {
            let (way, call) = each.lives.get_mut(index as usize)?.as_mut()?.under_way_mut()?;
            (way == op).then_some(call)
        }
        _ => None,
    }
}

/// The call whose attempt is open.
pub(super) fn open<'s>(state: &'s mut State, id: &CallId, attempt: u32) -> Result<&'s mut CallState, &'static str> {
    match call_mut(state, id) {
        Some(call) if call.attempt == attempt && matches!(call.phase, Phase::Open { .. }) => Ok(call),
        _ => Err("this attempt is not open"),
    }
}
