//! Calls that are accepted: out of memory meanwhile, decided by callback wherever that comes in, and never without its token.

use std::{sync::Arc, time::Duration};

use amends_core::{Said, event::Event, ids::SagaId, summary::Status};
use amends_engine::{CallbackError, CalledBack, Clock as _, LeaseTerms, Limits, Setup};
use amends_protocol::participant::CallbackToken;
use amends_store::{Note, Store, memory::MemoryStore, sqlite::SqliteStore};
use serde_json::{Value, json};

use crate::town::{Does, HandClock, Services, Town, memory};

const LATER: &str = "
saga: later
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two:
    async: true
    timeout: 1d
    call: b POST /two
    output: { id: '${{ response.body.id }}' }
    retry: { attempts: 3, backoff: 1h, max_backoff: 1h }
    compensate: { call: b DELETE /two }
  three: { call: \"c POST /three/${{ steps.two.output.id }}\", compensate: { call: c DELETE /three } }
output: '${{ steps.two.output.id }}'
";

const ITEMS: &str = "
saga: items
steps:
  two:
    async: true
    timeout: 1d
    for_each: [1, 2]
    concurrency: 2
    call: b POST /two
    compensate: { call: b DELETE /two }
";

fn done(id: &str) -> Said {
    Said::Succeeded { body: Arc::new(json!({ "id": id })) }
}

fn no() -> Said {
    Said::Rejected { reason: "out of town".to_owned() }
}

/// A saga whose second call is accepted, and that call's token.
async fn accepted(town: &Town) -> (SagaId, CallbackToken) {
    town.register(LATER).await;
    town.services.when("two action", Does::Answers(202, json!({})));
    let saga = town.start("later").await;
    town.until(saga, |head| head.owner.is_none()).await;
    (saga, town.services.token("two action 1").expect("it has a token"))
}

async fn shared() -> Town {
    let all: Arc<dyn Store> = Arc::new(MemoryStore::shared());
    Town::open(all.clone(), Services::new(&all), HandClock::new(), |setup| setup).await
}

/// One that does not look after its lease, so that it does not hear that it has lost it.
async fn unaware(store: &Arc<MemoryStore>) -> Town {
    let all: Arc<dyn Store> = store.clone();
    let hour = Duration::from_secs(3_600);
    let lease = LeaseTerms { lease: hour, renew_every: hour, ..LeaseTerms::default() };
    Town::open(all.clone(), Services::new(&all), HandClock::new(), |setup| Setup { lease, ..setup }).await
}

#[tokio::test]
async fn a_process_that_lost_the_saga_and_knows_of_no_such_call_does_not_answer_for_its_owner() {
    let store = Arc::new(MemoryStore::shared());
    let town = unaware(&store).await;
    town.register(LATER).await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    town.services.when("two action", Does::Answers(202, json!({})));
    let saga = town.start("later").await;
    town.services.called("one action 1 @1").await;
    store.end_lease(town.engine.identity().0);
    let other = town.beside().await;
    other.until(saga, |head| head.epoch == 2 && head.next_seq > 5).await;
    town.clock.pass(Duration::from_secs(10));
    other.until(saga, |head| head.owner.is_none()).await;
    let token = town.services.token("two action 1").expect("it has a token");
    town.engine.call_back(&token, done("7")).await.expect("somebody knows of it");
    assert_eq!(town.ended(saga).await, Status::Completed);
    town.services.let_go();
}

#[tokio::test]
async fn a_process_that_reads_a_journal_after_somebody_else_has_adopted_the_saga_does_not_drive_it() {
    let store = Arc::new(MemoryStore::shared());
    let town = unaware(&store).await;
    let nap =
        LATER.replace("  one: { call: a POST /one, compensate: { call: a DELETE /one } }", "  one: { sleep: 1h }");
    town.register(&nap).await;
    town.services.when("two action", Does::Answers(202, json!({})));
    let saga = town.start("later").await;
    town.until(saga, |head| head.owner.is_none()).await;
    let go_on = store.hold_next_journals();
    town.clock.pass(Duration::from_secs(3_600));
    town.until(saga, |head| head.epoch == 2).await;
    store.end_lease(town.engine.identity().0);
    let other = town.beside().await;
    other.until(saga, |head| head.epoch == 3 && head.owner.is_none()).await;
    go_on.send(()).expect("it waits");
    town.at_rest().await;
    let token = town.services.token("two action 1").expect("it has a token");
    town.engine.call_back(&token, done("7")).await.expect("it decides");
    assert_eq!(town.ended(saga).await, Status::Completed, "what was acknowledged is there");
}

#[tokio::test]
async fn an_accepted_call_leaves_memory_in_the_commit_of_its_acceptance_and_its_callback_wakes_it() {
    let town = Town::new(memory(), 8, 8).await;
    let (saga, token) = accepted(&town).await;
    town.at_rest().await;
    assert_eq!(town.store.written().commits, 3, "the start, the first outcome, and the acceptance");
    assert_eq!(town.services.token("one action 1"), None, "only who may call back has a token");
    assert_eq!(town.engine.call_back(&token, done("7")).await.expect("it decides"), CalledBack::Decided);
    assert_eq!(town.ended(saga).await, Status::Completed);
    let kinds = town.kinds(saga).await;
    let expected = ["call_accepted", "released", "adopted", "callback_received", "call_succeeded", "call_intended"];
    assert!(kinds.windows(6).any(|six| six == expected), "{kinds:?}");
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "three action 1 @2"]);
    // The same again, also after the end; and nothing else.
    town.engine.call_back(&token, done("7")).await.expect("it came before");
    let other = town.engine.call_back(&token, done("8")).await;
    assert!(matches!(other, Err(CallbackError::OtherVerdict)), "{other:?}");
}

