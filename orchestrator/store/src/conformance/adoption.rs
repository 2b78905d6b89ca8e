//! Sagas change hands.

use std::sync::Arc;

use amends_core::{ids::SagaId, summary::Status};
use uuid::Uuid;

use super::{
    given::{compensation_started, create, create_by, end, next, step, under_epoch, words},
    side::{LEASE, Side},
};
use crate::{Append, Claim, Head, Lease, Store};

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
    let expected = Head { owner: Some(SECOND), epoch: 2, ..before };
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

pub(super) async fn orphans_are_live_sagas_whose_owners_lease_has_ended(side: Side) {
    let gone = side.joined().await;
    let sagas: Vec<Append> = (0..6).map(|at| create_by(gone, at)).collect();
    assert_eq!(words(&side.store.commit(sagas.clone()).await), ["ok"; 6]);
    let undoing = next(&sagas[1], Status::Compensating, vec![compensation_started()]);
    let settled = next(&sagas[4], Status::Succeeded, vec![compensation_started()]);
    let released = Append { release: true, ..step(&sagas[5]) };
    assert_eq!(words(&side.store.commit(vec![end(&sagas[0]), undoing, settled, released]).await), ["ok"; 4]);
    assert_eq!(side.store.orphans(None, 100).await.unwrap(), [], "their owner lives");
    let lasting = side.succeeded(gone).await;
    assert_eq!(words(&side.store.commit(vec![create_by(lasting, 1)]).await), ["ok"]);
    let orphans =
        async || -> Vec<SagaId> { side.store.orphans(None, 100).await.unwrap().iter().map(|head| head.saga).collect() };
    let live = |places: &[usize]| {
        let mut ids: Vec<SagaId> = places.iter().map(|place| sagas[*place].saga).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(orphans().await, live(&[1, 2, 3, 4]));
    let head = side.store.head(sagas[1].saga).await.unwrap().unwrap();
    assert!(side.store.orphans(None, 100).await.unwrap().contains(&head));
    assert_eq!(side.store.adopt(vec![claim(sagas[2].saga, gone, 1)], lasting).await.unwrap(), [true]);
    assert_eq!(orphans().await, live(&[1, 3, 4]));
    assert_eq!(side.store.orphans(None, 2).await.unwrap().len(), 2);
    assert_eq!(side.store.orphans(None, 0).await.unwrap(), []);
}

pub(super) async fn owners_without_a_lease_are_over_once_somebody_joins(side: Side) {
    let sagas = created(&side.store, 2).await;
    assert_eq!(side.store.orphans(None, 100).await.unwrap(), [], "nobody knows");
    let node = side.joined().await;
    let mine = create_by(node, 1);
    assert_eq!(words(&side.store.commit(vec![create_by(THIRD, 1), mine]).await), ["ok"; 2]);
    let orphans = async || -> Vec<(Option<Uuid>, SagaId)> {
        side.store.orphans(None, 100).await.unwrap().iter().map(|head| (head.owner, head.saga)).collect()
    };
    let mut expected: Vec<(Option<Uuid>, SagaId)> = sagas.iter().map(|append| (Some(FIRST), append.saga)).collect();
    expected.sort_unstable();
    assert_eq!(orphans().await, expected);
    let nodes = side.store.nodes().await.unwrap();
    assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [node], "they have no lease");
    for owner in [FIRST, THIRD] {
        assert_eq!(side.store.renew(owner, LEASE).await.unwrap(), Lease::Ended);
    }
    side.joined().await;
    assert!(orphans().await.iter().any(|(owner, _)| *owner == Some(THIRD)));
    assert_eq!(orphans().await[..2], expected);
}

pub(super) async fn orphans_come_in_stable_pages(side: Side) {
    let gone = [Uuid::from_u128(9), Uuid::from_u128(5), Uuid::from_u128(7)];
    let sagas: Vec<Append> = (0..50).map(|n| create_by(gone[n % 3], 1)).collect();
    assert_eq!(words(&side.store.commit(sagas.clone()).await), ["ok"; 50]);
    let node = side.joined().await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = side.store.orphans(after, 7).await.unwrap();
        assert!(seen.len() <= 50, "the pages come to an end");
        let place = |head: &Head| (head.owner.unwrap(), head.saga);
        let Some(last) = page.last() else { break };
        after = Some(place(last));
        assert!(page.len() <= 7);
        seen.extend(page.iter().map(place));
        // Some are adopted on the way, others appear.
        let claims = page.iter().take(3).map(|head| claim(head.saga, head.owner.unwrap(), 1)).collect();
        assert_eq!(side.store.adopt(claims, node).await.unwrap(), vec![true; page.len().min(3)]);
        let mut early = create_by(gone[1], 1);
        early.saga = SagaId(Uuid::from_u128(u128::from(seen.len() as u64)));
        assert_eq!(words(&side.store.commit(vec![early]).await), ["ok"]);
    }
    let mut expected: Vec<(Uuid, SagaId)> =
        sagas.iter().map(|append| (append.create.as_ref().unwrap().owner, append.saga)).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

pub(super) async fn what_a_process_owns_and_lives_is_found_page_by_page(store: Arc<dyn Store>) {
    let sagas = created(&store, 6).await;
    let mut of_another = create(6);
    of_another.create.as_mut().unwrap().owner = SECOND;
    let released = Append { release: true, ..step(&sagas[4]) };
    let ended = end(&sagas[5]);
    assert_eq!(words(&store.commit(vec![of_another.clone(), released, ended]).await), ["ok", "ok", "ok"]);
    let mut expected: Vec<SagaId> = sagas[..4].iter().map(|append| append.saga).collect();
    expected.sort();
    let mut found = Vec::new();
    loop {
        let page = store.owned(FIRST, found.last().copied(), 3).await.unwrap();
        let full = page.len() == 3;
        found.extend(page.into_iter().map(|head| head.saga));
        if !full {
            break;
        }
    }
    assert_eq!(found, expected, "neither another's, nor nobody's, nor what has ended");
    let others = store.owned(SECOND, None, 3).await.unwrap();
    assert_eq!(others.iter().map(|head| head.saga).collect::<Vec<_>>(), [of_another.saga]);
}
