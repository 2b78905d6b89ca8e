//! The server crashes, sessions are ended, rows break rules, callers go away: nothing that was acknowledged is lost, and it
//! works again at once afterwards.

use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use amends_core::{ids::SagaId, time::Time};
use amends_servers::Mode;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{asked, connect, created, database, server, tamper};
use crate::{
    Append, Claim, Lease, NewNode, Note, Store, StoreError,
    conformance::{
        assert_all_is_told,
        given::{create, end, step, words},
    },
    postgres::{Options, PostgresStore},
};

/// After the server is back.
const RESUME_WITHIN: Duration = Duration::from_secs(5);

async fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(url).await.unwrap())
}

/// Commits one append until it is acknowledged, as an engine does.
async fn insist(store: &PostgresStore, append: &Append) -> usize {
    let mut tries = 0;
    loop {
        tries += 1;
        match words(&store.commit(vec![append.clone()]).await)[0] {
            "ok" => return tries,
            "unavailable" => tokio::task::yield_now().await,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_under_load_loses_nothing_that_was_acknowledged_and_work_resumes() {
    let mut server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = (0..8_i64).map(|n| {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut sagas = Vec::new();
            let mut retried = 0;
            while !stop.load(Ordering::Relaxed) {
                let first = create(n);
                let second = step(&first);
                for append in [&first, &second] {
                    retried += insist(&store, append).await - 1;
                }
                sagas.push([first, second]);
            }
            (sagas, retried)
        })
    });
    let writing: Vec<_> = writing.collect();
    for _ in 0..3 {
        let before = store.written().appends;
        let since = Instant::now();
        while store.written().appends < before + 100 {
            assert!(since.elapsed() < RESUME_WITHIN * 6, "work does not go on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.stop(Mode::Immediate).unwrap();
        let read = store.head(SagaId(Uuid::nil())).await;
        assert!(matches!(read, Err(StoreError::Unavailable { .. })), "{read:?}");
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable { .. })));
        server.start_again().unwrap();
        let back = Instant::now();
        store.ping().await.expect("reads work at once, over new connections");
        let others = store.written().appends;
        insist(&store, &create(1)).await;
        while store.written().appends < others + 20 {
            assert!(back.elapsed() < RESUME_WITHIN, "work does not resume");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("resumed after {:?}", back.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let (mut sagas, mut retried) = (Vec::new(), 0);
    for writing in writing {
        let (of_one, tries) = writing.await.unwrap();
        sagas.extend(of_one);
        retried += tries;
    }
    assert!(retried > 0, "the crashes were noticed");
    for [first, second] in &sagas {
        let journal = store.journal(first.saga, 0..100, 100).await.unwrap();
        assert_eq!(journal, [first.events.clone(), second.events.clone()].concat());
    }
    assert_all_is_told(&*store).await;
    println!("{} sagas, {retried} appends tried again", sagas.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_were_ended_are_replaced_without_a_word() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let node = NewNode { id: Uuid::new_v4(), name: "a".into() };
    let lease = Duration::from_secs(100);
    assert!(matches!(store.join(node.clone(), lease).await.unwrap(), Lease::Granted { .. }));
    let mut saga = created(&store, 1).await.remove(0);
    for round in 0..3_u64 {
        let ended: Vec<bool> = asked(
            &url,
            "select pg_terminate_backend(pid)
            from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
        assert!(ended.len() >= 2 && ended.iter().all(|ended| *ended), "{ended:?}");
        saga = step(&saga);
        assert_eq!(words(&store.commit(vec![saga.clone()]).await), ["ok"]);
        assert_eq!(store.journal(saga.saga, 1..100, 100).await.unwrap().len() as u64, 2 + 2 * (round + 1));
        let note = Note { saga: saga.saga, id: Uuid::from_u128(u128::from(round)), body: "a".into(), at: Time(1) };
        store.post(note).await.unwrap();
        assert!(matches!(store.renew(node.id, lease).await.unwrap(), Lease::Granted { .. }));
    }
    assert_eq!(store.written().commits, 4);
}

/// What it did was done, and its answer is lost: asked again, it says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_was_lost_is_found_to_have_been_made() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let sagas = created(&store, 3).await;
    let me = Uuid::from_u128(7);
    let claim = |place: usize| Claim { saga: sagas[place].saga, owner: Some(Uuid::nil()), epoch: 1 };
    assert_eq!(store.adopt(vec![claim(0)], me).await.unwrap(), [true]);
    assert_eq!(store.adopt(vec![claim(1)], Uuid::from_u128(8)).await.unwrap(), [true]);
    // As the second try of a claim that the first one made.
    let again = store.adopt_again(vec![claim(0), claim(1), claim(2)], me).await;
    assert_eq!(again, [0, 2]);
    assert_eq!(store.head(sagas[0].saga).await.unwrap().unwrap().epoch, 2);
    assert_eq!(store.adopt(vec![claim(0)], me).await.unwrap(), [false], "one that was not lost is no claim any more");
}

impl PostgresStore {
    async fn adopt_again(&self, claims: Vec<Claim>, owner: Uuid) -> Vec<usize> {
        let claims: Arc<[(usize, Claim)]> = claims.into_iter().enumerate().collect();
        let work = crate::postgres::writer::repeatable(move |connection, _again| {
            let claims = Arc::clone(&claims);
            Box::pin(async move { crate::postgres::adopt::adopt_sagas(connection, &claims, owner, true).await })
        });
        let mut places = self.writers().unwrap().aside.run(work).await.unwrap();
        places.sort_unstable();
        places
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_away_leaves_no_transaction_open() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let mut abandoned = Vec::new();
    for round in 0..30 {
        // Of one saga twice: a transaction of several statements.
        let batch: Vec<Append> = (0..10).map(create).flat_map(|first| [first.clone(), step(&first)]).collect();
        abandoned.push(batch.clone());
        let mut commit = Box::pin(store.commit(batch));
        for _ in 0..=round % 3 {
            poll_fn(|context| {
                let _ = commit.as_mut().poll(context);
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
        }
        drop(commit);
    }
    assert_eq!(words(&store.commit(vec![create(1)]).await), ["ok"]);
    let since = Instant::now();
    let not_idle = "select application_name || ' ' || state
        from pg_stat_activity
        where datname = current_database() and application_name like 'amends-%' and state <> 'idle'";
    while asked::<i64>(&url, "select count(*) from sagas").await != [301] {
        assert!(since.elapsed() < Duration::from_secs(20), "what was begun goes on to its end");
    }
    while !asked::<String>(&url, not_idle).await.is_empty() {
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", asked::<String>(&url, not_idle).await);
    }
    for append in abandoned.iter().flatten() {
        assert_eq!(store.head(append.saga).await.unwrap().unwrap().next_seq, 5);
    }
    assert_eq!(asked::<i64>(&url, "select count(*) from pg_prepared_xacts").await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_breaks_a_rule_fails_alone() {
    let server = server();
    let url = database(&server).await;
    let store = Arc::new(PostgresStore::open(Options::new(url.clone()).lanes(1)).await.unwrap());
    let good = created(&store, 4).await;
    let named = |name: String| {
        let mut append = create(1);
        append.create.as_mut().unwrap().name = name.into();
        append
    };
    // Random, so that it does not get small by compression.
    let long: String = (0..500).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let taken = &good[3];
    tamper(&url, format!("insert into journal values ('{}', 4, 1, 1, '{{}}')", taken.saga)).await;
    for (bad, says) in
        [(named("a\0b".to_owned()), "invalid byte sequence"), (named(long), "index row"), (step(taken), "journal_pkey")]
    {
        let batch = vec![step(&good[0]), bad.clone(), create(2)];
        let answers = store.commit(batch.clone()).await;
        assert_eq!(words(&answers)[1..], ["corrupt", "ok"], "{answers:?}");
        assert!(matches!(words(&answers)[0], "ok" | "conflict"));
        let why = format!("{:?}", answers[1]);
        assert!(why.contains(says) && why.contains(&bad.saga.to_string()), "{why}");
        assert_eq!(words(&store.commit(vec![bad]).await), ["corrupt"], "alone too");
    }
    assert_eq!(store.head(taken.saga).await.unwrap().unwrap().next_seq, 3, "nothing of it was written");
    assert_eq!(words(&store.commit(vec![step(&step(&good[0]))]).await), ["ok"]);
}

/// One that has ended may go on, for instance with what an operator noted; and may be purged at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_leaves_nothing_behind_of_a_saga_that_goes_on_meanwhile() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let saga = created(&store, 1).await.remove(0);
    assert_eq!(words(&store.commit(vec![end(&saga)]).await), ["ok"]);
    let mut other = connect(&url).await;
    let goes_on = format!(
        "begin;
        update sagas set next_seq = 5 where id = '{0}';
        insert into journal (saga, seq, epoch, at, event) values ('{0}', 4, 1, 1, '{{}}')",
        saga.saga
    );
    sqlx::raw_sql(AssertSqlSafe(goes_on)).execute(&mut other).await.unwrap();
    let purging = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.purge(vec![saga.saga], Time(1)).await }
    });
    let waits =
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'amends-%'";
    let since = Instant::now();
    while asked::<i64>(&url, waits).await == [0] {
        assert!(since.elapsed() < Duration::from_secs(20) && !purging.is_finished(), "it waits for the other");
    }
    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    assert_eq!(purging.await.unwrap().unwrap(), 1);
    assert_eq!(asked::<i64>(&url, "select count(*) from sagas").await, [0]);
    assert_eq!(asked::<i64>(&url, "select count(*) from journal").await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_panics_takes_nobody_else_down() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let saga = created(&store, 1).await.remove(0);
    let writer = Arc::clone(&store.writers().unwrap().aside);
    let panicking = tokio::spawn(async move {
        let work = crate::postgres::writer::repeatable(|connection, _again| {
            Box::pin(async move {
                sqlx::raw_sql("begin; delete from journal").execute(connection).await?;
                assert!(std::hint::black_box(false), "invariant: it is");
                Ok(())
            })
        });
        writer.run(work).await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(store.journal(saga.saga, 0..100, 100).await.unwrap(), saga.events);
    assert_eq!(words(&store.commit(vec![step(&saga)]).await), ["ok"]);
    let claim = Claim { saga: saga.saga, owner: Some(Uuid::nil()), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(1)).await.unwrap(), [true]);
}

/// Reads and writes wait for rows that somebody else keeps; who does not renew meanwhile would lose everything that it drives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_every_other_connection_waits() {
    let server = server();
    let url = database(&server).await;
    let store = open(&url).await;
    let node = NewNode { id: Uuid::new_v4(), name: "a".into() };
    let lease = Duration::from_secs(100);
    assert!(matches!(store.join(node.clone(), lease).await.unwrap(), Lease::Granted { .. }));
    let saga = created(&store, 1).await.remove(0);
    let mut other = connect(&url).await;
    sqlx::raw_sql("begin; lock table sagas, journal in access exclusive mode").execute(&mut other).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..30 {
        let (store, saga) = (Arc::clone(&store), saga.saga);
        waiting.spawn(async move {
            match number % 3 {
                0 => assert!(store.head(saga).await.unwrap().is_some()),
                1 => assert_eq!(words(&store.commit(vec![create(number)]).await), ["ok"]),
                _ => {
                    let claim = Claim { saga, owner: Some(Uuid::from_u128(4)), epoch: 9 };
                    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(5)).await.unwrap(), [false]);
                }
            }
        });
    }
    let waits = "select distinct application_name from pg_stat_activity
        where wait_event_type = 'Lock' and application_name like 'amends-%' order by 1";
    let since = Instant::now();
    while asked::<String>(&url, waits).await != ["amends-aside", "amends-lane", "amends-reader"] {
        assert!(since.elapsed() < RESUME_WITHIN, "{:?}", asked::<String>(&url, waits).await);
    }
    for _ in 0..3 {
        let renewed = tokio::time::timeout(Duration::from_secs(1), store.renew(node.id, lease)).await;
        assert!(matches!(renewed, Ok(Ok(Lease::Granted { .. }))), "{renewed:?}");
    }
    assert_eq!(waiting.len(), 30);
    assert!(waiting.try_join_next().is_none(), "all of them wait");
    sqlx::raw_sql("rollback").execute(&mut other).await.unwrap();
    while let Some(done) = waiting.join_next().await {
        done.unwrap();
    }
}
