//! Below a step that calls once for each item: how many are where, and the few that are worth a line.

use std::collections::BTreeMap;

use amends_protocol::v1::{AttemptView, ItemView, SagaView, StepStatus};

use super::{calls, words::Look};
use crate::style::{Style, Tone, tame};

/// Beyond it nobody reads on; all of them are in `-o json`.
const LINES: usize = 20;
const ITEM_CHARS: usize = 60;

/// On the way forward. An item that simply succeeded is not worth a line.
pub(super) fn lines(items: &[ItemView], saga: &SagaView, style: Style) -> Vec<String> {
    let plain = |item: &&ItemView| match item.status {
        StepStatus::Succeeded => item.attempts.len() <= 1,
        StepStatus::Pending => true,
        _ => false,
    };
    let told: Vec<&ItemView> = items.iter().filter(|item| !plain(item)).collect();
    let mut lines = vec![format!("      {}", style.paint(Tone::Dim, &counted(items, saga)))];
    for item in told.iter().take(LINES) {
        let look = Look::of_step(item.status, saga.status);
        let what = tame(&item.item.to_string(), ITEM_CHARS);
        lines.push(format!("      {} [{}] {what}  {}", style.paint(look.tone, look.icon), item.index, look.word));
        lines.extend(tried(item, &item.attempts, saga, style));
    }
    lines.extend(left_out(told.len(), style));
    lines
}

/// On the way back.
pub(super) fn undone(items: &[ItemView], saga: &SagaView, style: Style) -> Vec<String> {
    let begun: Vec<&ItemView> = items.iter().rev().filter(|item| !item.undo_attempts.is_empty()).collect();
    let mut lines = vec![];
    for item in begun.iter().take(LINES) {
        let look = Look::of_compensation(item.status);
        lines.push(format!("      {} [{}]  {}", style.paint(look.tone, look.icon), item.index, look.word));
        lines.extend(tried(item, &item.undo_attempts, saga, style));
    }
    lines.extend(left_out(begun.len(), style));
    lines
}

fn tried(item: &ItemView, attempts: &[AttemptView], saga: &SagaView, style: Style) -> Vec<String> {
    let ended = saga.status.is_terminal();
    calls::tried(attempts, item.refused.as_deref(), saga.started_at, ended, style)
        .into_iter()
        .map(|line| format!("  {line}"))
        .collect()
}

/// `5 items: 3 succeeded, 2 pending`
fn counted(items: &[ItemView], saga: &SagaView) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(Look::of_step(item.status, saga.status).word).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    match items.len() {
        0 => "no items".to_owned(),
        1 => format!("1 item: {}", counts.join(", ")),
        many => format!("{many} items: {}", counts.join(", ")),
    }
}

fn left_out(all: usize, style: Style) -> Option<String> {
    let more = all.checked_sub(LINES).filter(|more| *more > 0)?;
    Some(format!("      {}", style.paint(Tone::Dim, &format!("… and {more} more"))))
}
