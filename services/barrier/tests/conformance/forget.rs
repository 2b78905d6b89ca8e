//! The cases of `forget`: what it marks, what it leaves alone, what goes when.

use std::time::Duration;

use anyhow::Result;
use http::StatusCode;
use serde_json::json;

use crate::{
    subject::{GRACE, Subject, action, ask, compensation, probe, saga},
    suite::{promise, waits},
};

/// Far more than a test takes: the clock that is put ahead goes on by itself.
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn within_the_grace(subject: Subject) -> Result<()> {
    let (applied, undone, null, rejected) = (saga(), saga(), saga(), saga());
    let first = subject.send(&action(applied, 7).epoch(2)).await;
    subject.send(&action(undone, 5)).await;
    let took = subject.send(&compensation(undone)).await;
    let nothing = subject.send(&compensation(null)).await;
    let no = subject.send(&action(rejected, 101)).await;
    promise("status of the rejection", no.status, StatusCode::CONFLICT)?;

    let heard = subject.forget(&[applied, undone, null, rejected]).await;
    promise("status of a forget", heard.status, StatusCode::NO_CONTENT)?;
    promise("body of a forget", heard.body.len(), 0)?;
    subject.set(json!({ "coins": 7, "cap": 200, "mood": "well" })).await;
    // A program that has just forgotten, and one hour before the end.
    for time in [Duration::ZERO, GRACE - HOUR] {
        subject.pass(time).await;
        promise("answer to a late copy", subject.send(&action(applied, 7).epoch(2)).await, first.clone())?;
        promise("answer to a late probe", subject.send(&probe(applied).epoch(2)).await, first.clone())?;
        let stale = subject.send(&action(applied, 7).index(3)).await;
        promise("word of a stale epoch", stale.refused.as_deref(), Some("stale-epoch"))?;
        let other = subject.send(&action(applied, 8).epoch(2)).await;
        promise("word of another body", other.refused.as_deref(), Some("other-body"))?;
        for tombstone in [undone, null] {
            let late = subject.send(&action(tombstone, 5).attempt(2)).await;
            promise("problem of a late action", late.problem().as_deref(), Some("already-compensated"))?;
        }
        promise("answer to a late compensation", subject.send(&compensation(undone)).await, took.clone())?;
        promise("answer to a null compensation", subject.send(&compensation(null)).await, nothing.clone())?;
        promise("answer to a late rejection", subject.send(&action(rejected, 101)).await, no.clone())?;
    }
    promise("coins", subject.coins().await, 7)?;
    promise("ledger", subject.effects(undone).await, ["action applied", "compensate undone"])
}

pub(crate) async fn after_the_grace(subject: Subject) -> Result<()> {
    let (gone, stays, later) = (saga(), saga(), saga());
    for saga in [gone, stays, later] {
        subject.send(&action(saga, 7)).await;
        subject.send(&action(saga, 3).index(0)).await;
        subject.send(&compensation(saga).index(0)).await;
        subject.send(&action(saga, 101).index(1)).await;
        // A fence, two actions with their replies, a compensation, a rejection.
        promise("rows before", subject.kept(saga).await, 5)?;
    }
    subject.forget(&[gone]).await;
    subject.pass(HOUR).await;
    subject.forget(&[later]).await;
    // Comes within the grace, and goes with the others.
    subject.send(&compensation(gone).index(2)).await;
    promise("rows within the grace", subject.kept(gone).await, 8)?;
    subject.pass(GRACE - HOUR).await;
    promise("rows of the forgotten saga", subject.kept(gone).await, 0)?;
    promise("rows of another saga", subject.kept(stays).await, 5)?;
    promise("rows of a saga that was named later", subject.kept(later).await, 6)?;
    promise("status of its copy", subject.send(&action(stays, 7)).await.status, StatusCode::CREATED)?;
    promise("coins", subject.coins().await, 21)?;
    subject.pass(HOUR).await;
    promise("rows of the later saga in the end", subject.kept(later).await, 0)?;
    let ledger = ["action applied", "[0] action applied", "[0] compensate undone", "[2] compensate null"];
    promise("ledger", subject.effects(gone).await, ledger)
}

