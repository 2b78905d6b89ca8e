//! Reading many sagas for their own sake.

use std::sync::Arc;

use amends_core::{ids::SagaId, summary::Status, time::Time};
use uuid::Uuid;

use super::given::{create, end, keyed, next, step, withdrawn, words};
use crate::{Append, Store, lane_of};

pub(super) async fn journals_are_read_together_from_their_beginnings(store: Arc<dyn Store>) {
    let creates: Vec<Append> = (0..90).map(create).collect();
    let steps: Vec<Append> = creates
        .iter()
        .enumerate()
        .map(|(n, append)| next(append, Status::Running, (0..=n % 5).map(|n| withdrawn(&format!("step{n}"))).collect()))
        .collect();
    assert_eq!(words(&store.commit(creates.clone()).await), ["ok"; 90]);
    assert_eq!(words(&store.commit(steps.clone()).await), ["ok"; 90]);
    // In the order that was asked for, one of them twice, one that is not there.
    let mut asked: Vec<SagaId> = creates.iter().rev().map(|append| append.saga).collect();
    asked.insert(40, SagaId(Uuid::now_v7()));
    asked.push(asked[3]);
    for (number, limit) in [(0, 9), (1, 9), (asked.len(), 9), (asked.len(), 3), (asked.len(), 0), (17, u32::MAX)] {
        let journals = store.journals(&asked[..number], limit).await.unwrap();
        assert_eq!(journals.len(), number);
        for (saga, journal) in asked.iter().zip(journals) {
            assert_eq!(journal.unwrap(), store.journal(*saga, 1..u64::MAX, limit).await.unwrap());
        }
    }
    let whole = store.journals(&asked[..1], 100).await.unwrap().remove(0).unwrap();
    assert_eq!(whole, [creates[89].events.clone(), steps[89].events.clone()].concat());
}

pub(super) async fn a_scan_sees_every_saga_once(store: Arc<dyn Store>) {
    assert!(store.scan(None, 10).await.unwrap().is_empty());
    let mut sagas: Vec<Append> = (0..20).map(create).collect();
    sagas.extend((0..3).map(|at| keyed(create(at))));
    let ends: Vec<Append> = sagas.iter().skip(15).map(end).collect();
    assert_eq!(words(&store.commit(sagas.clone()).await), ["ok"; 23]);
    assert_eq!(words(&store.commit(ends).await), ["ok"; 8]);
    assert_eq!(store.purge(vec![sagas[22].saga], Time(9)).await.unwrap(), 1);
    let mut expected: Vec<SagaId> = sagas.iter().map(|append| append.saga).collect();
    expected.sort_unstable();
    for limit in [1, 7, 23, 100] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.scan(after, limit).await.unwrap();
            assert!(page.len() <= usize::try_from(limit).unwrap() && seen.len() <= 23);
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (saga, head) in page {
                assert_eq!(Some(head.unwrap()), store.head(saga).await.unwrap());
                seen.push(saga);
            }
        }
        assert_eq!(seen, expected, "{limit}");
    }
}

pub(super) async fn a_big_batch_takes_few_statements_and_they_are_counted(store: Arc<dyn Store>) {
    assert_eq!(store.written().statements, 0);
    let first = create(1);
    assert_eq!(words(&store.commit(vec![first.clone()]).await), ["ok"]);
    let one = store.written().statements;
    assert!((1..=3).contains(&one), "{one}");
    assert_eq!(words(&store.commit(vec![Append { commit: Uuid::new_v4(), ..first.clone() }]).await), ["exists"]);
    assert_eq!(store.written().statements, one, "what was not committed does not count");
    let batch: Vec<Append> = (0..64).map(create).collect();
    assert_eq!(words(&store.commit(batch.clone()).await), ["ok"; 64]);
    let many = store.written().statements - one;
    assert!((1..=8).contains(&many), "{many}");
    let steps: Vec<Append> = batch.iter().map(step).collect();
    assert_eq!(words(&store.commit(steps).await), ["ok"; 64]);
    let more = store.written().statements - one - many;
    assert!((1..=8).contains(&more), "{more}");
}

pub(super) async fn a_saga_always_goes_the_same_way(store: Arc<dyn Store>) {
    assert!(store.lanes() >= 1);
    // For ever: two versions of the program may serve one store.
    let saga = |last: u8| SagaId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(last)));
    for (last, lanes, lane) in [(0, 4, 0), (5, 4, 1), (255, 4, 3), (255, 1, 0), (255, 0, 0), (200, 256, 200)] {
        assert_eq!(lane_of(saga(last), lanes), lane);
    }
    let mut taken = vec![0; store.lanes()];
    (0..1000).for_each(|_| taken[lane_of(SagaId(Uuid::now_v7()), store.lanes())] += 1);
    assert!(taken.iter().all(|number| *number > 0), "{taken:?}");
}
