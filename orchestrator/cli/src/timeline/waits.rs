//! Below a step that waits: since when, until when, and what came of it.

use amends_protocol::v1::{WaitOutcome, WaitView};
use chrono::{DateTime, TimeDelta, Utc};

use super::{clock, words};
use crate::style::{Style, Tone};

/// `await approved`, `sleep`.
pub(super) fn does(wait: &WaitView) -> String {
    wait.signal.as_ref().map_or_else(|| "sleep".to_owned(), |signal| format!("await {signal}"))
}

pub(super) fn line(wait: &WaitView, started_at: DateTime<Utc>, style: Style) -> Option<String> {
    let began_at = wait.began_at?;
    let at = format!("+{}", words::duration((began_at - started_at).abs()));
    let (tone, icon, word) = match wait.outcome {
        Some(WaitOutcome::Slept) => (Tone::Good, "✓", "slept"),
        Some(WaitOutcome::Signalled) => (Tone::Good, "✓", "the signal came"),
        Some(WaitOutcome::TimedOut) => (Tone::Bad, "✗", "no signal came"),
        Some(WaitOutcome::CutShort) => (Tone::Dim, "·", "ended, because the saga failed"),
        None => (Tone::Busy, "▸", if wait.signal.is_some() { "no signal yet" } else { "sleeping" }),
    };
    let rest = match (wait.ended_at, wait.until) {
        (Some(ended_at), _) => format!("after {}", words::duration((ended_at - began_at).max(TimeDelta::zero()))),
        (None, Some(until)) => format!("until {}", clock(until)),
        (None, None) => String::new(),
    };
    let said = style.paint(tone, &format!("{icon} {word}"));
    Some(format!("      {}  {said}  {}", style.paint(Tone::Dim, &format!("{at:>9}")), style.paint(Tone::Dim, &rest)))
}
