//! The order of what is told where many processes write: by no clock, and through answers that are lost.

use std::{sync::Arc, time::Duration};

use amends_core::{summary::Status, time::Time};
use uuid::Uuid;

use super::{connect, database, server, tamper};
use crate::{
    Append, Batch, Claim, Places, Store,
    conformance::{
        assert_all_is_told,
        given::{compensation_started, create, end, next, step, under_epoch, words},
    },
    postgres::{Options, PostgresStore},
};

async fn one_lane(url: &str) -> PostgresStore {
    PostgresStore::open(Options::new(url.to_owned()).lanes(1)).await.unwrap()
}

async fn commit(store: &PostgresStore, append: &Append) {
    assert_eq!(words(&store.commit(vec![append.clone()]).await), ["ok"]);
}

/// One at a time, so that nothing but their order says what comes first.
async fn one_by_one(store: &PostgresStore) -> Vec<Batch> {
    let (mut places, mut read) = (Places::default(), Vec::new());
    while let Some(batch) = store.batches(&places, 1).await.unwrap().into_iter().next() {
        places.pass(&batch);
        read.push(batch);
    }
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saga_that_goes_from_node_to_node_is_told_of_in_order_whatever_their_clocks_say() {
    let server = server();
    let url = database(&server).await;
    let (ahead, behind) = (one_lane(&url).await, one_lane(&url).await);
    let mut sagas = Vec::new();
    for n in 0..20_i64 {
        // The clock of one node is an hour ahead, and not that of the saga that goes over.
        let (first, other) = (create(10 + n), create(3_600_000_000));
        assert_eq!(words(&ahead.commit(vec![first.clone(), other]).await), ["ok"; 2]);
        let claim = Claim { saga: first.saga, owner: Some(Uuid::nil()), epoch: 1 };
        assert_eq!(behind.adopt(vec![claim], Uuid::from_u128(7)).await.unwrap(), [true]);
        let second = under_epoch(next(&first, Status::Compensating, vec![compensation_started()]), 2);
        commit(&behind, &second).await;
        sagas.push(second);
    }
    let read = one_by_one(&ahead).await;
    for saga in &sagas {
        let of_saga = read.iter().flat_map(|batch| &batch.turns).filter(|turn| turn.saga == saga.saga);
        assert_eq!(of_saga.map(|turn| turn.seq).collect::<Vec<_>>(), [1, 3]);
    }
    assert!(read.last().unwrap().at > Time(3_600_000_000));
    assert_all_is_told(&behind).await;
    // The check can fail: without what was seen at the take-over the later comes first.
    let url = database(&server).await;
    let (ahead, behind) = (one_lane(&url).await, one_lane(&url).await);
    let first = create(10);
    assert_eq!(words(&ahead.commit(vec![first.clone(), create(3_600_000_000)]).await), ["ok"; 2]);
    tamper(&url, format!("update sagas set epoch = 2 where id = '{}'", first.saga)).await;
    commit(&behind, &under_epoch(end(&first), 2)).await;
    assert_eq!(one_by_one(&ahead).await[0].turns[0].seq, 3);
}

/// Sessions are ended again and again, in the middle of whatever they do: numbers stay dense, and nothing is told twice or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_leave_no_hole_and_tell_nothing_twice() {
    let server = server();
    let url = database(&server).await;
    let store = Arc::new(PostgresStore::open(Options::new(url.clone()).lanes(2)).await.unwrap());
    let writing: Vec<_> = (0..4)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..25 {
                    let first = create(n);
                    let second = step(&first);
                    for append in [first, second.clone(), end(&second)] {
                        while words(&store.commit(vec![append.clone()]).await) != ["ok"] {
                            tokio::task::yield_now().await;
                        }
                    }
                }
            })
        })
        .collect();
    let mut killer = connect(&url).await;
    let mut killed_at = 0;
    while !writing.iter().all(tokio::task::JoinHandle::is_finished) {
        // After some progress each time: whoever is killed without end never gets on.
        if store.written().appends >= killed_at + 5 {
            killed_at = store.written().appends;
            sqlx::raw_sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'amends-lane'",
            )
            .execute(&mut killer)
            .await
            .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for writer in writing {
        writer.await.unwrap();
    }
    assert!(store.places().await.unwrap().0.len() > 2, "no answer was ever in doubt");
    assert_all_is_told(&*store).await;
}
