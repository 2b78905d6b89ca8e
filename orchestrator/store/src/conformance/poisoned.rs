//! Sagas that cannot be read: said with the reason, listed with those that need a person, and over with the next append.

use std::sync::Arc;

use amends_core::{summary::Status, time::Time};
use uuid::Uuid;

use super::given::{create_by, end, step, under_epoch, words};
use crate::{Append, Claim, Filter, Poisoned, Store};

const OWNER: Uuid = Uuid::from_u128(1);

async fn made(store: &Arc<dyn Store>) -> Append {
    let append = create_by(OWNER, 1);
    assert_eq!(words(&store.commit(vec![append.clone()]).await), ["ok"]);
    append
}

fn word(saga: &Append, reason: &str, since: i64) -> Poisoned {
    Poisoned { saga: saga.saga, reason: reason.into(), since: Time(since), node: "host 7".into() }
}

async fn asking(store: &Arc<dyn Store>) -> Vec<Uuid> {
    let filter = Filter { attention: Some(true), ..Filter::default() };
    store.list(&filter, None, 10).await.unwrap().iter().map(|head| head.saga.0).collect()
}

pub(super) async fn a_saga_that_cannot_be_read_asks_for_a_person_without_an_event(store: Arc<dyn Store>) {
    let (poisoned, other) = (made(&store).await, made(&store).await);
    assert_eq!(store.poisoned(poisoned.saga).await.unwrap(), None);
    assert!(store.poison(1, word(&poisoned, "row 2: 'later'", 7)).await.unwrap());
    assert_eq!(store.poisoned(poisoned.saga).await.unwrap(), Some(word(&poisoned, "row 2: 'later'", 7)));
    assert_eq!(store.poisoned(other.saga).await.unwrap(), None);
    assert_eq!(asking(&store).await, [poisoned.saga.0]);
    assert_eq!(store.counts().await.unwrap().attention, 1);
    assert_eq!(store.journal(poisoned.saga, 1..u64::MAX, 10).await.unwrap().len(), 2, "its journal is as it was");
    assert!(store.poison(1, word(&poisoned, "still", 9)).await.unwrap());
    assert_eq!(store.poisoned(poisoned.saga).await.unwrap(), Some(word(&poisoned, "still", 7)), "since the first time");
}

pub(super) async fn whoever_appends_to_a_poisoned_saga_has_read_it(store: Arc<dyn Store>) {
    let saga = made(&store).await;
    assert!(store.poison(1, word(&saga, "later", 7)).await.unwrap());
    let read = step(&saga);
    assert_eq!(words(&store.commit(vec![read.clone()]).await), ["ok"]);
    assert_eq!(store.poisoned(saga.saga).await.unwrap(), None);
    assert_eq!(asking(&store).await, [] as [Uuid; 0], "its attention is what its journal says");
    // And again, with a time of its own.
    assert!(store.poison(1, word(&saga, "again", 20)).await.unwrap());
    assert_eq!(store.poisoned(saga.saga).await.unwrap(), Some(word(&saga, "again", 20)));
    assert_eq!(words(&store.commit(vec![end(&read)]).await), ["ok"]);
    assert_eq!(store.poisoned(saga.saga).await.unwrap(), None);
}

pub(super) async fn who_is_not_the_owner_any_more_has_no_say_about_a_saga(store: Arc<dyn Store>) {
    let saga = made(&store).await;
    let claim = Claim { saga: saga.saga, owner: Some(OWNER), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(2)).await.unwrap(), [true]);
    assert!(!store.poison(1, word(&saga, "late", 7)).await.unwrap());
    assert_eq!((store.poisoned(saga.saga).await.unwrap(), asking(&store).await.len()), (None, 0));
    assert!(store.poison(2, word(&saga, "by its owner", 8)).await.unwrap());
    let nobody = create_by(OWNER, 1);
    assert!(!store.poison(1, word(&nobody, "it is not there", 7)).await.unwrap());
    let over = made(&store).await;
    assert_eq!(words(&store.commit(vec![end(&over)]).await), ["ok"]);
    assert!(!store.poison(1, word(&over, "it has ended", 7)).await.unwrap());
    assert_eq!(store.head(over.saga).await.unwrap().map(|head| head.summary.status), Some(Status::Compensated));
}

pub(super) async fn words_about_sagas_that_were_read_since_go_after_their_time(store: Arc<dyn Store>) {
    let (still, read) = (made(&store).await, made(&store).await);
    assert!(store.poison(1, word(&still, "still", 7)).await.unwrap());
    assert!(store.poison(1, word(&read, "read since", 7)).await.unwrap());
    assert_eq!(words(&store.commit(vec![under_epoch(step(&read), 1)]).await), ["ok"]);
    assert_eq!(store.tidy(Time(7), 10).await.unwrap(), 0, "not before its time");
    assert_eq!(store.tidy(Time(8), 10).await.unwrap(), 1);
    assert_eq!(store.tidy(Time(8), 10).await.unwrap(), 0);
    assert_eq!(store.poisoned(still.saga).await.unwrap(), Some(word(&still, "still", 7)));
}
