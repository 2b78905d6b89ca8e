//! How attempts, steps and sagas end, and what must be over by then.

use super::{Between, Life, Outcome, Status, callbacks, family, probes};
use crate::{
    audit::{
        journal::{Cause, How, Recorded},
        shape::Shape,
    },
    words::{Call, Op},
};

pub(super) fn close(
    life: &mut Life,
    recorded: &Recorded,
    call: &Call,
    attempt: u32,
    outcome: Outcome,
) -> Result<(), String> {
    if let Some(told) = callbacks::told(life, call, outcome) {
        return told.map(|attempt| attempt.outcome = Some((outcome, recorded.seq)));
    }
    let number = life.calls.get(call).map_or(0, |call| call.attempts.len());
    if probes::found_applied(life, call, attempt, outcome) {
        let last = life.calls.get_mut(call).and_then(|call| call.attempts.last_mut());
        last.into_iter().for_each(|last| last.outcome = Some((outcome, recorded.seq)));
        return Ok(());
    }
    let open = life.calls.get_mut(call).and_then(|call| call.attempts.last_mut());
    match open.filter(|open| open.outcome.is_none() && open.accepted.is_none() && number == attempt as usize) {
        Some(open) if open.doubtful && outcome != Outcome::Unknown => {
            Err("it was open at an adoption and may have left: it is unknown".to_owned())
        }
        Some(open) => {
            open.outcome = Some((outcome, recorded.seq));
            Ok(())
        }
        None => Err("this attempt is not open".to_owned()),
    }
}

/// A step, or an item of it, may fail only as its attempts say.
pub(super) fn fail(life: &mut Life, shape: &Shape, action: &Call, how: How) -> Result<(), String> {
    life.attention.remove(action);
    if life.failed.insert(action.clone(), how).is_some() {
        return Err("a step fails once".to_owned());
    }
    let step = action.step.as_str();
    if let Some(kid) = life.kids.get(action) {
        return family::fail(kid, how);
    }
    if life.refused.contains(step) {
        return if how == How::NeverSent { Ok(()) } else { Err("it never came to a call".to_owned()) };
    }
    let call = life.calls.get(action).ok_or("a step that was never begun cannot fail")?;
    if call.open().is_some() || call.succeeded().is_some() {
        return Err("only a step whose attempts are over can fail".to_owned());
    }
    let had = |wanted: fn(&Outcome) -> bool| call.outcomes().any(|outcome| wanted(&outcome));
    let last = call.outcomes().last();
    let said_no = match last {
        Some(Outcome::Rejected { acked }) => acked || call.between == Between::NotApplied,
        _ => false,
    };
    let pivot_settled = shape.step(step).is_some_and(|step| step.pivot) && said_no;
    let legal = if had(|outcome| *outcome == Outcome::Unusable) {
        how == How::Unusable
    } else if had(|outcome| *outcome == Outcome::Unknown) && !pivot_settled {
        how == How::Unresolved
    } else if matches!(last, Some(Outcome::Rejected { .. })) {
        how == How::Rejected
    } else {
        how == How::NeverSent
    };
    if !legal {
        return Err(format!("its attempts do not say {how:?}"));
    }
    if let Some(call) = life.calls.get_mut(action) {
        call.between = Between::Nothing;
    }
    Ok(())
}

pub(super) fn turn_back(life: &Life, cause: &Cause) -> Result<(), String> {
    match cause {
        Cause::StepFailed { step, index } => {
            let action = Call { step: step.clone(), index: *index, op: Op::Action };
            if life.failed.contains_key(&action) { Ok(()) } else { Err(format!("{action} has not failed")) }
        }
        Cause::Cancelled {} | Cause::DeadlinePassed => before_pivot(life),
        Cause::UndoneByParent if life.parent.is_some() => before_pivot(life),
        Cause::UndoneByParent => Err("it has no parent".to_owned()),
    }
}

pub(super) fn before_pivot(life: &Life) -> Result<(), String> {
    if life.past_return { Err("the pivot's call is intended already".to_owned()) } else { Ok(()) }
}

pub(super) fn end(life: &mut Life, recorded: &Recorded, from: Status, to: Status) -> Result<(), String> {
    life.ended_at = Some(recorded.at);
    over(life, from, to)
}

/// Nothing is under way.
pub(super) fn over(life: &mut Life, from: Status, to: Status) -> Result<(), String> {
    let was = std::mem::replace(&mut life.status, to);
    if let Some(kid) = life.kids.values().find(|kid| kid.is_under_way()) {
        return Err(format!("its child {} is under way", kid.saga));
    }
    if was != from {
        return Err(format!("not while the saga is {}", was.as_str()));
    }
    match life.calls.iter().find(|(_, call)| call.open().is_some() || call.accepted().is_some()) {
        Some((call, _)) => Err(format!("{call} is under way")),
        None => match life.waits.open.keys().next() {
            Some(step) => Err(format!("step {step} still waits")),
            None => Ok(()),
        },
    }
}
