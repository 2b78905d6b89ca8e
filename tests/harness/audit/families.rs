//! Invariants 1, 2 and 5 over families: who is undone leaves no child standing, who is done has none undone, every child is known
//! to its parent, and children are undone in their turn. From the journals of both sides, which share no commit.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{
    Case, Found,
    life::{Stands, Status},
};
use crate::words::Op;

pub(super) fn check(cases: &BTreeMap<Uuid, Case<'_>>, at_rest: bool, found: &mut Found) {
    for case in cases.values() {
        known_to_parent(case, cases, found);
        in_turn(case, found);
        for (call, kid) in case.life.kids.iter().filter(|(_, kid)| kid.may_be_there()) {
            let place = format!("saga {}: {call} and its child {}", case.saga.id, kid.saga);
            let Some(child) = cases.get(&kid.saga) else {
                // Until it is made it is not there; who has ended has seen to it that it was.
                let must = at_rest || case.life.status.is_terminal();
                found.unless(!must, 1, || format!("{place}: there is no such saga"));
                continue;
            };
            found.unless(
                case.shape.step(&call.step).and_then(|step| step.saga.as_ref()) == Some(&child.saga.name),
                2,
                || format!("{place}: it is a {}", child.saga.name),
            );
            pair(case, kid.stands, child, &place, at_rest, found);
        }
    }
}

fn pair(case: &Case<'_>, stands: Stands, child: &Case<'_>, place: &str, at_rest: bool, found: &mut Found) {
    let (parent, child) = (case.life.status, child.life.status);
    let back = matches!(parent, Status::Compensating | Status::Compensated);
    found.unless(!(back && child == Status::Completed), 1, || format!("{place}: undone, and the child is completed"));
    // What one side says that the other has come to, it has come to, or will.
    let fits = match stands {
        Stands::Settled => matches!(child, Status::Succeeded | Status::Completed),
        Stands::Compensated => matches!(child, Status::Compensating | Status::Compensated),
        Stands::Succeeded | Stands::Unusable if parent == Status::Running => {
            matches!(child, Status::Succeeded | Status::Completed)
        }
        _ => true,
    };
    found.unless(fits, 1, || format!("{place}: the parent says {stands:?}, and it is {child:?}"));
    if at_rest && parent.is_terminal() {
        let same = match stands {
            Stands::Settled => child == Status::Completed,
            Stands::Compensated => child == Status::Compensated,
            _ => false,
        };
        found.unless(same, 1, || format!("{place}: the parent is {parent:?}, says {stands:?}, and it is {child:?}"));
    }
}

fn known_to_parent(case: &Case<'_>, cases: &BTreeMap<Uuid, Case<'_>>, found: &mut Found) {
    let Some((parent, call)) = &case.life.parent else { return };
    let known = cases.get(parent).and_then(|above| above.life.kids.get(call));
    found.unless(known.is_some_and(|kid| kid.saga == case.saga.id && kid.may_be_there()), 2, || {
        format!("saga {}: a child that its parent, saga {parent}, knows nothing of at {call}", case.saga.id)
    });
}

/// Nothing of a step is undone before everything that needed it.
fn in_turn(case: &Case<'_>, found: &mut Found) {
    // When the undoing of a step, or an item of it, began and was over.
    let mut spans: Vec<(&str, u64, Option<u64>)> = Vec::new();
    for (call, kid) in &case.life.kids {
        spans.extend(kid.undoing.map(|from| (call.step.as_str(), from, kid.undone)));
    }
    for (call, under_way) in case.life.calls.iter().filter(|(call, _)| call.op == Op::Compensate) {
        let begun = under_way.attempts.first().map(|first| first.seq);
        spans.extend(begun.map(|from| (call.step.as_str(), from, under_way.succeeded())));
    }
    for (earlier, from, _) in &spans {
        for (later, _, until) in &spans {
            if case.shape.ancestors(later).contains(earlier) {
                found.unless(until.is_some_and(|until| until < *from), 5, || {
                    format!("saga {}: {earlier} began to be undone before {later}, which needed it, was", case.saga.id)
                });
            }
        }
    }
}

/// Sagas that need not have ended, because somebody of their family waits for a person.
pub(super) fn excused(cases: &BTreeMap<Uuid, Case<'_>>) -> BTreeSet<Uuid> {
    let root = |mut saga: Uuid| {
        while let Some((parent, _)) = cases.get(&saga).and_then(|case| case.life.parent.as_ref()) {
            saga = *parent;
        }
        saga
    };
    let waiting = cases.iter().filter(|(_, case)| case.life.needs_attention());
    let families: BTreeSet<Uuid> = waiting.map(|(saga, _)| root(*saga)).collect();
    cases.keys().copied().filter(|saga| families.contains(&root(*saga))).collect()
}