#[tokio::test]
async fn a_callback_that_is_quicker_than_its_202_decides_and_the_late_answer_means_nothing() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(LATER).await;
    town.services.when("two action", Does::Holds(202, json!({})));
    let saga = town.start("later").await;
    town.services.called("two action 1 @1").await;
    let token = town.services.token("two action 1").expect("it has a token");
    town.engine.call_back(&token, done("7")).await.expect("it decides");
    let decided = town.journal(saga).await;
    assert!(decided.iter().any(|row| matches!(row.event, Event::CallbackReceived { .. })), "durable once acknowledged");
    assert_eq!(town.ended(saga).await, Status::Completed);
    let length = town.journal(saga).await.len();
    town.services.let_go();
    town.at_rest().await;
    assert_eq!(town.journal(saga).await.len(), length);
    assert!(!town.kinds(saga).await.contains(&"call_accepted".to_owned()));
}

#[tokio::test]
async fn an_answer_that_comes_after_the_callback_does_not_keep_its_saga_in_memory() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(&LATER.replace("three: { call", "nap: { sleep: 1d }\n  three: { call")).await;
    town.services.when("two action", Does::Holds(202, json!({})));
    let saga = town.start("later").await;
    town.services.called("two action 1 @1").await;
    town.engine.call_back(&town.services.token("two action 1").expect("a token"), done("7")).await.expect("decides");
    assert_eq!(town.engine.load().live, 1, "an answer is still to come");
    town.services.let_go();
    town.until(saga, |head| head.owner.is_none()).await;
    town.clock.pass(Duration::from_secs(86_400));
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_callback_between_two_attempts_decides_and_nothing_more_is_sent() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(LATER).await;
    town.services.when("two action 1", Does::Loses);
    let saga = town.start("later").await;
    town.until(saga, |head| head.owner.is_none()).await;
    let token = town.services.token("two action 1").expect("it has a token");
    town.engine.call_back(&token, done("7")).await.expect("it decides");
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "three action 1 @2"]);
}

#[tokio::test]
async fn every_attempt_under_every_owner_has_the_same_token() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(LATER).await;
    town.services.when("two action 1", Does::Loses);
    town.services.when("two action 2", Does::Answers(202, json!({})));
    let saga = town.start("later").await;
    town.until(saga, |head| head.owner.is_none()).await;
    town.clock.pass(Duration::from_secs(3600));
    town.services.called("two action 2 @2").await;
    let (first, second) = (town.services.token("two action 1"), town.services.token("two action 2"));
    assert!(first.is_some());
    assert_eq!(first, second);
    town.until(saga, |head| head.owner.is_none()).await;
    town.engine.call_back(&first.expect("a token"), done("7")).await.expect("it decides");
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_rejection_by_callback_undoes_the_saga() {
    let town = Town::new(memory(), 8, 8).await;
    let (saga, token) = accepted(&town).await;
    town.engine.call_back(&token, no()).await.expect("it decides");
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.services.calls(), ["one action 1 @1", "two action 1 @1", "one compensate 1 @2"]);
    let other = town.engine.call_back(&token, done("7")).await;
    assert!(matches!(other, Err(CallbackError::OtherVerdict)), "{other:?}");
}

