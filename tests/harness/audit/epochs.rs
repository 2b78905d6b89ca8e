//! Invariant 7: fencing numbers rise and never fall, in the journal (see `life`), at the participants and on the wire; and who
//! drives a saga, if anybody, is what its journal says.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Case, Evidence, Found};
use crate::proxy::{Answered, Copied};

pub(super) fn check_saga(case: &Case<'_>, found: &mut Found) {
    let saga = case.saga;
    let journalled = saga.journal.iter().map(|recorded| recorded.epoch).max().unwrap_or(0);
    found.unless(saga.row.epoch >= journalled, 7, || {
        format!("saga {}: its row has epoch {}, its journal {journalled}", saga.id, saga.row.epoch)
    });
    check_owner(case, found);
    let mut highest = BTreeMap::<&str, u64>::new();
    for (service, entry) in &case.entries {
        let seen = highest.entry(service).or_default();
        found.unless(entry.epoch >= *seen, 7, || {
            format!("saga {}: {service} let {} happen under epoch {} after {seen}", saga.id, entry.call, entry.epoch)
        });
        *seen = entry.epoch.max(*seen);
    }
}

/// Nobody drives it exactly if its owner let go and nobody has claimed it since. Only then does it sleep, until it has something
/// to do.
fn check_owner(case: &Case<'_>, found: &mut Found) {
    let (saga, row) = (case.saga.id, &case.saga.row);
    let ended = row.ended_at.is_some();
    let claimed = row.epoch > case.life.epoch;
    let nobodys = case.life.released && !claimed;
    found.unless(ended || nobodys == row.owner.is_none(), 7, || match row.owner {
        Some(owner) => format!("saga {saga}: by its journal it was let go of, by its row {owner} drives it"),
        None => format!("saga {saga}: by its row nobody drives it, and its journal knows of no release"),
    });
    let sleeps = nobodys && !ended;
    let until = if sleeps { row.wake_at } else { None };
    found.unless(row.asleep_until == until, 7, || {
        format!("saga {saga}: it sleeps until {:?}, and should until {until:?}", row.asleep_until)
    });
}

/// What a participant has done for an owner it does for no earlier one, however late that one's calls come.
pub(super) fn check_fences(evidence: &Evidence, found: &mut Found) {
    let mut copies = BTreeMap::<_, Vec<(u64, &Copied)>>::new();
    // A read changes nothing, so it has no fence: whoever asks is answered.
    for request in evidence.wire.iter().filter(|request| request.sent.method != "GET") {
        let seen = copies.entry((&request.service, request.call.saga)).or_default();
        seen.extend(request.copies.iter().map(|copy| (request.epoch, copy)));
    }
    for ((service, saga), copies) in copies {
        let done = |(epoch, copy): &(u64, &Copied)| {
            let answer = copy.answer.as_ref().filter(|answer| answer.acked && (200..300).contains(&answer.status))?;
            Some((*epoch, answer.at))
        };
        let done: Vec<(u64, i64)> = copies.iter().filter_map(done).collect();
        for (epoch, copy) in &copies {
            let Some(answer) = &copy.answer else { continue };
            let newer = done.iter().find(|(newer, at)| newer > epoch && *at < copy.sent_at);
            found.unless(newer.is_none() || is_stale(answer), 7, || {
                let (newer, _) = newer.unwrap_or(&(0, 0));
                format!(
                    "saga {saga}: {service} had done something under epoch {newer} and answered a call under epoch {epoch} \
                     by {} and not as stale",
                    answer.status
                )
            });
        }
    }
}

fn is_stale(answer: &Answered) -> bool {
    answer.status == 409 && answer.refused.as_deref() == Some("stale-epoch")
}

/// Every attempt is sent once, under the epoch of its intent or one over which it stood.
pub(super) fn check_wire(evidence: &Evidence, cases: &BTreeMap<Uuid, Case<'_>>, found: &mut Found) {
    let mut sent = BTreeMap::new();
    for request in &evidence.wire {
        let times = sent.entry((&request.call, request.attempt)).or_insert(0_u32);
        *times += 1;
        found.unless(*times == 1 || evidence.copies_meant, 4, || {
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
