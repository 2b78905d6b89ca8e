//! Above the steps: the locks that the saga has, and whom it waits for.

use amends_protocol::v1::{LockStatus, SagaView};

use super::VALUE_CHARS;
use crate::style::{Style, Tone, tame};

pub(super) fn lines(saga: &SagaView, style: Style) -> Vec<String> {
    if saga.status.is_terminal() {
        return vec![];
    }
    let mut lines = vec![];
    for lock in &saga.locks {
        let (tone, said) = match lock.status {
            LockStatus::Held => (Tone::Good, "held".to_owned()),
            LockStatus::Waiting => {
                let place = lock.place.map(|place| format!(", {place} in the queue")).unwrap_or_default();
                (Tone::Busy, format!("waits{place}"))
            }
            LockStatus::Needed => (Tone::Dim, "not yet".to_owned()),
            LockStatus::Released => continue,
        };
        let name = tame(&lock.name, VALUE_CHARS);
        lines.push(format!("  {}  {name}  {}", style.paint(Tone::Strong, "lock"), style.paint(tone, &said)));
        for ahead in &lock.ahead {
            let said = format!("behind {} {} ({})", tame(&ahead.name, VALUE_CHARS), ahead.id, ahead.status);
            lines.push(format!("        {}", style.paint(Tone::Dim, &said)));
        }
    }
    lines
}