#[tokio::test]
async fn a_callback_that_never_comes_leaves_the_step_unresolved_and_one_that_comes_later_is_told_so() {
    let town = Town::new(memory(), 8, 8).await;
    let (saga, token) = accepted(&town).await;
    town.services.when("two compensate", Does::Holds(200, json!({})));
    town.clock.pass(Duration::from_secs(86_400));
    town.services.called("two compensate 1 @2").await;
    let late = town.engine.call_back(&token, done("7")).await;
    assert!(matches!(late, Err(CallbackError::CallOver)), "{late:?}");
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Compensated);
    let later = town.engine.call_back(&token, done("7")).await;
    assert!(matches!(later, Err(CallbackError::Ended)), "{later:?}");
}

#[tokio::test]
async fn a_token_of_another_store_or_of_no_call_opens_nothing() {
    let (town, elsewhere) = (Town::new(memory(), 8, 8).await, Town::new(memory(), 8, 8).await);
    let (saga, token) = accepted(&town).await;
    let (_, foreign) = accepted(&elsewhere).await;
    for (engine, token) in [(&town.engine, &foreign), (&elsewhere.engine, &token)] {
        let refused = engine.call_back(token, done("7")).await;
        assert!(matches!(refused, Err(CallbackError::BadToken)), "{refused:?}");
    }
    let garbage = CallbackToken::new("garbage").expect("the shape of one");
    let refused = town.engine.call_back(&garbage, done("7")).await;
    assert!(matches!(refused, Err(CallbackError::BadToken)), "{refused:?}");
    let last = town.kinds(saga).await.pop();
    assert_eq!(last.as_deref(), Some("released"), "nothing came of it");
}

