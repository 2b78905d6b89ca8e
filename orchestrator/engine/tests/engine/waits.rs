//! Steps that wait: out of memory meanwhile, woken by their time or their signal, wherever that comes in.

use std::{sync::Arc, time::Duration};

use amends_core::{Signal, event::Event, ids::SagaId, summary::Status};
use amends_engine::{Clock as _, Limits, Setup, SignalError};
use amends_store::{Note, Store, memory::MemoryStore};
use serde_json::{Value, json};

use crate::town::{Does, HandClock, Services, Town, catalogue, memory};

const APPROVAL: &str = "
saga: approval
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  ask: { await: approved, timeout: 1d, output: { by: '${{ signal.by }}' } }
  two: { call: \"b POST /two/${{ steps.ask.output.by }}\", compensate: { call: b DELETE /two } }
";

const NAP: &str = "
saga: nap
steps:
  sleep: { sleep: 1h }
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
";

fn signal(key: &str, payload: Value) -> Signal {
    let key = (!key.is_empty()).then(|| key.into());
    Signal { name: "approved".into(), key, payload: payload.into() }
}

async fn shared() -> Town {
    let all: Arc<dyn Store> = Arc::new(MemoryStore::shared());
    Town::open(all.clone(), Services::new(&all), HandClock::new(), |setup| setup).await
}

#[tokio::test]
async fn a_saga_that_awaits_a_signal_leaves_memory_in_the_commit_of_its_wait_and_the_signal_wakes_it() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    let saga = town.start("approval").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.at_rest().await;
    assert_eq!(town.store.written().commits, 2, "the start, and the outcome with the wait");
    town.engine.signal(saga, signal("k", json!({ "by": "ada" }))).await.expect("awaited");
    assert_eq!(town.ended(saga).await, Status::Completed);
    let kinds = town.kinds(saga).await;
    let expected = ["released", "adopted", "signal_received", "signal_taken", "call_intended"];
    assert!(kinds.windows(5).any(|five| five == expected), "{kinds:?}");
    town.engine.signal(saga, signal("k", json!({ "by": "ada" }))).await.expect("the same signal, after the end");
}

#[tokio::test]
async fn a_saga_that_begins_with_a_wait_leaves_memory_too_and_is_woken_by_the_clock() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(NAP).await;
    let saga = town.start("nap").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.at_rest().await;
    town.clock.pass(Duration::from_secs(3599));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(town.services.calls(), Vec::<String>::new());
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @2"]);
}

#[tokio::test]
async fn a_short_sleep_is_slept_in_memory() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(&NAP.replace("1h", "2s")).await;
    let saga = town.start("nap").await;
    assert_eq!(town.engine.load().live, 1);
    town.clock.pass(Duration::from_secs(2));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1"]);
}

#[tokio::test]
async fn a_signal_to_a_live_saga_is_kept_until_it_is_awaited() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    town.services.when("one action", Does::Holds(200, json!({})));
    let saga = town.start("approval").await;
    town.services.called("one action 1 @1").await;
    town.engine.signal(saga, signal("k", json!({ "by": "ada" }))).await.expect("it may be awaited");
    let kept = town.journal(saga).await;
    assert!(matches!(&kept.last().expect("events").event, Event::SignalReceived { .. }), "durable once acknowledged");
    town.engine.signal(saga, signal("k", json!({ "by": "ada" }))).await.expect("the same signal");
    let reused = town.engine.signal(saga, signal("k", json!({ "by": "bob" }))).await;
    assert!(matches!(reused, Err(SignalError::KeyReused)), "{reused:?}");
    let second = town.engine.signal(saga, signal("", json!({ "by": "bob" }))).await;
    assert!(matches!(second, Err(SignalError::TooLate { .. })), "{second:?}");
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1"]);
}

#[tokio::test]
async fn a_signal_that_is_of_no_use_is_refused_and_changes_nothing() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    let saga = town.start("approval").await;
    town.until(saga, |head| head.owner.is_none()).await;
    let before = town.journal(saga).await.len();
    let unfit = town.engine.signal(saga, signal("", json!({ "who": "ada" }))).await;
    assert!(matches!(unfit, Err(SignalError::Unfit(_))), "{unfit:?}");
    let unknown = Signal { name: "aproved".into(), ..signal("", json!({ "by": "ada" })) };
    let unknown = town.engine.signal(saga, unknown).await;
    assert!(matches!(unknown, Err(SignalError::Unfit(_))), "{unknown:?}");
    assert_eq!(town.journal(saga).await.len(), before);
    let nobody = SagaId(uuid::Uuid::now_v7());
    let nobody = town.engine.signal(nobody, signal("", json!({ "by": "ada" }))).await;
    assert!(matches!(nobody, Err(SignalError::UnknownSaga)), "{nobody:?}");
}

#[tokio::test]
async fn a_signal_after_the_end_is_told_so_unless_it_was_taken_before() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    let saga = town.start("approval").await;
    town.engine.signal(saga, signal("k", json!({ "by": "ada" }))).await.expect("awaited");
    assert_eq!(town.ended(saga).await, Status::Completed);
    let late = town.engine.signal(saga, signal("other", json!({ "by": "ada" }))).await;
    assert!(matches!(late, Err(SignalError::Ended)), "{late:?}");
    let reused = town.engine.signal(saga, signal("k", json!({ "by": "bob" }))).await;
    assert!(matches!(reused, Err(SignalError::KeyReused)), "{reused:?}");
}

#[tokio::test]
async fn a_signal_to_a_saga_that_is_undone_is_refused() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    town.services.when("one compensate", Does::Holds(200, json!({})));
    let saga = town.start("approval").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.engine.cancel(saga, None).await.expect("in time");
    town.services.called("one compensate 1 @2").await;
    let late = town.engine.signal(saga, signal("", json!({ "by": "ada" }))).await;
    assert!(matches!(late, Err(SignalError::TooLate { .. })), "{late:?}");
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Compensated);
}

