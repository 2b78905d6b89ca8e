//! Retention: participants are told, then the store purges; a late repeat of a start meets its saga.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use amends_core::{ids::SagaId, summary::Status};
use amends_engine::{Clock as _, Retention, Setup, StartError};
use amends_store::{NewSubscription, Places, Store, Told, memory::MemoryStore};
use uuid::Uuid;

use crate::town::{Does, HandClock, SOON, Services, THREE, Town, memory, start};

const DAY: Duration = Duration::from_secs(86_400);

async fn keeping_a_day() -> Town {
    keeping_a_day_in(memory()).await
}

async fn keeping_a_day_in(store: Arc<dyn Store>) -> Town {
    let services = Services::new(&store);
    let retention = Retention { keep: Some(DAY), look_every: Duration::from_millis(100), ..Retention::default() };
    let town = Town::open(store, services, HandClock::new(), |setup| Setup { retention, ..setup }).await;
    town.register(THREE).await;
    town
}

async fn ended(town: &Town, key: Option<&str>) -> SagaId {
    let mut start = start("three");
    start.key = key.map(str::to_owned);
    let saga = town.engine.start(start).await.expect("starts").saga;
    town.ended(saga).await;
    saga
}

async fn gone(town: &Town, saga: SagaId) {
    let looking = async {
        while !town.journal(saga).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, looking).await.expect("it is purged");
}

#[tokio::test]
async fn what_ended_long_ago_is_purged_after_its_participants_were_told() {
    let town = keeping_a_day().await;
    let saga = ended(&town, None).await;
    town.clock.pass(DAY / 2);
    let later = ended(&town, None).await;
    town.clock.pass(DAY / 2 + Duration::from_secs(1));
    gone(&town, saga).await;
    assert_eq!(town.store.head(saga).await.expect("readable"), None);
    assert!(!town.journal(later).await.is_empty(), "it ended half a day ago");
    let mut told = town.services.forgotten();
    told.sort();
    assert_eq!(told, [format!("a {saga}"), format!("b {saga}"), format!("c {saga}")]);
}

#[tokio::test]
async fn a_saga_stays_until_each_of_its_participants_could_be_told() {
    let town = keeping_a_day().await;
    town.services.deafen(Some("b"));
    let saga = ended(&town, None).await;
    town.clock.pass(DAY * 2);
    let told = async {
        // Twice, so that the purge behind the first has had its turn.
        while town.services.forgotten().iter().filter(|told| told.starts_with("c ")).count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, told).await.expect("the others are told");
    assert!(!town.journal(saga).await.is_empty());
    town.services.deafen(None);
    gone(&town, saga).await;
}

#[tokio::test]
async fn a_repeat_after_the_end_and_after_the_purge_is_the_same_saga_though_there_is_a_newer_version() {
    let town = keeping_a_day().await;
    let saga = ended(&town, Some("order-19")).await;
    let mut again = start("three");
    again.key = Some("order-19".to_owned());
    town.register(&THREE.replace("POST /three", "POST /third")).await;
    let answer = town.engine.start(again.clone()).await.expect("its saga");
    assert_eq!((answer.saga, answer.created), (saga, false), "it has ended");
    town.clock.pass(DAY * 2);
    gone(&town, saga).await;
    let answer = town.engine.start(again).await.expect("its saga");
    assert_eq!((answer.saga, answer.created), (saga, false), "it is purged");
    assert_eq!(town.services.calls().len(), 3, "it ran once");
    let newer = ended(&town, Some("order-20")).await;
    assert_eq!(town.store.head(newer).await.expect("readable").expect("there").version, 2, "others take the newer one");
}

#[tokio::test]
async fn a_repeat_of_a_purged_start_gets_its_saga_and_never_a_second_run() {
    let town = keeping_a_day().await;
    let saga = ended(&town, Some("order-17")).await;
    town.clock.pass(DAY * 2);
    gone(&town, saga).await;
    let mut again = start("three");
    again.key = Some("order-17".to_owned());
    let answer = town.engine.start(again).await.expect("its saga");
    assert_eq!((answer.saga, answer.created), (saga, false));
    let head = town.store.head(saga).await.expect("readable").expect("a stub");
    assert!(head.purged_at.is_some());
    assert_eq!(head.summary.status, Status::Completed);
    assert_eq!(town.services.calls().len(), 3, "it ran once");
}

/// What became of a start that was repeated, again and again, before, while and after its saga was purged.
#[derive(Debug, PartialEq)]
struct Repeated {
    /// How often its first step ran.
    runs: usize,
    /// How often a repeat found the saga there as it wanted to make it, and gone as it wanted to read it. With a stub: never.
    missed: usize,
}

