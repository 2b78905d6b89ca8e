//! Below a step that runs other sagas: each child, and what came of it.

use amends_protocol::v1::{ChildStatus, ChildView, ChildrenView, SagaView};
use chrono::{DateTime, Utc};

use super::words;
use crate::style::{Style, Tone, tame};

const DETAIL_CHARS: usize = 120;

/// `saga pay-claim`.
pub(super) fn does(children: &ChildrenView) -> String {
    format!("saga {}", children.definition)
}

/// What of a parent's header is of interest.
pub(super) fn of_parent(saga: &SagaView) -> Option<String> {
    let parent = saga.parent.as_ref()?;
    let item = parent.index.map(|index| format!("[{index}]")).unwrap_or_default();
    Some(format!("child of {} · its step {}{item}", parent.id, parent.step))
}

pub(super) fn lines(children: &ChildrenView, saga: &SagaView, style: Style) -> Vec<String> {
    children.sagas.iter().map(|child| line(child, child.intended_at, saga, style)).collect()
}

/// Those that had finished their forward path and are undone after that.
pub(super) fn undone(children: &ChildrenView, saga: &SagaView, style: Style) -> Vec<String> {
    let told = children.sagas.iter().filter_map(|child| Some((child, child.undo_at?)));
    told.map(|(child, at)| line(child, at, saga, style)).collect()
}

fn line(child: &ChildView, at: DateTime<Utc>, saga: &SagaView, style: Style) -> String {
    let at = format!("+{}", words::duration((at - saga.started_at).abs()));
    let (tone, icon, word) = match child.status {
        ChildStatus::UnderWay if child.version.is_none() => (Tone::Busy, "▸", "to begin"),
        ChildStatus::UnderWay => (Tone::Busy, "▸", "under way"),
        ChildStatus::Succeeded if child.undo_at.is_some() => (Tone::Busy, "↩", "told to undo itself"),
        ChildStatus::Succeeded => (Tone::Good, "✓", "succeeded, not settled yet"),
        ChildStatus::Completed => (Tone::Good, "✓", "completed"),
        ChildStatus::Compensated => (Tone::Back, "↩", "compensated"),
        ChildStatus::Refused => (Tone::Bad, "✗", "refused"),
    };
    let index = child.index.map(|index| format!("[{index}] ")).unwrap_or_default();
    let version = child.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let said = style.paint(tone, &format!("{icon} {word}"));
    let which = style.paint(Tone::Dim, &format!("{}{version}", child.id));
    let parts = [format!("{index}{said}"), which, tame(child.detail.as_deref().unwrap_or_default(), DETAIL_CHARS)];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("      {}  {}", style.paint(Tone::Dim, &format!("{at:>9}")), parts.join("  "))
}
