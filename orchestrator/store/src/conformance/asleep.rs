//! Sagas that wait in nobody's memory.

use std::sync::Arc;

use amends_core::{ids::SagaId, summary::Status, time::Time};
use uuid::Uuid;

use super::given::{create, end, next, step, under_epoch, withdrawn, words};
use crate::{Append, Claim, Head, Store};

async fn commit(store: &Arc<dyn Store>, append: &Append) -> &'static str {
    words(&store.commit(vec![append.clone()]).await)[0]
}

fn released(mut append: Append, wake_at: Option<i64>) -> Append {
    append.release = true;
    append.summary.wake_at = wake_at.map(Time);
    append
}

async fn due(store: &Arc<dyn Store>, now: i64, limit: u32) -> Vec<SagaId> {
    store.due(Time(now), limit).await.unwrap().iter().map(|head| head.saga).collect()
}

fn claim(saga: SagaId, owner: Option<Uuid>, epoch: u64) -> Claim {
    Claim { saga, owner, epoch }
}

pub(super) async fn a_saga_is_let_go_in_the_commit_of_its_wait(store: Arc<dyn Store>) {
    let first = create(1);
    let mut second = step(&first);
    second.summary.wake_at = Some(Time(50));
    assert_eq!(commit(&store, &first).await, "ok");
    assert_eq!(commit(&store, &second).await, "ok");
    assert_eq!(store.next_due().await.unwrap(), None, "its owner wakes it");
    assert_eq!(due(&store, 100, 10).await, []);
    let before = store.head(first.saga).await.unwrap().unwrap();
    let wait = released(next(&second, Status::Running, vec![withdrawn("wait")]), Some(60));
    assert_eq!(commit(&store, &wait).await, "ok");
    let head = store.head(first.saga).await.unwrap().unwrap();
    let (next_seq, updated_at) = (before.next_seq + 1, wait.events[0].at);
    assert_eq!(head, Head { owner: None, next_seq, updated_at, summary: wait.summary, ..before });
    assert_eq!(store.next_due().await.unwrap(), Some(Time(60)));
    assert_eq!(due(&store, 59, 10).await, []);
    assert_eq!(store.due(Time(60), 10).await.unwrap(), [head]);
    assert_eq!(store.journal(first.saga, 1..100, 100).await.unwrap().len(), 5);
}

pub(super) async fn a_saga_can_be_let_go_as_it_is_made(store: Arc<dyn Store>) {
    let sagas: Vec<Append> = (0..5).map(|n| released(create(1), (n != 3).then_some(n))).collect();
    assert_eq!(words(&store.commit(sagas[..4].to_vec()).await), ["ok"; 4]);
    assert_eq!(commit(&store, &sagas[4]).await, "ok");
    for saga in &sagas {
        assert_eq!(store.head(saga.saga).await.unwrap().unwrap().owner, None);
    }
    assert_eq!(due(&store, 100, 10).await, [0, 1, 2, 4].map(|place: usize| sagas[place].saga));
}

pub(super) async fn who_waits_for_no_time_is_never_due(store: Arc<dyn Store>) {
    let first = create(1);
    assert_eq!(commit(&store, &first).await, "ok");
    assert_eq!(commit(&store, &released(step(&first), None)).await, "ok");
    assert_eq!(store.head(first.saga).await.unwrap().unwrap().owner, None);
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(due(&store, i64::MAX, 10).await, []);
}

pub(super) async fn the_earliest_are_due_first(store: Arc<dyn Store>) {
    let times: Vec<i64> = (0..40_i64).map(|n| (n * 7 % 20) - 3).collect();
    let sagas: Vec<Append> = times.iter().map(|at| released(create(1), Some(*at))).collect();
    assert_eq!(words(&store.commit(sagas.clone()).await), ["ok"; 40]);
    let mut expected: Vec<(i64, SagaId)> = times.iter().copied().zip(sagas.iter().map(|append| append.saga)).collect();
    expected.sort_unstable();
    for (now, limit) in [(100, 100), (100, 40), (100, 39), (100, 1), (100, 0), (5, 100), (5, 3), (-3, 100), (-4, 100)] {
        let until = expected.iter().filter(|(at, _)| *at <= now).take(usize::try_from(limit).unwrap());
        let until: Vec<SagaId> = until.map(|(_, saga)| *saga).collect();
        assert_eq!(due(&store, now, limit).await, until, "now {now}, limit {limit}");
    }
    assert_eq!(store.next_due().await.unwrap(), Some(Time(-3)));
}

