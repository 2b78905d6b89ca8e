//! The queues of locks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use amends_core::{
    ids::{LockName, SagaId},
    summary::Status,
    time::Time,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::given::{create, end, words};
use crate::{Append, Place, Store};

/// A saga that lives.
async fn alive(store: &Arc<dyn Store>) -> Append {
    let saga = create(1);
    assert_eq!(words(&store.commit(vec![saga.clone()]).await), ["ok"]);
    saga
}

async fn ends(store: &Arc<dyn Store>, saga: &Append) {
    assert_eq!(words(&store.commit(vec![end(saga)]).await), ["ok"]);
}

async fn enqueue(store: &Arc<dyn Store>, lock: &str, saga: &Append, at: i64) -> (i64, bool) {
    let Place { arrived_at, first } = store.enqueue(&lock.into(), saga.saga, Time(at)).await.unwrap();
    (arrived_at.0, first)
}

async fn queue(store: &Arc<dyn Store>, lock: &str) -> Vec<SagaId> {
    let queue = store.lock_queue(&lock.into(), None, 1000).await.unwrap();
    assert!(queue.is_sorted_by(|a, b| a.arrived_at < b.arrived_at));
    queue.into_iter().map(|queued| queued.saga).collect()
}

pub(super) async fn places_are_given_in_order_of_arrival_and_each_saga_has_one(store: Arc<dyn Store>) {
    let [a, b] = [alive(&store).await, alive(&store).await];
    assert_eq!(enqueue(&store, "l", &a, 10).await, (10, true));
    assert_eq!(enqueue(&store, "l", &b, 20).await, (20, false));
    // Asked again, because an answer was lost or an owner has died: nothing changes.
    assert_eq!(enqueue(&store, "l", &a, 30).await, (10, true));
    assert_eq!(enqueue(&store, "l", &b, 5).await, (20, false));
    let queue = store.lock_queue(&"l".into(), None, 10).await.unwrap();
    let seen: Vec<_> = queue.iter().map(|next| (next.saga, &*next.name, next.status, next.arrived_at.0)).collect();
    assert_eq!(seen, [(a.saga, "place-order", Status::Running, 10), (b.saga, "place-order", Status::Running, 20)]);
}

pub(super) async fn the_first_who_lives_has_the_lock(store: Arc<dyn Store>) {
    let [a, b, c] = [alive(&store).await, alive(&store).await, alive(&store).await];
    for (saga, at) in [(&a, 10), (&b, 20), (&c, 30)] {
        enqueue(&store, "l", saga, at).await;
    }
    ends(&store, &b).await;
    assert_eq!(queue(&store, "l").await, [a.saga, c.saga]);
    assert_eq!(enqueue(&store, "l", &c, 40).await, (30, false));
    ends(&store, &a).await;
    assert_eq!(queue(&store, "l").await, [c.saga]);
    assert_eq!(enqueue(&store, "l", &c, 40).await, (30, true));
    // Retention changes nothing in that, nor that somebody asks for the dead.
    store.purge(vec![a.saga, b.saga], Time(50)).await.unwrap();
    enqueue(&store, "l", &a, 60).await;
    assert_eq!(queue(&store, "l").await, [c.saga]);
    assert_eq!(enqueue(&store, "l", &c, 70).await, (30, true));
}

pub(super) async fn who_takes_a_place_under_a_clock_that_is_behind_comes_last_all_the_same(store: Arc<dyn Store>) {
    let [a, b, c, d] = [alive(&store).await, alive(&store).await, alive(&store).await, alive(&store).await];
    assert_eq!(enqueue(&store, "l", &a, 100).await, (100, true));
    assert_eq!(enqueue(&store, "l", &b, 100).await, (101, false));
    assert_eq!(enqueue(&store, "l", &c, 1).await, (102, false));
    // Also behind those who are gone.
    for saga in [&a, &b, &c] {
        ends(&store, saga).await;
        store.leave_queues(saga.saga, &["l".into()]).await.unwrap();
    }
    assert_eq!(enqueue(&store, "l", &d, 1).await, (103, true));
}

