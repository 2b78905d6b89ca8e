//! What is away for long, in virtual time: a service, a compensation that does not work, the database.

use std::{env, path::Path, sync::Arc, time::Duration};

use amends_core::{ids::SagaId, summary::Status, time::Time};
use amends_engine::{Clock as _, Limits, Setup, StartError};
use amends_store::{
    Filter, Store,
    memory::{MemoryStore, Reads},
    sqlite::SqliteStore,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::town::{Does, HandClock, SOON, Services, THREE, Town, memory, start};

const HOUR: Duration = Duration::from_secs(3_600);

const PIVOTED: &str = "
saga: pivoted
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two: { call: b POST /two, pivot: true }
  three: { call: c POST /three }
";

/// Sagas stay in memory between two attempts, so that moving the clock is all that it takes.
async fn town() -> Town {
    let store = memory();
    let services = Services::new(&store);
    let limits = Limits { release_after: HOUR * 48, ..Limits::default() };
    Town::open(store, services, HandClock::new(), |setup| Setup { limits, ..setup }).await
}

/// Waits until this attempt of a call has arrived, whoever made it, and its outcome and the time of the next one are durable.
async fn failed(town: &Town, saga: SagaId, what: &str, attempt: u32) -> Time {
    let arrived = async {
        while !town.services.calls().iter().any(|call| call.starts_with(&format!("{what} {attempt} @"))) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, arrived).await.unwrap_or_else(|_| panic!("no {what} {attempt}"));
    let now = town.clock.now();
    let head = town.until(saga, |head| head.summary.wake_at.is_some_and(|at| at > now)).await;
    head.summary.wake_at.expect("it was just there")
}

#[tokio::test]
async fn a_service_that_is_away_for_a_day_behind_the_pivot_is_asked_until_it_is_back_and_nothing_is_undone() {
    let town = town().await;
    town.register(PIVOTED).await;
    town.services.when("three action", Does::Refuses);
    let saga = town.start("pivoted").await;
    for hour in 1..=24 {
        failed(&town, saga, "three action", hour).await;
        town.clock.pass(HOUR);
    }
    failed(&town, saga, "three action", 25).await;
    let head = town.store.head(saga).await.expect("readable").expect("there");
    assert_eq!((head.summary.status, head.summary.attention), (Status::Running, true), "a person was told");
    town.services.when("three action", Does::Answers(200, json!({})));
    town.clock.pass(HOUR);
    assert_eq!(town.ended(saga).await, Status::Completed);
    let calls = town.services.calls();
    assert!(!calls.iter().any(|call| call.contains("compensate")), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| !call.starts_with("three")).count(), 2, "the others were called once");
    assert!(!town.store.head(saga).await.expect("readable").expect("there").summary.attention);
}

#[tokio::test]
async fn a_compensation_that_fails_fifty_times_is_made_until_it_works_and_a_person_is_told_meanwhile() {
    let town = town().await;
    town.register(THREE).await;
    town.services.when("three action", Does::Answers(409, json!({})));
    town.services.when("two compensate", Does::Answers(503, json!({})));
    let saga = town.start("three").await;
    for attempt in 1..=50 {
        let next = failed(&town, saga, "two compensate", attempt).await;
        let summary = town.store.head(saga).await.expect("readable").expect("there").summary;
        assert_eq!((summary.status, summary.attention), (Status::Compensating, attempt >= 10), "attempt {attempt}");
        let wait = next.since(town.clock.now());
        assert!(wait <= Duration::from_secs(120), "attempt {attempt}: the backoff is capped, not {wait:?}");
        if attempt == 50 {
            town.services.when("two compensate", Does::Answers(200, json!({})));
        }
        town.clock.pass(wait);
    }
    assert_eq!(town.ended(saga).await, Status::Compensated);
    let calls = town.services.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("two compensate")).count(), 51);
    assert!(calls.last().is_some_and(|last| last.starts_with("one compensate 1")), "what came before it waited");
    assert!(!town.store.head(saga).await.expect("readable").expect("there").summary.attention);
}

#[tokio::test]
async fn a_database_that_is_away_for_a_day_loses_nothing_and_everything_goes_on() {
    let store = Arc::new(MemoryStore::default());
    let town = Town::new(store.clone(), 8, 8).await;
    town.register(THREE).await;
    town.register("saga: nap\nsteps:\n  wait: { sleep: 6h }\n  then: { call: c POST /then, compensate: { call: c DELETE /then } }\n").await;
    town.services.when("two action 1", Does::Holds(200, json!({})));
    let in_flight = town.start("three").await;
    town.services.called("two action 1 @1").await;
    let asleep = town.start("nap").await;
    town.until(asleep, |head| head.owner.is_none()).await;

    store.fail_next_commits(usize::MAX);
    store.reads(Reads::Away("it is gone for a day"));
    town.services.let_go();
    let refused = town.engine.start(start("three")).await;
    assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
    for _ in 0..24 {
        town.clock.pass(HOUR);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1"], "nothing is sent that is not written");

    store.fail_next_commits(0);
    store.reads(Reads::Well);
    assert_eq!(town.ended(in_flight).await, Status::Completed);
    assert_eq!(town.ended(asleep).await, Status::Completed);
    let calls = town.services.calls();
    assert_eq!(calls.len(), 4, "each was called once: {calls:?}");
    let all = store.list(&Filter::default(), None, 10).await.expect("readable");
    assert_eq!(all.len(), 2, "what was refused is not there");
}

/// The process may not write to any file for a while, as on a disk that is full. In a process of its own, because it is true of all of it;
/// a shell ignores the signal that would kill it.
#[tokio::test]
async fn on_a_full_disk_nothing_is_sent_and_nothing_is_taken_until_there_is_room() {
    const FILE: &str = "AMENDS_ENGINE_TEST_FILE";
    if let Some(path) = env::var_os(FILE) {
        return until_there_is_room(path.as_ref()).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = std::process::Command::new("sh");
    let test = "outages::on_a_full_disk_nothing_is_sent_and_nothing_is_taken_until_there_is_room";
    child.args(["-c", "trap '' XFSZ; exec \"$0\" --exact --nocapture \"$1\""]);
    child.arg(env::current_exe().expect("it has a name")).arg(test).env(FILE, folder.path().join("amends.db"));
    let output = tokio::task::spawn_blocking(move || child.output().expect("it runs")).await.expect("no panic");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(THERE_IS_ROOM),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

const THERE_IS_ROOM: &str = "everything went on";

async fn until_there_is_room(path: &Path) {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path).await.expect("opens"));
    let town = Town::new(store, 8, 8).await;
    town.register(THREE).await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    let saga = town.start("three").await;
    town.services.called("one action 1 @1").await;
    let before = town.journal(saga).await;

    let limits = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(0), ..limits }).expect("lower is always allowed");
    town.services.let_go();
    for _ in 0..5 {
        let refused = town.engine.start(start("three")).await;
        assert!(matches!(refused, Err(StartError::Store(_))), "{refused:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(town.services.calls(), ["one action 1 @1"], "what cannot be written is not sent");
    assert_eq!(town.journal(saga).await, before);

    setrlimit(Resource::Fsize, limits).expect("as it was");
    assert_eq!(town.ended(saga).await, Status::Completed);
    let again = town.start("three").await;
    assert_eq!(town.ended(again).await, Status::Completed);
    assert_eq!(town.services.calls().len(), 6, "each was called once, and of what was refused nothing");
    println!("{THERE_IS_ROOM}");
}