pub(super) async fn an_append_to_a_saga_of_nobody_is_fenced(store: Arc<dyn Store>) {
    let [first, other] = [create(1), create(1)];
    let wait = released(step(&first), Some(50));
    assert_eq!(words(&store.commit(vec![first.clone(), other.clone()]).await), ["ok"; 2]);
    // In the batch of the release itself, alone, and among others.
    assert_eq!(words(&store.commit(vec![wait.clone(), step(&wait)]).await), ["ok", "fenced"]);
    assert_eq!(commit(&store, &step(&wait)).await, "fenced");
    assert_eq!(commit(&store, &step(&step(&wait))).await, "fenced");
    assert_eq!(words(&store.commit(vec![step(&wait), step(&other)]).await), ["fenced", "ok"]);
    assert_eq!(commit(&store, &released(step(&wait), Some(1))).await, "fenced");
    assert_eq!(store.journal(first.saga, 1..100, 100).await.unwrap().len(), 4);
    assert_eq!(store.next_due().await.unwrap(), Some(Time(50)));
    // It was made, and its writer may not have heard.
    assert_eq!(commit(&store, &wait).await, "ok");
}

pub(super) async fn a_release_that_is_not_made_lets_nothing_go(store: Arc<dyn Store>) {
    let first = create(1);
    assert_eq!(commit(&store, &first).await, "ok");
    let before = store.head(first.saga).await.unwrap();
    assert_eq!(commit(&store, &released(under_epoch(step(&first), 2), Some(5))).await, "fenced");
    assert_eq!(commit(&store, &released(step(&step(&first)), Some(5))).await, "conflict");
    assert_eq!(commit(&store, &released(Append { commit: Uuid::new_v4(), ..first.clone() }, Some(5))).await, "exists");
    assert_eq!(store.head(first.saga).await.unwrap(), before);
    assert_eq!(store.next_due().await.unwrap(), None);
}

pub(super) async fn who_claims_a_saga_of_nobody_wakes_it(store: Arc<dyn Store>) {
    let owner = Uuid::from_u128(7);
    let sagas: Vec<Append> = (0..3).map(|n| released(create(1), Some(n))).collect();
    assert_eq!(words(&store.commit(sagas.clone()).await), ["ok"; 3]);
    let saga = sagas[0].saga;
    let claims =
        vec![claim(saga, Some(Uuid::nil()), 1), claim(saga, None, 2), claim(saga, None, 1), claim(saga, None, 1)];
    assert_eq!(store.adopt(claims, owner).await.unwrap(), [false, false, true, false]);
    assert_eq!(due(&store, 100, 10).await, [sagas[1].saga, sagas[2].saga]);
    assert_eq!(store.next_due().await.unwrap(), Some(Time(1)));
    let head = store.head(saga).await.unwrap().unwrap();
    assert_eq!((head.owner, head.epoch, head.summary.wake_at), (Some(owner), 2, Some(Time(0))));
    // It goes on under the new epoch, and can be let go again.
    assert_eq!(commit(&store, &step(&sagas[0])).await, "fenced");
    let step = under_epoch(step(&sagas[0]), 2);
    assert_eq!(commit(&store, &step).await, "ok");
    let mut wait = next(&step, Status::Running, vec![withdrawn("wait")]);
    wait.summary.wake_at = Some(Time(0));
    assert_eq!(commit(&store, &wait).await, "ok");
    assert_eq!(due(&store, 100, 10).await.len(), 2, "an owner's wake-up is its own affair");
    assert_eq!(commit(&store, &released(next(&wait, Status::Running, vec![withdrawn("more")]), Some(9))).await, "ok");
    assert_eq!(due(&store, 100, 10).await, [1, 2, 0].map(|place: usize| sagas[place].saga));
    assert_eq!(store.adopt(vec![claim(saga, None, 2)], owner).await.unwrap(), [true]);
    let ending = under_epoch(end(&next(&wait, Status::Running, vec![withdrawn("more")])), 3);
    assert_eq!(commit(&store, &ending).await, "ok");
    assert_eq!(due(&store, 100, 10).await.len(), 2);
}
