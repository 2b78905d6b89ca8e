//! A saga as people and programs see it: a pure fold of its journal and its definition.
//!
//! Where the saga stands is core's word (`fold`); what was tried, when and with what outcome is read from the events
//! beside. **It must never know** the clock, the store or HTTP.

mod attempts;
mod cause;
mod children;
mod items;
mod locks;
#[cfg(test)]
mod tests;
mod waits;

use std::collections::BTreeMap;

use amends_core::{
    Illegal,
    definition::{Call, Definition, Side, Step},
    event::{self, Event, Recorded},
    fold,
    ids::{CallId, Op, SagaId},
    state::{CallState, Phase, State, StepState, Undoable},
    summary::Status,
    time::Time,
};
use amends_protocol::v1;
use amends_store::{Head, Poisoned};
use chrono::{DateTime, Utc};
use serde_json::Value;

pub(crate) use self::locks::{held, queued};
use self::{attempts::Calls, children::Children, waits::Waits};

/// The view of a saga.
///
/// # Errors
/// The journal is not one that this machine wrote.
pub fn view(saga: SagaId, journal: &[Recorded], definition: &Definition) -> Result<v1::SagaView, Illegal> {
    let state = fold(saga, journal)?;
    let mut calls = Calls::read(journal);
    let attention = attention(&state, &calls);
    let (waits, children) = (Waits::read(journal), Children::read(journal));
    let steps = definition
        .steps
        .iter()
        .map(|step| step_view(step, definition, &state, &mut calls, (&waits, &children)))
        .collect();
    let started = &state.started;
    Ok(v1::SagaView {
        id: saga.0,
        name: started.name.to_string(),
        version: started.version,
        definition: started.definition.to_string(),
        parent: children::parent(&state),
        status: status(state.status),
        attention,
        unreadable: None,
        input: Value::clone(&started.input),
        labels: started.labels.clone().into_iter().collect(),
        output: Some(Value::clone(&state.output)).filter(|output| !output.is_null()),
        output_error: output_error(journal),
        started_at: time(state.started_at),
        updated_at: time(state.updated_at),
        ended_at: state.ended_at.map(time),
        purged_at: None,
        deadline_at: started.deadline_at.map(time),
        cause: state.cause.as_ref().map(|cause| cause::view(cause, started.deadline_at, definition)),
        locks: locks::views(journal, &state),
        epoch: state.epoch,
        steps,
    })
}

/// The view of a saga that cannot be read: what its row says, and why there is no more.
pub(crate) fn unreadable(head: &Head, reason: String, poisoned: Option<Poisoned>) -> v1::SagaView {
    let since = poisoned.as_ref().map(|poisoned| time(poisoned.since));
    let node = poisoned.map(|poisoned| poisoned.node.to_string());
    v1::SagaView { unreadable: Some(v1::UnreadableView { reason, since, node }), ..stub(head) }
}

/// The view of a saga whose journal retention has taken.
pub(crate) fn stub(head: &Head) -> v1::SagaView {
    v1::SagaView {
        id: head.saga.0,
        name: head.name.to_string(),
        version: head.version,
        definition: head.definition.to_string(),
        // Only what somebody started with a key leaves a stub.
        parent: None,
        status: status(head.summary.status),
        attention: vec![],
        unreadable: None,
        input: Value::Null,
        labels: BTreeMap::new(),
        output: None,
        output_error: None,
        started_at: time(head.started_at),
        updated_at: time(head.updated_at),
        ended_at: head.summary.ended_at.map(time),
        purged_at: head.purged_at.map(time),
        deadline_at: None,
        cause: None,
        locks: vec![],
        epoch: head.epoch,
        steps: vec![],
    }
}

fn step_view(
    step: &Step,
    definition: &Definition,
    state: &State,
    calls: &mut Calls,
    (waits, children): (&Waits, &Children),
) -> v1::StepView {
    let compensation = step.call_of(Op::Compensate);
    let compensation = compensation.map(|call| call_view(call, &CallId::compensate(&step.name), calls));
    let action = step.call_of(Op::Action).map(|call| call_view(call, &CallId::action(&step.name), calls));
    let stands = state.step(&step.name);
    v1::StepView {
        name: step.name.to_string(),
        status: step_status(stands),
        pivot: step.side == Side::Pivot,
        output: stands.and_then(output).filter(|output| !output.is_null()),
        needs: step.needs.iter().map(|need| definition.steps[*need].name.to_string()).collect(),
        wait: waits.of(step),
        children: children.of(step, state),
        items: stands.and_then(|stands| items::views(step, stands, calls)),
        action,
        compensation,
    }
}

