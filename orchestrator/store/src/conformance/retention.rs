//! What is old goes, and what is left of it.

use std::sync::Arc;

use amends_core::{
    ids::SagaId,
    summary::{Status, Summary},
    time::Time,
};
use uuid::Uuid;

use super::given::{compensation_started, create, end, keyed, next, step, words};
use crate::{Append, Claim, Cursor, Filter, Head, Page, Store};

async fn commit(store: &Arc<dyn Store>, batch: &[Append]) {
    assert_eq!(words(&store.commit(batch.to_vec()).await), vec!["ok"; batch.len()]);
}

/// Ends a saga at this time.
fn end_at(before: &Append, at: i64) -> Append {
    let mut append = end(before);
    append.events[0].at = Time(at);
    append.summary.ended_at = Some(Time(at));
    append
}

pub(super) async fn a_walk_finds_what_ended_before(store: Arc<dyn Store>) {
    let mut creates: Vec<Append> = (0..30).map(|n| create(n / 2)).collect();
    // Every third lives, every third ends late.
    let ends = creates.iter().enumerate().filter(|(n, _)| n % 3 != 0);
    let ends: Vec<Append> = ends.map(|(n, append)| end_at(append, if n % 3 == 1 { 50 } else { 100 })).collect();
    commit(&store, &creates).await;
    commit(&store, &ends).await;
    let ended: Vec<SagaId> = ends.iter().map(|append| append.saga).collect();
    creates.sort_unstable_by_key(|append| (append.events[0].at, append.saga));
    let mut expected = Vec::new();
    for append in creates.iter().filter(|append| ended.contains(&append.saga)) {
        expected.push(store.head(append.saga).await.unwrap().unwrap());
    }
    let ended_at = |head: &Head| head.summary.ended_at.unwrap();
    let walk = async |before: i64, limit: u32| {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.ended(Time(before), after, limit).await.unwrap();
            assert!(page.found.len() <= usize::try_from(limit).unwrap());
            found.extend(page.found);
            pages += 1;
            assert!(pages < 100, "the walk comes to an end");
            let Some(next) = page.next else { return (found, pages) };
            assert!(after.is_none_or(|after: Cursor| (after.started_at, after.saga) < (next.started_at, next.saga)));
            after = Some(next);
        }
    };
    for limit in [1, 4, 29, 30, 31, 1000] {
        assert_eq!(walk(1000, limit).await.0, expected, "{limit}");
        let early: Vec<Head> = expected.iter().filter(|head| ended_at(head) < Time(100)).cloned().collect();
        assert_eq!(walk(100, limit).await.0, early, "{limit}");
        assert_eq!(walk(50, limit).await.0, [], "{limit}");
    }
    let started_before_seven = walk(7, 4).await;
    assert_eq!(started_before_seven, (vec![], 4), "14 sagas are looked at, four at a time");
    assert_eq!(store.ended(Time(1000), None, 1000).await.unwrap().next, None);
    // What was purged is not found again, with or without a stub.
    let purged = vec![expected[0].saga, expected[1].saga];
    assert_eq!(store.purge(purged, Time(1)).await.unwrap(), 2);
    assert_eq!(walk(1000, 4).await.0, expected[2..]);
}

pub(super) async fn what_is_purged_is_gone(store: Arc<dyn Store>) {
    let sagas: Vec<Append> = (0..70).map(create).collect();
    let [living, undone] = [create(1), create(1)];
    commit(&store, &sagas).await;
    commit(&store, &sagas.iter().map(step).collect::<Vec<_>>()).await;
    commit(&store, &sagas.iter().map(|append| end(&step(append))).collect::<Vec<_>>()).await;
    commit(&store, &[living.clone(), undone.clone()]).await;
    commit(&store, &[next(&undone, Status::Succeeded, vec![compensation_started()])]).await;
    let mut all: Vec<SagaId> = sagas.iter().map(|append| append.saga).collect();
    let kept = all.pop().unwrap();
    let asked = [&all[..], &all[..10], &[living.saga, undone.saga, SagaId(Uuid::now_v7())]].concat();
    assert_eq!(store.purge(asked.clone(), Time(500)).await.unwrap(), 69);
    for saga in all {
        assert_eq!(store.head(saga).await.unwrap(), None);
        assert_eq!(store.journal(saga, 1..100, 100).await.unwrap(), []);
    }
    for (saga, rows) in [(kept, 5), (living.saga, 2), (undone.saga, 3)] {
        assert_eq!(store.head(saga).await.unwrap().unwrap().purged_at, None);
        assert_eq!(store.journal(saga, 1..100, 100).await.unwrap().len(), rows);
    }
    assert_eq!(store.purge(asked, Time(500)).await.unwrap(), 0);
    assert_eq!(store.purge(vec![], Time(500)).await.unwrap(), 0);
    // Without a key nobody can come back for it: its id is free.
    commit(&store, &[sagas[0].clone()]).await;
}

