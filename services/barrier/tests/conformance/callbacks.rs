//! What is to be told of accepted actions, and what holds for their refusals.

use anyhow::Result;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    subject::{GRACE, Subject, action, compensation, saga},
    suite::promise,
};

const NOTHING: [(String, Value); 0] = [];

async fn slow(subject: &Subject) {
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "slow" })).await;
}

pub(crate) async fn told(subject: Subject) -> Result<()> {
    let saga = saga();
    slow(&subject).await;
    for attempt in 1..=2 {
        let accepted = subject.send(&action(saga, 7).later("call.proof").attempt(attempt)).await;
        promise("status of the action", accepted.status, StatusCode::ACCEPTED)?;
    }
    promise("due before it is finished", subject.due().await, NOTHING)?;
    promise("finishing", subject.finish(saga, true).await, "completed")?;
    for _ in 0..2 {
        let due = subject.due().await;
        promise("number of what is due", due.len(), 1)?;
        promise("the token", due[0].0.as_str(), "call.proof")?;
        promise("the outcome", due[0].1["outcome"].as_str(), Some("succeeded"))?;
        promise("the body", due[0].1["body"]["added"].as_i64(), Some(7))?;
    }
    let replayed = subject.send(&action(saga, 7).later("call.proof").attempt(3)).await;
    promise("status from now on", replayed.status, StatusCode::CREATED)?;
    subject.heard(saga).await;
    promise("due once it was heard", subject.due().await, NOTHING)
}

pub(crate) async fn told_of_a_refusal(subject: Subject) -> Result<()> {
    let saga = saga();
    slow(&subject).await;
    subject.send(&action(saga, 7).later("call.proof")).await;
    subject.finish(saga, false).await;
    let refused = json!({ "outcome": "rejected", "reason": "the work failed in the end" });
    promise("due", subject.due().await, [("call.proof".to_owned(), refused)])
}

/// The verdict that is told decides the call: no later attempt may come to another.
pub(crate) async fn refusal_is_final(subject: Subject) -> Result<()> {
    let saga = saga();
    slow(&subject).await;
    subject.send(&action(saga, 7).later("call.proof")).await;
    subject.finish(saga, false).await;
    let again = subject.send(&action(saga, 7).later("call.proof").attempt(2)).await;
    promise("status of a later attempt", again.status, StatusCode::CONFLICT)?;
    promise("ack of a later attempt", again.ack, action(saga, 7).key())?;
    let adopted = subject.send(&action(saga, 7).later("call.proof").attempt(1).epoch(9)).await;
    promise("status of a later epoch", adopted.status, StatusCode::CONFLICT)?;
    promise("coins", subject.coins().await, 0)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "action undone"])
}

pub(crate) async fn not_told(subject: Subject) -> Result<()> {
    let (compensated, at_once, unasked) = (saga(), saga(), saga());
    slow(&subject).await;
    subject.send(&action(compensated, 7).later("one.proof")).await;
    subject.send(&compensation(compensated)).await;
    promise("finishing after the compensation", subject.finish(compensated, true).await, "compensated")?;
    subject.send(&action(unasked, 7)).await;
    subject.finish(unasked, true).await;
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "well" })).await;
    let done = subject.send(&action(at_once, 7).later("two.proof")).await;
    promise("status of what is done at once", done.status, StatusCode::CREATED)?;
    promise("due", subject.due().await, NOTHING)
}

pub(crate) async fn forgotten(subject: Subject) -> Result<()> {
    let saga = saga();
    slow(&subject).await;
    subject.send(&action(saga, 7).later("call.proof")).await;
    subject.finish(saga, true).await;
    subject.forget(&[saga]).await;
    promise("due within the grace", subject.due().await.len(), 1)?;
    subject.pass(GRACE * 2).await;
    promise("due after the grace", subject.due().await, NOTHING)?;
    promise("rows after the grace", subject.kept(saga).await, 0)
}

/// Two programs, one of which finishes while the other compensates: one of them comes first, and the other does nothing.
pub(crate) async fn compensation_beside_finishing(subject: Subject) -> Result<()> {
    let saga = saga();
    slow(&subject).await;
    subject.send(&action(saga, 7).later("call.proof")).await;
    let mut paused = subject.pause.next();
    let undoing = subject.spawn(&compensation(saga));
    paused.reached().await;
    let finishing = subject.finish_beside(saga);
    paused.go_on();
    promise("status of the compensation", undoing.await?.status, StatusCode::OK)?;
    promise("finishing", finishing.await?, "compensated".to_owned())?;
    promise("coins", subject.coins().await, 0)?;
    promise("due", subject.due().await, NOTHING)?;
    promise("ledger", subject.effects(saga).await, ["action applied", "compensate undone"])
}
