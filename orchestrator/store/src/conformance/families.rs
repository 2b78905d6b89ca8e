//! Sagas that are children of others.

use std::sync::Arc;

use amends_core::{event::Event, ids::SagaId, summary::Status, time::Time};
use uuid::Uuid;

use super::given::{create, end, keyed, next, summary, words};
use crate::{Append, Cursor, Filter, Store};

fn child_of(parent: SagaId, at: i64) -> Append {
    let mut append = create(at);
    append.create.as_mut().unwrap().parent = Some(parent);
    append
}

async fn commit(store: &Arc<dyn Store>, batch: &[Append]) {
    assert_eq!(words(&store.commit(batch.to_vec()).await), vec!["ok"; batch.len()]);
}

pub(super) async fn the_children_of_a_saga_are_listed(store: Arc<dyn Store>) {
    let (parent, other) = (create(1), create(1));
    let children: Vec<Append> = (2..7).map(|at| child_of(parent.saga, at)).collect();
    commit(&store, &[parent.clone(), other.clone(), child_of(other.saga, 3)]).await;
    commit(&store, &children).await;
    commit(&store, &[end(&children[1])]).await;
    let filter = Filter { parent: Some(parent.saga), ..Filter::default() };
    let found = store.list(&filter, None, 100).await.unwrap();
    let newest_first: Vec<SagaId> = children.iter().rev().map(|child| child.saga).collect();
    assert_eq!(found.iter().map(|head| head.saga).collect::<Vec<_>>(), newest_first);
    assert!(found.iter().all(|head| head.parent == Some(parent.saga)));
    let below = Cursor { started_at: found[1].started_at, saga: found[1].saga };
    assert_eq!(store.list(&filter, Some(below), 2).await.unwrap(), found[2..4]);
    let ended = Filter { statuses: vec![Status::Compensated], ..filter };
    assert_eq!(store.list(&ended, None, 100).await.unwrap().len(), 1);
    let none = Filter { parent: Some(children[0].saga), ..Filter::default() };
    assert_eq!(store.list(&none, None, 100).await.unwrap(), []);
    assert_eq!(store.head(parent.saga).await.unwrap().unwrap().parent, None);
}

pub(super) async fn a_child_is_kept_as_long_as_its_parent(store: Arc<dyn Store>) {
    let (plain, with_key) = (create(1), keyed(create(1)));
    let orphan = child_of(SagaId(Uuid::now_v7()), 2);
    let (first, second) = (child_of(plain.saga, 2), child_of(with_key.saga, 2));
    let grandchild = child_of(first.saga, 3);
    let family = [&plain, &with_key, &orphan, &first, &second, &grandchild];
    commit(&store, &family.map(Clone::clone)).await;
    commit(&store, &[end(&orphan), end(&first), end(&second), end(&grandchild)]).await;
    let younger = || vec![first.saga, second.saga, grandchild.saga, orphan.saga];
    assert_eq!(store.purge(younger(), Time(50)).await.unwrap(), 1, "only the one whose parent is gone");
    commit(&store, &[end(&plain), end(&with_key)]).await;
    assert_eq!(store.purge(younger(), Time(50)).await.unwrap(), 0, "a parent that has ended is still kept");
    assert_eq!(store.purge(vec![plain.saga, with_key.saga], Time(50)).await.unwrap(), 2);
    // A stub is no parent any more. From one generation to the next it may take a walk each.
    assert!(store.purge(younger(), Time(50)).await.unwrap() >= 2);
    store.purge(younger(), Time(50)).await.unwrap();
    for saga in younger() {
        assert_eq!(store.head(saga).await.unwrap(), None);
    }
}

pub(super) async fn a_child_can_be_made_asleep(store: Arc<dyn Store>) {
    let mut born = child_of(SagaId(Uuid::now_v7()), 5);
    let last = born.events.last().unwrap().clone();
    born.events.push(amends_core::event::Recorded { seq: last.seq + 1, event: Event::Released, ..last });
    born.summary.wake_at = Some(Time(7));
    born.release = true;
    commit(&store, &[born.clone()]).await;
    let head = store.head(born.saga).await.unwrap().unwrap();
    assert_eq!((head.owner, head.summary.wake_at), (None, Some(Time(7))));
    assert_eq!(store.due(Time(6), 10).await.unwrap(), []);
    assert_eq!(store.due(Time(7), 10).await.unwrap(), [head]);
    // Nobody owns it: it takes no append, and is not made twice.
    let step = Append { summary: summary(Status::Running), ..next(&born, Status::Running, vec![Event::Adopted]) };
    assert_eq!(words(&store.commit(vec![step]).await), ["fenced"]);
    let again = Append { commit: Uuid::new_v4(), ..born };
    assert_eq!(words(&store.commit(vec![again]).await), ["exists"]);
}