pub(super) async fn a_saga_that_was_never_made_holds_nothing(store: Arc<dyn Store>) {
    let nobody = SagaId(Uuid::now_v7());
    store.enqueue(&"l".into(), nobody, Time(1)).await.unwrap();
    let a = alive(&store).await;
    assert_eq!(enqueue(&store, "l", &a, 2).await, (2, true));
    assert_eq!(queue(&store, "l").await, [a.saga]);
}

pub(super) async fn locks_have_nothing_to_do_with_each_other(store: Arc<dyn Store>) {
    let [a, b] = [alive(&store).await, alive(&store).await];
    let hostile = "account:'; drop table locks; -- 🔒 \"x\" %";
    assert_eq!(enqueue(&store, hostile, &a, 10).await, (10, true));
    assert_eq!(enqueue(&store, "l", &b, 5).await, (5, true));
    assert_eq!(enqueue(&store, "L", &a, 5).await, (5, true));
    assert_eq!(enqueue(&store, "l", &a, 1).await, (6, false));
    assert_eq!(queue(&store, hostile).await, [a.saga]);
    assert_eq!(queue(&store, "l").await, [b.saga, a.saga]);
    assert_eq!(queue(&store, "none").await, []);
}

pub(super) async fn a_queue_is_read_in_pages(store: Arc<dyn Store>) {
    let mut sagas = Vec::new();
    for at in 0..7 {
        let saga = alive(&store).await;
        enqueue(&store, "l", &saga, at).await;
        sagas.push(saga.saga);
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.lock_queue(&"l".into(), after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.arrived_at);
        seen.extend(page.into_iter().map(|queued| queued.saga));
    }
    assert_eq!(seen, sagas);
    assert_eq!(store.lock_queue(&"l".into(), None, 0).await.unwrap(), []);
}

pub(super) async fn the_locks_that_sagas_have_are_listed_by_name_with_who_has_them(store: Arc<dyn Store>) {
    let [a, b, c] = [alive(&store).await, alive(&store).await, alive(&store).await];
    for (lock, saga, at) in [
        ("stock:1", &a, 10),
        ("account:7", &b, 20),
        ("account:7", &a, 30),
        ("account:7", &c, 40),
        ("account:8", &c, 50),
        ("account;", &b, 60),
        ("Ä", &b, 60),
    ] {
        enqueue(&store, lock, saga, at).await;
    }
    let listed = async |prefix: &str, after: Option<&str>, limit| -> Vec<(String, SagaId, u64)> {
        let held = store.locks(prefix, after.map(LockName::from).as_ref(), limit).await.unwrap();
        held.into_iter().map(|held| (held.lock.as_str().to_owned(), held.holder.saga, held.waiting)).collect()
    };
    let row = |lock: &str, saga: &Append, waiting| (lock.to_owned(), saga.saga, waiting);
    let all = [
        row("account:7", &b, 2),
        row("account:8", &c, 0),
        row("account;", &b, 0),
        row("stock:1", &a, 0),
        row("Ä", &b, 0),
    ];
    assert_eq!(listed("", None, 10).await, all);
    assert_eq!(listed("account:", None, 10).await, all[..2]);
    assert_eq!(listed("", Some("account:8"), 2).await, all[2..4]);
    assert_eq!(listed("stock:1x", None, 10).await, []);
    assert_eq!(listed("%", None, 10).await, []);
    let holder = store.locks("account:7", None, 1).await.unwrap().remove(0).holder;
    assert_eq!((&*holder.name, holder.status, holder.arrived_at), ("place-order", Status::Running, Time(20)));
    // Who has ended has nothing, though nobody has tidied up yet.
    ends(&store, &b).await;
    assert_eq!(listed("account:7", None, 10).await, [row("account:7", &a, 1)]);
    assert_eq!(listed("account;", None, 10).await, []);
    ends(&store, &c).await;
    assert_eq!(listed("account", None, 10).await, [row("account:7", &a, 0)]);
}