#[tokio::test]
async fn items_have_tokens_of_their_own() {
    let town = Town::new(memory(), 8, 8).await;
    town.register(ITEMS).await;
    town.services.when("two action", Does::Answers(202, json!({})));
    let saga = town.start("items").await;
    town.until(saga, |head| head.owner.is_none()).await;
    let token = |index: u32| town.services.token(&format!("two[{index}] action 1")).expect("it has a token");
    assert_ne!(token(0), token(1));
    town.engine.call_back(&token(1), done("7")).await.expect("it decides");
    town.until(saga, |head| head.owner.is_none()).await;
    town.engine.call_back(&token(0), done("7")).await.expect("it decides");
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_callback_is_taken_at_any_node_whoever_owns_the_saga() {
    let first = shared().await;
    let second = first.beside().await;
    first.register(LATER).await;
    // Live at the first node, asked at the second.
    first.services.when("two action", Does::Holds(202, json!({})));
    let saga = first.start("later").await;
    first.services.called("two action 1 @1").await;
    let token = first.services.token("two action 1").expect("it has a token");
    assert_eq!(second.engine.call_back(&token, done("7")).await.expect("it decides"), CalledBack::Decided);
    let other = second.engine.call_back(&token, no()).await;
    assert!(matches!(other, Err(CallbackError::OtherVerdict)), "{other:?}");
    first.services.let_go();
    assert_eq!(first.ended(saga).await, Status::Completed);
    // Nobody's, asked at the second, and its first node is gone.
    first.services.when("two action", Does::Answers(202, json!({})));
    let saga = first.start("later").await;
    first.until(saga, |head| head.owner.is_none()).await;
    let token = first.services.token("two action 1").expect("it has a token");
    first.engine.shutdown(Duration::from_secs(1)).await;
    second.engine.call_back(&token, done("7")).await.expect("it decides");
    assert_eq!(second.ended(saga).await, Status::Completed);
}

fn note(saga: SagaId, town: &Town, body: &str) -> Note {
    Note { saga, id: uuid::Uuid::now_v7(), body: body.into(), at: town.clock.now() }
}

const SEVEN: &str =
    r#"{"command":"callback","call":{"step":"two","op":"action"},"said":{"outcome":"succeeded","body":{"id":"7"}}}"#;

#[tokio::test]
async fn a_verdict_that_is_written_down_while_nobody_is_there_counts_however_late_it_is_read() {
    let all: Arc<dyn Store> = Arc::new(MemoryStore::shared());
    let first = Town::open(all.clone(), Services::new(&all), HandClock::new(), |setup| setup).await;
    let (saga, _) = accepted(&first).await;
    first.engine.shutdown(Duration::from_secs(1)).await;
    all.post(note(saga, &first, SEVEN)).await.expect("durable");
    first.clock.pass(Duration::from_secs(2 * 86_400));
    let second = first.beside().await;
    assert_eq!(second.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_verdict_that_is_written_down_for_an_owner_who_died_counts_however_late_it_is_read() {
    let memory = Arc::new(MemoryStore::shared());
    let all: Arc<dyn Store> = memory.clone();
    // What lives there dies with it, as by kill -9.
    let dying = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (store, limits) =
        (all.clone(), Limits { release_after: Duration::from_secs(30 * 86_400), ..Limits::default() });
    let first = dying.spawn(async move {
        let services = Services::new(&store);
        let first = Town::open(store, services, HandClock::new(), |setup| Setup { limits, ..setup }).await;
        first.register(LATER).await;
        first.services.when("two action", Does::Answers(202, json!({})));
        let saga = first.start("later").await;
        first.until(saga, |head| head.next_seq == 6).await;
        (first, saga)
    });
    let (first, saga) = first.await.expect("it lives");
    assert_eq!(first.kinds(saga).await.last().map(String::as_str), Some("call_accepted"));
    let identity = first.engine.identity().0;
    dying.shutdown_background();
    all.post(note(saga, &first, SEVEN)).await.expect("durable");
    memory.end_lease(identity);
    first.clock.pass(Duration::from_secs(2 * 86_400));
    let second = first.beside().await;
    assert_eq!(second.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_token_outlives_the_process_that_gave_it_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store.db");
    let open = || async { Arc::new(SqliteStore::open(&path).await.expect("opens")) as Arc<dyn Store> };
    let town = Town::new(open().await, 8, 8).await;
    let (saga, token) = accepted(&town).await;
    town.engine.shutdown(Duration::from_secs(1)).await;
    let Town { engine, store, services, clock } = town;
    drop((engine, store, services));
    let opening = async {
        loop {
            match SqliteStore::open(&path).await {
                Ok(store) => break Arc::new(store) as Arc<dyn Store>,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let store =
        tokio::time::timeout(crate::town::SOON, opening).await.expect("the first process has let go of the file");
    let services = Services::new(&store);
    let town = Town::with(store, services, clock, 8, 8).await;
    town.engine.call_back(&token, done("7")).await.expect("it decides");
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn a_verdict_that_cannot_be_written_down_is_not_acknowledged_before_it_can() {
    let memory = Arc::new(MemoryStore::default());
    let town = Town::new(memory.clone(), 8, 8).await;
    town.register(LATER).await;
    town.services.when("two action", Does::Holds(202, json!({})));
    let saga = town.start("later").await;
    town.services.called("two action 1 @1").await;
    let token = town.services.token("two action 1").expect("it has a token");
    memory.pause();
    let engine = town.engine.clone();
    let mut asking = tokio::spawn(async move { engine.call_back(&token, done("7")).await });
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut asking).await.is_err(), "nothing is durable yet");
    memory.resume();
    asking.await.expect("whole").expect("it decides");
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn no_token_stands_in_any_journal() {
    let town = Town::new(memory(), 8, 8).await;
    let (saga, token) = accepted(&town).await;
    town.engine.call_back(&token, done("7")).await.expect("it decides");
    town.ended(saga).await;
    let journal: Vec<Value> =
        town.journal(saga).await.iter().map(|row| serde_json::to_value(&row.event).expect("JSON")).collect();
    let journal = json!(journal).to_string();
    let proof = token.expose().split('.').nth(1).expect("a proof");
    assert!(!journal.contains(token.expose()) && !journal.contains(proof), "{journal}");
}
