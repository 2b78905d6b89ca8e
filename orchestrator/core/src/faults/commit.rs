//! What a commit says of attempts: which of them it intends, and of which it has the outcome. So that a rule can pick an attempt not
//! only when it is sent, but when what is decided of it becomes durable.
//!
//! **It must never know** who writes the commit, and what becomes of it.

use super::{
    choose::{Attempted, chosen},
    model::{Asked, FaultPlan, Moment, Rule},
};
use crate::{
    definition::Definition,
    event::{Event, Recorded, Started},
    ids::{CallId, Op, SagaId},
};

/// Whose commit it is.
#[derive(Clone, Copy, Debug)]
pub struct Saga<'a> {
    pub id: SagaId,
    pub definition: &'a Definition,
    pub started: &'a Started,
}

/// The rule under which one of these events falls at this moment, with the attempt that it is about.
pub fn at_commit<'p, 'a>(
    plan: &'p FaultPlan,
    moment: Moment,
    of: Saga<'a>,
    events: &'a [Recorded],
    mut open: impl FnMut(usize) -> bool,
) -> Option<(usize, &'p Rule, Attempted<'a>)> {
    // Nearly every plan has no such rule.
    if !plan.rules.iter().any(|rule| rule.fault.moment() == moment) {
        return None;
    }
    events.iter().find_map(|recorded| {
        let attempted = attempt_of(moment, of, &recorded.event)?;
        let (number, rule) = chosen(plan, moment, &attempted, &mut open)?;
        Some((number, rule, attempted))
    })
}

fn attempt_of<'a>(moment: Moment, of: Saga<'a>, event: &'a Event) -> Option<Attempted<'a>> {
    let (call, attempt, probes) = match moment {
        Moment::Call => None,
        Moment::Intent => intended(event),
        Moment::Outcome | Moment::Written => outcome(event),
    }?;
    let (_, step) = of.definition.step(&call.step)?;
    let called = if probes { &step.call()?.probe.as_ref()?.call } else { step.call_of(call.op)? };
    Some(Attempted {
        service: called.service.as_str(),
        saga: of.id.0,
        name: &of.started.name,
        step: call.step.as_str(),
        index: call.index,
        op: match call.op {
            _ if probes => Asked::Probe,
            Op::Action => Asked::Action,
            Op::Compensate => Asked::Compensate,
        },
        attempt,
        labels: &of.started.labels,
    })
}

/// The attempt that is decided by this, and whether it is a probe of it.
fn intended(event: &Event) -> Option<(&CallId, u32, bool)> {
    match event {
        Event::CallIntended { call, attempt, .. } => Some((call, *attempt, false)),
        Event::ProbeIntended { call, attempt, .. } => Some((call, *attempt, true)),
        _ => None,
    }
}

/// The attempt of which this says what came of it.
fn outcome(event: &Event) -> Option<(&CallId, u32, bool)> {
    match event {
        Event::CallAccepted { call, attempt, .. }
        | Event::CallSucceeded { call, attempt, .. }
        | Event::CallUnusable { call, attempt, .. }
        | Event::CallRejected { call, attempt, .. }
        | Event::CallNotSent { call, attempt, .. }
        | Event::CallUnknown { call, attempt, .. } => Some((call, *attempt, false)),
        Event::CallProbed { call, attempt, .. } => Some((call, *attempt, true)),
        _ => None,
    }
}
