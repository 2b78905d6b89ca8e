//! Secrets that processes share: the first that is kept is everybody's, for good.

use amends_core::time::Time;

use super::side::Side;
use crate::Secret;

async fn shared(side: &Side, name: &str, offered: u8) -> Secret {
    side.store.shared_key(name, Secret([offered; 32]), Time(7)).await.unwrap()
}

pub(super) async fn the_first_key_is_everybodys(side: Side) {
    assert_eq!(shared(&side, "callbacks", 1).await, Secret([1; 32]));
    assert_eq!(shared(&side, "callbacks", 2).await, Secret([1; 32]));
    assert_eq!(shared(&side, "others", 3).await, Secret([3; 32]), "each name has one of its own");
    assert_eq!(shared(&side, "callbacks", 4).await, Secret([1; 32]));
}

pub(super) async fn of_many_who_offer_a_key_at_once_one_is_kept(side: Side) {
    let mut offers = tokio::task::JoinSet::new();
    for offered in 1..=8 {
        let store = side.store.clone();
        offers.spawn(async move { store.shared_key("callbacks", Secret([offered; 32]), Time(7)).await.unwrap() });
    }
    let heard = offers.join_all().await;
    assert_eq!(heard.len(), 8);
    assert!(heard.iter().all(|secret| *secret == heard[0]), "all heard of one");
    assert_eq!(shared(&side, "callbacks", 9).await, heard[0]);
}

pub(super) async fn a_key_is_shown_to_nobody(side: Side) {
    let secret = shared(&side, "callbacks", 0xab).await;
    let said = format!("{secret:?} {:?}", Some(secret)).to_lowercase();
    assert!(!said.contains("ab") && !said.contains("171"), "{said}");
}
