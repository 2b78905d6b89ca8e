//! Invariant 4: write first, then act. No request without its durable intent, no effect without one.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Case, Evidence, Found, life::Attempt};
use crate::words::Call;

/// The journal's clock is an anchor plus monotonic time, the proxy's is the wall clock: they drift apart by this much at
/// most while a test runs.
const CLOCKS_APART_US: i64 = 20_000;

fn intent<'c>(cases: &'c BTreeMap<Uuid, Case<'_>>, saga: Uuid, call: &Call, attempt: u32) -> Option<&'c Attempt> {
    cases.get(&saga)?.life.call(call)?.attempts.get((attempt as usize).checked_sub(1)?)
}

pub(super) fn check(evidence: &Evidence, cases: &BTreeMap<Uuid, Case<'_>>, found: &mut Found) {
    for request in &evidence.wire {
        let place = format!("{} attempt {}", request.call, request.attempt);
        match intent(cases, request.call.saga, &request.call.call, request.attempt) {
            None => found.add(4, format!("{place} was sent and never intended")),
            Some(intent) => {
                found.unless(intent.at <= request.arrived_at + CLOCKS_APART_US, 4, || {
                    format!("{place} arrived {} µs before it was intended", intent.at - request.arrived_at)
                });
                found.unless(intent.due_at <= request.arrived_at + CLOCKS_APART_US, 4, || {
                    format!("{place} arrived {} µs before it was due", intent.due_at - request.arrived_at)
                });
                found.unless(intent.request == request.digest, 4, || {
                    format!("{place}: its bytes are not those of its intent")
                });
            }
        }
        found.unless(request.intent_seen != Some(false), 4, || {
            format!("{place}: when its first byte was here its intent was not yet in the journal")
        });
    }
    for why in &evidence.unreadable {
        found.add(4, format!("a request that does not follow the contract: {why}"));
    }
    for (service, ledger) in &evidence.ledgers {
        for entry in ledger {
            found.unless(intent(cases, entry.saga, &entry.call, entry.attempt).is_some(), 4, || {
                format!(
                    "saga {}: {service} has an effect of {} attempt {}, which was never intended",
                    entry.saga, entry.call, entry.attempt
                )
            });
        }
    }
}
