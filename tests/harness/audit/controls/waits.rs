//! Lies about waits, signals, items and steps that were skipped.

use serde_json::{Value, json};

use super::{
    broken::reported,
    made::{Comes, Story},
};
use crate::{
    audit::{check, journal::Event, ledger::Effect},
    words::Call,
};

const YAML: &str = r#"
saga: made
steps:
  hold: { call: stock POST /holds, compensate: { call: stock POST /unholds } }
  ask: { await: approved, timeout: 1d }
  nap: { sleep: 1h }
  take: { if: "${{ input.pays }}", call: money POST /takes, compensate: { call: money POST /gives } }
  send: { call: post POST /parcels, pivot: true }
"#;

/// Far away, and long over.
const LATER: i64 = 1_000_000_000;
const OVER: i64 = 1;

fn told(rows: &[Value]) -> Story {
    let mut story = Story::of(YAML);
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    rows.iter().for_each(|row| story.json(row.clone()));
    story
}

fn awaits(until: i64) -> Value {
    json!({ "kind": "await_started", "step": "ask", "signal": "approved", "until": until })
}

fn came(key: &str) -> Value {
    json!({ "kind": "signal_received", "signal": "approved", "key": key, "payload": { "by": "ada" } })
}

fn taken() -> Value {
    json!({ "kind": "signal_taken", "step": "ask", "signal": "approved" })
}

fn sleeps(until: i64) -> Value {
    json!({ "kind": "sleep_started", "step": "nap", "until": until })
}

fn slept() -> Value {
    json!({ "kind": "sleep_ended", "step": "nap" })
}

fn skipped(step: &str) -> Value {
    json!({ "kind": "step_skipped", "step": step })
}

fn fails(how: &str) -> Value {
    json!({ "kind": "step_failed", "step": "ask", "how": how })
}

fn finish(mut story: Story) -> Story {
    story.attempt(&Call::action("send"), 1, Comes::Done);
    story.event(Event::SagaCompleted {});
    story
}

fn completed() -> Story {
    finish(told(&[came("k"), awaits(LATER), taken(), sleeps(OVER), slept(), skipped("take")]))
}

#[test]
fn a_life_of_waits_as_promised_passes() {
    assert_eq!(check(&completed().evidence), []);
    let mut story = told(&[awaits(OVER), fails("timed_out")]);
    let cause = json!({ "kind": "step_failed", "step": "ask" });
    story.json(json!({ "kind": "compensation_started", "cause": cause }));
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    story.evidence.orders.clear();
    assert_eq!(check(&story.evidence), []);
}

#[test]
fn a_signal_that_is_taken_twice_or_never_came_is_reported() {
    reported(&told(&[awaits(LATER), taken()]), 2, "more signals are taken than came");
    reported(&told(&[came("k"), awaits(LATER), taken(), taken()]), 2, "it does not await this");
}

#[test]
fn one_key_that_is_two_signals_is_reported() {
    reported(&told(&[came("k"), came("k")]), 2, "a signal under this key came before");
}

#[test]
fn a_sleep_that_ends_before_its_time_is_reported() {
    reported(&told(&[came("k"), awaits(LATER), taken(), sleeps(LATER), slept()]), 2, "its sleep is not over");
}

#[test]
fn a_wait_that_fails_before_its_time_or_without_a_failure_is_reported() {
    reported(&told(&[awaits(LATER), fails("timed_out")]), 2, "does not end like this");
    reported(&told(&[awaits(OVER), fails("cut_short")]), 2, "does not end like this");
}

#[test]
fn a_saga_that_ends_while_a_step_waits_is_reported() {
    let mut story = told(&[awaits(LATER)]);
    story.event(Event::SagaCompleted {});
    reported(&story, 2, "step ask still waits");
}

#[test]
fn a_step_that_is_skipped_without_an_if_is_reported() {
    reported(&told(&[skipped("ask")]), 2, "cannot be skipped");
}

#[test]
fn a_skipped_step_that_is_called_or_applied_is_reported() {
    let mut story = told(&[came("k"), awaits(LATER), taken(), sleeps(OVER), slept(), skipped("take")]);
    story.attempt(&Call::action("take"), 1, Comes::Done);
    reported(&story, 2, "the step does not run");
    let mut story = completed();
    story.effect(&Call::action("take"), 1, Effect::Applied);
    reported(&story, 1, "it was applied 1, undone 0 times");
}

// ---- items ----------------------------------------------------------------------------------------------------------

const ITEMS: &str = r#"
saga: made
steps:
  hold: { for_each: "${{ input.lines }}", call: stock POST /holds, compensate: { call: stock POST /unholds } }
  send: { call: post POST /parcels, pivot: true }
"#;

fn listed(items: &[u32]) -> Story {
    let mut story = Story::of(ITEMS);
    story.json(json!({ "kind": "items_listed", "step": "hold", "items": items }));
    story
}

fn item(index: u32) -> Call {
    Call { index: Some(index), ..Call::action("hold") }
}

#[test]
fn items_as_promised_pass() {
    let mut story = listed(&[7, 8]);
    story.attempt(&item(0), 1, Comes::Done);
    story.attempt(&item(1), 1, Comes::Done);
    assert_eq!(check(&finish(story).evidence), []);
    assert_eq!(check(&finish(listed(&[])).evidence), []);
}

#[test]
fn an_item_that_was_left_out_or_is_not_in_the_list_is_reported() {
    let mut story = listed(&[7, 8]);
    story.attempt(&item(0), 1, Comes::Done);
    reported(&finish(story), 2, "it needs hold");
    let mut story = listed(&[7]);
    story.attempt(&item(1), 1, Comes::Done);
    reported(&story, 2, "once for each item of its list");
    let mut story = listed(&[7]);
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    reported(&story, 2, "once for each item of its list");
}

#[test]
fn an_item_that_is_applied_twice_is_reported() {
    let mut story = listed(&[7]);
    story.attempt(&item(0), 1, Comes::Done);
    story.effect(&item(0), 1, Effect::Applied);
    reported(&story, 6, "applied 2 times");
}
