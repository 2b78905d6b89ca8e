//! Lies about calls that were accepted, and about their callbacks.

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
  take: { async: true, timeout: 1d, call: money POST /takes, compensate: { call: money POST /gives } }
  send: { call: post POST /parcels, pivot: true }
"#;

/// Far away, and over when the row after the next one is written.
const LATER: i64 = 1_000_000_000;
const SOON: i64 = 95_000;

fn take() -> Call {
    Call::action("take")
}

fn accepted(until: i64) -> Value {
    json!({ "kind": "call_accepted", "call": { "step": "take", "op": "action" }, "attempt": 1, "until": until })
}

fn called_back(verdict: &str) -> Value {
    json!({ "kind": "callback_received", "call": { "step": "take", "op": "action" }, "verdict": verdict })
}

fn succeeded() -> Value {
    json!({ "kind": "call_succeeded", "call": { "step": "take", "op": "action" }, "attempt": 1 })
}

fn rejected() -> Value {
    json!({ "kind": "call_rejected", "call": { "step": "take", "op": "action" }, "attempt": 1, "acked": true })
}

/// `take` is sent, and applied as what is accepted is; then these rows.
fn told(rows: &[Value]) -> Story {
    let mut story = Story::of(YAML);
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.intend(&take(), 1);
    story.wire(&take(), 1);
    story.effect(&take(), 1, Effect::Applied);
    rows.iter().for_each(|row| story.json(row.clone()));
    story
}

fn finish(mut story: Story) -> Story {
    story.attempt(&Call::action("send"), 1, Comes::Done);
    story.event(Event::SagaCompleted {});
    story
}

fn undone(mut story: Story, how: &str) -> Story {
    story.fails("take", how);
    if how != "rejected" {
        story.attempt(&Call::compensate("take"), 1, Comes::Done);
    }
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    story
}

#[test]
fn calls_that_are_accepted_and_decided_as_promised_pass() {
    let done = [accepted(LATER), called_back("succeeded"), succeeded()];
    assert_eq!(check(&finish(told(&done)).evidence), []);
    // Quicker than its 202.
    assert_eq!(check(&finish(told(&[called_back("succeeded"), succeeded()])).evidence), []);
    // It failed in the end, and took its change back.
    let mut story = told(&[accepted(LATER), called_back("rejected"), rejected()]);
    story.effect(&take(), 1, Effect::Undone);
    assert_eq!(check(&undone(story, "rejected").evidence), []);
    // Nobody heard of it again.
    assert_eq!(check(&undone(told(&[accepted(SOON)]), "unresolved").evidence), []);
}

#[test]
fn an_acceptance_that_nobody_asked_for_is_reported() {
    let mut story = Story::of(YAML);
    story.intend(&Call::action("hold"), 1);
    let call = json!({ "step": "hold", "op": "action" });
    story.json(json!({ "kind": "call_accepted", "call": call, "attempt": 1, "until": LATER }));
    reported(&story, 2, "the definition does not let it be accepted");
    reported(&told(&[accepted(LATER), accepted(LATER)]), 2, "this attempt is not open");
}

#[test]
fn a_success_that_nobody_called_back_is_reported() {
    reported(&finish(told(&[accepted(LATER), succeeded()])), 2, "this attempt is not open");
}

#[test]
fn an_outcome_that_the_callback_did_not_say_is_reported() {
    let lie = [accepted(LATER), called_back("rejected"), succeeded()];
    reported(&finish(told(&lie)), 2, "the callback said Rejected");
}

#[test]
fn a_second_verdict_is_reported() {
    let twice = [accepted(LATER), called_back("succeeded"), called_back("rejected")];
    reported(&told(&twice), 2, "a call is called back once");
    let late = [accepted(LATER), called_back("succeeded"), succeeded(), called_back("succeeded")];
    reported(&told(&late), 2, "no such call is under way");
}

#[test]
fn what_is_accepted_and_given_up_before_its_time_or_not_undone_is_reported() {
    reported(&undone(told(&[accepted(LATER)]), "unresolved"), 2, "its time is not over");
    let mut story = told(&[accepted(SOON)]);
    story.fails("take", "unresolved");
    story.attempt(&Call::compensate("hold"), 1, Comes::Done);
    story.event(Event::SagaCompensated);
    reported(&story, 5, "may have happened and is not undone");
}

#[test]
fn a_saga_that_ends_while_a_call_is_accepted_is_reported() {
    let mut story = told(&[accepted(LATER)]);
    story.event(Event::SagaCompleted {});
    reported(&story, 2, "take action is under way");
}

#[test]
fn what_is_finished_after_its_compensation_is_reported() {
    let mut story = undone(told(&[accepted(SOON)]), "unresolved");
    story.effect(&take(), 1, Effect::Applied);
    reported(&story, 6, "applied after its compensation");
}
