//! Who takes part, and for how long. Where a store is for one process, its newest identity lasts and no other; where it is
//! for many, each has its lease.

use amends_core::time::Time;
use uuid::Uuid;

use super::{
    given::{create_by, end, words},
    side::{LEASE, Side, new_node},
};
use crate::{Lease, Node};

/// After any lease has ended.
const LATE: Time = Time(i64::MAX);

async fn ids(side: &Side) -> Vec<Uuid> {
    side.store.nodes().await.unwrap().iter().map(|node| node.id).collect()
}

async fn only(side: &Side) -> Node {
    let mut nodes = side.store.nodes().await.unwrap();
    assert_eq!(nodes.len(), 1);
    nodes.remove(0)
}

/// When a lease that was granted ends.
fn until(side: &Side, lease: Lease) -> Option<Time> {
    match lease {
        Lease::Sole if !side.is_shared() => None,
        Lease::Granted { now } if side.is_shared() => Some(now + LEASE),
        other => panic!("not granted, but {other:?}"),
    }
}

pub(super) async fn a_node_that_joins_has_a_lease_and_prolongs_it(side: Side) {
    assert_eq!(side.store.nodes().await.unwrap(), []);
    let new = new_node();
    let granted = until(&side, side.store.join(new.clone(), LEASE).await.unwrap());
    let node = only(&side).await;
    assert_eq!((node.id, &node.name, node.lease_until), (new.id, &new.name, granted));
    assert!(node.joined_at > Time(0));
    let renewed = until(&side, side.store.renew(new.id, LEASE).await.unwrap());
    assert!(renewed >= granted);
    assert_eq!(only(&side).await, Node { lease_until: renewed, ..node });
}

pub(super) async fn a_join_whose_answer_was_lost_is_made_again(side: Side) {
    let new = new_node();
    until(&side, side.store.join(new.clone(), LEASE).await.unwrap());
    let again = until(&side, side.store.join(new.clone(), LEASE).await.unwrap());
    assert_eq!(only(&side).await.lease_until, again);
}

pub(super) async fn a_second_node_ends_the_first_only_where_there_is_one_process(side: Side) {
    let (first, second) = (side.joined().await, side.joined().await);
    let renewed = side.store.renew(first, LEASE).await.unwrap();
    if side.is_shared() {
        until(&side, renewed);
        let mut both = vec![first, second];
        both.sort_unstable();
        assert_eq!(ids(&side).await, both);
    } else {
        assert_eq!(renewed, Lease::Ended);
        assert_eq!(ids(&side).await, [second]);
    }
    until(&side, side.store.renew(second, LEASE).await.unwrap());
}

pub(super) async fn a_lease_that_has_ended_is_never_revived(side: Side) {
    let new = new_node();
    until(&side, side.store.join(new.clone(), LEASE).await.unwrap());
    let next = side.succeeded(new.id).await;
    for _ in 0..2 {
        assert_eq!(side.store.renew(new.id, LEASE).await.unwrap(), Lease::Ended);
        assert_eq!(side.store.join(new.clone(), LEASE).await.unwrap(), Lease::Ended);
        side.store.leave(new.id).await.unwrap();
    }
    assert_eq!(ids(&side).await, [next], "and its attempts end nobody else's");
    until(&side, side.store.renew(next, LEASE).await.unwrap());
}

pub(super) async fn who_never_joined_has_no_lease(side: Side) {
    let stranger = Uuid::new_v4();
    assert_eq!(side.store.renew(stranger, LEASE).await.unwrap(), Lease::Ended);
    side.store.leave(stranger).await.unwrap();
    assert_eq!(side.store.nodes().await.unwrap(), []);
}

pub(super) async fn who_leaves_has_no_lease_from_then_on(side: Side) {
    let node = side.joined().await;
    assert_eq!(words(&side.store.commit(vec![create_by(node, 1)]).await), ["ok"]);
    assert_eq!(side.store.orphans(None, 10).await.unwrap(), []);
    side.store.leave(node).await.unwrap();
    assert_eq!(side.store.nodes().await.unwrap(), []);
    assert_eq!(side.store.renew(node, LEASE).await.unwrap(), Lease::Ended);
    assert_eq!(side.store.orphans(None, 10).await.unwrap().len(), 1);
}

pub(super) async fn nodes_that_are_over_go_when_they_own_nothing_that_lives(side: Side) {
    let gone = side.joined().await;
    let owning = side.succeeded(gone).await;
    let (living, ended) = (create_by(owning, 1), create_by(gone, 1));
    let batch = vec![living.clone(), ended.clone(), end(&ended)];
    assert_eq!(words(&side.store.commit(batch).await), ["ok"; 3]);
    let last = side.succeeded(owning).await;
    assert_eq!(side.store.tidy(Time(i64::MIN), 10).await.unwrap(), 0, "none ended before that");
    assert_eq!(side.store.tidy(LATE, 0).await.unwrap(), 0);
    assert_eq!(side.store.tidy(LATE, 10).await.unwrap(), 1);
    assert_eq!(side.store.tidy(LATE, 10).await.unwrap(), 0);
    assert_eq!(side.store.orphans(None, 10).await.unwrap().len(), 1, "still known to be over");
    assert_eq!(words(&side.store.commit(vec![end(&living)]).await), ["ok"]);
    assert_eq!(side.store.tidy(LATE, 10).await.unwrap(), 1);
    assert_eq!(ids(&side).await, [last], "a lease that lasts is kept");
}
