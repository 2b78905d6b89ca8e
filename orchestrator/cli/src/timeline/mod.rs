//! One saga as a person reads it: what happened, in which order, why, and what to do about it.
//!
//! Who calls it: `get`, `start --wait`, `cancel`, `demo`. A pure function of the view, so that snapshots hold it still.
//!
//! **What it must never know:** the clock, the terminal, the server.

mod attention;
mod calls;
mod children;
mod items;
mod locks;
#[cfg(test)]
mod tests;
mod waits;
mod words;

use amends_protocol::v1::{SagaStatus, SagaView, StepStatus, StepView};
use chrono::{DateTime, Utc};

use self::words::Look;
use crate::style::{Style, Tone, tame};

/// Longer values are for `-o json`.
const VALUE_CHARS: usize = 160;

/// The whole saga, ending with a line break.
pub(crate) fn timeline(saga: &SagaView, style: Style) -> String {
    let mut lines = header(saga, style);
    lines.extend(locks::lines(saga, style));
    lines.push(String::new());
    lines.extend(steps(saga, style));
    lines.extend(undone(saga, style));
    lines.extend(attention::lines(saga, style));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn header(saga: &SagaView, style: Style) -> Vec<String> {
    let look = Look::of_saga(saga.status);
    let took = words::duration((saga.ended_at.unwrap_or(saga.updated_at) - saga.started_at).abs());
    let status = match saga.status {
        SagaStatus::Running | SagaStatus::Compensating | SagaStatus::Succeeded => {
            format!("{}, {took} so far", saga.status)
        }
        SagaStatus::Completed | SagaStatus::Compensated | SagaStatus::Abandoned => format!("{} in {took}", saga.status),
    };
    let mut lines = vec![format!(
        "{} {}  {}",
        style.paint(look.tone, look.icon),
        style.paint(Tone::Strong, &saga.name),
        style.paint(look.tone, &status),
    )];
    let owners = match saga.epoch {
        0 | 1 => String::new(),
        epoch => format!(" · taken over {}", words::times(epoch - 1)),
    };
    let facts = format!("{} · version {} · started {}{owners}", saga.id, saga.version, clock(saga.started_at));
    lines.push(format!("  {}", style.paint(Tone::Dim, &facts)));
    if let Some(parent) = children::of_parent(saga) {
        lines.push(format!("  {}", style.paint(Tone::Dim, &parent)));
    }
    if let Some(cause) = &saga.cause {
        lines.push(format!("  {}  {}", style.paint(Tone::Strong, "why"), tame(&cause.summary, 2 * VALUE_CHARS)));
    }
    if let Some(output) = saga.output.as_ref().filter(|output| !output.is_null()) {
        lines.push(format!("  {}  {}", style.paint(Tone::Strong, "output"), tame(&output.to_string(), VALUE_CHARS)));
    }
    if let Some(error) = &saga.output_error {
        let said = format!("cannot be computed: {}", tame(error, VALUE_CHARS));
        lines.push(format!("  {}  {said}", style.paint(Tone::Strong, "output")));
    }
    lines
}

fn steps(saga: &SagaView, style: Style) -> Vec<String> {
    let columns = calls::Columns::of(saga.steps.iter().map(|step| (step, step.action.as_ref())));
    let mut lines = vec![];
    for step in &saga.steps {
        let look = Look::of_step(step.status, saga.status);
        let pivot = if step.pivot { " · point of no return" } else { "" };
        // Only a call can have been sent or not.
        let word = match step.status {
            StepStatus::Failed if step.wait.is_some() => "failed",
            StepStatus::Failed if step.children.is_some() => "failed, never begun",
            StepStatus::Rejected if step.children.is_some() => "failed, its child is undone",
            _ => look.word,
        };
        let status = format!("{}{}", style.paint(look.tone, word), style.paint(Tone::Dim, pivot));
        lines.push(columns.line(step, step.action.as_ref(), &look, &status, style));
        if let Some(call) = &step.action {
            lines.extend(calls::attempts(call, saga.started_at, saga.status.is_terminal(), style));
        }
        match &step.children {
            Some(children) => lines.extend(children::lines(children, saga, style)),
            None => lines.extend(step.items.iter().flat_map(|items| items::lines(items, saga, style))),
        }
        lines.extend(step.wait.as_ref().and_then(|wait| waits::line(wait, saga.started_at, style)));
    }
    lines
}

/// Compensations in the order in which they began.
fn undone(saga: &SagaView, style: Style) -> Vec<String> {
    let mut begun: Vec<(&StepView, DateTime<Utc>)> = saga
        .steps
        .iter()
        .filter_map(|step| {
            if let Some(children) = &step.children {
                return children.sagas.iter().filter_map(|child| child.undo_at).min().map(|at| (step, at));
            }
            let call = step.compensation.as_ref()?;
            let of_items = step.items.iter().flatten().filter_map(|item| item.undo_attempts.first());
            let first = call.attempts.iter().chain(of_items).map(|attempt| attempt.intended_at).min();
            // One that cannot be sent has no attempt, and still is what a person looks for.
            first.or_else(|| call.refused.as_ref().map(|_| saga.updated_at)).map(|at| (step, at))
        })
        .collect();
    // Intents of one commit share its time; then the later step goes first, as it is undone first.
    begun.reverse();
    begun.sort_by_key(|(_, at)| *at);
    if begun.is_empty() {
        return vec![];
    }
    let columns = calls::Columns::of(begun.iter().map(|(step, _)| (*step, step.compensation.as_ref())));
    let mut lines = vec![String::new(), format!("  {}", style.paint(Tone::Strong, "undone, in this order"))];
    for (step, _) in begun {
        let look = Look::of_compensation(step.status);
        let status = style.paint(look.tone, look.word);
        lines.push(columns.line(step, step.compensation.as_ref(), &look, &status, style));
        if let Some(children) = &step.children {
            lines.extend(children::undone(children, saga, style));
        }
        let Some(call) = &step.compensation else { continue };
        lines.extend(calls::attempts(call, saga.started_at, saga.status.is_terminal(), style));
        lines.extend(step.items.iter().flat_map(|items| items::undone(items, saga, style)));
    }
    lines
}

/// A time of day with its date, in UTC, as logs have it.
fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
