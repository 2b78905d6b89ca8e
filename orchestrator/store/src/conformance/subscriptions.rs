//! Who is told of turns of sagas, and up to where.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use amends_core::time::Time;
use uuid::Uuid;

use super::Side;
use crate::{NewSubscription, Places, Store, Subscription, Told};

const LEASE: Duration = Duration::from_secs(3600);
const ONE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn told(number: u64) -> Told {
    let places = Places(BTreeMap::from([(ONE, number), (OTHER, 1)]));
    Told { places, until: Time(i64::try_from(number).unwrap()), report: format!("{{\"told\":{number}}}").into() }
}

async fn added(store: &Arc<dyn Store>) -> Subscription {
    let new =
        NewSubscription { id: Uuid::new_v4(), body: "{\"url\":\"x\"}".into(), created_at: Time(7), told: told(3) };
    assert!(store.add_subscription(new.clone()).await.unwrap());
    assert!(!store.add_subscription(NewSubscription { body: "other".into(), ..new.clone() }).await.unwrap());
    let NewSubscription { id, body, created_at, told } = new;
    Subscription { id, body, created_at, paused_at: None, told, owner: None, epoch: 0 }
}

async fn read(store: &Arc<dyn Store>, id: Uuid) -> Option<Subscription> {
    store.subscriptions().await.unwrap().into_iter().find(|kept| kept.id == id)
}

pub(super) async fn subscriptions_are_kept_paused_and_deleted(store: Arc<dyn Store>) {
    assert_eq!(store.subscriptions().await.unwrap(), []);
    let mut both = [added(&store).await, added(&store).await];
    both.sort_by_key(|kept| kept.id);
    assert_eq!(store.subscriptions().await.unwrap(), both);
    let [first, second] = both;
    for (at, expected) in [(Some(5), Some(5)), (Some(9), Some(5)), (None, None), (None, None), (Some(9), Some(9))] {
        assert!(store.pause_subscription(first.id, at.map(Time)).await.unwrap());
        assert_eq!(read(&store, first.id).await.unwrap().paused_at, expected.map(Time));
    }
    assert_eq!(read(&store, second.id).await, Some(second.clone()));
    assert!(store.delete_subscription(first.id).await.unwrap());
    assert_eq!(store.subscriptions().await.unwrap(), [second]);
    assert!(!store.delete_subscription(first.id).await.unwrap());
    assert!(!store.pause_subscription(first.id, Some(Time(1))).await.unwrap());
    assert_eq!(store.claim_subscription(first.id, ONE, LEASE).await.unwrap(), None);
    assert!(!store.record_told(first.id, 0, told(4)).await.unwrap());
}

pub(super) async fn who_was_replaced_writes_nothing_down(side: Side) {
    let (store, shared) = (Arc::clone(&side.store), side.is_shared());
    let kept = added(&store).await;
    assert_eq!(store.claim_subscription(kept.id, ONE, LEASE).await.unwrap(), Some(1));
    assert_eq!(store.claim_subscription(kept.id, ONE, LEASE).await.unwrap(), Some(1), "prolonged");
    assert!(store.record_told(kept.id, 1, told(4)).await.unwrap());
    assert_eq!(read(&store, kept.id).await.unwrap().told, told(4));
    if shared {
        assert_eq!(store.claim_subscription(kept.id, OTHER, LEASE).await.unwrap(), None, "it is being told");
        // A lease that ends at once.
        assert_eq!(store.claim_subscription(kept.id, ONE, Duration::ZERO).await.unwrap(), Some(1));
    }
    assert_eq!(store.claim_subscription(kept.id, OTHER, LEASE).await.unwrap(), Some(2));
    assert!(!store.record_told(kept.id, 1, told(5)).await.unwrap());
    assert_eq!(read(&store, kept.id).await.unwrap().told, told(4));
    assert!(store.record_told(kept.id, 2, told(6)).await.unwrap());
    let now = read(&store, kept.id).await.unwrap();
    assert_eq!((now.told, now.owner, now.epoch), (told(6), Some(OTHER), 2));
}
