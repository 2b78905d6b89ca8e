//! Restart, adoption, loss of ownership, stopping: one path.

use std::{sync::Arc, time::Duration};

use amends_core::{ids::SagaId, summary::Status};
use amends_engine::StartError;
use amends_store::{
    Claim, Filter, Store,
    memory::{MemoryStore, Reads},
};
use serde_json::json;
use uuid::Uuid;

use crate::town::{Does, HandClock, Services, THREE, Town, memory, start};

/// A saga whose process died when `called` had arrived. The process is a runtime of its own: all its tasks end with it.
fn left_behind(
    store: &Arc<dyn Store>,
    services: &Arc<Services>,
    clock: &Arc<HandClock>,
    (source, name): (&'static str, &'static str),
    called: &'static str,
) -> SagaId {
    let (store, services, clock) = (store.clone(), services.clone(), clock.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runs");
        let saga = runtime.block_on(async {
            let town = Town::with(store, services, clock, 8, 8).await;
            town.register(source).await;
            let saga = town.start(name).await;
            town.services.called(called).await;
            saga
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        saga
    })
    .join()
    .expect("no panic")
}

#[tokio::test]
async fn a_restart_goes_on_where_the_journal_says_and_takes_open_attempts_for_unknown() {
    let store = memory();
    let services = Services::new(&store);
    let clock = HandClock::new();
    services.when("two action 1", Does::Holds(200, json!({})));
    let saga = left_behind(&store, &services, &clock, (THREE, "three"), "two action 1 @1");
    let town = Town::with(store, services, clock, 8, 8).await;
    town.until(saga, |head| head.epoch == 2 && head.next_seq > 7).await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "two action 2 @2", "three action 1 @2"]);
}

const PLAINLY: &str = "
saga: plainly
steps:
  one: { call: plain POST /one, compensate: { call: plain DELETE /one } }
";

#[tokio::test]
async fn after_an_adoption_a_plain_service_has_one_timeout_before_it_is_asked_to_undo() {
    let store = memory();
    let services = Services::new(&store);
    let clock = HandClock::new();
    services.when("one action 1", Does::Holds(200, json!({})));
    services.when("one action 2", Does::Answers(409, json!({})));
    let saga = left_behind(&store, &services, &clock, (PLAINLY, "plainly"), "one action 1 @1");
    let town = Town::with(store, services, clock, 8, 8).await;
    town.until(saga, |head| head.epoch == 2).await;
    town.clock.pass(Duration::from_secs(1));
    town.until(saga, |head| head.summary.status == Status::Compensating).await;
    town.clock.pass(Duration::from_secs(3));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(town.services.calls(), ["one action 1 @1", "one action 2 @2"], "five seconds are not over");
    town.clock.pass(Duration::from_secs(2));
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.services.calls().last().map(String::as_str), Some("one compensate 1 @2"));
}

#[tokio::test]
async fn a_graceful_stop_causes_no_unknown() {
    let store = memory();
    let services = Services::new(&store);
    let clock = HandClock::new();
    services.when("two action 1", Does::Holds(200, json!({})));
    let town = Town::with(store.clone(), services.clone(), clock.clone(), 8, 100).await;
    town.register(THREE).await;
    let mut sagas = Vec::new();
    for _ in 0..20 {
        sagas.push(town.start("three").await);
    }
    town.services.called("two action 1 @1").await;
    let stopping = tokio::spawn({
        let engine = town.engine.clone();
        async move { engine.shutdown(Duration::from_secs(5)).await }
    });
    while town.engine.accepting() {
        tokio::task::yield_now().await;
    }
    let refused = town.engine.start(start("three")).await;
    assert!(matches!(refused, Err(StartError::ShuttingDown)), "{refused:?}");
    services.let_go();
    stopping.await.expect("no panic");

    let town = Town::with(store, services, clock, 8, 100).await;
    for saga in sagas {
        assert_eq!(town.ended(saga).await, Status::Completed);
        let kinds = town.kinds(saga).await;
        assert!(!kinds.contains(&"call_unknown".to_owned()), "{kinds:?}");
    }
    let calls = town.services.calls();
    assert_eq!(calls.len(), 60, "every call was made once");
}

