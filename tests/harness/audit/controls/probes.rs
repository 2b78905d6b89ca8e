//! Lies about what must not be sent twice.

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
  take: { call: money POST /takes, idempotent: false, probe: money GET /takes, compensate: { call: money POST /gives } }
  send: { call: post POST /parcels, pivot: true }
"#;

fn take(rest: Value) -> Value {
    let mut event = json!({ "call": { "step": "take", "op": "action" }, "attempt": 1 });
    let (Some(event_map), Value::Object(rest)) = (event.as_object_mut(), rest) else { panic!("maps") };
    event_map.extend(rest);
    event
}

fn asked() -> Value {
    take(json!({ "kind": "probe_intended", "due_at": 1 }))
}

fn said(verdict: &str, again: Option<i64>) -> Value {
    take(json!({ "kind": "call_probed", "verdict": verdict, "due_at": again }))
}

fn postponed() -> Value {
    take(json!({ "kind": "call_postponed", "until": 1 }))
}

/// Its first attempt is lost; then this is written.
fn lost_and(rows: &[Value]) -> Story {
    let mut story = Story::of(YAML);
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.attempt(&Call::action("take"), 1, Comes::LostRequest);
    rows.iter().for_each(|row| story.json(row.clone()));
    story
}

fn again(rows: &[Value]) -> Story {
    let mut story = lost_and(rows);
    story.attempt(&Call::action("take"), 2, Comes::Done);
    story
}

fn finish(mut story: Story) -> Story {
    story.attempt(&Call::action("send"), 1, Comes::Done);
    story.event(Event::SagaCompleted {});
    story
}

#[test]
fn what_is_sent_again_after_a_probe_as_promised_passes() {
    let rows = [asked(), said("in_progress", Some(1)), said("not_applied_yet", Some(1)), said("not_applied", None)];
    assert_eq!(check(&finish(again(&[&rows[..], &[postponed()]].concat())).evidence), []);
    let mut story = lost_and(&[asked(), said("applied", None), take(json!({ "kind": "call_succeeded" }))]);
    story.effect(&Call::action("take"), 1, Effect::Applied);
    assert_eq!(check(&finish(story).evidence), []);
}

#[test]
fn what_is_sent_twice_without_asking_is_reported() {
    reported(&again(&[]), 2, "nobody has said that it was not applied");
    reported(&again(&[postponed()]), 2, "nobody has said that it was not applied");
    reported(&again(&[asked(), said("unknown", None)]), 2, "nobody has said that it was not applied");
}

#[test]
fn what_is_sent_while_it_is_asked_after_is_reported() {
    reported(&again(&[asked()]), 2, "while it is asked after");
    reported(&again(&[asked(), said("not_applied_yet", Some(1))]), 2, "while it is asked after");
}

#[test]
fn an_answer_to_a_question_that_nobody_asked_is_reported() {
    reported(&lost_and(&[said("applied", None)]), 2, "it is not asked after");
}

/// As [`YAML`], and a request may be on its way for so long.
fn settling(settle: &str) -> Story {
    let probe = format!("probe: {{ call: money GET /takes, settle: {settle} }}");
    let mut story = Story::of(&YAML.replace("probe: money GET /takes", &probe));
    story.attempt(&Call::action("hold"), 1, Comes::Done);
    story.attempt(&Call::action("take"), 1, Comes::LostRequest);
    for row in [asked(), said("not_applied", None)] {
        story.json(row);
    }
    story.attempt(&Call::action("take"), 2, Comes::Done);
    story
}

#[test]
fn what_is_sent_again_before_the_last_one_has_settled_is_reported() {
    // Unknown, asked, answered, intended, sent: each ten milliseconds after the one before.
    assert_eq!(check(&finish(settling("50ms")).evidence), []);
    reported(&settling("51ms"), 2, "50000 µs after the attempt before it, which had 51000 to arrive");
    // By the journal, if nothing of the one before reached a door.
    let mut story = settling("41ms");
    story.evidence.wire.retain(|request| request.attempt != 1 || request.call.call.step != "take");
    reported(&story, 2, "40000 µs after the attempt before it, which had 41000 to arrive");
}