pub(crate) async fn never_named(subject: Subject) -> Result<()> {
    let saga = saga();
    let first = subject.send(&action(saga, 7)).await;
    let rows = subject.kept(saga).await;
    subject.pass(HOUR).await;
    subject.pass(100 * 365 * DAY).await;
    promise("rows of a saga that was never named", subject.kept(saga).await, rows)?;
    promise("answer to its copy", subject.send(&action(saga, 7)).await, first)
}

pub(crate) async fn named_again(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&action(saga, 7)).await;
    let rows = subject.kept(saga).await;
    for day in 1..7 {
        // Twice in one request, and again every day.
        let heard = subject.forget(&[saga, saga]).await;
        promise("status of a forget again", heard.status, StatusCode::NO_CONTENT)?;
        subject.pass(DAY).await;
        promise("rows before the first mark's grace", (day, subject.kept(saga).await), (day, rows + 1))?;
    }
    subject.pass(GRACE - 6 * DAY).await;
    promise("rows after the first mark's grace", subject.kept(saga).await, 0)?;
    let heard = subject.forget(&[saga]).await;
    promise("status of a forget of what is gone", heard.status, StatusCode::NO_CONTENT)?;
    promise("rows of what is gone", subject.kept(saga).await, 0)
}

pub(crate) async fn unknown(subject: Subject) -> Result<()> {
    let saga = saga();
    promise("status of a forget", subject.forget(&[saga]).await.status, StatusCode::NO_CONTENT)?;
    promise("rows of an unknown saga", subject.kept(saga).await, 0)?;
    let first = subject.send(&action(saga, 7)).await;
    subject.pass(2 * GRACE).await;
    promise("answer to the copy", subject.send(&action(saga, 7)).await, first)
}

pub(crate) async fn beside_a_call(subject: Subject) -> Result<()> {
    let saga = saga();
    let mut paused = subject.pause.next();
    let fill = subject.spawn(&action(saga, 7));
    paused.reached().await;
    let beside = subject.beside.clone();
    let mut forget = tokio::spawn(async move { amends_barrier::testing::forget(&beside, &[saga]).await });
    waits(&subject, "the forget waits for the action's commit", &mut forget).await?;
    paused.go_on();
    promise("status of the action", fill.await?.status, StatusCode::CREATED)?;
    promise("status of the forget", forget.await?.status, StatusCode::NO_CONTENT)?;
    subject.pass(GRACE).await;
    promise("rows of the forgotten saga", subject.kept(saga).await, 0)
}

/// No promise, but what happens: a copy that outlives the grace meets nothing that could tell it from a first call.
pub(crate) async fn call_after_the_deletion(subject: Subject) -> Result<()> {
    let saga = saga();
    subject.send(&action(saga, 7).epoch(4)).await;
    subject.send(&compensation(saga).epoch(4)).await;
    subject.forget(&[saga]).await;
    subject.pass(GRACE).await;
    let late = ask(&subject.beside, action(saga, 7).request()).await;
    promise("status of the late call", late.status, StatusCode::CREATED)?;
    promise("coins", subject.coins().await, 7)?;
    let rows = subject.kept(saga).await;
    subject.pass(2 * GRACE).await;
    subject.pass(2 * GRACE).await;
    promise("rows of the late call", subject.kept(saga).await, rows)?;
    subject.forget(&[saga]).await;
    subject.pass(GRACE).await;
    promise("rows when it was named again", subject.kept(saga).await, 0)
}

pub(crate) async fn accepted(subject: Subject) -> Result<()> {
    let (soon, late) = (saga(), saga());
    subject.set(json!({ "coins": 0, "cap": 100, "mood": "slow" })).await;
    for saga in [soon, late] {
        promise("status of the action", subject.send(&action(saga, 7)).await.status, StatusCode::ACCEPTED)?;
    }
    subject.forget(&[soon, late]).await;
    subject.pass(GRACE - HOUR).await;
    promise("finishing within the grace", subject.finish(soon, true).await, "completed")?;
    subject.pass(HOUR).await;
    promise("finishing after it", subject.finish(late, true).await, "never accepted")?;
    promise("coins", subject.coins().await, 14)
}
