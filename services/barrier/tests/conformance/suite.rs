//! The cases. Each gets a fresh subject and fails with a [`Violation`] if the subject breaks a promise.

use std::{fmt::Debug, time::Duration};

use anyhow::Result;
use http::StatusCode;
use serde_json::json;

use crate::subject::{Heard, Subject, action, compensation, probe as asks, saga};

/// A promise that was broken; anything else that fails a case is a broken test.
#[derive(Debug, thiserror::Error)]
#[error("{what}: found {found}, promised {promised}")]
pub(crate) struct Violation {
    pub(crate) what: &'static str,
    found: String,
    promised: String,
}

pub(crate) fn promise<T: Debug + PartialEq<P>, P: Debug>(what: &'static str, found: T, promised: P) -> Result<()> {
    if found == promised {
        return Ok(());
    }
    Err(Violation { what, found: format!("{found:?}"), promised: format!("{promised:?}") }.into())
}

/// The call has arrived; this is time enough for it to run ahead of the open transaction, if it could. A store whose every
/// call is one step has no open transaction: there the first is over, and only not answered yet.
pub(crate) async fn waits(
    subject: &Subject,
    what: &'static str,
    answer: &mut tokio::task::JoinHandle<Heard>,
) -> Result<()> {
    if subject.in_one_step {
        return Ok(());
    }
    let early = tokio::time::timeout(Duration::from_millis(150), answer).await;
    promise(what, early.ok().map(|heard| heard.unwrap().status), None)
}

const NOTHING: [&str; 0] = [];

pub(crate) async fn duplicate(subject: Subject) -> Result<()> {
    let fill = action(saga(), 7);
    let first = subject.send(&fill).await;
    promise("status of the first", first.status, StatusCode::CREATED)?;
    promise("ack of the first", first.ack.clone(), fill.key())?;
    promise("answer to the copy", subject.send(&fill).await, first.clone())?;
    promise("answer to the next attempt", subject.send(&fill.clone().attempt(2)).await, first.clone())?;
    promise("answer to the next epoch", subject.send(&fill.clone().epoch(2)).await, first)?;
    promise("coins", subject.coins().await, 7)?;
    promise("ledger", subject.effects(fill.headers.saga).await, ["action applied"])
}

pub(crate) async fn five_duplicates_at_once(subject: Subject) -> Result<()> {
    let fill = action(saga(), 7);
    let mut paused = subject.pause.next();
    let first = subject.spawn(&fill);
    paused.reached().await;
    let mut copies = vec![];
    for number in 0..4 {
        copies.push(if number % 2 == 0 { subject.spawn(&fill) } else { subject.spawn_beside(&fill) });
    }
    subject.pause.arrived(5).await;
    waits(&subject, "the copy answers only after the first commit", copies.first_mut().unwrap()).await?;
    paused.go_on();
    let first = first.await?;
    promise("status of the first", first.status, StatusCode::CREATED)?;
    for copy in copies {
        promise("answer to a copy", copy.await?, first.clone())?;
    }
    promise("coins", subject.coins().await, 7)?;
    promise("ledger", subject.effects(fill.headers.saga).await, ["action applied"])
}

pub(crate) async fn compensation_first(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.set(json!({ "coins": 10, "cap": 100, "mood": "well" })).await;
    let undone = subject.send(&compensation(saga)).await;
    promise("status of the null compensation", undone.status, StatusCode::OK)?;
    promise("ack of the null compensation", undone.ack, compensation(saga).key())?;
    let late = subject.send(&action(saga, 7)).await;
    promise("status of the late action", late.status, StatusCode::CONFLICT)?;
    promise("problem of the late action", late.problem().as_deref(), Some("already-compensated"))?;
    promise("ack of the late action", late.ack.clone(), action(saga, 7).key())?;
    promise("answer to the later attempt", subject.send(&action(saga, 7).attempt(2).epoch(3)).await, late)?;
    promise("coins", subject.coins().await, 10)?;
    promise("ledger", subject.effects(saga).await, ["compensate null"])
}

