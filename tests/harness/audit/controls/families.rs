//! Lies about families.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    broken::reported,
    made::{SAGA, Story},
};
use crate::audit::{Evidence, check, journal::Event, shape::Shape};

/// Two children that only sleep: nothing here has a ledger.
const PARENT: &str = r#"
saga: made
steps:
  kid: { saga: made }
  son: { saga: made }
"#;

const CHILD: &str = r#"
saga: made
steps:
  nap: { sleep: 1s }
"#;

const KID: Uuid = Uuid::from_u128(8);
const SON: Uuid = Uuid::from_u128(9);

fn call(step: &str, op: &str) -> Value {
    json!({ "step": step, "op": op })
}

fn told(mut story: Story, rows: &[Value]) -> Story {
    for row in rows {
        let status = match row["kind"].as_str() {
            Some("saga_succeeded") => Some("succeeded"),
            _ => None,
        };
        story.json(row.clone());
        if let Some(status) = status {
            story.evidence.sagas[0].row.status = status.to_owned();
        }
    }
    story.evidence.orders.clear();
    story.evidence.sums.clear();
    story
}

fn begun(step: &str, child: Uuid) -> Vec<Value> {
    vec![
        json!({ "kind": "child_intended", "call": call(step, "action"), "child": child }),
        json!({ "kind": "child_pinned", "call": call(step, "action") }),
    ]
}

fn of(kind: &str, step: &str, op: &str) -> Value {
    json!({ "kind": kind, "call": call(step, op) })
}

/// Both children go well, and the parent with them.
fn completed_parent() -> Vec<Value> {
    let mut rows = begun("kid", KID);
    rows.push(of("child_succeeded", "kid", "action"));
    rows.extend(begun("son", SON));
    rows.push(of("child_succeeded", "son", "action"));
    rows.push(json!({ "kind": "saga_succeeded" }));
    rows.push(of("child_settled", "kid", "action"));
    rows.push(of("child_settled", "son", "action"));
    rows.push(json!({ "kind": "saga_completed" }));
    rows
}

/// The second child fails, and the first is undone in its turn.
fn undone_parent() -> Vec<Value> {
    let mut rows = begun("kid", KID);
    rows.push(of("child_succeeded", "kid", "action"));
    rows.extend(begun("son", SON));
    rows.push(of("child_compensated", "son", "action"));
    rows.push(json!({ "kind": "step_failed", "step": "son", "how": "rejected" }));
    rows.push(json!({ "kind": "compensation_started", "cause": { "kind": "step_failed", "step": "son" } }));
    rows.push(of("child_undo_intended", "kid", "compensate"));
    rows.push(of("child_compensated", "kid", "compensate"));
    rows.push(json!({ "kind": "saga_compensated" }));
    rows
}

fn slept() -> Vec<Value> {
    vec![json!({ "kind": "sleep_started", "step": "nap", "until": 1 }), json!({ "kind": "sleep_ended", "step": "nap" })]
}

fn completed_child() -> Vec<Value> {
    let ends = ["saga_succeeded", "settled_by_parent", "saga_completed"].map(|kind| json!({ "kind": kind }));
    [slept(), ends.to_vec()].concat()
}

fn undone_child() -> Vec<Value> {
    let mut rows = slept();
    rows.push(json!({ "kind": "saga_succeeded" }));
    rows.push(json!({ "kind": "compensation_started", "cause": { "kind": "undone_by_parent" } }));
    rows.push(json!({ "kind": "saga_compensated" }));
    rows
}

/// A parent with those of its children that are there.
fn family(parent: &[Value], children: &[(Uuid, &str, Vec<Value>)]) -> Story {
    let mut story = told(Story::of(PARENT), parent);
    let shape = Shape::read(CHILD, "digest").expect("it is one");
    story.evidence.shapes.insert(("made".to_owned(), 2), shape);
    for (id, step, rows) in children {
        let mut child = Story::of(CHILD);
        if let Event::SagaStarted { parent, .. } = &mut child.journal()[0].event {
            let of = json!({ "saga": SAGA, "step": step });
            *parent = Some(serde_json::from_value(of).expect("a parent"));
        }
        let mut saga = told(child, rows).evidence.sagas.remove(0);
        (saga.id, saga.version) = (*id, 2);
        // Nobody has taken it over since it was made, so it is due to tell.
        saga.row.wake_at = (saga.row.status == "succeeded").then_some(saga.row.updated_at);
        story.evidence.sagas.push(saga);
    }
    story
}

