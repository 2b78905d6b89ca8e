//! What acceptances and callbacks make of a call under way.

use super::calls::{call_mut, open};
use crate::{
    event::Verdict,
    ids::{CallId, Digest, Op},
    state::{CallState, CalledBack, Phase, State},
    time::Time,
};

pub(super) fn accepted(
    state: &mut State,
    id: &CallId,
    attempt: u32,
    until: Time,
    at: Time,
) -> Result<(), &'static str> {
    if id.op != Op::Action || until < at {
        return Err("only an action is accepted, for a time to come");
    }
    open(state, id, attempt)?.phase = Phase::Accepted { until: Some(until) };
    Ok(())
}

/// Whatever phase the call is in: the first verdict decides it. Later ones are no events.
pub(super) fn called_back(
    state: &mut State,
    id: &CallId,
    verdict: Verdict,
    digest: &Digest,
) -> Result<(), &'static str> {
    if state.callbacks.contains_key(id) {
        return Err("a call is called back once");
    }
    match call_mut(state, id) {
        Some(call) if id.op == Op::Action && call.attempt > 0 && call.phase != Phase::Child => {
            call.phase = Phase::Told { verdict }
        }
        _ => return Err("only an action that was sent and is under way is called back"),
    }
    state.callbacks.insert(id.clone(), CalledBack { verdict, digest: digest.clone() });
    Ok(())
}

/// The call whose last attempt is judged now: it is open, or its participant has called back and said just that.
pub(super) fn judged<'s>(
    state: &'s mut State,
    id: &CallId,
    attempt: u32,
    as_what: Verdict,
) -> Result<&'s mut CallState, &'static str> {
    match call_mut(state, id) {
        Some(call) if call.attempt == attempt => match call.phase {
            Phase::Open { .. } => Ok(call),
            Phase::Told { verdict } if verdict == as_what => Ok(call),
            Phase::Told { .. } => Err("the callback said something else"),
            // A probe has found it.
            Phase::Applied if as_what == Verdict::Succeeded => Ok(call),
            Phase::Accepted { .. }
            | Phase::Applied
            | Phase::Closed
            | Phase::Postponed { .. }
            | Phase::Probing(_)
            | Phase::Child
            | Phase::Halted => Err("this attempt is not open"),
        },
        _ => Err("this attempt is not open"),
    }
}

/// The participant has had its time, and nothing ends the wait any more but its callback.
pub(super) fn overdue(call: &mut CallState, at: Time) -> Result<(), &'static str> {
    match &mut call.phase {
        Phase::Accepted { until } if until.is_some_and(|until| until <= at) => {
            *until = None;
            Ok(())
        }
        _ => Err("its time is not over"),
    }
}