#[tokio::test]
async fn an_owner_that_lost_its_saga_appends_nothing_and_sends_nothing_more() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("two action", Does::Holds(200, json!({})));
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    let head = town.store.head(saga).await.expect("readable").expect("there");
    let claim = Claim { saga, owner: head.owner, epoch: head.epoch };
    assert_eq!(town.store.adopt(vec![claim], Uuid::from_u128(99)).await.expect("adopts"), [true]);
    let before = town.journal(saga).await;
    town.services.let_go();
    town.at_rest().await;
    assert_eq!(town.journal(saga).await, before);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1"]);
}

#[tokio::test]
async fn a_driver_that_panics_takes_nobody_along_and_its_saga_is_taken_up_again() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(THREE).await;
    town.services.when("two action 1", Does::Holds(200, json!({})));
    let unlucky = town.start("three").await;
    town.services.called("two action 1 @1").await;
    town.clock.break_once();
    town.services.let_go();
    town.until(unlucky, |head| head.epoch == 2 && head.next_seq > 7).await;
    assert!(town.clock.broke());
    let other = town.start("three").await;
    assert_eq!(town.ended(other).await, Status::Completed);
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(unlucky).await, Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_cannot_be_read_asks_for_a_person_and_goes_on_by_itself_once_it_can() {
    let store = Arc::new(MemoryStore::default());
    let services = Services::new(&(store.clone() as Arc<dyn Store>));
    let clock = HandClock::new();
    services.when("two action 1", Does::Holds(200, json!({})));
    let shared: Arc<dyn Store> = store.clone();
    let saga = left_behind(&shared, &services, &clock, (THREE, "three"), "two action 1 @1");
    store.reads(Reads::Corrupt("its definition is gone"));
    let town = Town::with(shared, services, clock, 8, 8).await;
    while town.engine.poisoned() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Several looks: none of them is an epoch, or a place.
    town.clock.pass(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(100)).await;
    store.reads(Reads::Well);
    let head = town.store.head(saga).await.expect("readable").expect("there");
    assert_eq!((head.epoch, head.summary.attention, town.engine.load().live), (2, true, 0));
    let said = town.store.poisoned(saga).await.expect("readable").expect("it is said");
    assert!(said.reason.contains("its definition is gone") && &*said.node == "town", "{said:?}");
    let intents = town.journal(saga).await.len();
    assert_eq!(intents as u64 + 1, head.next_seq, "nobody writes behind what he cannot read");

    tokio::time::sleep(Duration::from_secs(60)).await;
    town.until(saga, |head| head.epoch == 3 && head.next_seq > 7).await;
    assert_eq!(town.store.poisoned(saga).await.expect("readable"), None);
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    let head = town.store.head(saga).await.expect("readable").expect("there");
    assert_eq!((head.summary.attention, town.engine.poisoned()), (false, 0));
}

#[tokio::test]
async fn a_start_that_is_durable_although_its_answer_was_lost_is_driven() {
    let store = Arc::new(MemoryStore::default());
    let town = Town::new(store.clone(), 8, 8).await;
    town.register(THREE).await;
    store.lose_next_answer();
    let mut keyed = start("three");
    keyed.key = Some("order-17".to_owned());
    let started = town.engine.start(keyed).await.expect("it is there");
    assert!(store.has_lost_it());
    assert!(!started.created, "nobody knows that it was this start");
    // The first attempt is not known not to have left.
    town.until(started.saga, |head| head.epoch == 2 && head.next_seq > 4).await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(started.saga).await, Status::Completed);

    store.lose_next_answer();
    let refused = town.engine.start(start("three")).await;
    assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
    assert!(store.has_lost_it());
    let all = town.store.list(&Filter::default(), None, 10).await.expect("readable");
    assert_eq!(all.len(), 2);
    for head in all {
        town.until(head.saga, |head| head.epoch == 2 && head.next_seq > 4).await;
        town.clock.pass(Duration::from_secs(1));
        assert_eq!(town.ended(head.saga).await, Status::Completed, "what is durable goes on");
    }
}
