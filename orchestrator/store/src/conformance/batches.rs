//! Many sagas in one commit.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use amends_core::{ids::SagaId, summary::Status};
use uuid::Uuid;

use super::given::{create, create_with_id, end, next, step, under_epoch, withdrawn, words};
use crate::{Append, Claim, Store};

pub(super) async fn an_empty_batch_is_nothing(store: Arc<dyn Store>) {
    assert_eq!(words(&store.commit(vec![]).await), [""; 0]);
    assert_eq!(store.written().commits, 0);
    assert_eq!(store.adopt(vec![], Uuid::nil()).await.unwrap(), [false; 0]);
}

pub(super) async fn one_bad_append_leaves_its_neighbours_alone(store: Arc<dyn Store>) {
    let sagas: Vec<Append> = (0..6).map(|_| create(100)).collect();
    assert_eq!(words(&store.commit(sagas.clone()).await), ["ok"; 6]);
    let claim = Claim { saga: sagas[3].saga, owner: Some(Uuid::nil()), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(1)).await.unwrap(), [true]);
    let batch = vec![
        step(&sagas[0]),
        step(&step(&sagas[1])),
        create(100),
        step(&sagas[3]),
        Append { commit: Uuid::new_v4(), ..sagas[4].clone() },
        end(&sagas[5]),
    ];
    assert_eq!(words(&store.commit(batch.clone()).await), ["ok", "conflict", "ok", "fenced", "exists", "ok"]);
    for (append, next_seq) in batch.iter().zip([5, 3, 3, 3, 3, 4]) {
        assert_eq!(store.head(append.saga).await.unwrap().unwrap().next_seq, next_seq);
        assert_eq!(store.journal(append.saga, 1..100, 100).await.unwrap().len(), next_seq as usize - 1);
    }
    assert_eq!(store.written().commits, 2);
    assert_eq!(store.written().appends, 6 + 3);
}

pub(super) async fn of_two_creates_of_one_id_the_first_wins(store: Arc<dyn Store>) {
    let id = SagaId::derived("place-order", "key");
    let [first, mut second, third] = [100, 200, 300].map(|at| create_with_id(id, at));
    second.events.truncate(1);
    let batch = vec![create(1), first.clone(), second.clone(), create(2), third.clone(), first.clone()];
    assert_eq!(words(&store.commit(batch).await), ["ok", "ok", "exists", "ok", "exists", "ok"]);
    assert_eq!(store.journal(id, 1..100, 100).await.unwrap(), first.events);
    // The first in a later batch has lost before it began; only the one that was made is told so again.
    assert_eq!(words(&store.commit(vec![second, first.clone(), third]).await), ["exists", "ok", "exists"]);
    assert_eq!(store.journal(id, 1..100, 100).await.unwrap(), first.events);
    assert_eq!(store.written().appends, 3);
}

pub(super) async fn a_batch_means_the_same_as_its_appends_one_by_one(store: Arc<dyn Store>) {
    let first = create(100);
    let second = step(&first);
    let third = end(&second);
    let fourth = end(&third);
    let batch = vec![second.clone(), first.clone(), second.clone(), step(&first), third.clone(), fourth.clone()];
    assert_eq!(words(&store.commit(batch).await), ["conflict", "ok", "ok", "conflict", "ok", "ok"]);
    let whole = [first.events, second.events, third.events, fourth.events].concat();
    let seqs = |events: &[amends_core::event::Recorded]| events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&store.journal(first.saga, 1..100, 100).await.unwrap()), seqs(&whole));
    assert_eq!(store.written().commits, 1);
}

/// Among those of others, which come before and after it by their ids.
pub(super) async fn appends_of_one_saga_keep_their_order_within_a_batch(store: Arc<dyn Store>) {
    let creates: Vec<Append> = (0..9).map(create).collect();
    assert_eq!(words(&store.commit(creates.clone()).await), ["ok"; 9]);
    let firsts: Vec<Append> = creates.iter().map(step).collect();
    let seconds: Vec<Append> = firsts.iter().map(step).collect();
    let thirds: Vec<Append> = seconds.iter().map(end).collect();
    let batch = [firsts.clone(), seconds.iter().rev().cloned().collect(), thirds.clone()].concat();
    assert_eq!(words(&store.commit(batch).await), ["ok"; 27]);
    for (place, created) in creates.iter().enumerate() {
        let expected = [&created.events[..], &firsts[place].events, &seconds[place].events, &thirds[place].events];
        assert_eq!(store.journal(created.saga, 1..100, 100).await.unwrap(), expected.concat());
    }
    // The other way round only the one that comes next is made.
    let created = create(100);
    let (first, second) = (step(&created), step(&step(&created)));
    let batch = vec![create(1), second.clone(), created.clone(), second, first.clone(), create(2)];
    assert_eq!(words(&store.commit(batch).await), ["ok", "conflict", "ok", "conflict", "ok", "ok"]);
    assert_eq!(store.head(created.saga).await.unwrap().unwrap().next_seq, first.events[1].seq + 1);
}

