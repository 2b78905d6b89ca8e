//! Many processes on one store: leases, adoption, commands to sagas that are driven elsewhere.

use std::{sync::Arc, time::Duration};

use amends_core::{summary::Status, time::Time};
use amends_engine::{CancelError, Cancelled, Engine, Setup, StartError, SystemClock};
use amends_store::{Store, memory::MemoryStore};
use serde_json::json;
use uuid::Uuid;

use crate::town::{Does, HandClock, SOON, Services, THREE, Town, setup, start};

async fn shared() -> (Arc<MemoryStore>, Town) {
    let store = Arc::new(MemoryStore::shared());
    let all: Arc<dyn Store> = store.clone();
    let services = Services::new(&all);
    (store, Town::open(all, services, HandClock::new(), |setup| setup).await)
}

async fn new_identity(town: &Town, old: Uuid) -> Uuid {
    let looking = async {
        loop {
            match town.engine.identity() {
                (id, true) if id != old => return id,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    tokio::time::timeout(SOON, looking).await.expect("it joins anew")
}

#[tokio::test]
async fn a_process_whose_lease_ended_takes_a_new_identity_and_goes_on_with_a_higher_epoch() {
    let (store, town) = shared().await;
    town.register(THREE).await;
    town.services.when("two action 1", Does::Holds(200, json!({})));
    let saga = town.start("three").await;
    town.services.called("two action 1 @1").await;
    let (old, _) = town.engine.identity();
    store.end_lease(old);
    new_identity(&town, old).await;
    town.until(saga, |head| head.epoch == 2 && head.next_seq > 6).await;
    // The answer to the old identity's call comes now; nobody hears it.
    town.services.let_go();
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "two action 2 @2", "three action 1 @2"]);
}

#[tokio::test]
async fn nothing_is_sent_once_the_lease_has_ended_here_even_if_the_store_does_not_know_yet() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::shared());
    let services = Services::new(&store);
    let town = Town::open(store, services, HandClock::new(), |mut setup| {
        // Never renewed, and over at once by the local clock.
        setup.lease.renew_every = Duration::from_secs(3_600);
        setup.lease.margin = setup.lease.lease;
        setup
    })
    .await;
    town.register(THREE).await;
    let refused = town.engine.start(start("three")).await;
    assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
    assert_eq!(town.services.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_gone_process_owned_is_adopted_by_another() {
    let (store, one) = shared().await;
    let other = one.beside().await;
    one.register(THREE).await;
    one.services.when("two action 1", Does::Holds(200, json!({})));
    let saga = one.start("three").await;
    one.services.called("two action 1 @1").await;
    let (owner, _) = one.engine.identity();
    let kept = one.engine.identity().0;
    store.end_lease(owner);
    let head = one.until(saga, |head| head.epoch == 2).await;
    assert_ne!(head.owner, Some(kept));
    other.clock.pass(Duration::from_secs(1));
    assert_eq!(other.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_start_with_a_key_is_one_saga_whichever_process_is_asked() {
    let (_, one) = shared().await;
    let other = one.beside().await;
    one.register(THREE).await;
    let keyed = || {
        let mut start = start("three");
        start.key = Some("order-17".to_owned());
        start
    };
    let (here, there) = tokio::join!(one.engine.start(keyed()), other.engine.start(keyed()));
    let (here, there) = (here.expect("starts"), there.expect("starts"));
    assert_eq!(here.saga, there.saga);
    assert!(here.created != there.created);
    let mut else_asked = keyed();
    else_asked.input = json!({ "more": 1 });
    let reused = other.engine.start(else_asked).await;
    assert!(matches!(reused, Err(StartError::KeyReused { .. })), "{reused:?}");
    assert_eq!(one.ended(here.saga).await, Status::Completed);
}

#[tokio::test]
async fn a_version_that_is_disabled_at_one_process_takes_no_starts_at_another_a_second_later() {
    let (_, one) = shared().await;
    let other = one.beside().await;
    one.register(THREE).await;
    let mut keyed = start("three");
    keyed.key = Some("order-18".to_owned());
    let saga = other.engine.start(keyed.clone()).await.expect("starts").saga;
    one.engine.set_disabled("three", 1, true).await.expect("the store is there").expect("it is there");
    let here = one.engine.start(start("three")).await;
    assert!(matches!(here, Err(StartError::Disabled { version: None, .. })), "at once where it was said: {here:?}");
    let followed = async {
        while other.engine.start(start("three")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), followed).await.expect("within a second");
    let mut asked = start("three");
    asked.version = Some(1);
    let refused = other.engine.start(asked).await;
    assert!(matches!(refused, Err(StartError::Disabled { version: Some(1), .. })), "{refused:?}");
    let again = other.engine.start(keyed).await.expect("an earlier start is repeated as ever");
    assert_eq!((again.saga, again.created), (saga, false));
    assert_eq!(one.ended(saga).await, Status::Completed);

    one.engine.set_disabled("three", 1, false).await.expect("the store is there").expect("it is there");
    assert!(one.engine.start(start("three")).await.is_ok());
}

const WITH_PIVOT: &str = "
saga: with-pivot
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two: { call: b POST /two, pivot: true }
";

#[tokio::test]
async fn a_cancel_is_judged_by_the_owner_whichever_process_is_asked() {
    let (_, one) = shared().await;
    let other = one.beside().await;
    one.register(THREE).await;
    one.register(WITH_PIVOT).await;
    one.services.when("three action 1", Does::Holds(200, json!({})));
    let saga = one.start("three").await;
    one.services.called("three action 1 @1").await;
    let reason = Some("changed my mind".to_owned());
    assert_eq!(other.engine.cancel(saga, reason).await.expect("in time"), Cancelled::Undoing);
    one.services.let_go();
    assert_eq!(one.ended(saga).await, Status::Compensated);
    assert!(one.kinds(saga).await.contains(&"cancel_requested".to_owned()));
    assert_eq!(one.store.head(saga).await.expect("readable").expect("there").epoch, 1, "nobody took it over");

    one.services.when("two action", Does::Loses);
    let past = one.start("with-pivot").await;
    one.services.called("two action 1 @1").await;
    let late = other.engine.cancel(past, None).await;
    assert!(matches!(late, Err(CancelError::TooLate { .. })), "{late:?}");
    assert!(matches!(other.engine.cancel(saga, None).await, Err(CancelError::TooLate { .. })), "it has ended");
}

#[tokio::test]
async fn a_clean_stop_hands_over_at_once_and_makes_no_unknown() {
    let (_, one) = shared().await;
    let other = one.beside().await;
    one.register(THREE).await;
    one.services.when("two action 1", Does::Answers(503, json!({})));
    let saga = one.start("three").await;
    one.until(saga, |head| head.next_seq > 6).await;
    one.engine.shutdown(Duration::from_secs(5)).await;
    assert_eq!(one.store.head(saga).await.expect("readable").expect("there").owner, None, "let go of");
    other.clock.pass(Duration::from_secs(1));
    assert_eq!(other.ended(saga).await, Status::Completed);
    assert_eq!(other.services.calls().last().map(String::as_str), Some("three action 1 @2"));
    let unknown = other.kinds(saga).await.iter().filter(|kind| *kind == "call_unknown").count();
    assert_eq!(unknown, 1, "only the service's own 503");
}

#[tokio::test]
async fn wall_clocks_that_are_hours_or_years_wrong_move_no_timer_and_no_lease() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let years = HOUR * 24 * 365 * 10;
    for wrong in [HOUR, years] {
        let store = Arc::new(MemoryStore::shared());
        let all: Arc<dyn Store> = store.clone();
        let services = Services::new(&all);
        let before = store.now();
        let node = async |wall| {
            let clock = Arc::new(SystemClock::anchored_at(wall, store.latest_at().await.expect("readable")));
            Engine::open(Setup { clock, ..setup(&all, &services) }).await.expect("opens")
        };
        let behind = Time(before.0 - i64::try_from(wrong.as_micros()).expect("some years"));
        let (ahead, behind) = (node(before + wrong).await, node(behind).await);
        ahead.register(&format!("{THREE}deadline: 1m\n")).await.expect("registers");
        ahead.register("saga: nap\nsteps:\n  wait: { sleep: 1s }\n").await.expect("registers");
        services.when("two action 1", Does::Holds(200, json!({})));
        let (others, identity) = (ahead.identity(), behind.identity());
        assert!(others.1 && identity.1, "both take part");
        let saga = ahead.start(start("three")).await.expect("starts").saga;
        let nap = behind.start(start("nap")).await.expect("starts").saga;
        services.called("two action 1 @1").await;
        // The one behind goes on with what the one ahead had begun; the saga's minute is not over, and its own has not just begun.
        store.end_lease(ahead.identity().0);
        let ended = async |saga| loop {
            let head = store.head(saga).await.expect("readable").expect("there");
            match head.summary.status {
                Status::Running => tokio::time::sleep(Duration::from_millis(5)).await,
                status => return status,
            }
        };
        assert_eq!(tokio::time::timeout(SOON, ended(saga)).await.expect("in time"), Status::Completed);
        assert_eq!(tokio::time::timeout(SOON, ended(nap)).await.expect("in time"), Status::Completed);
        assert_eq!(behind.identity(), identity, "renewed again and again: its lease is by the store's clock");
        let others_now = ahead.identity();
        assert!(others_now.1 && others_now.0 != others.0, "the lease that was ended was known to be: {others_now:?}");
        services.let_go();
        for saga in [saga, nap] {
            let journal = store.journal(saga, 1..u64::MAX, 1_000).await.expect("readable");
            let times: Vec<Time> = journal.iter().map(|row| row.at).collect();
            assert!(times.is_sorted(), "{times:?}");
            assert!(times[0] >= before && *times.last().expect("rows") <= store.now() + SOON, "{before:?}: {times:?}");
        }
        let journal = store.journal(nap, 1..u64::MAX, 1_000).await.expect("readable");
        let slept = journal.last().expect("rows").at.since(journal[0].at);
        assert!((Duration::from_secs(1)..SOON).contains(&slept), "{slept:?}");
    }
}