pub(crate) async fn late_duplicate_after_compensation(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&action(saga, 7)).await;
    promise("status of the compensation", subject.send(&compensation(saga)).await.status, StatusCode::OK)?;
    let late = subject.send(&action(saga, 7).attempt(2)).await;
    promise("problem of the late action", late.problem().as_deref(), Some("already-compensated"))?;
    promise("ack of the late action", late.ack, action(saga, 7).key())?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn compensation_twice(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.set(json!({ "coins": 10, "cap": 100, "mood": "well" })).await;
    subject.send(&action(saga, 7)).await;
    let mut paused = subject.pause.next();
    let first = subject.spawn(&compensation(saga));
    paused.reached().await;
    let copies = [subject.spawn(&compensation(saga)), subject.spawn_beside(&compensation(saga).attempt(2))];
    subject.pause.arrived(4).await;
    paused.go_on();
    let first = first.await?;
    promise("status of the compensation", first.status, StatusCode::OK)?;
    for copy in copies {
        promise("answer to a copy", copy.await?, first.clone())?;
    }
    promise("coins", subject.coins().await, 10)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn null_compensation_twice(subject: Subject) -> Result<()> {
    let saga = saga();
    let first = subject.send(&compensation(saga)).await;
    subject.send(&action(saga, 7)).await;
    promise("answer to the copy", subject.send(&compensation(saga).attempt(2)).await, first)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["compensate null"])
}

pub(crate) async fn compensation_beside_action(subject: Subject) -> Result<()> {
    let saga = saga();
    let mut paused = subject.pause.next();
    let fill = subject.spawn(&action(saga, 7));
    paused.reached().await;
    let mut undo = subject.spawn_beside(&compensation(saga));
    subject.pause.arrived(2).await;
    waits(&subject, "the compensation waits for the action's commit", &mut undo).await?;
    paused.go_on();
    promise("status of the action", fill.await?.status, StatusCode::CREATED)?;
    promise("status of the compensation", undo.await?.status, StatusCode::OK)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn action_beside_compensation(subject: Subject) -> Result<()> {
    let saga = saga();
    let mut paused = subject.pause.next();
    let undo = subject.spawn(&compensation(saga));
    paused.reached().await;
    let mut fill = subject.spawn_beside(&action(saga, 7));
    subject.pause.arrived(2).await;
    waits(&subject, "the action waits for the compensation's commit", &mut fill).await?;
    paused.go_on();
    promise("status of the compensation", undo.await?.status, StatusCode::OK)?;
    promise("status of the action", fill.await?.status, StatusCode::CONFLICT)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["compensate null"])
}

pub(crate) async fn rejection(subject: Subject) -> Result<()> {
    let fill = action(saga(), 101);
    let no = subject.send(&fill).await;
    promise("status of the rejection", no.status, StatusCode::CONFLICT)?;
    promise("ack of the rejection", no.ack.clone(), fill.key())?;
    promise("answer to the copy", subject.send(&fill).await, no)?;
    promise("ledger after the rejection", subject.effects(fill.headers.saga).await, NOTHING)?;
    subject.set(json!({ "coins": 0, "cap": 200, "mood": "well" })).await;
    let yes = subject.send(&fill.clone().attempt(2)).await;
    promise("status of the second attempt", yes.status, StatusCode::CREATED)?;
    promise("answer to the first attempt from now on", subject.send(&fill).await, yes)?;
    promise("coins", subject.coins().await, 101)?;
    promise("ledger", subject.effects(fill.headers.saga).await, ["action applied"])
}

