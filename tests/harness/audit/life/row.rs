//! The row beside a journal.

use super::{Between, Life, Status, family};
use crate::audit::{Case, Found, journal::Row};

/// The row beside the journal says what the journal folds to.
pub(in crate::audit) fn check_row(case: &Case<'_>, found: &mut Found) {
    let (row, life) = (&case.saga.row, &case.life);
    let folded = Row {
        status: life.status.as_str().to_owned(),
        attention: life.needs_attention(),
        started_at: life.started_at,
        updated_at: life.last_at,
        ended_at: life.ended_at,
        wake_at: wake_at(life),
        // An adopter raises the row's epoch before it writes its first row.
        epoch: row.epoch.max(life.epoch),
        next_seq: life.last_seq + 1,
        // Not of the saga but of who drives it: see `epochs`.
        owner: row.owner,
        asleep_until: row.asleep_until,
    };
    found.unless(*row == folded, 2, || {
        format!("saga {}: the row says\n    {row:?}\n  and the journal folds to\n    {folded:?}", case.saga.id)
    });
}

/// When somebody has to look at it again.
fn wake_at(life: &Life) -> Option<i64> {
    let due = life.calls.values().filter(|call| !call.halted).filter_map(|call| call.open().map(|open| open.due_at));
    let between = life.calls.values().filter_map(|call| match call.between {
        Between::Postponed { until, .. } => Some(until),
        Between::Asked { due_at } => Some(due_at),
        Between::Nothing | Between::Applied | Between::NotApplied => None,
    });
    let waits = life.waits.open.values().filter_map(|wait| wait.until);
    let accepted = life.calls.values().filter_map(|call| call.accepted().flatten());
    // Asleep behind others it looks for itself after as long again as it has waited: a minute at least, an hour at most. Nobody
    // knows of one that has no place yet: it looks at once.
    let look = |since: Option<i64>| since.map_or(0, |since| (life.last_at - since).clamp(60_000_000, 3_600_000_000));
    let waits_for_lock = life.locks_owed > 0 && life.status == Status::Running;
    let lock = waits_for_lock.then(|| life.last_at + look(life.lock_since));
    due.chain(waits)
        .chain(accepted)
        .chain(between)
        .chain(lock)
        .chain(family::due(life))
        .chain(life.deadline_at.filter(|_| life.status == Status::Running && !life.past_return))
        .min()
}
