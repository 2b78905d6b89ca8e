//! What happens between two attempts of an action that must not be sent twice: it is put off, or asked after.

use crate::{
    event::Probed,
    ids::{CallId, Op},
    state::{CallState, Phase, Probing, State},
    time::Time,
};

use super::calls::call_mut;

/// An action whose attempt is over, and of which nothing is decided yet.
fn over<'s>(state: &'s mut State, id: &CallId) -> Result<&'s mut CallState, &'static str> {
    if id.op != Op::Action {
        return Err("a compensation is sent again without asking");
    }
    match call_mut(state, id) {
        Some(call) if matches!(call.phase, Phase::Closed | Phase::Halted) => Ok(call),
        _ => Err("no attempt of this action is over"),
    }
}

pub(super) fn postponed(state: &mut State, id: &CallId, until: Time) -> Result<(), &'static str> {
    over(state, id)?.phase = Phase::Postponed { until };
    Ok(())
}

pub(super) fn probe_intended(
    state: &mut State,
    id: &CallId,
    attempt: u32,
    probing: Probing,
) -> Result<(), &'static str> {
    let call = over(state, id)?;
    if call.attempt != attempt || !call.may_have_happened {
        return Err("only what may have happened is asked after");
    }
    call.phase = Phase::Probing(probing);
    Ok(())
}

pub(super) fn probed(
    state: &mut State,
    id: &CallId,
    attempt: u32,
    verdict: Probed,
    again: Option<Time>,
) -> Result<(), &'static str> {
    let call = call_mut(state, id).filter(|call| call.attempt == attempt).ok_or("this attempt is not asked after")?;
    let Phase::Probing(probing) = call.phase else { return Err("this attempt is not asked after") };
    call.phase = match (verdict, again) {
        (Probed::Applied, None) => Phase::Applied,
        (Probed::NotApplied, None) => Phase::Closed,
        // It comes too early once at most, and says when it will not.
        (Probed::NotAppliedYet, Some(due_at)) => Phase::Probing(Probing { due_at, ..probing }),
        (Probed::InProgress | Probed::Unknown, Some(due_at)) => {
            Phase::Probing(Probing { due_at, asked: probing.asked.saturating_add(1), ..probing })
        }
        (Probed::InProgress | Probed::Unknown, None) => Phase::Closed,
        (Probed::Applied | Probed::NotApplied, Some(_)) | (Probed::NotAppliedYet, None) => {
            return Err("a probe is repeated only as long as nothing is known");
        }
    };
    Ok(())
}