pub(crate) async fn rejection_in_a_later_epoch(subject: Subject) -> Result<()> {
    let fill = action(saga(), 101).attempt(3);
    promise("status of the rejection", subject.send(&fill).await.status, StatusCode::CONFLICT)?;
    subject.set(json!({ "coins": 0, "cap": 200, "mood": "well" })).await;
    let earlier = subject.send(&fill.clone().attempt(2)).await;
    promise("status of an earlier attempt", earlier.status, StatusCode::CONFLICT)?;
    let later = subject.send(&fill.clone().attempt(1).epoch(2)).await;
    promise("status of the later epoch", later.status, StatusCode::CREATED)
}

pub(crate) async fn duplicated_rejection(subject: Subject) -> Result<()> {
    let fill = action(saga(), 101);
    let no = subject.send(&fill).await;
    subject.set(json!({ "coins": 0, "cap": 200, "mood": "well" })).await;
    promise("answer to the network's copy", subject.send(&fill).await, no)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(fill.headers.saga).await, NOTHING)
}

pub(crate) async fn rejected_then_compensated(subject: Subject) -> Result<()> {
    let fill = action(saga(), 101);
    subject.send(&fill).await;
    let undo = subject.send(&compensation(fill.headers.saga)).await;
    promise("status of the compensation", undo.status, StatusCode::OK)?;
    subject.set(json!({ "coins": 0, "cap": 200, "mood": "well" })).await;
    let late = subject.send(&fill.clone().attempt(2)).await;
    promise("problem of the late attempt", late.problem().as_deref(), Some("already-compensated"))?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(fill.headers.saga).await, ["compensate null"])
}

pub(crate) async fn refusal_leaves_no_trace(subject: Subject) -> Result<()> {
    let fill = action(saga(), 101);
    promise("status of the rejection", subject.send(&fill).await.status, StatusCode::CONFLICT)?;
    promise("coins after a refusal", subject.coins().await, 0)?;
    promise("ledger", subject.effects(fill.headers.saga).await, NOTHING)
}

pub(crate) async fn refused_compensation(subject: Subject) -> Result<()> {
    let saga = saga();
    let applied = subject.send(&action(saga, 7)).await;
    subject.set(json!({ "coins": 3, "cap": 100, "mood": "well" })).await;
    let no = subject.send(&compensation(saga)).await;
    promise("status of the refusal", no.status, StatusCode::CONFLICT)?;
    promise("problem of the refusal", no.problem().as_deref(), Some("spent"))?;
    promise("ack of the refusal", no.ack, compensation(saga).key())?;
    promise("the action is still applied", subject.send(&action(saga, 7)).await, applied)?;
    promise("coins after the refusal", subject.coins().await, 3)?;
    subject.set(json!({ "coins": 8, "cap": 100, "mood": "well" })).await;
    // The very same bytes: nothing was stored, so nothing is replayed.
    promise("status later", subject.send(&compensation(saga)).await.status, StatusCode::OK)?;
    promise("coins", subject.coins().await, 1)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn stale_epoch(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&action(saga, 1).index(0).epoch(3)).await;
    for stale in [action(saga, 7).epoch(2), action(saga, 1).index(0).epoch(2), compensation(saga).epoch(2)] {
        let heard = subject.send(&stale).await;
        promise("status of a stale epoch", heard.status, StatusCode::CONFLICT)?;
        promise("word of a stale epoch", heard.refused.as_deref(), Some("stale-epoch"))?;
        promise("ack of a stale epoch", heard.ack, None)?;
    }
    promise("coins", subject.coins().await, 1)?;
    promise("ledger", subject.effects(saga).await, ["[0] action applied"])
}

pub(crate) async fn compensation_raises_the_fence(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&compensation(saga).index(1).epoch(2)).await;
    let other_item = subject.send(&action(saga, 7).index(2).epoch(1)).await;
    promise("word of the old epoch's action", other_item.refused.as_deref(), Some("stale-epoch"))?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["[1] compensate null"])
}