fn call_view(call: &Call, id: &CallId, calls: &mut Calls) -> v1::CallView {
    let seen = calls.take(id);
    v1::CallView {
        service: call.service.to_string(),
        method: call.method.as_str().to_owned(),
        path: Some(call.path_text.clone()),
        refused: seen.refused,
        attempts: seen.attempts,
    }
}

fn step_status(step: Option<&StepState>) -> v1::StepStatus {
    match step {
        None => v1::StepStatus::Pending,
        Some(StepState::Skipped) => v1::StepStatus::Skipped,
        Some(StepState::Refused | StepState::Waiting(_)) => v1::StepStatus::Waiting,
        Some(StepState::Calling(call)) => calling(call),
        Some(StepState::Succeeded { .. }) => v1::StepStatus::Succeeded,
        Some(StepState::Failed(how)) => failed(*how),
        Some(StepState::Compensating { .. }) => v1::StepStatus::Compensating,
        Some(StepState::Compensated) => v1::StepStatus::Compensated,
        Some(StepState::Each(each)) => items::status_of(each),
    }
}

/// What is accepted is not called any more but waited for.
fn calling(call: &CallState) -> v1::StepStatus {
    match call.phase {
        Phase::Accepted { .. } | Phase::Child => v1::StepStatus::Waiting,
        Phase::Open { .. }
        | Phase::Told { .. }
        | Phase::Closed
        | Phase::Postponed { .. }
        | Phase::Probing(_)
        | Phase::Applied
        | Phase::Halted => v1::StepStatus::Calling,
    }
}

fn failed(how: event::FailedStep) -> v1::StepStatus {
    match how {
        event::FailedStep::Rejected => v1::StepStatus::Rejected,
        event::FailedStep::NeverSent | event::FailedStep::TimedOut | event::FailedStep::CutShort => {
            v1::StepStatus::Failed
        }
        event::FailedStep::Unusable => v1::StepStatus::Unusable,
        event::FailedStep::Unresolved => v1::StepStatus::Unresolved,
    }
}

fn output(step: &StepState) -> Option<Value> {
    match step {
        StepState::Succeeded { output } | StepState::Compensating { was: Undoable::Succeeded { output }, .. } => {
            Some(Value::clone(output))
        }
        StepState::Each(each) => each.output.as_deref().cloned(),
        StepState::Skipped
        | StepState::Refused
        | StepState::Waiting(_)
        | StepState::Calling(_)
        | StepState::Failed(_)
        | StepState::Compensated
        | StepState::Compensating { was: Undoable::Unusable | Undoable::Unresolved, .. } => None,
    }
}

fn attention(state: &State, calls: &Calls) -> Vec<v1::AttentionView> {
    let mut views: Vec<_> = state
        .attention
        .iter()
        .map(|(call, reason)| {
            let raised = calls.attention(call);
            v1::AttentionView {
                step: call.step.to_string(),
                op: match call.op {
                    Op::Action => v1::Op::Action,
                    Op::Compensate => v1::Op::Compensate,
                },
                index: call.index,
                reason: amends_events::attention_reason(*reason),
                detail: raised.map(|raised| raised.detail.clone()).unwrap_or_default(),
                since: time(raised.map_or(state.updated_at, |raised| raised.at)),
            }
        })
        .collect();
    views.sort_by_key(|view| view.since);
    views
}

fn output_error(journal: &[Recorded]) -> Option<String> {
    journal.iter().find_map(|recorded| match &recorded.event {
        Event::SagaSucceeded { output_error, .. } | Event::SagaCompleted { output_error, .. } => output_error.clone(),
        _ => None,
    })
}

/// A saga's status in words of the wire.
pub(crate) fn status(status: Status) -> v1::SagaStatus {
    match status {
        Status::Running => v1::SagaStatus::Running,
        Status::Compensating => v1::SagaStatus::Compensating,
        Status::Completed => v1::SagaStatus::Completed,
        Status::Compensated => v1::SagaStatus::Compensated,
        Status::Abandoned => v1::SagaStatus::Abandoned,
        Status::Succeeded => v1::SagaStatus::Succeeded,
    }
}

/// A moment as it is written. Years beyond chrono's calendar are its last one.
pub(crate) fn time(time: Time) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
