//! Invariants 3 and 10, when faults are over: everything adds up, and nothing hangs.

use super::{Case, Evidence, Found, ledger::Effect, life::Status};

/// What the order book says of orders that stand, and of those that were undone.
const CONFIRMED: &str = "confirmed";
const REJECTED: &str = "rejected";

/// 10: it has ended, or a person was told, of it or of one of its family. 3: the order book agrees.
pub(super) fn check_saga(case: &Case<'_>, excused: bool, order: Option<&str>, found: &mut Found) {
    let saga = case.saga.id;
    let status = case.life.status;
    found.unless(status.is_terminal() || excused, 10, || {
        let calls: Vec<String> = case.life.calls.keys().map(ToString::to_string).collect();
        format!("saga {saga}: {status:?} at rest, and nobody was told; calls: {}", calls.join(", "))
    });
    let Some(order) = order else { return };
    let legal = match status {
        Status::Completed => order == CONFIRMED,
        Status::Compensated => order == REJECTED,
        Status::Running | Status::Compensating | Status::Succeeded => true,
    };
    found.unless(legal, 3, || format!("saga {saga}: {status:?}, and its order is {order}"));
}

/// 3: what is there is what was there and what moved.
pub(super) fn check_sums(evidence: &Evidence, found: &mut Found) {
    for sum in &evidence.sums {
        let expected = sum.opening + sum.moved;
        found.unless(sum.found == expected, 3, || {
            format!(
                "{}: {} at first, {:+} by the ledgers, so {expected}; found {}",
                sum.what, sum.opening, sum.moved, sum.found
            )
        });
    }
    for (saga, order) in &evidence.orders {
        let applied =
            evidence.ledgers.values().flatten().any(|entry| entry.saga == *saga && entry.effect == Effect::Applied);
        found.unless(applied, 3, || format!("saga {saga}: there is an order ({order}) that no ledger knows"));
    }
}