pub(super) async fn a_saga_with_a_key_leaves_a_stub(store: Arc<dyn Store>) {
    let first = keyed(create(5));
    let mut last = end(&first);
    last.summary = Summary { attention: true, wake_at: Some(Time(77)), ..last.summary };
    let neighbour = create(5);
    commit(&store, &[first.clone(), last.clone(), neighbour.clone()]).await;
    let before = store.head(first.saga).await.unwrap().unwrap();
    assert_eq!(store.purge(vec![first.saga], Time(500)).await.unwrap(), 1);
    let stub = store.head(first.saga).await.unwrap().unwrap();
    let summary = Summary { attention: false, wake_at: None, ..before.summary };
    assert_eq!(stub, Head { owner: None, purged_at: Some(Time(500)), summary, ..before });
    assert_eq!(store.journal(first.saga, 1..100, 100).await.unwrap(), []);
    assert_eq!(store.journals(&[first.saga], 100).await.unwrap()[0].as_ref().unwrap(), &[]);
    // Once only, and at its first time.
    assert_eq!(store.purge(vec![first.saga], Time(600)).await.unwrap(), 0);
    assert_eq!(store.head(first.saga).await.unwrap().as_ref(), Some(&stub));

    let name = Some(first.create.as_ref().unwrap().name.to_string());
    let statuses = vec![Status::Compensated];
    for filter in [
        Filter::default(),
        Filter { name: name.clone(), ..Filter::default() },
        Filter { statuses: statuses.clone(), ..Filter::default() },
        Filter { statuses: vec![Status::Compensated, Status::Running], name, ..Filter::default() },
        Filter { attention: Some(true), ..Filter::default() },
        Filter { attention: Some(false), statuses, ..Filter::default() },
    ] {
        let found = store.list(&filter, None, 10).await.unwrap();
        assert!(found.iter().all(|head| head.saga == neighbour.saga), "{filter:?}: {found:?}");
    }
    assert_eq!(store.ended(Time(1000), None, 10).await.unwrap(), Page::default());
    assert_eq!(store.counts().await.unwrap().attention, 0);
}

pub(super) async fn a_stub_is_met_by_a_repeated_start_and_by_nobody_else(store: Arc<dyn Store>) {
    let first = keyed(create(5));
    let last = end(&first);
    commit(&store, &[first.clone(), last.clone()]).await;
    assert_eq!(store.purge(vec![first.saga], Time(500)).await.unwrap(), 1);
    let stub = store.head(first.saga).await.unwrap().unwrap();
    let again = Append { commit: Uuid::new_v4(), ..first.clone() };
    assert_eq!(words(&store.commit(vec![again.clone()]).await), ["exists"]);
    assert_eq!(words(&store.commit(vec![again, create(1)]).await), ["exists", "ok"]);
    assert_eq!(stub.key, first.create.as_ref().unwrap().key, "what it asked for can be compared");
    assert_eq!(words(&store.commit(vec![step(&last)]).await), ["fenced"]);
    for owner in [None, Some(Uuid::nil())] {
        let claim = Claim { saga: first.saga, owner, epoch: 1 };
        assert_eq!(store.adopt(vec![claim], Uuid::from_u128(1)).await.unwrap(), [false]);
    }
    assert_eq!(store.head(first.saga).await.unwrap(), Some(stub));
}