pub(super) async fn a_thousand_appends_are_one_commit(store: Arc<dyn Store>) {
    let creates: Vec<Append> = (0..1000).map(create).collect();
    assert_eq!(words(&store.commit(creates.clone()).await), ["ok"; 1000]);
    let steps: Vec<Append> = creates.iter().rev().map(step).collect();
    assert_eq!(words(&store.commit(steps.clone()).await), ["ok"; 1000]);
    assert_eq!(store.written().commits, 2);
    assert_eq!(store.written().appends, 2000);
    for (create, step) in creates.iter().zip(steps.iter().rev()) {
        let journal = store.journal(create.saga, 1..100, 100).await.unwrap();
        assert_eq!(journal, [create.events.clone(), step.events.clone()].concat());
    }
}

/// Sides that cut a batch into statements of some sizes must lose nothing at the borders.
pub(super) async fn batches_of_every_size_are_whole(store: Arc<dyn Store>) {
    for size in [1, 2, 3, 4, 5, 15, 16, 17, 21, 63, 64, 65, 84, 85, 127, 128, 129] {
        let creates: Vec<Append> = (0..size).map(create).collect();
        let number = creates.len();
        assert_eq!(words(&store.commit(creates.clone()).await), vec!["ok"; number]);
        let events = |n: usize| (0..n).map(|n| withdrawn(&format!("step{n}"))).collect();
        let advances: Vec<Append> =
            creates.iter().enumerate().map(|(n, append)| next(append, Status::Running, events(1 + n % 3))).collect();
        assert_eq!(words(&store.commit(advances.clone()).await), vec!["ok"; number]);
        for (create, advance) in creates.iter().zip(&advances) {
            let journal = store.journal(create.saga, 1..100, 100).await.unwrap();
            assert_eq!(journal, [create.events.clone(), advance.events.clone()].concat(), "batch of {size}");
        }
    }
}

pub(super) async fn commits_of_many_tasks_are_all_kept(store: Arc<dyn Store>) {
    let tasks = (0..32).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut append = create(n);
            let saga = append.saga;
            for _ in 0..8 {
                assert_eq!(words(&store.commit(vec![append.clone()]).await), ["ok"]);
                append = step(&append);
            }
            saga
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        let saga = task.await.unwrap();
        assert_eq!(store.journal(saga, 1..100, 100).await.unwrap().len(), 16);
        assert_eq!(store.head(saga).await.unwrap().unwrap().next_seq, 17);
    }
    assert_eq!(store.written().appends, 32 * 8);
}

pub(super) async fn a_caller_who_goes_away_cancels_nothing_half_way(store: Arc<dyn Store>) {
    let mut abandoned = Vec::new();
    for _ in 0..20 {
        let batch: Vec<Append> = (0..20).map(create).collect();
        abandoned.push(batch.clone());
        let mut commit = Box::pin(store.commit(batch));
        // Polled once, so that it has begun, and dropped.
        poll_fn(|context| {
            let _ = commit.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        drop(commit);
    }
    // Those that come after wait for nothing but the writes under way.
    let after = create(1);
    let answers = tokio::time::timeout(Duration::from_secs(30), store.commit(vec![after.clone()])).await.unwrap();
    assert_eq!(words(&answers), ["ok"]);
    for batch in abandoned {
        // A lane of its own may still be writing its part: nobody waits for that any more, but it comes to its end.
        let whole = async {
            loop {
                let mut made = 0;
                for append in &batch {
                    made += usize::from(store.head(append.saga).await.unwrap().is_some());
                }
                if made == 0 || made == batch.len() {
                    break made > 0;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let whole = tokio::time::timeout(Duration::from_secs(30), whole).await.expect("made as a whole, or not at all");
        for append in batch.iter().filter(|_| whole) {
            assert_eq!(store.journal(append.saga, 1..100, 100).await.unwrap(), append.events);
        }
        // Asking again is always right.
        assert_eq!(words(&store.commit(batch.clone()).await), ["ok"; 20]);
    }
    assert_eq!(words(&store.commit(vec![under_epoch(step(&after), 1)]).await), ["ok"]);
}
