//! Each fault of a plan, in the town: what reaches the services, and what the saga makes of it.

use std::{sync::Arc, time::Duration};

use amends_core::{event::Event, faults, ids::SagaId, summary::Status};
use amends_engine::{Faults, Setup};
use serde_json::json;

use crate::town::{Does, HandClock, Services, THREE, Town, memory, start};

/// Attempts that fail are tried again as soon as the clock is moved; no test waits for its backoff.
const ONE: &str = "
saga: one
defaults: { timeout: 300ms, retry: { attempts: 3, backoff: 1ms, max_backoff: 1ms } }
steps:
  one: { call: a POST /one, output: { x: \"${{ response.body.x }}\" }, compensate: { call: a DELETE /one } }
  two: { call: b POST /two, compensate: { call: b DELETE /two } }
";

async fn town(rules: &str) -> (Town, Arc<Faults>) {
    let injected = Arc::new(Faults::default());
    let plan = format!("rules: [{rules}]\n");
    injected.set(&plan, faults::parse(&plan).unwrap_or_else(|found| panic!("{found:#?}")));
    let store = memory();
    let (services, given) = (Services::new(&store), injected.clone());
    let town = Town::open(store, services, HandClock::new(), |setup| Setup { faults: Some(given), ..setup }).await;
    for source in [ONE, THREE] {
        town.register(source).await;
    }
    town.services.when("one action", Does::Answers(200, json!({ "x": 7 })));
    (town, injected)
}

/// Runs `one` to its end, moving the clock for its retries.
async fn run(town: &Town) -> (SagaId, Status) {
    let saga = town.start("one").await;
    let clock = town.clock.clone();
    let ticking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            clock.pass(Duration::from_millis(500));
        }
    });
    let status = town.ended(saga).await;
    ticking.abort();
    (saga, status)
}

fn fired(injected: &Faults) -> Vec<u64> {
    injected.active().expect("a plan").fired().map(|(_, fired)| fired).collect()
}

/// Calls of step `one`.
fn of_one(town: &Town) -> Vec<String> {
    town.services.calls().into_iter().filter(|call| call.starts_with("one")).collect()
}

#[tokio::test]
async fn refused_is_known_not_to_have_been_sent_and_is_tried_again() {
    let (town, injected) = town("{ step: one, op: action, attempts: 1, refuse: true }").await;
    let (saga, status) = run(&town).await;
    assert_eq!(status, Status::Completed);
    assert_eq!(of_one(&town), ["one action 2 @1"]);
    assert_eq!(fired(&injected), [1]);
    assert!(town.kinds(saga).await.contains(&"call_not_sent".to_owned()), "{:?}", town.kinds(saga).await);
}

#[tokio::test]
async fn a_lost_request_never_arrives_and_counts_as_unknown() {
    let (town, injected) = town("{ step: one, attempts: 1, lose: request }").await;
    let (saga, status) = run(&town).await;
    assert_eq!((status, fired(&injected)), (Status::Completed, vec![1]));
    assert_eq!(of_one(&town), ["one action 2 @1"]);
    assert!(town.kinds(saga).await.contains(&"call_unknown".to_owned()), "{:?}", town.kinds(saga).await);
}

#[tokio::test]
async fn a_lost_reply_a_cut_one_and_a_foreign_status_were_done_and_are_asked_again() {
    for fault in ["lose: reply", "cut: true", "status: 502"] {
        let (town, injected) = town(&format!("{{ step: one, attempts: 1, {fault} }}")).await;
        let (saga, status) = run(&town).await;
        assert_eq!((status, fired(&injected)), (Status::Completed, vec![1]), "{fault}");
        assert_eq!(of_one(&town), ["one action 1 @1", "one action 2 @1"], "{fault}");
        assert!(town.kinds(saga).await.contains(&"call_unknown".to_owned()), "{fault}: {:?}", town.kinds(saga).await);
    }
}

#[tokio::test]
async fn what_did_not_reach_the_service_is_not_told_as_lost() {
    let (town, _) = town("{ step: one, lose: reply }").await;
    town.services.when("one action", Does::Refuses);
    let (saga, status) = run(&town).await;
    assert_eq!(status, Status::Compensated);
    assert!(!town.kinds(saga).await.contains(&"call_unknown".to_owned()), "{:?}", town.kinds(saga).await);
}

#[tokio::test]
async fn a_no_is_one_and_an_answer_of_somebody_in_between_is_none() {
    let (rejecting, _) = town("{ step: two, reject: 409 }").await;
    assert_eq!(run(&rejecting).await.1, Status::Compensated);
    let calls = rejecting.services.calls();
    assert_eq!(calls, ["one action 1 @1", "one compensate 1 @1"], "two never heard of it, and need not be undone");
    let (failing, injected) = town("{ step: two, op: action, fail: 503 }").await;
    assert_eq!(run(&failing).await.1, Status::Compensated);
    assert_eq!(fired(&injected), [3], "as many attempts as there are");
    let calls = failing.services.calls();
    assert_eq!(calls, ["one action 1 @1", "two compensate 1 @1", "one compensate 1 @1"], "two may have happened");
}

