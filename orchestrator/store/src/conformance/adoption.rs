//! Sagas change hands.

use std::sync::Arc;

use amends_core::{ids::SagaId, summary::Status};
use uuid::Uuid;

use super::given::{compensation_started, create, end, next, step, under_epoch, words};
use crate::{Append, Claim, Store};

const FIRST: Uuid = Uuid::nil();
const SECOND: Uuid = Uuid::from_u128(2);
const THIRD: Uuid = Uuid::from_u128(3);

fn claim(saga: SagaId, owner: Uuid, epoch: u64) -> Claim {
    Claim { saga, owner: Some(owner), epoch }
}

async fn created(store: &Arc<dyn Store>, number: i64) -> Vec<Append> {
    let creates: Vec<Append> = (0..number).map(create).collect();
    assert_eq!(words(&store.commit(creates.clone()).await), vec!["ok"; creates.len()]);
    creates
}

pub(super) async fn an_adopter_fences_the_old_owner(store: Arc<dyn Store>) {
    let sagas = created(&store, 3).await;
    let before = store.head(sagas[1].saga).await.unwrap().unwrap();
    assert_eq!(store.adopt(vec![claim(sagas[1].saga, FIRST, 1)], SECOND).await.unwrap(), [true]);
    let after = store.head(sagas[1].saga).await.unwrap().unwrap();
    let expected = crate::Head { owner: Some(SECOND), epoch: 2, ..before };
    assert_eq!(after, expected, "adoption changes owner and epoch and nothing else");
    assert_eq!(words(&store.commit(sagas.iter().map(step).collect()).await), ["ok", "fenced", "ok"]);
    assert_eq!(words(&store.commit(vec![under_epoch(step(&sagas[1]), 2)]).await), ["ok"]);
}

pub(super) async fn of_two_adopters_one_wins(store: Arc<dyn Store>) {
    let sagas = created(&store, 100).await;
    let claims: Vec<Claim> = sagas.iter().map(|append| claim(append.saga, FIRST, 1)).collect();
    let adopters = [SECOND, THIRD].map(|owner| {
        let (store, claims) = (Arc::clone(&store), claims.clone());
        // In small batches, so that both get some.
        tokio::spawn(async move {
            let mut adopted = Vec::new();
            for claims in claims.chunks(7) {
                adopted.extend(store.adopt(claims.to_vec(), owner).await.unwrap());
            }
            adopted
        })
    });
    let [second, third] = adopters;
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    for ((append, second), third) in sagas.iter().zip(second).zip(third) {
        assert!(second != third, "exactly one");
        let head = store.head(append.saga).await.unwrap().unwrap();
        assert_eq!(head.owner, Some(if second { SECOND } else { THIRD }));
        assert_eq!(head.epoch, 2);
    }
}

pub(super) async fn one_batch_adopts_a_saga_once(store: Arc<dyn Store>) {
    let sagas = created(&store, 2).await;
    let (a, b) = (sagas[0].saga, sagas[1].saga);
    let claims = vec![claim(a, FIRST, 1), claim(b, FIRST, 9), claim(a, FIRST, 1), claim(b, FIRST, 1)];
    assert_eq!(store.adopt(claims, SECOND).await.unwrap(), [true, false, false, true]);
    assert_eq!(store.head(a).await.unwrap().unwrap().epoch, 2);
    assert_eq!(store.head(b).await.unwrap().unwrap().epoch, 2);
}

pub(super) async fn adoption_needs_owner_and_epoch_to_be_as_claimed(store: Arc<dyn Store>) {
    let sagas = created(&store, 2).await;
    let saga = sagas[0].saga;
    let wrong = vec![
        claim(saga, SECOND, 1),
        claim(saga, FIRST, 2),
        claim(saga, FIRST, 0),
        claim(saga, FIRST, u64::MAX),
        Claim { saga, owner: None, epoch: 1 },
        claim(SagaId(Uuid::now_v7()), FIRST, 1),
    ];
    assert_eq!(store.adopt(wrong, THIRD).await.unwrap(), [false; 6]);
    assert_eq!(store.head(saga).await.unwrap().unwrap().owner, Some(FIRST));
    // And on from there: the next epoch of the next owner.
    assert_eq!(store.adopt(vec![claim(saga, FIRST, 1)], SECOND).await.unwrap(), [true]);
    assert_eq!(store.adopt(vec![claim(saga, FIRST, 1)], THIRD).await.unwrap(), [false]);
    assert_eq!(store.adopt(vec![claim(saga, SECOND, 2)], THIRD).await.unwrap(), [true]);
    assert_eq!(store.head(saga).await.unwrap().unwrap().epoch, 3);
    assert_eq!(store.head(sagas[1].saga).await.unwrap().unwrap().epoch, 1);
}

pub(super) async fn orphans_are_the_live_sagas_of_others(store: Arc<dyn Store>) {
    let sagas = created(&store, 5).await;
    let undoing = next(&sagas[1], Status::Compensating, vec![compensation_started()]);
    let settled = next(&sagas[4], Status::Succeeded, vec![compensation_started()]);
    assert_eq!(words(&store.commit(vec![end(&sagas[0]), undoing, settled]).await), ["ok"; 3]);
    assert_eq!(store.adopt(vec![claim(sagas[2].saga, FIRST, 1)], SECOND).await.unwrap(), [true]);
    let orphans = async |owner| -> Vec<SagaId> {
        store.orphans(owner, None, 100).await.unwrap().iter().map(|head| head.saga).collect()
    };
    let live = |places: &[usize]| {
        let mut ids: Vec<SagaId> = places.iter().map(|place| sagas[*place].saga).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(orphans(FIRST).await, live(&[2]));
    assert_eq!(orphans(SECOND).await, live(&[1, 3, 4]));
    assert_eq!(orphans(THIRD).await, live(&[1, 2, 3, 4]));
    let head = store.head(sagas[1].saga).await.unwrap().unwrap();
    assert!(store.orphans(THIRD, None, 100).await.unwrap().contains(&head));
}

pub(super) async fn orphans_come_in_stable_pages(store: Arc<dyn Store>) {
    let sagas = created(&store, 50).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.orphans(SECOND, after, 7).await.unwrap();
        assert!(seen.len() <= 50, "the pages come to an end");
        let Some(last) = page.last() else { break };
        after = Some(last.saga);
        assert!(page.len() <= 7);
        // Some are adopted on the way, others appear.
        let claims = page.iter().take(3).map(|head| claim(head.saga, FIRST, 1)).collect();
        assert_eq!(store.adopt(claims, SECOND).await.unwrap(), vec![true; page.len().min(3)]);
        let early = Append { saga: SagaId(Uuid::from_u128(u128::from(seen.len() as u64))), ..create(1) };
        assert_eq!(words(&store.commit(vec![early]).await), ["ok"]);
        seen.extend(page.into_iter().map(|head| head.saga));
    }
    let mut expected: Vec<SagaId> = sagas.iter().map(|append| append.saga).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}
