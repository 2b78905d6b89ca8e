//! Actions that must not be sent twice: what goes over the wire, and what does not.

use std::time::Duration;

use amends_core::summary::Status;
use serde_json::json;

use crate::town::{Does, Town, memory};

const ONCE: &str = "
saga: once
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two:
    call: plain POST /two
    idempotent: false
    probe: { call: plain GET /two, headers: { X-Tenant: acme }, timeout: 1s, settle: 10s }
    retry: { attempts: 3, backoff: 100ms }
    compensate: { call: plain DELETE /two }
";

#[tokio::test]
async fn it_is_sent_again_only_after_a_probe_that_was_asked_late_enough() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(ONCE).await;
    town.services.when("two action 1", Does::Loses);
    town.services.when("two probe", Does::Answers(404, json!({})));
    let saga = town.start("once").await;
    town.until(saga, |head| head.next_seq > 6).await;
    town.clock.pass(Duration::from_millis(100));
    town.services.called("two probe 1 @1").await;
    town.until(saga, |head| head.next_seq > 7).await;
    town.clock.pass(Duration::from_secs(5));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "two probe 1 @1"], "it has not settled");
    town.clock.pass(Duration::from_secs(5));
    town.until(saga, |head| head.next_seq > 9).await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    let calls = town.services.calls();
    // It needed no memory until it had settled: whoever woke it took it over.
    assert_eq!(calls[2..], ["two probe 1 @1", "two probe 1 @2", "two action 2 @2"]);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_asking_leaves_it_to_the_successor() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(ONCE).await;
    town.services.when("two action 1", Does::Loses);
    town.services.when("two probe", Does::Holds(200, json!({})));
    let saga = town.start("once").await;
    town.until(saga, |head| head.next_seq > 6).await;
    town.clock.pass(Duration::from_millis(100));
    town.services.called("two probe 1 @1").await;
    let (engine, services) = (town.engine.clone(), town.services.clone());
    let stopping = tokio::spawn(async move { engine.shutdown(Duration::from_secs(5)).await });
    services.let_go();
    stopping.await.expect("no panic");
    let successor = town.beside().await;
    successor.clock.pass(Duration::from_secs(30));
    assert_eq!(successor.ended(saga).await, Status::Completed);
    let sent = successor.services.calls().iter().filter(|call| call.starts_with("two action")).count();
    assert_eq!(sent, 1);
}
