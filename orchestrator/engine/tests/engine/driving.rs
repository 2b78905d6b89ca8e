//! Driving sagas: write first, then act; outcomes; bounds.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use amends_core::{
    event::{Event, Recorded},
    ids::Op,
    summary::Status,
};
use amends_engine::{CancelError, Start, StartError};
use amends_store::{Store, memory::MemoryStore, sqlite::SqliteStore};
use serde_json::json;

use crate::town::{Does, THREE, Town, memory, start};

#[tokio::test]
async fn three_sequential_steps_cost_four_commits_and_each_retry_one_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path().join("amends.db")).await.expect("opens"));
    let town = Town::new(store, 8, 8).await;
    town.register(THREE).await;

    let before = town.store.written();
    let saga = town.start("three").await;
    assert_eq!(town.ended(saga).await, Status::Completed);
    town.at_rest().await;
    let after = town.store.written();
    assert_eq!((after.commits - before.commits, after.appends - before.appends), (4, 4));

    town.services.when("two action 1", Does::Answers(503, json!({})));
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    town.until(saga, |head| head.summary.wake_at.is_some_and(|at| at > amends_core::time::Time(1_795_539_661_000_000)))
        .await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    town.at_rest().await;
    assert_eq!(town.store.written().commits - after.commits, 5);
}

#[tokio::test]
async fn nothing_is_sent_before_its_intent_is_durable() {
    let store = Arc::new(MemoryStore::default());
    let town = Town::new(store.clone(), 8, 8).await;
    town.register(THREE).await;
    store.pause();
    let starting = tokio::spawn({
        let engine = town.engine.clone();
        async move { engine.start(start("three")).await }
    });
    while store.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!starting.is_finished(), "a start is acknowledged only when it is durable");
    assert_eq!(town.services.calls(), Vec::<String>::new());
    store.resume();
    let saga = starting.await.expect("no panic").expect("starts").saga;
    // Every call also checks in the journal that its own intent is there.
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "three action 1 @1"]);
}

#[tokio::test]
async fn the_check_of_write_ahead_catches_a_store_that_acknowledges_too_early() {
    let store = MemoryStore::default();
    store.acknowledge_early(Duration::from_millis(30));
    let town = Town::new(Arc::new(store), 8, 8).await;
    town.register(THREE).await;
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    town.until(saga, |head| head.next_seq > 3).await;
    assert_eq!(town.services.not_intended().first().map(String::as_str), Some("two action 1"));
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_nothing_is_done_twice() {
    let store = Arc::new(MemoryStore::default());
    let town = Town::new(store.clone(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("two action", Does::Holds(200, json!({})));
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    store.fail_next_commits(3);
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "three action 1 @1"]);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_recognised() {
    let store = Arc::new(MemoryStore::default());
    let town = Town::new(store.clone(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("two action", Does::Holds(200, json!({})));
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    store.lose_next_answer();
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert!(store.has_lost_it());
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "three action 1 @1"]);
}

#[tokio::test]
async fn a_rejected_step_undoes_exactly_what_was_done_before_it() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("three action", Does::Answers(409, json!({ "detail": "no" })));
    let saga = town.start("three").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(
        town.services.calls(),
        ["one action 1 @1", "two action 1 @1", "three action 1 @1", "two compensate 1 @1", "one compensate 1 @1"]
    );
}

#[tokio::test]
async fn a_step_whose_every_reply_is_lost_is_undone_too() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(&THREE.replace("call: b POST /two,", "call: b POST /two, retry: { attempts: 1 },")).await;
    town.services.when("two action", Does::Loses);
    let saga = town.start("three").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(
        town.services.calls(),
        ["one action 1 @1", "two action 1 @1", "two compensate 1 @1", "one compensate 1 @1"]
    );
}

#[tokio::test]
async fn a_step_that_never_left_is_not_undone() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(&THREE.replace("call: b POST /two,", "call: b POST /two, retry: { attempts: 1 },")).await;
    town.services.when("two action", Does::Refuses);
    let saga = town.start("three").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "one compensate 1 @1"]);
}

#[tokio::test]
async fn a_participant_that_panics_is_an_unknown_outcome() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("two action 1", Does::Panics);
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    town.until(saga, |head| head.next_seq > 6).await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert!(town.kinds(saga).await.contains(&"call_unknown".to_owned()));
}

