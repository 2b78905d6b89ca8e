//! The one place where states become icons, tones and words.

use amends_protocol::v1::{AttemptOutcome, ProbeVerdict, SagaStatus, StepStatus};
use chrono::TimeDelta;

use crate::style::Tone;

/// How a state looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) icon: &'static str,
    pub(super) tone: Tone,
    pub(super) word: &'static str,
}

const fn look(icon: &'static str, tone: Tone, word: &'static str) -> Look {
    Look { icon, tone, word }
}

impl Look {
    pub(super) fn of_saga(status: SagaStatus) -> Self {
        match status {
            SagaStatus::Running => look("▸", Tone::Busy, "running"),
            SagaStatus::Compensating => look("↩", Tone::Busy, "compensating"),
            SagaStatus::Completed => look("✓", Tone::Good, "completed"),
            SagaStatus::Compensated => look("↩", Tone::Back, "compensated"),
            SagaStatus::Abandoned => look("✗", Tone::Bad, "abandoned"),
            SagaStatus::Succeeded => look("✓", Tone::Busy, "succeeded"),
        }
    }

    pub(super) fn of_step(status: StepStatus, saga: SagaStatus) -> Self {
        match status {
            StepStatus::Pending if saga == SagaStatus::Running => look("·", Tone::Dim, "pending"),
            StepStatus::Pending => look("·", Tone::Dim, "never begun"),
            StepStatus::Calling => look("▸", Tone::Busy, "calling"),
            StepStatus::Waiting => look("▸", Tone::Busy, "waiting"),
            StepStatus::Succeeded => look("✓", Tone::Good, "succeeded"),
            StepStatus::Rejected => look("✗", Tone::Bad, "rejected"),
            StepStatus::Failed => look("✗", Tone::Bad, "failed, never sent"),
            StepStatus::Unusable => look("✗", Tone::Bad, "unusable reply"),
            StepStatus::Unresolved => look("?", Tone::Bad, "unresolved: may have happened"),
            StepStatus::Skipped => look("·", Tone::Dim, "skipped"),
            StepStatus::Compensating => look("↩", Tone::Busy, "being undone"),
            StepStatus::Compensated => look("↩", Tone::Back, "undone"),
            StepStatus::CompensationSkipped => look("✗", Tone::Bad, "left as it is by an operator"),
        }
    }

    pub(super) fn of_compensation(status: StepStatus) -> Self {
        match status {
            StepStatus::Compensated => look("↩", Tone::Back, "done"),
            StepStatus::CompensationSkipped => look("✗", Tone::Bad, "skipped by an operator"),
            _ => look("▸", Tone::Busy, "under way"),
        }
    }

    pub(super) fn of_verdict(verdict: ProbeVerdict) -> Self {
        match verdict {
            ProbeVerdict::Applied => look("✓", Tone::Good, "asked: it was applied"),
            ProbeVerdict::NotApplied => look("·", Tone::Back, "asked: it was not applied"),
            ProbeVerdict::NotAppliedYet => look("?", Tone::Back, "asked: not applied yet"),
            ProbeVerdict::InProgress => look("▸", Tone::Busy, "asked: in progress"),
            ProbeVerdict::Unknown => look("?", Tone::Back, "asked: no answer that says anything"),
        }
    }

    pub(super) fn of_outcome(outcome: AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Success => look("✓", Tone::Good, "success"),
            AttemptOutcome::Unusable => look("✗", Tone::Bad, "unusable"),
            AttemptOutcome::Rejected => look("✗", Tone::Bad, "rejected"),
            AttemptOutcome::NotSent => look("·", Tone::Back, "not sent"),
            AttemptOutcome::Unknown => look("?", Tone::Back, "unknown"),
            AttemptOutcome::Withdrawn => look("·", Tone::Dim, "withdrawn"),
        }
    }
}

/// `0.012 s`, `1 m 05 s`, `2 h 03 m`, `3 d 04 h`.
pub(super) fn duration(span: TimeDelta) -> String {
    let seconds = span.num_seconds();
    match seconds {
        ..60 => seconds_text(span),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Seconds to the millisecond, from the microseconds that are stored.
fn seconds_text(span: TimeDelta) -> String {
    let millis = span.num_milliseconds();
    format!("{}.{:03} s", millis / 1000, millis % 1000)
}

pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}
