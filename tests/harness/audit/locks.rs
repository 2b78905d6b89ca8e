//! Semantic locks, from journals alone: of one lock no two sagas have it at once, whoever came first has it first, and nobody
//! begins before he has all of his.
//!
//! Clocks of nodes differ by a little: so much two times may disagree. **It must never know** the queues in the store.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Case, Found,
    journal::{Event, Recorded},
};

/// When a saga had a lock: from its taking to its end, or for ever.
#[derive(Debug)]
struct Span {
    saga: Uuid,
    place: i64,
    from: i64,
    until: Option<i64>,
}

pub(super) fn check(cases: &BTreeMap<Uuid, Case<'_>>, skew_us: i64, found: &mut Found) {
    let mut spans: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for case in cases.values() {
        let saga = case.saga;
        check_saga(saga.id, &saga.journal, found);
        for row in &saga.journal {
            if let Event::LockTaken { lock, arrived_at } = &row.event {
                let until = case.life.status.is_terminal().then(|| saga.journal.last().map_or(row.at, |last| last.at));
                spans.entry(lock).or_default().push(Span { saga: saga.id, place: *arrived_at, from: row.at, until });
            }
        }
    }
    for (lock, mut spans) in spans {
        spans.sort_by_key(|span| span.place);
        for pair in spans.windows(2) {
            let [first, then] = pair else { continue };
            found.unless(first.place < then.place, 2, || {
                format!("lock {lock}: sagas {} and {} have one place", first.saga, then.saga)
            });
            found.unless(first.until.is_some_and(|until| until <= then.from + skew_us), 2, || {
                format!("lock {lock}: saga {} has it while saga {} does: {first:?}, {then:?}", then.saga, first.saga)
            });
        }
    }
}

/// One at a time in their order, each once, and nothing before all of them.
fn check_saga(saga: Uuid, journal: &[Recorded], found: &mut Found) {
    let Some(Event::SagaStarted { locks, .. }) = journal.first().map(|first| &first.event) else { return };
    found.unless(locks.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), 2, || {
        format!("saga {saga}: its locks are not in order: {locks:?}")
    });
    let mut owed = locks.iter();
    let mut queued: BTreeSet<&str> = BTreeSet::new();
    for row in journal {
        match &row.event {
            Event::LockQueued { lock, .. } => {
                found.unless(owed.as_slice().first() == Some(lock) && queued.insert(lock), 2, || {
                    format!("saga {saga}: it waits for {lock} out of order, or twice")
                });
            }
            Event::LockTaken { lock, .. } => {
                found.unless(owed.next() == Some(lock), 2, || format!("saga {saga}: it takes {lock} out of order"));
            }
            Event::CallIntended { .. }
            | Event::SleepStarted { .. }
            | Event::AwaitStarted { .. }
            | Event::ItemsListed { .. }
            | Event::ChildIntended { .. }
            | Event::StepSkipped { .. }
            | Event::SagaCompleted {} => {
                found.unless(owed.as_slice().is_empty(), 2, || {
                    format!("saga {saga}: it begins at seq {} without {:?}", row.seq, owed.as_slice())
                });
            }
            _ => {}
        }
    }
}
