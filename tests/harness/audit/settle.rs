//! What must not be sent twice is sent again only when nothing of the attempt before can arrive any more: `settle` after it was sent.
//! Part of invariant 2, by the clock of the wire; the journal says which attempts may have left.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    Case, Evidence, Found,
    life::{Attempt, Outcome},
};
use crate::{proxy::WireRequest, words::Call, words::Op};

pub(super) fn check(evidence: &Evidence, cases: &BTreeMap<Uuid, Case<'_>>, found: &mut Found) {
    let arrived = |saga: Uuid, call: &Call, attempt: usize| {
        let of_it = |request: &&WireRequest| request.call.saga == saga && request.call.call == *call;
        let mut of_it = evidence.wire.iter().filter(of_it);
        of_it.find(|request| request.attempt as usize == attempt).map(|request| request.arrived_at)
    };
    for case in cases.values() {
        for (call, life) in case.life.calls.iter().filter(|(call, _)| call.op == Op::Action) {
            let Some(step) = case.step(call).filter(|step| step.once) else { continue };
            let Some(settle_us) = step.settle_us else { continue };
            for (before, number) in life.attempts.iter().zip(1..) {
                let Some(unknown_at) = unknown_at(case, before) else { continue };
                let Some(again_at) = arrived(case.saga.id, call, number + 1) else { continue };
                // It was sent before either of them.
                let sent_at = arrived(case.saga.id, call, number).map_or(unknown_at, |arrived| arrived.min(unknown_at));
                let after_us = again_at - sent_at;
                found.unless(after_us >= settle_us, 2, || {
                    format!(
                        "saga {}: {call} attempt {} came {after_us} µs after the attempt before it, which had {settle_us} to \
                         arrive",
                        case.saga.id,
                        number + 1
                    )
                });
            }
        }
    }
}

/// When it was written down that an attempt may have happened.
fn unknown_at(case: &Case<'_>, attempt: &Attempt) -> Option<i64> {
    match attempt.outcome {
        Some((Outcome::Unknown, seq)) => case.saga.journal.iter().find(|row| row.seq == seq).map(|row| row.at),
        _ => None,
    }
}