pub(super) async fn only_the_dead_leave_their_queues(store: Arc<dyn Store>) {
    let [a, b] = [alive(&store).await, alive(&store).await];
    let locks: [LockName; 2] = ["l".into(), "m".into()];
    for saga in [&a, &b] {
        for lock in &locks {
            enqueue(&store, lock.as_str(), saga, 10).await;
        }
    }
    store.leave_queues(a.saga, &locks).await.unwrap();
    assert_eq!(queue(&store, "l").await, [a.saga, b.saga]);
    ends(&store, &a).await;
    store.leave_queues(a.saga, &locks).await.unwrap();
    store.leave_queues(a.saga, &[]).await.unwrap();
    for lock in &locks {
        assert_eq!(queue(&store, lock.as_str()).await, [b.saga]);
    }
    assert_eq!(store.tidy(Time(1000), 10).await.unwrap(), 0, "nothing is left of the one, and the other lives");
}

pub(super) async fn what_locks_leave_behind_goes_after_its_time(store: Arc<dyn Store>) {
    let [a, b, c] = [alive(&store).await, alive(&store).await, alive(&store).await];
    for (saga, lock, at) in [(&a, "l", 10), (&b, "l", 20), (&c, "m", 10)] {
        enqueue(&store, lock, saga, at).await;
    }
    ends(&store, &a).await;
    ends(&store, &c).await;
    assert_eq!(store.tidy(Time(10), 10).await.unwrap(), 0);
    // Two places, and the lock that has none any more.
    assert_eq!(store.tidy(Time(15), 10).await.unwrap(), 3);
    assert_eq!(queue(&store, "l").await, [b.saga]);
    // A lock that was tidied away begins anew; one that is still wanted goes on.
    let d = alive(&store).await;
    assert_eq!(enqueue(&store, "m", &d, 1).await, (1, true));
    assert_eq!(enqueue(&store, "l", &d, 1).await, (21, false));
}

/// The proof by weight: many tasks take places, look, hold, end. Who is told that the lock is his must be alone with it.
pub(super) async fn of_many_who_come_at_once_never_two_have_the_lock(store: Arc<dyn Store>) {
    const SAGAS: usize = 48;
    let holders: [Arc<AtomicUsize>; 2] = Default::default();
    let mut takers = JoinSet::new();
    for nth in 0..SAGAS {
        let saga = alive(&store).await;
        let (store, holder) = (Arc::clone(&store), Arc::clone(&holders[nth % 2]));
        let lock = LockName::from(["l", "m"][nth % 2]);
        takers.spawn(async move {
            // Clocks disagree.
            let at = Time(i64::try_from(nth * 7919 % SAGAS).unwrap());
            let place = store.enqueue(&lock, saga.saga, at).await.unwrap();
            let mut first = place.first;
            while !first {
                tokio::time::sleep(Duration::from_millis(1)).await;
                // By either way of looking.
                first = if nth % 4 < 2 {
                    store.enqueue(&lock, saga.saga, at).await.unwrap().first
                } else {
                    store.lock_queue(&lock, None, 1).await.unwrap()[0].saga == saga.saga
                };
            }
            assert_eq!(holder.fetch_add(1, Ordering::SeqCst), 0, "two have {lock}");
            tokio::task::yield_now().await;
            assert_eq!(holder.fetch_sub(1, Ordering::SeqCst), 1, "two have {lock}");
            assert_eq!(words(&store.commit(vec![end(&saga)]).await), ["ok"]);
            (lock, place.arrived_at)
        });
    }
    let mut ended: Vec<(LockName, Time)> = Vec::new();
    while let Some(taker) = takers.join_next().await {
        ended.push(taker.unwrap());
    }
    // Nobody was forgotten, and no place was given twice.
    assert_eq!(ended.len(), SAGAS);
    ended.sort_unstable();
    assert!(ended.is_sorted_by(|a, b| a < b));
}