#[tokio::test]
async fn beyond_its_bound_a_start_is_refused_before_anything_is_written() {
    let town = Town::new(memory(), 8, 1).await;
    town.register(THREE).await;
    town.services.when("one action", Does::Holds(200, json!({})));
    let saga = town.start("three").await;
    let before = town.store.written();
    let refused = town.engine.start(start("three")).await;
    assert!(matches!(refused, Err(StartError::Overloaded { .. })), "{refused:?}");
    assert_eq!(town.store.written(), before);
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
    // The place is free again once the driver has let go.
    let again = async {
        while town.engine.start(start("three")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::town::SOON, again).await.expect("a place becomes free");
}

#[tokio::test]
async fn a_dead_service_holds_up_nobody_elses_steps() {
    let town = Town::new(memory(), 2, 100).await;
    town.register(THREE).await;
    town.register(
        "
saga: other
steps:
  only: { call: c POST /only, compensate: { call: c DELETE /only } }
",
    )
    .await;
    town.services.when("one action", Does::Holds(200, json!({})));
    for _ in 0..20 {
        town.start("three").await;
    }
    town.services.called("one action 1 @1").await;
    let other = town.start("other").await;
    assert_eq!(town.ended(other).await, Status::Completed);
    let at_service_a = town.services.calls().iter().filter(|call| call.starts_with("one")).count();
    assert_eq!(at_service_a, 2, "the bulkhead lets two calls through");
    town.services.let_go();
}

const BRANCHES: &str = "
saga: branches
steps:
  held: { needs: [], call: a POST /held, compensate: { call: a DELETE /held } }
  parked: { needs: [], call: a POST /parked, compensate: { call: a DELETE /parked } }
  fails: { needs: [], call: b POST /fails, compensate: { call: b DELETE /fails } }
";

#[tokio::test]
async fn what_waits_for_its_turn_is_not_sent_after_the_saga_failed() {
    // One place at service a: of `held` and `parked` the second to come waits.
    let town = Town::new(memory(), 1, 8).await;
    town.register(BRANCHES).await;
    for step in ["held action", "parked action"] {
        town.services.when(step, Does::Holds(200, json!({})));
    }
    town.services.when("fails action", Does::Answers(409, json!({})));
    let saga = town.start("branches").await;
    town.until(saga, |head| head.summary.status == Status::Compensating).await;
    let sent: BTreeSet<_> = town.services.calls().into_iter().filter(|call| !call.starts_with("fails")).collect();
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Compensated);
    let calls = town.services.calls();
    assert!(sent.len() <= 1, "one place, at most one call: {sent:?}");
    assert_eq!(
        calls.iter().filter(|call| call.contains("held action") || call.contains("parked action")).count(),
        sent.len()
    );
    assert!(town.kinds(saga).await.contains(&"call_withdrawn".to_owned()));
    // Exactly what was sent is undone.
    let undone = calls.iter().filter(|call| call.contains("compensate")).count();
    assert_eq!(undone, sent.len(), "{calls:?}");
}

#[tokio::test]
async fn a_compensation_that_waits_for_its_turn_keeps_its_turn() {
    // One place at service a: of two compensations one waits, while that of service b is answered.
    let town = Town::new(memory(), 1, 8).await;
    town.register(
        "
saga: undone
steps:
  first: { needs: [], call: a POST /first, compensate: { call: a DELETE /first } }
  second: { needs: [], call: a POST /second, compensate: { call: a DELETE /second } }
  other: { needs: [], call: b POST /other, compensate: { call: b DELETE /other } }
  fails: { needs: [first, second, other], call: c POST /fails, compensate: { call: c DELETE /fails } }
",
    )
    .await;
    town.services.when("fails action", Does::Answers(409, json!({})));
    for step in ["first compensate", "second compensate"] {
        town.services.when(step, Does::Holds(200, json!({})));
    }
    let saga = town.start("undone").await;
    town.services.called("other compensate 1 @1").await;
    let undone = |journal: &[Recorded]| {
        journal.iter().any(|row| {
            matches!(&row.event, Event::CallSucceeded { call, .. } if call.op == Op::Compensate && call.step.as_str() == "other")
        })
    };
    let answered = async {
        while !undone(&town.journal(saga).await) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::town::SOON, answered).await.expect("the other one is undone meanwhile");
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Compensated);
}

