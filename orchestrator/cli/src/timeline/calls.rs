//! A step's line, and below it each attempt of its call.

use amends_protocol::v1::{AttemptOutcome, AttemptView, CallView, ProbeView, StepView};
use chrono::{DateTime, Utc};

use super::{
    children, clock, waits,
    words::{self, Look},
};
use crate::style::{Style, Tone, tame};

/// Beyond it a path is cut: the line stays one line on most terminals.
const CALL_CHARS: usize = 60;
const DETAIL_CHARS: usize = 120;

/// Widths that all lines of one block share.
pub(super) struct Columns {
    name: usize,
    call: usize,
}

impl Columns {
    pub(super) fn of<'a>(lines: impl Iterator<Item = (&'a StepView, Option<&'a CallView>)>) -> Self {
        lines.fold(Self { name: 0, call: 0 }, |columns, (step, call)| Self {
            name: columns.name.max(step.name.chars().count()),
            call: columns.call.max(does(step, call).chars().count()),
        })
    }

    pub(super) fn line(
        &self,
        step: &StepView,
        call: Option<&CallView>,
        look: &Look,
        status: &str,
        style: Style,
    ) -> String {
        let name = format!("{:width$}", step.name, width = self.name);
        let call = format!("{:width$}", does(step, call), width = self.call);
        format!("  {} {}  {call}  {status}", style.paint(look.tone, look.icon), style.paint(Tone::Strong, &name))
    }
}

/// `payments POST /charges`, as the definition has it; of a step that waits, what it waits for.
fn does(step: &StepView, call: Option<&CallView>) -> String {
    if let Some(children) = &step.children {
        return tame(&children::does(children), CALL_CHARS);
    }
    match (call, &step.wait) {
        (Some(call), _) => {
            let path = call.path.as_deref().unwrap_or("");
            tame(format!("{} {} {path}", call.service, call.method).trim_end(), CALL_CHARS)
        }
        (None, Some(wait)) => tame(&waits::does(wait), CALL_CHARS),
        (None, None) => String::new(),
    }
}

pub(super) fn attempts(call: &CallView, started_at: DateTime<Utc>, ended: bool, style: Style) -> Vec<String> {
    tried(&call.attempts, call.refused.as_deref(), started_at, ended, style)
}

pub(super) fn tried(
    attempts: &[AttemptView],
    refused: Option<&str>,
    started_at: DateTime<Utc>,
    ended: bool,
    style: Style,
) -> Vec<String> {
    let mut lines = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        lines.push(line(attempt, attempts.len(), started_at, ended, style));
        lines.extend(attempt.probes.iter().map(|probe| asked(probe, started_at, style)));
    }
    if let Some(refused) = refused {
        let why = format!("cannot be sent: {}", tame(refused, DETAIL_CHARS));
        lines.push(format!("      {}", style.paint(Tone::Bad, &why)));
    }
    lines
}

/// What was found out by asking.
fn asked(probe: &ProbeView, started_at: DateTime<Utc>, style: Style) -> String {
    let at = format!("+{}", words::duration((probe.answered_at - started_at).abs()));
    let look = Look::of_verdict(probe.verdict);
    let said = style.paint(look.tone, &format!("{} {}", look.icon, look.word));
    let status = probe.status.map(|status| format!("  {status}")).unwrap_or_default();
    format!("      {}  {said}{status}", style.paint(Tone::Dim, &format!("{at:>9}")))
}

fn line(attempt: &AttemptView, of: usize, started_at: DateTime<Utc>, ended: bool, style: Style) -> String {
    let sent_at = attempt.intended_at.max(attempt.due_at);
    let at = format!("+{}", words::duration((sent_at - started_at).abs()));
    let number = if of > 1 { format!("#{} ", attempt.attempt) } else { String::new() };
    let (tone, outcome) = match attempt.outcome {
        Some(outcome) => {
            let look = Look::of_outcome(outcome);
            (look.tone, format!("{} {}", look.icon, look.word))
        }
        None if attempt.accepted_at.is_some() => (Tone::Busy, "▸ accepted, no verdict yet".to_owned()),
        None if ended => (Tone::Dim, "· open when the saga ended".to_owned()),
        None => (Tone::Busy, "▸ no outcome yet".to_owned()),
    };
    let took = match (attempt.outcome, attempt.ended_at) {
        (None, _) => attempt.verdict_until.map_or_else(String::new, |until| format!("until {}", clock(until))),
        (Some(AttemptOutcome::Withdrawn), _) | (_, None) => String::new(),
        (Some(_), Some(ended_at)) => {
            format!("after {}", words::duration((ended_at - sent_at).max(chrono::TimeDelta::zero())))
        }
    };
    let detail = tame(attempt.detail.as_deref().unwrap_or_default(), DETAIL_CHARS);
    let status = match attempt.status {
        // The reason of a refusal begins with its status as a rule; once is enough.
        Some(status) if detail.starts_with(&status.to_string()) => String::new(),
        Some(status) => status.to_string(),
        None => String::new(),
    };
    let by = if attempt.called_back { "by callback".to_owned() } else { String::new() };
    let parts = [style.paint(tone, &outcome), by, status, detail, style.paint(Tone::Dim, &took)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("      {}  {number}{}", style.paint(Tone::Dim, &format!("{at:>9}")), parts.join("  "))
}
