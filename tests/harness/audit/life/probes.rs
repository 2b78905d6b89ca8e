//! What must not be sent twice: it is put off, or asked after, and sent again only when it was said not to be applied.

use super::{Between, Life, Outcome, Status};
use crate::{
    audit::{journal::Probed, shape::Shape},
    words::{Call, Op},
};

/// Whether what must not be sent twice may be intended now.
pub(super) fn intend(life: &Life, shape: &Shape, call: &Call, due_at: i64, at: i64) -> Result<(), String> {
    let once = call.op == Op::Action && shape.step(&call.step).is_some_and(|step| step.once);
    let before = life.call(call).filter(|before| !before.attempts.is_empty());
    match before.map(|before| before.between) {
        Some(Between::Asked { .. } | Between::Applied) => Err("it is intended while it is asked after".to_owned()),
        Some(Between::Postponed { until, .. }) if at < until => Err("it was postponed for longer".to_owned()),
        _ if once && due_at > at => Err("its intent was made ahead: an end in between makes it unknown".to_owned()),
        Some(between) if once => {
            let unknown = before.and_then(|before| before.outcomes().last()) == Some(Outcome::Unknown);
            let settled = matches!(between, Between::NotApplied | Between::Postponed { settled: true, .. });
            if unknown && !settled {
                return Err("it is sent twice, and nobody has said that it was not applied".to_owned());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn postpone(life: &mut Life, shape: &Shape, call: &Call, until: i64) -> Result<(), String> {
    let once = call.op == Op::Action && shape.step(&call.step).is_some_and(|step| step.once);
    if !once || life.status != Status::Running {
        return Err("only an action that must not be sent twice is postponed".to_owned());
    }
    let over = life.calls.get_mut(call).filter(|call| call.open().is_none()).ok_or("no attempt of it is over")?;
    over.between = Between::Postponed { until, settled: over.between == Between::NotApplied };
    Ok(())
}

pub(super) fn ask(life: &mut Life, shape: &Shape, call: &Call, attempt: u32, due_at: i64) -> Result<(), String> {
    if !shape.step(&call.step).is_some_and(|step| step.asks) || life.status != Status::Running {
        return Err("the definition does not say how to ask".to_owned());
    }
    let over = life.calls.get_mut(call).filter(|call| call.open().is_none() && call.may_have_happened());
    let over = over.filter(|call| call.attempts.len() == attempt as usize).ok_or("it cannot have happened")?;
    (over.halted, over.between) = (false, Between::Asked { due_at });
    Ok(())
}

pub(super) fn answer(
    life: &mut Life,
    call: &Call,
    attempt: u32,
    verdict: Probed,
    again: Option<i64>,
) -> Result<(), String> {
    let asked = life.calls.get_mut(call).filter(|call| call.attempts.len() == attempt as usize);
    let asked = asked.filter(|call| matches!(call.between, Between::Asked { .. })).ok_or("it is not asked after")?;
    asked.between = match (verdict, again) {
        (Probed::Applied, None) => Between::Applied,
        (Probed::NotApplied, None) => Between::NotApplied,
        (Probed::InProgress | Probed::Unknown, None) => Between::Nothing,
        (Probed::NotAppliedYet | Probed::InProgress | Probed::Unknown, Some(due_at)) => Between::Asked { due_at },
        (Probed::Applied | Probed::NotApplied, Some(_)) | (Probed::NotAppliedYet, None) => {
            return Err(format!("{verdict:?} is not asked again, or is: {again:?}"));
        }
    };
    Ok(())
}

/// A probe has just said so.
pub(super) fn found_applied(life: &mut Life, call: &Call, attempt: u32, outcome: Outcome) -> bool {
    let Some(asked) = life.calls.get_mut(call).filter(|call| call.attempts.len() == attempt as usize) else {
        return false;
    };
    let found = asked.between == Between::Applied && matches!(outcome, Outcome::Succeeded | Outcome::Unusable);
    if found {
        asked.between = Between::Nothing;
    }
    found
}