#[tokio::test]
async fn another_body_is_of_no_use_and_the_step_is_undone() {
    let (town, _) = town("{ step: one, body: '<html>' }").await;
    assert_eq!(run(&town).await.1, Status::Compensated);
    assert_eq!(town.services.calls(), ["one action 1 @1", "one compensate 1 @1"]);
}

#[tokio::test]
async fn duplicates_arrive_beside_the_call() {
    let (town, _) = town("{ step: one, op: action, duplicate: 2 }").await;
    assert_eq!(run(&town).await.1, Status::Completed);
    until(|| of_one(&town).len() == 3).await;
    assert_eq!(of_one(&town), ["one action 1 @1"; 3]);
}

#[tokio::test]
async fn a_copy_arrives_after_its_compensation_and_not_before() {
    let (town, _) = town("{ step: one, op: action, replay: compensation }, { step: two, reject: 409 }").await;
    assert_eq!(run(&town).await.1, Status::Compensated);
    until(|| of_one(&town).len() == 3).await;
    assert_eq!(of_one(&town), ["one action 1 @1", "one compensate 1 @1", "one action 1 @1"]);
}

#[tokio::test]
async fn a_copy_waits_for_the_attempt_of_the_compensation_that_is_answered() {
    let rules =
        "{ step: one, op: action, replay: compensation }, { step: one, op: compensate, attempts: 1, refuse: true },
                 { step: two, reject: 409 }";
    let (town, _) = town(rules).await;
    assert_eq!(run(&town).await.1, Status::Compensated);
    until(|| of_one(&town).len() == 3).await;
    assert_eq!(of_one(&town), ["one action 1 @1", "one compensate 2 @1", "one action 1 @1"]);
}

#[tokio::test]
async fn a_copy_arrives_after_a_while_unless_the_plan_is_cleared_before() {
    let (soon, _) = town("{ step: one, replay: 20ms }").await;
    assert_eq!(run(&soon).await.1, Status::Completed);
    until(|| of_one(&soon).len() == 2).await;
    let (cleared, injected) = town("{ step: one, replay: 200ms }").await;
    assert_eq!(run(&cleared).await.1, Status::Completed);
    assert_eq!(injected.clear().expect("there was one").fired().next().map(|(_, fired)| fired), Some(1));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(of_one(&cleared), ["one action 1 @1"], "what was to come later does not");
}

#[tokio::test]
async fn a_delay_makes_an_answer_late_and_past_the_timeout_the_request_arrives_all_the_same() {
    let (late, _) = town("{ step: one, attempts: 1, delay: 50ms }").await;
    let began = tokio::time::Instant::now();
    assert_eq!(run(&late).await.1, Status::Completed);
    assert!(began.elapsed() >= Duration::from_millis(50));
    assert_eq!(of_one(&late), ["one action 1 @1"]);
    let (too_late, _) = town("{ step: one, attempts: 1, delay: 1s }").await;
    let (saga, status) = run(&too_late).await;
    assert_eq!(status, Status::Completed);
    assert!(too_late.kinds(saga).await.contains(&"call_unknown".to_owned()));
    until(|| of_one(&too_late).len() == 2).await;
    assert_eq!(of_one(&too_late), ["one action 2 @1", "one action 1 @1"]);
}

#[tokio::test]
async fn a_count_is_for_all_sagas_together_and_what_is_cleared_is_over() {
    let (town, injected) = town("{ step: one, op: action, attempts: 1, count: 2, refuse: true }").await;
    for _ in 0..4 {
        assert_eq!(run(&town).await.1, Status::Completed);
    }
    assert_eq!(fired(&injected), [2]);
    assert_eq!(injected.injected(), [("refuse", 2)]);
    let plan = "rules: [{ reject: 409 }]\n";
    injected.set(plan, faults::parse(plan).expect("a plan"));
    assert_eq!(run(&town).await.1, Status::Compensated, "the new plan holds for calls from now on");
    injected.clear();
    assert_eq!(run(&town).await.1, Status::Completed);
    assert_eq!(injected.injected(), [("refuse", 2), ("reject", 1)]);
}

#[tokio::test]
async fn intents_are_durable_before_a_fault_too() {
    let (town, _) = town("{ step: one, attempts: 1, fail: 500 }").await;
    let (saga, _) = run(&town).await;
    let intents = town
        .journal(saga)
        .await
        .into_iter()
        .filter(|row| matches!(&row.event, Event::CallIntended { call, .. } if call.step.as_str() == "one"));
    assert_eq!(intents.count(), 2);
}

async fn until(so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::town::SOON, waiting).await.expect("in time");
}

#[tokio::test]
async fn a_rule_with_a_label_lets_only_sagas_with_it_go_wrong() {
    let (town, injected) = town("{ label: { tier: gold }, op: action, step: one, reject: 409 }").await;
    let mut golden = start("one");
    golden.labels.insert("tier".to_owned(), json!("gold"));
    let golden = town.engine.start(golden).await.expect("started").saga;
    assert_eq!(town.ended(golden).await, Status::Compensated);
    let (_, status) = run(&town).await;
    assert_eq!((status, fired(&injected)), (Status::Completed, vec![1]));
}
