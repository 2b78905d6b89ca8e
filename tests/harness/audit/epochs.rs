//! Invariant 7: fencing numbers rise and never fall, in the journal (see `life`), at the participants and on the wire.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Case, Evidence, Found};

pub(super) fn check_saga(case: &Case<'_>, found: &mut Found) {
    let saga = case.saga;
    let journalled = saga.journal.iter().map(|recorded| recorded.epoch).max().unwrap_or(0);
    found.unless(saga.row.epoch >= journalled, 7, || {
        format!("saga {}: its row has epoch {}, its journal {journalled}", saga.id, saga.row.epoch)
    });
    let mut highest = BTreeMap::<&str, u64>::new();
    for (service, entry) in &case.entries {
        let seen = highest.entry(service).or_default();
        found.unless(entry.epoch >= *seen, 7, || {
            format!("saga {}: {service} let {} happen under epoch {} after {seen}", saga.id, entry.call, entry.epoch)
        });
        *seen = entry.epoch.max(*seen);
    }
}

/// Every attempt is sent once, under the epoch of its intent or one over which it stood.
pub(super) fn check_wire(evidence: &Evidence, cases: &BTreeMap<Uuid, Case<'_>>, found: &mut Found) {
    let mut sent = BTreeMap::new();
    for request in &evidence.wire {
        let times = sent.entry((&request.call, request.attempt)).or_insert(0_u32);
        *times += 1;
        found.unless(*times == 1, 4, || {
            format!("{} attempt {} came by {times} times: one attempt is one request", request.call, request.attempt)
        });
        let intent = cases.get(&request.call.saga).and_then(|case| case.life.call(&request.call.call));
        let intent = intent.and_then(|call| call.attempts.get((request.attempt as usize).wrapping_sub(1)));
        if let Some(intent) = intent {
            found.unless(intent.epochs.contains(&request.epoch), 7, || {
                format!(
                    "{} attempt {}: to be sent under {:?}, sent under epoch {}",
                    request.call, request.attempt, intent.epochs, request.epoch
                )
            });
        }
    }
}