async fn a_start_is_repeated_while_its_saga_is_purged(town: &Town) -> Repeated {
    ended(town, Some("order-17")).await;
    let repeat = || {
        let engine = town.engine.clone();
        async move {
            let mut again = start("three");
            again.key = Some("order-17".to_owned());
            engine.start(again).await.expect("its saga").saga
        }
    };
    let saga = repeat().await;
    let over = Arc::new(AtomicBool::new(false));
    let missed = Arc::new(AtomicUsize::new(0));
    let mut repeating = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (over, missed, engine) = (over.clone(), missed.clone(), town.engine.clone());
        repeating.spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let mut again = start("three");
                again.key = Some("order-17".to_owned());
                match engine.start(again).await {
                    Ok(answer) => assert_eq!(answer.saga, saga),
                    Err(StartError::Overloaded { .. }) => drop(missed.fetch_add(1, Ordering::SeqCst)),
                    Err(error) => panic!("{error}"),
                }
                tokio::task::yield_now().await;
            }
        });
    }
    town.clock.pass(DAY * 2);
    let runs = || town.services.calls().iter().filter(|call| call.starts_with("one action")).count();
    let purged = async {
        // With the rule off there is no stub: a repeat begins it anew, which may come in between two looks.
        let stub = async || town.store.head(saga).await.expect("readable").is_some_and(|head| head.purged_at.is_some());
        while !stub().await && runs() == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, purged).await.expect("it is purged");
    over.store(true, Ordering::SeqCst);
    while let Some(one) = repeating.join_next().await {
        one.expect("whole");
    }
    repeat().await;
    // What began anew may be on its way.
    let resting = async {
        while town.store.head(saga).await.expect("readable").is_some_and(|head| !head.summary.status.is_terminal()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, resting).await.expect("it ends");
    Repeated { runs: runs(), missed: missed.load(Ordering::SeqCst) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_repeated_while_its_saga_is_purged_runs_once() {
    let town = keeping_a_day().await;
    let repeated = a_start_is_repeated_while_its_saga_is_purged(&town).await;
    assert_eq!(repeated, Repeated { runs: 1, missed: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_leaves_no_stub_is_noticed_by_the_test_above() {
    let memory = Arc::new(MemoryStore::default());
    memory.leave_no_stubs();
    let town = keeping_a_day_in(memory).await;
    let repeated = a_start_is_repeated_while_its_saga_is_purged(&town).await;
    assert!(repeated.runs > 1, "{repeated:?}");
}

#[tokio::test]
async fn what_has_not_ended_is_kept_whatever_its_age() {
    let town = keeping_a_day().await;
    town.services.when("one action", Does::Loses);
    town.services.when("one compensate 1", Does::Answers(400, serde_json::json!({})));
    let saga = town.start("three").await;
    town.engine.cancel(saga, None).await.expect("in time");
    town.until(saga, |head| head.summary.attention).await;
    town.clock.pass(DAY * 400);
    town.services.when("one action", Does::Answers(200, serde_json::json!({})));
    let old = ended(&town, None).await;
    town.clock.pass(DAY * 2);
    gone(&town, old).await;
    assert!(!town.journal(saga).await.is_empty());
}

#[tokio::test]
async fn a_child_is_forgotten_and_purged_after_its_parent_and_not_before() {
    let town = keeping_a_day().await;
    town.register("saga: kid\nsteps: { k: { call: a POST /k, compensate: { call: a DELETE /k } } }").await;
    let waits = "go: { await: go, timeout: 300d }";
    town.register(&format!("saga: family\nsteps:\n  kid: {{ saga: kid, pivot: true }}\n  {waits}\n")).await;
    let parent = town.start("family").await;
    let child = SagaId::of_child(parent, "kid", None);
    town.until(parent, |head| head.owner.is_none()).await;
    town.ended(child).await;
    town.clock.pass(DAY * 2);
    // Something else that is as old goes meanwhile.
    let other = ended(&town, None).await;
    town.clock.pass(DAY * 2);
    gone(&town, other).await;
    assert!(!town.journal(child).await.is_empty(), "its parent waits");
    assert!(!town.services.forgotten().contains(&format!("a {child}")));
    let signal = amends_core::Signal { name: "go".into(), key: None, payload: serde_json::json!(null).into() };
    town.engine.signal(parent, signal).await.expect("it is awaited");
    assert_eq!(town.ended(parent).await, Status::Completed);
    town.clock.pass(DAY * 2);
    gone(&town, parent).await;
    gone(&town, child).await;
    assert!(town.services.forgotten().contains(&format!("a {child}")));
}

/// Somebody who has been told everything of before, and nothing since.
async fn subscribed(town: &Town) -> Uuid {
    let told =
        Told { places: town.store.places().await.expect("readable"), until: town.clock.now(), report: "{}".into() };
    let new = NewSubscription { id: Uuid::from_u128(7), body: "{}".into(), created_at: town.clock.now(), told };
    assert!(town.store.add_subscription(new.clone()).await.expect("kept"));
    new.id
}

#[tokio::test]
async fn what_somebody_was_not_told_is_held_until_he_is() {
    let town = keeping_a_day().await;
    let before = ended(&town, None).await;
    town.clock.pass(Duration::from_secs(7_200));
    let id = subscribed(&town).await;
    let untold = ended(&town, None).await;
    town.clock.pass(DAY * 4);
    gone(&town, before).await;
    assert!(!town.journal(untold).await.is_empty());
    let batches = town.store.batches(&Places::default(), 100).await.expect("readable");
    let kept = |saga| batches.iter().flat_map(|batch| &batch.turns).any(|turn| turn.saga == saga);
    assert!(kept(untold) && !kept(before), "what points to it is held as well, and nothing else");
    let epoch = town.store.claim_subscription(id, id, DAY).await.expect("claims").expect("free");
    let told =
        Told { places: town.store.places().await.expect("readable"), until: town.clock.now(), report: "{}".into() };
    assert!(town.store.record_told(id, epoch, told).await.expect("recorded"));
    gone(&town, untold).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_for_ever_for_somebody_who_is_never_told() {
    let town = keeping_a_day().await;
    subscribed(&town).await;
    let untold = ended(&town, None).await;
    town.clock.pass(DAY * 8);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!town.journal(untold).await.is_empty(), "a process that has just begun lets him catch up");
    tokio::time::sleep(Duration::from_secs(600)).await;
    gone(&town, untold).await;
}