pub(crate) async fn refused_compensation_raises_the_fence(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&action(saga, 7)).await;
    subject.set(json!({ "coins": 3, "cap": 100, "mood": "well" })).await;
    promise("status of the refusal", subject.send(&compensation(saga).epoch(2)).await.status, StatusCode::CONFLICT)?;
    let old = subject.send(&action(saga, 1).index(0)).await;
    promise("word of the old epoch's action", old.refused.as_deref(), Some("stale-epoch"))?;
    promise("coins", subject.coins().await, 3)
}

pub(crate) async fn fence_is_per_saga(subject: Subject) -> Result<()> {
    subject.send(&action(saga(), 1).epoch(9)).await;
    promise("status in another saga", subject.send(&action(saga(), 2)).await.status, StatusCode::CREATED)
}

pub(crate) async fn other_body(subject: Subject) -> Result<()> {
    let saga = saga();
    let applied = subject.send(&action(saga, 7)).await;
    let other = subject.send(&action(saga, 8).attempt(2)).await;
    promise("status of another body", other.status, StatusCode::UNPROCESSABLE_ENTITY)?;
    promise("word of another body", other.refused.as_deref(), Some("other-body"))?;
    promise("ack of another body", other.ack, None)?;
    promise("answer to the same body", subject.send(&action(saga, 7)).await, applied)?;
    subject.send(&compensation(saga)).await;
    let other = subject.send(&compensation(saga).body("{}")).await;
    promise("word of another compensation", other.refused.as_deref(), Some("other-body"))?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn items(subject: Subject) -> Result<()> {
    let saga = saga();
    for index in 0..3 {
        let fill = action(saga, 7).index(index);
        let heard = subject.send(&fill).await;
        promise("status of an item", heard.status, StatusCode::CREATED)?;
        promise("ack of an item", heard.ack, fill.key())?;
    }
    subject.send(&compensation(saga).index(1)).await;
    subject.send(&compensation(saga).index(5)).await;
    promise("coins", subject.coins().await, 14)?;
    let ledger = ["[0] action applied", "[1] action applied", "[2] action applied", "[1] compensate undone"];
    promise("ledger", subject.effects(saga).await, [ledger.as_slice(), &["[5] compensate null"]].concat())
}

pub(crate) async fn probe(subject: Subject) -> Result<()> {
    let saga = saga();
    let before = subject.send(&asks(saga)).await;
    promise("status before the action", before.status, StatusCode::NOT_FOUND)?;
    promise("ack before the action", before.ack, action(saga, 7).key())?;
    let applied = subject.send(&action(saga, 7)).await;
    promise("answer when applied", subject.send(&asks(saga)).await, applied)?;
    promise("status of another item", subject.send(&asks(saga).index(0)).await.status, StatusCode::NOT_FOUND)?;
    subject.send(&compensation(saga)).await;
    promise("status after the undo", subject.send(&asks(saga)).await.status, StatusCode::NOT_FOUND)?;
    let rejected = action(crate::subject::saga(), 101);
    subject.send(&rejected).await;
    let asked = subject.send(&asks(rejected.headers.saga)).await;
    promise("status of a rejected action", asked.status, StatusCode::NOT_FOUND)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn probe_beside_action(subject: Subject) -> Result<()> {
    let saga = saga();
    let mut paused = subject.pause.next();
    let fill = subject.spawn(&action(saga, 7));
    paused.reached().await;
    let mut asked = subject.spawn_beside(&asks(saga));
    waits(&subject, "the probe waits for the action's commit", &mut asked).await?;
    paused.go_on();
    promise("answer to the probe", asked.await?, fill.await?)
}

pub(crate) async fn broken_handler(subject: Subject) -> Result<()> {
    let fill = action(saga(), 7);
    for mood in ["broken", "panic"] {
        subject.set(json!({ "coins": 0, "cap": 100, "mood": mood })).await;
        let heard = subject.send(&fill).await;
        promise("status of a broken handler", heard.status, StatusCode::INTERNAL_SERVER_ERROR)?;
        promise("ack of a broken handler", heard.ack, None)?;
        promise("coins after a broken handler", subject.coins().await, 0)?;
        promise("ledger after a broken handler", subject.effects(fill.headers.saga).await, NOTHING)?;
    }
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "well" })).await;
    promise("status of the retry", subject.send(&fill).await.status, StatusCode::CREATED)?;
    promise("coins", subject.coins().await, 7)?;
    promise("ledger", subject.effects(fill.headers.saga).await, ["action applied"])
}