#[tokio::test]
async fn parallel_branches_run_at_once() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(BRANCHES).await;
    for step in ["held action", "parked action", "fails action"] {
        town.services.when(step, Does::Holds(200, json!({})));
    }
    let saga = town.start("branches").await;
    for step in ["held", "parked", "fails"] {
        town.services.called(&format!("{step} action 1 @1")).await;
    }
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_cancel_undoes_until_the_pivot_is_intended_and_is_refused_from_then_on() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(
        "
saga: pivoted
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two: { pivot: true, call: b POST /two }
",
    )
    .await;
    town.services.when("one action", Does::Holds(200, json!({})));
    let early = town.start("pivoted").await;
    town.services.called("one action 1 @1").await;
    town.engine.cancel(early, Some("changed my mind".to_owned())).await.expect("accepted");
    town.engine.cancel(early, None).await.expect("a second cancel is the same");
    town.services.let_go();
    assert_eq!(town.ended(early).await, Status::Compensated);
    assert_eq!(town.kinds(early).await.iter().filter(|kind| *kind == "cancel_requested").count(), 1);
    let ended = town.engine.cancel(early, None).await;
    assert!(matches!(ended, Err(CancelError::TooLate { .. })), "{ended:?}");

    town.services.when("two action", Does::Loses);
    let late = town.start("pivoted").await;
    town.services.called("two action 1 @1").await;
    let refused = town.engine.cancel(late, None).await;
    assert!(matches!(refused, Err(CancelError::TooLate { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_deadline_that_passes_undoes_the_saga() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(&format!("{THREE}deadline: 1m\n")).await;
    town.services.when("two action", Does::Refuses);
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    town.until(saga, |head| head.next_seq > 6).await;
    town.clock.pass(Duration::from_secs(61));
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert!(!town.services.calls().iter().any(|call| call.starts_with("two compensate")), "it never left");
}

#[tokio::test]
async fn concurrent_starts_with_one_key_make_one_saga_and_another_request_under_it_is_refused() {
    let town = Town::new(memory(), 64, 64).await;
    town.register(THREE).await;
    let keyed = || Start { key: Some("order-7".to_owned()), ..start("three") };
    let starts: Vec<_> = (0..16)
        .map(|_| {
            let engine = town.engine.clone();
            tokio::spawn(async move { engine.start(keyed()).await.expect("starts") })
        })
        .collect();
    let mut started = Vec::new();
    for start in starts {
        started.push(start.await.expect("no panic"));
    }
    assert_eq!(started.iter().filter(|one| one.created).count(), 1);
    assert!(started.iter().all(|one| one.saga == started[0].saga));
    assert_eq!(town.ended(started[0].saga).await, Status::Completed);
    let after = town.engine.start(keyed()).await.expect("the same saga, though it has ended");
    assert!(!after.created && after.saga == started[0].saga);
    let other = town.engine.start(Start { input: json!({ "x": 1 }), ..keyed() }).await;
    assert!(matches!(other, Err(StartError::KeyReused { .. })), "{other:?}");
    assert_eq!(town.services.calls().len(), 3);
}

#[tokio::test]
async fn a_stale_epoch_answer_to_the_true_owner_raises_attention_and_is_asked_again() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("two action 1", Does::SaysStaleEpoch);
    let saga = town.start("three").await;
    town.until(saga, |head| head.summary.attention).await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert!(!town.store.head(saga).await.expect("readable").expect("there").summary.attention);
}

const PLAIN_PIVOT: &str = "
saga: plain-pivot
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two: { call: plain POST /two, pivot: true }
";

/// Whoever has no barrier may say no to the second attempt and have done the first.
#[tokio::test]
async fn a_plain_no_to_a_pivot_that_was_lost_undoes_nothing_and_asks_a_person() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(PLAIN_PIVOT).await;
    town.services.when("two action 1", Does::Loses);
    town.services.when("two action", Does::Answers(409, json!({})));
    let saga = town.start("plain-pivot").await;
    town.services.called("two action 1 @1").await;
    town.until(saga, |head| head.next_seq > 6).await;
    town.clock.pass(Duration::from_secs(1));
    let head = town.until(saga, |head| head.summary.attention).await;
    assert_eq!(head.summary.status, Status::Running);
    // For as long as nobody says what became of it.
    town.clock.pass(Duration::from_secs(365 * 86_400));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let calls: Vec<String> =
        town.services.calls().iter().map(|call| call.split(" @").next().unwrap().to_owned()).collect();
    assert_eq!(calls, ["one action 1", "two action 1", "two action 2"]);
    assert_eq!(town.store.head(saga).await.expect("readable").expect("there").summary.status, Status::Running);
}

#[tokio::test]
async fn a_step_whose_if_is_false_is_not_called_and_costs_no_commit() {
    let town = Town::new(memory(), 8, 8).await;
    let maybe = THREE.replace("two: { call", "two: { if: '${{ input.n > 1 }}', call");
    town.register(&maybe).await;
    let skipped = town.engine.start(Start { input: json!({ "n": 1 }), ..start("three") }).await.expect("starts").saga;
    assert_eq!(town.ended(skipped).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "three action 1 @1"]);
    assert_eq!(town.store.written().commits, 3, "the start and two steps");
}

#[tokio::test]
async fn items_are_called_so_many_at_once_each_with_its_own_index() {
    let town = Town::new(memory(), 8, 8).await;
    let each = "
saga: each
steps:
  one: { for_each: '${{ input.list }}', concurrency: 2, call: 'a POST /one/${{ item }}', compensate: { call: a DELETE /one } }
  two: { call: \"b POST /two\", compensate: { call: b DELETE /two } }
";
    town.register(each).await;
    town.services.when("one action", Does::Holds(200, json!({})));
    let input = json!({ "list": ["x", "y", "z"] });
    let saga = town.engine.start(Start { input, ..start("each") }).await.expect("starts").saga;
    let two_calls = async {
        while town.services.calls().len() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(crate::town::SOON, two_calls).await.expect("two at once");
    assert_eq!(town.services.calls().len(), 2);
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
    let indices: BTreeSet<Option<u32>> = town
        .journal(saga)
        .await
        .iter()
        .filter_map(|row| match &row.event {
            Event::CallSucceeded { call, .. } => Some(call.index),
            _ => None,
        })
        .collect();
    assert_eq!(indices, BTreeSet::from([None, Some(0), Some(1), Some(2)]));
}
