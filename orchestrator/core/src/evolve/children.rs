//! What children make of the life of a step, or of one of its items: that of a call which is made once and has no attempts.

use std::sync::Arc;

use serde_json::Value;

use super::calls::{call_mut, put, take, undoable};
use crate::{
    ids::{CallId, Digest, Op, SagaId},
    state::{CallState, Child, ChildStands, Life, Phase, State, Undoable},
};

type Legal = Result<(), &'static str>;

fn child_call(may_have_happened: bool) -> CallState {
    CallState { request: None, attempt: 1, phase: Phase::Child, may_have_happened }
}

pub(super) fn intended(state: &mut State, call: &CallId, saga: SagaId, name: &Arc<str>, input: &Arc<Value>) -> Legal {
    if call.op != Op::Action || saga != SagaId::of_child(state.saga, call.step.as_str(), call.index) {
        return Err("a child's id is that of its step");
    }
    match take(state, call)? {
        None => put(state, call, Life::Calling(child_call(false))),
        Some(_) => return Err("the step has begun already"),
    }
    let child = Child { saga, name: name.clone(), input: input.clone(), pinned: None, stands: ChildStands::UnderWay };
    state.children.insert(call.clone(), child);
    Ok(())
}

pub(super) fn pinned(state: &mut State, call: &CallId, version: u32, definition: &Digest) -> Legal {
    match call_mut(state, call) {
        Some(under_way) if under_way.phase == Phase::Child && !under_way.may_have_happened => {
            under_way.may_have_happened = true;
        }
        _ => return Err("only a child that is to begin gets its version, and once"),
    }
    child(state, call)?.pinned = Some((version, definition.clone()));
    Ok(())
}

pub(super) fn succeeded(state: &mut State, call: &CallId, output: &Arc<Value>) -> Legal {
    under_way(state, call, Op::Action)?;
    put(state, call, Life::Succeeded { output: output.clone() });
    state.attention.remove(call);
    child(state, call)?.stands = ChildStands::Succeeded;
    Ok(())
}

pub(super) fn unusable(state: &mut State, call: &CallId) -> Legal {
    under_way(state, call, Op::Action)?.phase = Phase::Closed;
    child(state, call)?.stands = ChildStands::Succeeded;
    Ok(())
}

pub(super) fn undo_intended(state: &mut State, call: &CallId) -> Legal {
    let life = take(state, call)?.ok_or("there is no child to undo")?;
    if call.op != Op::Compensate || child(state, call)?.stands == ChildStands::Settled {
        return Err("only what is not settled is undone");
    }
    let was: Undoable = undoable(life)?;
    put(state, call, Life::Compensating { was, call: child_call(true) });
    Ok(())
}

pub(super) fn compensated(state: &mut State, call: &CallId) -> Legal {
    let under_way = under_way(state, call, call.op)?;
    match call.op {
        Op::Action => under_way.phase = Phase::Closed,
        Op::Compensate => {
            put(state, call, Life::Compensated);
            state.attention.remove(call);
        }
    }
    child(state, call)?.stands = ChildStands::Compensated;
    Ok(())
}

pub(super) fn settled(state: &mut State, call: &CallId) -> Legal {
    let child = child(state, call)?;
    if child.stands != ChildStands::Succeeded {
        return Err("only a child that has finished its forward path is settled");
    }
    child.stands = ChildStands::Settled;
    Ok(())
}

/// It never came to a child.
pub(super) fn refused(state: &mut State, call: &CallId) {
    if let Ok(child) = child(state, call) {
        child.stands = ChildStands::Refused;
    }
}

/// The call whose child may be there.
fn under_way<'s>(state: &'s mut State, id: &CallId, op: Op) -> Result<&'s mut CallState, &'static str> {
    match call_mut(state, id) {
        Some(call) if id.op == op && call.phase == Phase::Child && call.may_have_happened => Ok(call),
        _ => Err("no child of this call is under way"),
    }
}

fn child<'s>(state: &'s mut State, id: &CallId) -> Result<&'s mut Child, &'static str> {
    state.children.get_mut(&CallId { op: Op::Action, ..id.clone() }).ok_or("the step runs no child")
}
