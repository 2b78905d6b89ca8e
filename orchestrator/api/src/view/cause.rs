//! Why a saga is undone, in one sentence that a person understands.

use amends_core::{
    definition::Definition,
    event::{Cause, Failure},
    ids::StepName,
    time::Time,
};
use amends_protocol::v1;

pub(super) fn view(cause: &Cause, deadline_at: Option<Time>, definition: &Definition) -> v1::CauseView {
    v1::CauseView { summary: summary(cause, deadline_at, definition), kind: amends_events::cause(cause) }
}

fn summary(cause: &Cause, deadline_at: Option<Time>, definition: &Definition) -> String {
    match cause {
        Cause::StepFailed { step, index, failure, reason } => {
            let reason = spoken(reason);
            let (child, service) = (child(step, definition), service(step, definition));
            let step = index.map_or_else(|| step.to_string(), |index| format!("{step}[{index}]"));
            if let Some(child) = child {
                return match failure {
                    Failure::ChildCompensated => format!("{step}: its child, saga {child}, is undone: {reason}"),
                    Failure::Unusable => {
                        format!("{step} was done by saga {child}, but its output is of no use: {reason}")
                    }
                    _ => format!("{step} could not begin saga {child}: {reason}"),
                };
            }
            let Some(service) = service else {
                // A step that waits has nobody to speak of.
                return match failure {
                    Failure::TimedOut => format!("{step} waited in vain: {reason}"),
                    _ => format!("{step} could not begin: {reason}"),
                };
            };
            match failure {
                Failure::Rejected => format!("{step} was rejected by {service}: {reason}"),
                Failure::Unusable => format!("{step} was done by {service}, but its reply is of no use: {reason}"),
                Failure::AttemptsExhausted => format!("{step} got no usable answer from {service}: {reason}"),
                Failure::RefusedHere => format!("{step} could not be sent to {service}: {reason}"),
                Failure::TimedOut => format!("{step} waited in vain: {reason}"),
                // Of a step that calls nobody says so.
                Failure::ChildCompensated => format!("{step} is undone: {reason}"),
                Failure::Unresolved => {
                    format!("{step} may have been done by {service}, and must not be sent twice: {reason}")
                }
            }
        }
        Cause::Cancelled { reason: Some(reason) } => format!("it was cancelled: {reason}"),
        Cause::Cancelled { reason: None } => "it was cancelled".to_owned(),
        Cause::DeadlinePassed => match deadline_at {
            Some(deadline) => format!("it was not done by its deadline, {}", deadline.to_rfc3339()),
            None => "it was not done by its deadline".to_owned(),
        },
        Cause::UndoneByParent => "its parent is undone".to_owned(),
    }
}

fn child<'d>(step: &StepName, definition: &'d Definition) -> Option<&'d str> {
    let (_, step) = definition.step(step)?;
    step.child().map(|child| &*child.name)
}

fn service<'d>(step: &StepName, definition: &'d Definition) -> Option<&'d str> {
    let (_, step) = definition.step(step)?;
    step.call().map(|call| call.action.service.as_str())
}

/// `402: insufficient funds` → `402 insufficient funds`: one colon is enough for a sentence.
fn spoken(reason: &str) -> String {
    match reason.split_once(": ") {
        Some((status, said)) if status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{status} {said}")
        }
        _ => reason.to_owned(),
    }
}
