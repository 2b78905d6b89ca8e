//! Locks: who waits, who comes next, and who wakes whom. The clock stands, so nothing here happens because somebody looked again.

use std::{sync::Arc, time::Duration};

use amends_core::{
    event::{Event, Recorded},
    ids::SagaId,
    summary::Status,
};
use amends_engine::{Limits, Setup, Start};
use amends_store::memory::MemoryStore;
use serde_json::json;

use crate::town::{Does, HandClock, Services, Town, catalogue, memory, start};

const LOCKED: &str = "
saga: locked
locks: [\"account:${{ input.from }}\", \"account:${{ input.to }}\"]
deadline: 30d
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
";

fn transfer(from: &str, to: &str) -> Start {
    Start { input: json!({ "from": from, "to": to }), ..start("locked") }
}

impl Town {
    async fn transfer(&self, from: &str, to: &str) -> SagaId {
        self.engine.start(transfer(from, to)).await.expect("starts").saga
    }

    /// Waits until the journal says that the saga waits for a lock.
    async fn queued(&self, saga: SagaId) {
        let looking = async {
            while !self.kinds(saga).await.contains(&"lock_queued".to_owned()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(crate::town::SOON, looking).await.expect("it waits");
    }
}

async fn town() -> Town {
    let town = Town::new(memory(), 8, 2000).await;
    town.register(LOCKED).await;
    town
}

#[tokio::test]
async fn locks_that_nobody_has_cost_one_commit() {
    let town = town().await;
    let saga = town.transfer("a", "b").await;
    assert_eq!(town.ended(saga).await, Status::Completed);
    let kinds = town.kinds(saga).await;
    assert_eq!(
        kinds,
        ["saga_started", "lock_taken", "lock_taken", "call_intended", "call_succeeded", "saga_completed"]
    );
    assert_eq!(town.store.written().commits, 3, "the start, the locks with the first intent, the end");
}

#[tokio::test]
async fn who_waits_is_next_as_soon_as_the_holder_has_ended_in_order_of_arrival() {
    let town = town().await;
    town.services.when("one action", Does::Holds(200, json!({})));
    let holder = town.transfer("a", "b").await;
    town.services.called("one action 1 @1").await;
    let mut waiters = Vec::new();
    for nth in 0..5 {
        let saga = if nth % 2 == 0 { town.transfer("b", "a").await } else { town.transfer("a", "b").await };
        town.queued(saga).await;
        waiters.push(saga);
    }
    assert_eq!(town.services.calls().len(), 1, "nobody passes by");
    town.services.let_go();
    assert_eq!(town.ended(holder).await, Status::Completed);
    let mut before = None;
    for saga in waiters {
        assert_eq!(town.ended(saga).await, Status::Completed);
        let journal = town.journal(saga).await;
        let [taken, ended] = [at(&journal, "lock_taken"), journal.last().expect("an end").seq];
        assert!(taken < ended);
        let first = place(&journal);
        assert!(before.is_none_or(|before| before < first), "in order of arrival");
        before = Some(first);
    }
    town.at_rest().await;
}

fn at(journal: &[Recorded], kind: &str) -> u64 {
    let is = |row: &&Recorded| serde_json::to_value(&row.event).expect("json")["kind"] == kind;
    journal.iter().find(is).expect("it is there").seq
}

fn place(journal: &[Recorded]) -> amends_core::time::Time {
    let taken = journal.iter().find_map(|row| match &row.event {
        Event::LockTaken { arrived_at, .. } => Some(*arrived_at),
        _ => None,
    });
    taken.expect("a lock")
}

#[tokio::test]
async fn a_thousand_sagas_on_one_lock_end_one_after_another() {
    let town = town().await;
    let mut sagas = Vec::new();
    for _ in 0..1000 {
        sagas.push(town.transfer("a", "a").await);
    }
    let every = async {
        for saga in &sagas {
            assert_eq!(town.until_ended(*saga).await, Status::Completed);
        }
    };
    tokio::time::timeout(Duration::from_secs(120), every).await.expect("all end, with nobody looking again");
    // Of any two the one with the higher place took the lock after the other's end.
    let mut spans = Vec::new();
    for saga in sagas {
        let journal = town.journal(saga).await;
        spans.push(place(&journal));
    }
    let arrived = spans.len();
    spans.sort_unstable();
    spans.dedup();
    assert_eq!(spans.len(), arrived);
    assert_eq!(town.services.calls().len(), 1000);
}

impl Town {
    async fn until_ended(&self, saga: SagaId) -> Status {
        loop {
            let head = self.store.head(saga).await.expect("readable").expect("there");
            if head.summary.status.is_terminal() {
                return head.summary.status;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn opposite_orders_do_not_block_each_other() {
    let town = town().await;
    let mut sagas = Vec::new();
    for nth in 0..60 {
        let [from, to] = [["a", "b"], ["b", "a"], ["b", "c"], ["c", "b"], ["c", "a"], ["a", "c"]][nth % 6];
        sagas.push(town.transfer(from, to).await);
    }
    for saga in sagas {
        assert_eq!(town.ended(saga).await, Status::Completed);
    }
}

#[tokio::test]
async fn a_waiter_is_cancelled_with_nothing_to_undo_and_the_one_behind_it_comes_next() {
    let town = town().await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    let holder = town.transfer("a", "b").await;
    town.services.called("one action 1 @1").await;
    let [waiter, next] = [town.transfer("a", "b").await, town.transfer("a", "b").await];
    town.queued(waiter).await;
    town.queued(next).await;
    town.engine.cancel(waiter, None).await.expect("in time");
    assert_eq!(town.ended(waiter).await, Status::Compensated);
    assert_eq!(town.services.calls().len(), 1);
    town.services.let_go();
    assert_eq!(town.ended(holder).await, Status::Completed);
    assert_eq!(town.ended(next).await, Status::Completed);
}

#[tokio::test]
async fn the_deadline_ends_the_wait_for_a_lock() {
    let town = town().await;
    town.register(&LOCKED.replace("30d", "1m")).await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    let holder = town.transfer("a", "b").await;
    town.services.called("one action 1 @1").await;
    let waiter = town.transfer("a", "b").await;
    town.queued(waiter).await;
    town.clock.pass(Duration::from_secs(61));
    assert_eq!(town.ended(waiter).await, Status::Compensated);
    assert_eq!(town.services.calls().len(), 1);
    town.services.let_go();
    town.ended(holder).await;
}

#[tokio::test]
async fn who_waits_long_leaves_memory_and_is_woken_by_whoever_ends() {
    let store = memory();
    let limits = Limits { release_after: Duration::from_secs(1), ..Limits::default() };
    let town = Town::open(store.clone(), Services::new(&store), HandClock::new(), |setup| Setup {
        limits,
        catalogue: catalogue(8),
        ..setup
    });
    let town = town.await;
    town.register(LOCKED).await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    let holder = town.transfer("a", "b").await;
    town.services.called("one action 1 @1").await;
    let waiter = town.transfer("a", "b").await;
    town.queued(waiter).await;
    assert_eq!(town.engine.load().live, 2);
    town.clock.pass(Duration::from_secs(2));
    let asleep = town.until(waiter, |head| head.owner.is_none()).await;
    assert!(asleep.summary.wake_at.is_some(), "it looks for itself, too");
    assert_eq!(town.engine.load().live, 1);
    town.services.let_go();
    assert_eq!(town.ended(holder).await, Status::Completed);
    assert_eq!(town.ended(waiter).await, Status::Completed, "the clock stands: it was told");
    let kinds = town.kinds(waiter).await;
    assert!(kinds.contains(&"released".to_owned()) && kinds.contains(&"adopted".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn a_sleeper_that_nobody_told_looks_for_itself() {
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::default());
    let limits = Limits { release_after: Duration::from_secs(1), ..Limits::default() };
    let dynamic: Arc<dyn amends_store::Store> = store.clone();
    let town =
        Town::open(dynamic.clone(), Services::new(&dynamic), HandClock::new(), |setup| Setup { limits, ..setup });
    let town = town.await;
    town.register(LOCKED).await;
    // Somebody else's saga: whoever drove it died in the moment of its end.
    let other = amends_store::conformance::given::create(1);
    assert!(town.store.commit(vec![other.clone()]).await[0].is_ok());
    town.store.enqueue(&"account:a".into(), other.saga, amends_core::time::Time(1)).await.expect("a place");
    let waiter = town.transfer("a", "b").await;
    town.queued(waiter).await;
    town.clock.pass(Duration::from_secs(2));
    town.until(waiter, |head| head.owner.is_none()).await;
    assert!(town.store.commit(vec![amends_store::conformance::given::end(&other)]).await[0].is_ok());
    town.clock.pass(Duration::from_secs(59));
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(town.services.calls(), Vec::<String>::new());
    town.clock.pass(Duration::from_secs(2));
    assert_eq!(town.ended(waiter).await, Status::Completed);
}

#[tokio::test]
async fn a_waiter_in_another_process_is_told_by_a_note() {
    let store: Arc<dyn amends_store::Store> = Arc::new(MemoryStore::shared());
    let town = Town::new(store, 8, 100).await;
    let other = town.beside().await;
    town.register(LOCKED).await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    let holder = town.transfer("a", "b").await;
    town.services.called("one action 1 @1").await;
    let waiter = other.transfer("a", "b").await;
    other.queued(waiter).await;
    town.services.let_go();
    assert_eq!(town.ended(holder).await, Status::Completed);
    assert_eq!(other.ended(waiter).await, Status::Completed);
}

#[tokio::test]
async fn locks_outlive_the_process_and_the_successor_goes_on() {
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::shared());
    let dynamic: Arc<dyn amends_store::Store> = store.clone();
    let town = Town::new(dynamic, 8, 100).await;
    town.register(LOCKED).await;
    town.services.when("one action 1", Does::Holds(200, json!({})));
    let holder = town.transfer("a", "b").await;
    town.services.called("one action 1 @1").await;
    let waiter = town.transfer("b", "a").await;
    town.queued(waiter).await;
    // The lease ends under its feet; another process takes both up.
    let successor = town.beside().await;
    store.end_lease(town.engine.identity().0);
    town.services.when("one action 2", Does::Answers(200, json!({})));
    town.until(holder, |head| head.epoch == 2).await;
    town.services.let_go();
    // The second attempt is written down, and due a moment later.
    successor.until(holder, |head| head.next_seq > 6).await;
    town.clock.pass(Duration::from_secs(1));
    assert_eq!(successor.ended(holder).await, Status::Completed);
    assert_eq!(successor.ended(waiter).await, Status::Completed);
    let [held, waited] = [town.journal(holder).await, town.journal(waiter).await];
    assert!(place(&held) < place(&waited));
    assert!(
        held.last().expect("an end").at
            <= waited.iter().find(|row| matches!(row.event, Event::LockTaken { .. })).expect("taken").at
    );
}

#[tokio::test]
async fn a_start_whose_lock_has_no_name_is_refused() {
    let town = town().await;
    let refused = town.engine.start(Start { input: json!({ "from": "a" }), ..start("locked") }).await;
    assert!(matches!(refused, Err(amends_engine::StartError::Locks { .. })), "{refused:?}");
    assert_eq!(town.store.written().commits, 0);
}
