//! Calls that are accepted and decided later: until when, by which callback, and what is left of one that was given up.

use super::{Attempt, CallLife, Life, Outcome, Status};
use crate::{
    audit::{
        journal::{Recorded, Verdict},
        shape::Shape,
    },
    words::{Call, Op},
};

impl CallLife {
    /// It is accepted and not decided. Until when; `Some(None)`: past that.
    pub(super) fn accepted(&self) -> Option<Option<i64>> {
        self.attempts.last().filter(|attempt| attempt.outcome.is_none())?.accepted
    }
}

pub(super) fn accept(
    life: &mut Life,
    recorded: &Recorded,
    shape: &Shape,
    call: &Call,
    attempt: u32,
    until: i64,
) -> Result<(), String> {
    if call.op != Op::Action || !shape.step(&call.step).is_some_and(|step| step.later) {
        return Err("the definition does not let it be accepted".to_owned());
    }
    if until <= recorded.at {
        return Err("it is accepted for no time at all".to_owned());
    }
    life.attention.remove(call);
    let under_way = life.calls.get_mut(call).filter(|call| call.attempts.len() == attempt as usize);
    match under_way.and_then(|call| call.attempts.last_mut()) {
        Some(open) if open.outcome.is_none() && open.accepted.is_none() && !open.doubtful => {
            open.accepted = Some(Some(until));
            Ok(())
        }
        _ => Err("this attempt is not open".to_owned()),
    }
}

/// The first verdict decides a call that was made and is not over.
pub(super) fn receive(life: &mut Life, call: &Call, verdict: Verdict) -> Result<(), String> {
    let over = life.failed.contains_key(call);
    let under_way = life.calls.get_mut(call).filter(|made| !made.attempts.is_empty() && made.succeeded().is_none());
    match under_way {
        Some(under_way) if call.op == Op::Action && !over => match under_way.called_back.replace((verdict, true)) {
            None => Ok(()),
            Some(_) => Err("a call is called back once".to_owned()),
        },
        _ => Err("no such call is under way".to_owned()),
    }
}

/// The attempt that a callback decides just now, if one does.
pub(super) fn told<'l>(life: &'l mut Life, call: &Call, outcome: Outcome) -> Option<Result<&'l mut Attempt, String>> {
    let made = life.calls.get_mut(call)?;
    let (verdict, pending) = made.called_back.as_mut()?;
    if !std::mem::replace(pending, false) {
        return None;
    }
    let said = match outcome {
        Outcome::Succeeded | Outcome::Unusable => *verdict == Verdict::Succeeded,
        Outcome::Rejected { .. } => *verdict == Verdict::Rejected,
        Outcome::NotSent | Outcome::Unknown | Outcome::Withdrawn => false,
    };
    if !said {
        return Some(Err(format!("the callback said {verdict:?}")));
    }
    made.halted = false;
    made.attempts.last_mut().map(Ok)
}

/// A step that fails while it is accepted: its time is over, or the saga failed. Nobody knows what becomes of it.
pub(super) fn give_up(life: &mut Life, recorded: &Recorded, action: &Call) -> Result<(), String> {
    let (running, past_return) = (life.status == Status::Running, life.past_return);
    let Some(made) = life.calls.get_mut(action) else { return Ok(()) };
    let Some(until) = made.accepted() else { return Ok(()) };
    let overdue = until.is_some_and(|until| until <= recorded.at) && !past_return;
    if let Some(attempt) = made.attempts.last_mut() {
        attempt.outcome = Some((Outcome::Unknown, recorded.seq));
    }
    if running && !overdue { Err("it was accepted and its time is not over".to_owned()) } else { Ok(()) }
}

pub(super) fn overdue(made: &mut CallLife, at: i64) -> Result<(), String> {
    match made.attempts.last_mut().filter(|attempt| attempt.outcome.is_none()).and_then(|last| last.accepted.as_mut()) {
        Some(until) if until.is_some_and(|until| until <= at) => {
            *until = None;
            Ok(())
        }
        _ => Err("its time is not over".to_owned()),
    }
}