#[tokio::test]
async fn a_wait_that_times_out_wakes_its_saga_and_undoes_it() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    let saga = town.start("approval").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.clock.pass(Duration::from_secs(86_400));
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.services.calls(), ["one action 1 @1", "one compensate 1 @2"]);
}

const APPROVED: &str = r#"{"command":"signal","name":"approved","key":"k","payload":{"by":"ada"}}"#;

fn note(saga: SagaId, town: &Town) -> Note {
    Note { saga, id: uuid::Uuid::now_v7(), body: APPROVED.into(), at: town.clock.now() }
}

#[tokio::test]
async fn a_signal_that_is_written_down_while_nobody_is_there_counts_however_late_it_is_read() {
    let all: Arc<dyn Store> = Arc::new(MemoryStore::shared());
    let first = Town::open(all.clone(), Services::new(&all), HandClock::new(), |setup| setup).await;
    first.register(APPROVAL).await;
    let saga = first.start("approval").await;
    first.until(saga, |head| head.owner.is_none()).await;
    first.engine.shutdown(Duration::from_secs(1)).await;
    all.post(note(saga, &first)).await.expect("durable");
    first.clock.pass(Duration::from_secs(2 * 86_400));
    let second = first.beside().await;
    assert_eq!(second.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_signal_that_is_written_down_for_an_owner_who_died_counts_however_late_it_is_read() {
    let memory = Arc::new(MemoryStore::shared());
    let all: Arc<dyn Store> = memory.clone();
    // What lives there dies with it, as by kill -9.
    let dying = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (store, limits) =
        (all.clone(), Limits { release_after: Duration::from_secs(30 * 86_400), ..Limits::default() });
    let first = dying.spawn(async move {
        let services = Services::new(&store);
        let first = Town::open(store, services, HandClock::new(), |setup| Setup { limits, ..setup }).await;
        first.register(APPROVAL).await;
        let saga = first.start("approval").await;
        first.until(saga, |head| head.next_seq == 5).await;
        (first, saga)
    });
    let (first, saga) = first.await.expect("it lives");
    assert_eq!(first.kinds(saga).await.last().map(String::as_str), Some("await_started"));
    let identity = first.engine.identity().0;
    dying.shutdown_background();
    all.post(note(saga, &first)).await.expect("durable");
    memory.end_lease(identity);
    first.clock.pass(Duration::from_secs(2 * 86_400));
    let second = first.beside().await;
    assert_eq!(second.ended(saga).await, Status::Completed);
    let kinds = second.kinds(saga).await;
    let expected = ["await_started", "adopted", "signal_received", "signal_taken"];
    assert!(kinds.windows(4).any(|four| four == expected), "{kinds:?}");
}

#[tokio::test]
async fn a_wait_behind_the_pivot_that_times_out_asks_for_a_person_and_is_not_looked_at_again_until_its_signal() {
    let town = Town::new(memory(), 8, 8).await;
    let late = "
saga: late
steps:
  go: { call: a POST /go, pivot: true }
  ask: { await: approved, timeout: 1h }
";
    town.register(late).await;
    let saga = town.start("late").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.clock.pass(Duration::from_secs(3600));
    let head = town.until(saga, |head| head.summary.attention && head.owner.is_none()).await;
    assert_eq!(head.summary.wake_at, None);
    town.at_rest().await;
    town.engine.signal(saga, signal("", Value::Null)).await.expect("still awaited");
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_signal_finds_a_saga_that_another_process_drives() {
    let one = shared().await;
    let other = one.beside().await;
    one.register(APPROVAL).await;
    one.services.when("one action", Does::Holds(200, json!({})));
    let saga = one.start("approval").await;
    one.services.called("one action 1 @1").await;
    other.engine.signal(saga, signal("k", json!({ "by": "ada" }))).await.expect("through the store");
    let again = other.engine.signal(saga, signal("k", json!({ "by": "bob" }))).await;
    assert!(matches!(again, Err(SignalError::KeyReused)), "{again:?}");
    one.services.let_go();
    assert_eq!(one.ended(saga).await, Status::Completed);
    let received = one.kinds(saga).await.into_iter().filter(|kind| kind == "signal_received").count();
    assert_eq!(received, 1);
}

#[tokio::test]
async fn ten_signals_at_once_with_one_key_are_one() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(APPROVAL).await;
    let saga = town.start("approval").await;
    let signals = (0..10).map(|_| town.engine.signal(saga, signal("k", json!({ "by": "ada" }))));
    for answer in futures_util::future::join_all(signals).await {
        answer.expect("each gets the same answer");
    }
    assert_eq!(town.ended(saga).await, Status::Completed);
    let received = town.kinds(saga).await.into_iter().filter(|kind| kind == "signal_received").count();
    assert_eq!(received, 1);
}

#[tokio::test]
async fn a_hundred_sleepers_take_no_place() {
    let store = memory();
    let services = Services::new(&store);
    let town = Town::open(store, services, HandClock::new(), |setup| Setup {
        catalogue: catalogue(8),
        limits: Limits { max_live_sagas: 4, ..Limits::default() },
        ..setup
    })
    .await;
    town.register(NAP).await;
    let mut sagas = Vec::new();
    for _ in 0..100 {
        town.at_rest().await;
        sagas.push(town.start("nap").await);
    }
    town.at_rest().await;
    for saga in sagas {
        let head = town.until(saga, |head| head.owner.is_none()).await;
        assert_eq!(head.summary.wake_at, Some(town.clock.now() + Duration::from_secs(3600)));
    }
}
