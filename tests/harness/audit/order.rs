//! Invariant 5: who is compensated, in which order, and that no way leads back from a compensation.

use std::collections::BTreeSet;

use super::{Case, Found, ledger::Effect, life::Status};
use crate::words::{Call, Op};

pub(super) fn check_saga(case: &Case<'_>, found: &mut Found) {
    let owed: BTreeSet<&Call> = case.life.to_undo(case.shape).collect();
    check_set(case, &owed, found);
    check_pivot(case, found);
    for later in &owed {
        for earlier in case.shape.ancestors(&later.step) {
            for earlier in owed.iter().filter(|call| call.step == earlier) {
                check_pair(case, earlier, later, found);
            }
        }
    }
}

/// The set is that of the steps with a success, unusable or unknown attempt.
fn check_set(case: &Case<'_>, owed: &BTreeSet<&Call>, found: &mut Found) {
    let saga = case.saga.id;
    for (call, life) in case.life.calls.iter().filter(|(call, _)| call.op == Op::Compensate) {
        found.unless(life.attempts.is_empty() || owed.contains(&call.with_op(Op::Action)), 5, || {
            format!("saga {saga}: {call} was made, and no attempt of its action may have happened")
        });
    }
    if case.life.status == Status::Compensated {
        for call in owed {
            let undo = call.with_op(Op::Compensate);
            let done = case.life.call(&undo).is_some_and(|undo| undo.succeeded().is_some());
            found.unless(done, 5, || {
                format!("saga {saga}: compensated, but {call} may have happened and is not undone")
            });
        }
    }
}

/// Nothing before a pivot is undone once it has succeeded.
fn check_pivot(case: &Case<'_>, found: &mut Found) {
    let pivot = case.shape.steps.iter().find(|step| step.pivot).map(|step| Call::action(&step.name));
    let called =
        pivot.as_ref().and_then(|pivot| case.life.call(pivot)).is_some_and(|pivot| pivot.succeeded().is_some());
    let passed = called || pivot.as_ref().and_then(|pivot| case.life.kids.get(pivot)).is_some_and(|kid| kid.succeeded);
    let back = matches!(case.life.status, Status::Compensating | Status::Compensated);
    found.unless(!(passed && back), 5, || format!("saga {}: undone although its pivot succeeded", case.saga.id));
}

/// `earlier` is undone only after `later`, which needed it: by the journal, and by the clocks of the ledgers.
fn check_pair(case: &Case<'_>, earlier: &Call, later: &Call, found: &mut Found) {
    let saga = case.saga.id;
    let undo = |call: &Call| case.life.call(&call.with_op(Op::Compensate));
    if let Some(begun) = undo(earlier).and_then(|call| call.attempts.first()) {
        let settled = undo(later).and_then(|later| later.succeeded());
        found.unless(settled.is_some_and(|seq| seq < begun.seq), 5, || {
            format!("saga {saga}: {earlier} began to be undone before {later}, which needed it, was")
        });
    }
    let undone_at = |call: &Call| case.entries_of(call).find(|e| e.effect == Effect::Undone).map(|entry| entry.at);
    if let (Some(first), Some(second)) = (undone_at(later), undone_at(earlier)) {
        found.unless(first <= second, 5, || {
            format!("saga {saga}: by the ledgers {earlier} was undone before {later}, which needed it")
        });
    }
}
