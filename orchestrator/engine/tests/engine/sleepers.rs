//! Sagas that only wait: out of memory in the commit of their wait, woken by whoever sees that they are due.

use std::time::Duration;

use amends_core::summary::Status;
use amends_engine::Cancelled;
use serde_json::json;

use crate::town::{Does, Town, memory};

const PATIENT: &str = "
saga: patient
steps:
  one:
    call: a POST /one
    retry: { attempts: 3, backoff: 10m, max_backoff: 10m }
    compensate: { call: a DELETE /one }
";

async fn asleep() -> (Town, amends_core::ids::SagaId) {
    let town = Town::new(memory(), 8, 8).await;
    town.register(PATIENT).await;
    town.services.when("one action 1", Does::Refuses);
    let saga = town.start("patient").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.at_rest().await;
    (town, saga)
}

#[tokio::test]
async fn a_saga_that_only_waits_leaves_memory_in_the_commit_of_its_wait() {
    let (town, saga) = asleep().await;
    let kinds = town.kinds(saga).await;
    assert_eq!(kinds, ["saga_started", "call_intended", "call_not_sent", "call_intended", "released"]);
    assert_eq!(town.store.written().commits, 2, "the start, and the outcome with the wait");
}

#[tokio::test]
async fn a_sleeper_is_woken_when_it_is_due_and_not_before() {
    let (town, saga) = asleep().await;
    town.clock.pass(Duration::from_secs(4 * 60));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(town.services.calls(), ["one action 1 @1"], "ten minutes with jitter are five at least");
    town.clock.pass(Duration::from_secs(7 * 60));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "one action 2 @2"]);
    assert!(!town.kinds(saga).await.contains(&"call_unknown".to_owned()), "what slept has not left");
}

#[tokio::test]
async fn a_cancel_wakes_a_sleeper() {
    let (town, saga) = asleep().await;
    assert_eq!(town.engine.cancel(saga, None).await.expect("in time"), Cancelled::Undoing);
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.services.calls(), ["one action 1 @1"], "it never left, so nothing is undone");
}

#[tokio::test]
async fn what_waits_for_a_person_needs_no_memory_either() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(PATIENT).await;
    town.services.when("one action 1", Does::Loses);
    town.services.when("one compensate 1", Does::Answers(400, json!({})));
    let saga = town.start("patient").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.engine.cancel(saga, None).await.expect("in time");
    let head = town.until(saga, |head| head.summary.attention && head.owner.is_none()).await;
    assert_eq!(head.summary.wake_at, None);
    town.at_rest().await;
}

#[tokio::test]
async fn a_short_wait_is_spent_in_memory() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(&PATIENT.replace("10m", "2s")).await;
    town.services.when("one action 1", Does::Refuses);
    let saga = town.start("patient").await;
    town.until(saga, |head| head.next_seq > 4).await;
    assert_eq!(town.engine.load().live, 1);
    town.clock.pass(Duration::from_secs(2));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "one action 2 @1"]);
}