pub(crate) async fn broken_compensation(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&action(saga, 7)).await;
    subject.set(json!({ "coins": 7, "cap": 100, "mood": "broken" })).await;
    let heard = subject.send(&compensation(saga)).await;
    promise("status of a broken handler", heard.status, StatusCode::INTERNAL_SERVER_ERROR)?;
    promise("ack of a broken handler", heard.ack, None)?;
    promise("coins after a broken handler", subject.coins().await, 7)?;
    subject.set(json!({ "coins": 7, "cap": 100, "mood": "well" })).await;
    promise("status of the retry", subject.send(&compensation(saga)).await.status, StatusCode::OK)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}

pub(crate) async fn client_hangs_up(subject: Subject) -> Result<()> {
    let fill = action(saga(), 7);
    let mut paused = subject.pause.next();
    let client = subject.spawn(&fill);
    paused.reached().await;
    client.abort();
    promise("the client is gone", client.await.is_err_and(|gone| gone.is_cancelled()), true)?;
    paused.go_on();
    promise("status of the retry", subject.send(&fill).await.status, StatusCode::CREATED)?;
    promise("coins", subject.coins().await, 7)?;
    promise("ledger", subject.effects(fill.headers.saga).await, ["action applied"])
}

pub(crate) async fn unreadable_body(subject: Subject) -> Result<()> {
    for (body, status) in [("{", StatusCode::BAD_REQUEST), ("{\"add\":\"x\"}", StatusCode::UNPROCESSABLE_ENTITY)] {
        let fill = action(saga(), 7).body(body);
        let heard = subject.send(&fill).await;
        promise("status of an unreadable body", heard.status, status)?;
        promise("ack of an unreadable body", heard.ack.clone(), fill.key())?;
        promise("answer to the copy", subject.send(&fill).await, heard)?;
        promise("ledger", subject.effects(fill.headers.saga).await, NOTHING)?;
    }
    Ok(())
}

pub(crate) async fn accepted_then_completed(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "slow" })).await;
    promise("finishing what never was", subject.finish(saga, true).await, "never accepted")?;
    let taken_on = subject.send(&action(saga, 7)).await;
    promise("status of the action", taken_on.status, StatusCode::ACCEPTED)?;
    promise("answer to the copy", subject.send(&action(saga, 7)).await, taken_on.clone())?;
    promise("answer to the probe", subject.send(&asks(saga)).await, taken_on)?;
    promise("finishing", subject.finish(saga, true).await, "completed")?;
    promise("finishing again", subject.finish(saga, false).await, "already completed")?;
    promise("status from now on", subject.send(&action(saga, 7)).await.status, StatusCode::CREATED)?;
    promise("coins", subject.coins().await, 7)?;
    promise("ledger", subject.effects(saga).await, ["action applied"])
}

pub(crate) async fn accepted_then_failed(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "slow" })).await;
    subject.send(&action(saga, 7)).await;
    promise("finishing", subject.finish(saga, false).await, "completed")?;
    promise("status from now on", subject.send(&action(saga, 7)).await.status, StatusCode::CONFLICT)?;
    promise("status of the compensation", subject.send(&compensation(saga)).await.status, StatusCode::OK)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "action undone", "compensate null"])
}

pub(crate) async fn accepted_then_compensated(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "slow" })).await;
    subject.send(&action(saga, 7)).await;
    promise("status of the compensation", subject.send(&compensation(saga)).await.status, StatusCode::OK)?;
    promise("finishing", subject.finish(saga, true).await, "compensated")?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}
