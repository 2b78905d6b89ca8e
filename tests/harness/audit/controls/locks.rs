//! Lies about locks.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{broken::reported, made::Story};
use crate::audit::{Evidence, check, journal::Event};

const YAML: &str = r#"
saga: made
steps:
  nap: { sleep: 1s }
"#;

fn taken(lock: &str, place: i64) -> Value {
    json!({ "kind": "lock_taken", "lock": lock, "arrived_at": place })
}

fn queued(lock: &str, place: i64) -> Value {
    json!({ "kind": "lock_queued", "lock": lock, "arrived_at": place })
}

/// A saga with these locks, and what becomes of them.
fn told(locks: &[&str], rows: &[Value]) -> Story {
    let mut story = Story::of(YAML);
    let Event::SagaStarted { locks: declared, .. } = &mut story.journal()[0].event else { return story };
    *declared = locks.iter().map(|lock| (*lock).to_owned()).collect();
    rows.iter().for_each(|row| story.json(row.clone()));
    story.evidence.orders.clear();
    story.evidence.sums.clear();
    story.evidence.at_rest = false;
    story
}

fn ended(mut story: Story) -> Story {
    story.json(json!({ "kind": "sleep_started", "step": "nap", "until": 1 }));
    story.json(json!({ "kind": "sleep_ended", "step": "nap" }));
    story.event(Event::SagaCompleted {});
    story
}

/// Both, the second one by so much later.
fn both(first: Story, second: &Story, later: i64) -> Story {
    let mut first = first;
    let mut other = second.evidence.sagas[0].clone();
    other.id = Uuid::from_u128(8);
    for at in other.journal.iter_mut().map(|row| &mut row.at) {
        *at += later;
    }
    let shift = |at: &mut Option<i64>| *at = at.map(|at| at + later);
    other.row.started_at += later;
    other.row.updated_at += later;
    shift(&mut other.row.ended_at);
    shift(&mut other.row.wake_at);
    first.evidence.sagas.push(other);
    first
}

const LATER: i64 = 1_000_000;

#[test]
fn one_after_another_passes() {
    let first = ended(told(&["a", "b"], &[taken("a", 1), queued("b", 2), taken("b", 2)]));
    let second = ended(told(&["a", "b"], &[taken("a", 3), taken("b", 4)]));
    assert_eq!(check(&both(first, &second, LATER).evidence), []);
    let mut waits = told(&["a"], &[queued("a", 1)]);
    waits.evidence.sagas[0].row.wake_at = Some(60_020_000);
    assert_eq!(check(&waits.evidence), []);
}

#[test]
fn two_who_have_one_lock_at_once_are_reported() {
    let first = || ended(told(&["a"], &[taken("a", 1)]));
    let second = ended(told(&["a"], &[taken("a", 2)]));
    reported(&both(first(), &second, 0), 2, "has it while saga");
    reported(&both(told(&["a"], &[taken("a", 1)]), &second, LATER), 2, "has it while saga");
    // As far as clocks may disagree, nothing is said.
    let disagreeing = both(first(), &second, 0);
    let evidence = Evidence { skew_us: LATER, ..disagreeing.evidence };
    assert_eq!(check(&evidence), []);
}

#[test]
fn who_passes_by_one_who_came_before_is_reported() {
    let late = ended(told(&["a"], &[taken("a", 2)]));
    reported(&both(late, &ended(told(&["a"], &[taken("a", 1)])), LATER), 2, "has it while saga");
    let same = ended(told(&["a"], &[taken("a", 1)]));
    reported(&both(same, &ended(told(&["a"], &[taken("a", 1)])), LATER), 2, "have one place");
}

#[test]
fn a_step_before_all_locks_and_locks_out_of_order_are_reported() {
    reported(&ended(told(&["a", "b"], &[taken("a", 1)])), 2, "without");
    reported(&told(&["a", "b"], &[taken("b", 1)]), 2, "takes b out of order");
    reported(&told(&["a", "b"], &[queued("b", 1)]), 2, "out of order, or twice");
    reported(&told(&["b", "a"], &[]), 2, "not in order");
}