fn completed() -> Story {
    family(&completed_parent(), &[(KID, "kid", completed_child()), (SON, "son", completed_child())])
}

fn undone() -> Story {
    family(&undone_parent(), &[(KID, "kid", undone_child()), (SON, "son", undone_child())])
}

#[test]
fn families_that_end_as_one_pass() {
    assert_eq!(check(&completed().evidence), []);
    assert_eq!(check(&undone().evidence), []);
}

#[test]
fn a_child_that_is_completed_although_its_parent_is_undone_is_reported() {
    let story = family(&undone_parent(), &[(KID, "kid", completed_child()), (SON, "son", undone_child())]);
    reported(&story, 1, "undone, and the child is completed");
}

#[test]
fn a_child_that_is_undone_although_its_parent_is_completed_is_reported() {
    let story = family(&completed_parent(), &[(KID, "kid", undone_child()), (SON, "son", completed_child())]);
    reported(&story, 1, "the parent says Settled");
}

#[test]
fn a_child_that_is_not_there_or_that_nobody_knows_is_reported() {
    reported(&family(&completed_parent(), &[(KID, "kid", completed_child())]), 1, "there is no such saga");
    let mut stranger = completed();
    stranger.evidence.sagas[2].id = Uuid::from_u128(10);
    reported(&stranger, 2, "knows nothing of");
}

#[test]
fn a_child_that_is_left_behind_is_reported() {
    let mut rows = slept();
    rows.push(json!({ "kind": "saga_succeeded" }));
    let story = family(&completed_parent(), &[(KID, "kid", rows.clone()), (SON, "son", completed_child())]);
    reported(&story, 1, "and it is Succeeded");
    reported(&story, 10, "at rest, and nobody was told");
    // While everything is under way it may be.
    let story = family(&completed_parent()[..7], &[(KID, "kid", rows.clone()), (SON, "son", rows)]);
    assert_eq!(check(&Evidence { at_rest: false, ..story.evidence }), []);
}

#[test]
fn a_child_that_is_undone_before_its_turn_is_reported() {
    let mut rows = undone_parent();
    // The second was done as well, and is undone behind the first.
    rows.truncate(5);
    rows.push(of("child_succeeded", "son", "action"));
    rows.push(json!({ "kind": "cancel_requested" }));
    rows.push(json!({ "kind": "compensation_started", "cause": { "kind": "cancelled" } }));
    for step in ["kid", "son"] {
        rows.push(of("child_undo_intended", step, "compensate"));
        rows.push(of("child_compensated", step, "compensate"));
    }
    rows.push(json!({ "kind": "saga_compensated" }));
    let children = [(KID, "kid", undone_child()), (SON, "son", undone_child())];
    reported(&family(&rows, &children), 5, "kid began to be undone before son");
}

#[test]
fn journals_that_no_family_writes_are_reported() {
    let children = || [(KID, "kid", completed_child()), (SON, "son", completed_child())];
    let without =
        |kind: &str| -> Vec<Value> { completed_parent().into_iter().filter(|row| row["kind"] != kind).collect() };
    reported(&family(&without("child_settled"), &children()), 2, "is not settled");
    reported(&family(&without("child_pinned"), &children()), 2, "not while its child is Intended");
    let unsettled: Vec<Value> =
        completed_child().into_iter().filter(|row| row["kind"] != "settled_by_parent").collect();
    let story = family(&completed_parent(), &[(KID, "kid", unsettled), (SON, "son", completed_child())]);
    let found = check(&story.evidence);
    assert!(found.iter().any(|found| found.text.contains("its parent has not settled it")), "{found:?}");
    let mut early = undone_parent();
    early.retain(|row| row["kind"] != "child_undo_intended");
    reported(
        &family(&early, &[(KID, "kid", undone_child()), (SON, "son", undone_child())]),
        2,
        "not while its child is Succeeded",
    );
}
