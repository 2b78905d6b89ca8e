//! Invariants 1 and 6: what the ledgers say was done, against what the journal says, for each step or item.

use super::{Case, Found, ledger::Effect, life::Status, shape::Undone};
use crate::words::{Call, Op};

pub(super) fn check_saga(case: &Case<'_>, found: &mut Found) {
    for action in case.actions() {
        check_ledger(case, &action, found);
        check_against_journal(case, &action, found);
        if case.life.status.is_terminal() {
            check_end(case, &action, found);
        }
    }
}

fn count(case: &Case<'_>, action: &Call, effect: Effect) -> usize {
    case.entries_of(action).filter(|entry| entry.effect == effect).count()
}

/// 6: the ledger alone must make sense, whatever the journal says.
fn check_ledger(case: &Case<'_>, action: &Call, found: &mut Found) {
    let place = format!("saga {} step {}", case.saga.id, action.step);
    // What was accepted and failed in the end took its own change back.
    let failed = |entry: &&super::ledger::Entry| entry.effect == Effect::Undone && entry.call.op == Op::Action;
    let failed = case.entries_of(action).filter(failed).count();
    let [applied, undone, null] = [Effect::Applied, Effect::Undone, Effect::Null].map(|e| count(case, action, e));
    let [applied, undone] = [applied, undone].map(|count| count.saturating_sub(failed));
    found.unless(applied <= 1, 6, || format!("{place}: applied {applied} times"));
    found.unless(undone <= 1, 6, || format!("{place}: undone {undone} times"));
    found.unless(null <= 1 && (null == 0 || undone == 0), 6, || {
        format!("{place}: compensated {null} times for nothing and {undone} times for something")
    });
    found.unless(null == 0 || applied == 0, 6, || {
        format!("{place}: its compensation found nothing to undo, and it was applied all the same")
    });
    let mut compensated = false;
    let mut was_applied = false;
    for entry in case.entries_of(action) {
        match entry.effect {
            Effect::Applied => {
                found.unless(!compensated, 6, || format!("{place}: applied after its compensation"));
                was_applied = true;
            }
            Effect::Undone => {
                found.unless(was_applied, 6, || format!("{place}: undone before it was applied"));
                compensated = true;
            }
            Effect::Null => compensated = true,
        }
    }
}

/// 1: what the journal takes for certain, the ledger knows.
fn check_against_journal(case: &Case<'_>, action: &Call, found: &mut Found) {
    let place = format!("saga {} step {}", case.saga.id, action.step);
    let Some(step) = case.step(action) else {
        return found.add(1, format!("{place}: a ledger knows a step that the definition does not have"));
    };
    for (service, _) in case.entries.iter().filter(|(_, entry)| entry.is_of(action)) {
        found.unless(*service == step.service, 1, || {
            format!("{place}: in the ledger of {service}, and the definition says {}", step.service)
        });
    }
    let succeeded = |op: Op| case.life.call(&action.with_op(op)).is_some_and(|call| call.succeeded().is_some());
    let applied = count(case, action, Effect::Applied);
    found.unless(step.reads || !succeeded(Op::Action) || applied == 1, 1, || {
        format!("{place}: the journal says it succeeded, the ledger that it was applied {applied} times")
    });
    let undone = count(case, action, Effect::Undone) + count(case, action, Effect::Null);
    found.unless(!succeeded(Op::Compensate) || undone == 1, 1, || {
        format!("{place}: the journal says it is undone, the ledger has {undone} entries for it")
    });
}

/// 1: a saga that has ended has ended in exactly one way.
fn check_end(case: &Case<'_>, action: &Call, found: &mut Found) {
    let place = format!("saga {} step {}", case.saga.id, action.step);
    let Some(step) = case.step(action) else { return };
    let [applied, undone] = [Effect::Applied, Effect::Undone].map(|effect| count(case, action, effect));
    let (legal, word) = match (case.life.status, step.undone) {
        (Status::Completed, _) if case.life.skipped.contains(&step.name) => (applied == 0 && undone == 0, "completed"),
        (Status::Completed, _) if step.reads => (undone == 0, "completed"),
        (Status::Completed, _) => (applied == 1 && undone == 0, "completed"),
        (_, Undone::ByChild) => (applied == 0, "compensated"),
        (_, Undone::ByCall) => (applied == undone, "compensated"),
        (_, Undone::Nothing) => (undone == 0, "compensated"),
        // A pivot that was applied allows no way back.
        (_, Undone::Never) => (applied == 0 && undone == 0, "compensated"),
    };
    found.unless(legal, 1, || {
        format!("{place}: the saga is {word}, and it was applied {applied}, undone {undone} times")
    });
}
