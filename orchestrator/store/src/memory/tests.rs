//! What is true of this side alone: its switches and its clock.

use std::{sync::Arc, time::Duration};

use amends_core::time::Time;
use uuid::Uuid;

use super::MemoryStore;
use crate::{
    Lease, NewNode, Store,
    conformance::{
        Side,
        given::{create, words},
    },
};

async fn sole() -> (Side, ()) {
    (Side::sole(Arc::new(MemoryStore::default())), ())
}

mod one_process {
    crate::conformance_tests!(crate::memory::tests::sole);
}

async fn shared() -> (Side, ()) {
    let store = Arc::new(MemoryStore::shared());
    let ending = Arc::clone(&store);
    let end = move |node| {
        ending.end_lease(node);
        std::future::ready(())
    };
    (Side::shared(store, end), ())
}

mod many_nodes {
    crate::conformance_tests!(crate::memory::tests::shared);
}

#[tokio::test]
async fn commits_fail_as_often_as_told_and_write_nothing() {
    let store = MemoryStore::default();
    let append = create(1);
    store.fail_next_commits(2);
    for _ in 0..2 {
        assert_eq!(words(&store.commit(vec![append.clone()]).await), ["unavailable"]);
        assert_eq!(store.head(append.saga).await.unwrap(), None);
    }
    assert_eq!(words(&store.commit(vec![append]).await), ["ok"]);
}

#[tokio::test]
async fn a_lost_answer_hides_a_commit_that_was_made() {
    let store = MemoryStore::default();
    let append = create(1);
    store.lose_next_answer();
    assert_eq!(words(&store.commit(vec![append.clone()]).await), ["unavailable"]);
    assert!(store.head(append.saga).await.unwrap().is_some());
    assert_eq!(words(&store.commit(vec![append]).await), ["ok"]);
    assert_eq!(store.written().appends, 1);
}

#[tokio::test]
async fn a_paused_commit_waits_until_it_is_let_through() {
    let store = Arc::new(MemoryStore::default());
    let append = create(1);
    store.pause();
    let commit = tokio::spawn({
        let (store, append) = (Arc::clone(&store), append.clone());
        async move { store.commit(vec![append]).await }
    });
    while store.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.head(append.saga).await.unwrap(), None);
    store.resume();
    assert_eq!(words(&commit.await.unwrap()), ["ok"]);
    assert_eq!(store.waiting(), 0);
}

#[tokio::test]
async fn a_lease_ends_by_the_clock_of_the_database() {
    let store = MemoryStore::shared();
    store.set_now(Time(1_000));
    let (node, lease) = (Uuid::from_u128(1), Duration::from_micros(10));
    let new = NewNode { id: node, name: "one".into() };
    assert_eq!(store.join(new.clone(), lease).await.unwrap(), Lease::Granted { now: Time(1_000) });
    store.set_now(Time(1_009));
    assert_eq!(store.renew(node, lease).await.unwrap(), Lease::Granted { now: Time(1_009) });
    store.set_now(Time(1_018));
    assert_eq!(store.nodes().await.unwrap().len(), 1);
    store.set_now(Time(1_019));
    assert_eq!(store.nodes().await.unwrap(), []);
    assert_eq!(store.renew(node, lease).await.unwrap(), Lease::Ended);
    assert_eq!(store.join(new, lease).await.unwrap(), Lease::Ended);
}

#[tokio::test]
async fn a_store_for_one_process_has_no_lease_that_time_could_end() {
    let store = MemoryStore::default();
    let node = Uuid::from_u128(1);
    store.join(NewNode { id: node, name: "one".into() }, Duration::ZERO).await.unwrap();
    store.set_now(Time(i64::MAX));
    assert_eq!(store.renew(node, Duration::ZERO).await.unwrap(), Lease::Sole);
}
