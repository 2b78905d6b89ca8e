//! Definitions never change once they are kept.

use std::sync::Arc;

use amends_core::{
    ids::{Digest, SagaId},
    time::Time,
};

use super::given::{create, end, keyed};
use crate::{Append, AppendError, Deleted, NewDefinition, Put, Store, StoreError, StoredDefinition};

fn text(name: &str, version: Option<u32>, text: &str) -> NewDefinition {
    NewDefinition { name: name.into(), version, digest: digest(text), source: text.into(), at: Time(77) }
}

fn digest(text: &str) -> Digest {
    Digest::of(&[text.as_bytes()])
}

async fn put(store: &Arc<dyn Store>, name: &str, version: Option<u32>, source: &str) -> Put {
    store.put_definition(text(name, version, source)).await.unwrap()
}

pub(super) async fn versions_are_assigned_from_one(store: Arc<dyn Store>) {
    assert_eq!(put(&store, "a", None, "one").await, Put::Created(1));
    assert_eq!(put(&store, "a", None, "two").await, Put::Created(2));
    assert_eq!(put(&store, "b", None, "one").await, Put::Created(1));
    assert_eq!(put(&store, "a", Some(9), "nine").await, Put::Created(9));
    assert_eq!(put(&store, "a", None, "ten 'ü'").await, Put::Created(10));
    let kept = StoredDefinition {
        name: "a".into(),
        version: 10,
        digest: digest("ten 'ü'"),
        source: "ten 'ü'".into(),
        created_at: Time(77),
        disabled_at: None,
    };
    assert_eq!(store.definition("a", None).await.unwrap(), Some(kept.clone()));
    assert_eq!(store.definition("a", Some(10)).await.unwrap(), Some(kept));
    assert_eq!(store.definition("a", Some(2)).await.unwrap().unwrap().digest, digest("two"));
    assert_eq!(store.definition("a", Some(3)).await.unwrap(), None);
    assert_eq!(store.definition("c", None).await.unwrap(), None);
}

pub(super) async fn the_same_text_keeps_its_version(store: Arc<dyn Store>) {
    assert_eq!(put(&store, "a", None, "one").await, Put::Created(1));
    assert_eq!(put(&store, "a", None, "two").await, Put::Created(2));
    assert_eq!(put(&store, "a", None, "one").await, Put::Same(1));
    assert_eq!(put(&store, "a", Some(2), "two").await, Put::Same(2));
    assert_eq!(put(&store, "a", Some(5), "one").await, Put::Created(5));
    assert_eq!(put(&store, "a", None, "one").await, Put::Same(5));
    assert_eq!(store.versions("a", None, 100).await.unwrap().len(), 3);
}

pub(super) async fn a_version_is_never_given_another_text(store: Arc<dyn Store>) {
    assert_eq!(put(&store, "a", Some(3), "three").await, Put::Created(3));
    assert_eq!(put(&store, "a", Some(3), "other").await, Put::Taken { digest: digest("three") });
    assert_eq!(&*store.definition("a", Some(3)).await.unwrap().unwrap().source, "three");
}

pub(super) async fn a_version_that_is_asked_for_is_given(store: Arc<dyn Store>) {
    assert_eq!(put(&store, "a", Some(7), "seven").await, Put::Created(7));
    assert_eq!(put(&store, "a", Some(2), "two").await, Put::Created(2));
    assert_eq!(put(&store, "a", Some(0), "zero").await, Put::Created(0));
    assert_eq!(store.definition("a", None).await.unwrap().unwrap().version, 7);
}

pub(super) async fn no_version_is_above_the_last_number(store: Arc<dyn Store>) {
    assert_eq!(put(&store, "a", Some(u32::MAX), "last").await, Put::Created(u32::MAX));
    let refused = store.put_definition(text("a", None, "more")).await;
    assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    assert_eq!(put(&store, "a", None, "last").await, Put::Same(u32::MAX));
    assert_eq!(put(&store, "b", None, "more").await, Put::Created(1));
}

pub(super) async fn many_writers_of_one_text_make_one_version(store: Arc<dyn Store>) {
    let writers = (0..16).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { put(&store, "a", None, if n % 2 == 0 { "even" } else { "odd" }).await })
    });
    let writers: Vec<_> = writers.collect();
    let mut created = 0;
    for writer in writers {
        created += usize::from(matches!(writer.await.unwrap(), Put::Created(_)));
    }
    assert_eq!(created, 2);
    let versions = store.versions("a", None, 100).await.unwrap();
    assert_eq!(versions.iter().map(|kept| kept.version).collect::<Vec<_>>(), [2, 1]);
}

pub(super) async fn definitions_and_versions_come_in_pages(store: Arc<dyn Store>) {
    for name in ["c", "a", "b", "d"] {
        for n in 0..3 {
            put(&store, name, None, &format!("{name}{n}")).await;
        }
    }
    let names = async |after, limit| -> Vec<(String, u32)> {
        let page = store.definitions(after, limit).await.unwrap();
        page.iter().map(|kept| (kept.name.to_string(), kept.version)).collect()
    };
    let highest = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 3)).collect::<Vec<_>>();
    assert_eq!(names(None, 100).await, highest(&["a", "b", "c", "d"]));
    assert_eq!(names(None, 2).await, highest(&["a", "b"]));
    assert_eq!(names(Some("b"), 100).await, highest(&["c", "d"]));
    assert_eq!(names(Some("bb"), 1).await, highest(&["c"]));
    assert_eq!(names(Some("d"), 100).await, []);
    let versions = async |below, limit| -> Vec<u32> {
        store.versions("c", below, limit).await.unwrap().iter().map(|kept| kept.version).collect()
    };
    assert_eq!(versions(None, 100).await, [3, 2, 1]);
    assert_eq!(versions(None, 2).await, [3, 2]);
    assert_eq!(versions(Some(3), 100).await, [2, 1]);
    assert_eq!(versions(Some(1), 100).await, [0; 0]);
    assert_eq!(store.versions("nobody's", None, 100).await.unwrap(), []);
}

pub(super) async fn the_highest_version_that_is_not_disabled_takes_starts(store: Arc<dyn Store>) {
    assert_eq!(store.startable("a").await.unwrap(), None);
    for source in ["one", "two", "three"] {
        put(&store, "a", None, source).await;
    }
    put(&store, "b", None, "one").await;
    let startable = async || store.startable("a").await.unwrap().map(|kept| kept.version);
    assert_eq!(startable().await, Some(3));
    assert!(store.set_disabled("a", 3, Some(Time(80))).await.unwrap());
    assert_eq!(startable().await, Some(2));
    assert!(store.set_disabled("a", 3, Some(Time(90))).await.unwrap(), "again is no change");
    let kept = store.definition("a", Some(3)).await.unwrap().unwrap();
    assert_eq!((kept.disabled_at, &*kept.source), (Some(Time(80)), "three"), "it stays, and its time with it");
    let listed = store.definitions(None, 1).await.unwrap();
    assert_eq!((listed[0].version, listed[0].disabled_at), (3, Some(Time(80))));
    assert_eq!(store.versions("a", None, 1).await.unwrap()[0].disabled_at, Some(Time(80)));
    for version in [1, 2] {
        assert!(store.set_disabled("a", version, Some(Time(81))).await.unwrap());
    }
    assert_eq!(startable().await, None);
    assert_eq!(store.startable("b").await.unwrap().unwrap().version, 1, "another name's versions are its own");
    // The same text again is the same version, and stays disabled.
    assert_eq!(put(&store, "a", None, "three").await, Put::Same(3));
    assert_eq!(startable().await, None);
    assert!(store.set_disabled("a", 2, None).await.unwrap());
    assert_eq!(startable().await, Some(2));
    assert_eq!(store.definition("a", Some(2)).await.unwrap().unwrap().disabled_at, None);
    for (name, version) in [("a", 9), ("c", 1)] {
        assert!(!store.set_disabled(name, version, Some(Time(82))).await.unwrap(), "there is none");
    }
}

async fn delete(store: &Arc<dyn Store>, name: &str, version: u32) -> Deleted {
    store.delete_definition(name, version, Time(90)).await.unwrap()
}

pub(super) async fn a_version_that_nobody_uses_is_deleted_and_its_number_stays_taken(store: Arc<dyn Store>) {
    for source in ["one", "two", "three"] {
        put(&store, "a", None, source).await;
    }
    put(&store, "b", None, "three").await;
    assert_eq!(delete(&store, "a", 3).await, Deleted::Gone);
    // It is there for nobody.
    assert_eq!(store.definition("a", Some(3)).await.unwrap(), None);
    assert_eq!(store.definition("a", None).await.unwrap().unwrap().version, 2);
    assert_eq!(store.startable("a").await.unwrap().unwrap().version, 2);
    let versions = store.versions("a", None, 9).await.unwrap();
    assert_eq!(versions.iter().map(|kept| kept.version).collect::<Vec<_>>(), [2, 1]);
    let newest = store.definitions(None, 9).await.unwrap();
    assert_eq!(newest.iter().map(|kept| (&*kept.name, kept.version)).collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    for disabled in [None, Some(Time(91))] {
        assert!(!store.set_disabled("a", 3, disabled).await.unwrap(), "there is nothing to be brought back");
    }
    assert_eq!(delete(&store, "a", 3).await, Deleted::Unknown);
    assert_eq!(delete(&store, "a", 9).await, Deleted::Unknown);
    assert_eq!(delete(&store, "c", 1).await, Deleted::Unknown);
    // The number means no other text, nor the same one again.
    assert_eq!(put(&store, "a", None, "three").await, Put::Created(4));
    for source in ["three", "other"] {
        assert!(matches!(put(&store, "a", Some(3), source).await, Put::Taken { .. }), "{source}");
    }
    // Also where it was the last one.
    assert_eq!(delete(&store, "b", 1).await, Deleted::Gone);
    assert_eq!(store.startable("b").await.unwrap(), None);
    assert_eq!(store.definitions(None, 9).await.unwrap().len(), 1);
    assert_eq!(put(&store, "b", None, "three").await, Put::Created(2));
}

async fn commit(store: &Arc<dyn Store>, append: &Append) -> Result<(), AppendError> {
    store.commit(vec![append.clone()]).await.remove(0)
}

pub(super) async fn a_version_is_in_use_as_long_as_a_saga_of_it_is_kept(store: Arc<dyn Store>) {
    put(&store, "place-order", None, "one").await;
    put(&store, "place-order", None, "two").await;
    let (first, second) = (keyed(create(100)), create(101));
    for append in [&first, &second] {
        commit(&store, append).await.unwrap();
    }
    let in_use = async || match delete(&store, "place-order", 1).await {
        Deleted::InUse { sagas, example } => (sagas, example),
        other => panic!("{other:?}"),
    };
    let (sagas, example) = in_use().await;
    assert_eq!(sagas, 2);
    assert!([first.saga, second.saga].contains(&example));
    // Nothing has changed.
    let kept = store.definition("place-order", Some(1)).await.unwrap().unwrap();
    assert_eq!((&*kept.source, kept.disabled_at), ("one", None));
    commit(&store, &create(102)).await.unwrap();
    // What has ended is kept, and still needs its text; what retention took does not. Of one with a key a stub stays.
    assert_eq!(delete(&store, "place-order", 2).await, Deleted::Gone, "of this one there is none");
    for append in [&first, &second] {
        commit(&store, &end(append)).await.unwrap();
    }
    assert_eq!(in_use().await.0, 3);
    assert_eq!(store.purge(vec![first.saga, second.saga], Time(200)).await.unwrap(), 2);
    assert_eq!(in_use().await.0, 1);
}

pub(super) async fn no_saga_is_made_of_a_version_that_is_deleted(store: Arc<dyn Store>) {
    put(&store, "place-order", None, "one").await;
    assert_eq!(delete(&store, "place-order", 1).await, Deleted::Gone);
    let late = create(100);
    assert!(matches!(commit(&store, &late).await, Err(AppendError::Deleted)));
    assert_eq!(store.head(late.saga).await.unwrap(), None);
    assert_eq!(store.journal(late.saga, 0..9, 9).await.unwrap(), []);
    // Its neighbours in the batch are made.
    let mut other = create(101);
    other.create.as_mut().expect("invariant: it creates").version = 2;
    let answers = store.commit(vec![create(102), other.clone()]).await;
    assert!(matches!(answers[..], [Err(AppendError::Deleted), Ok(())]), "{answers:?}");
    // And one that was made before goes on, whose answer was lost.
    assert!(matches!(store.commit(vec![other]).await[..], [Ok(())]));
}

/// Many start while it is deleted, again and again: there is never a saga of a version that is gone, and where there is one the
/// version is still there.
pub(super) async fn a_start_that_meets_a_deletion_wins_or_is_refused(store: Arc<dyn Store>) {
    const VERSIONS: u32 = 24;
    const STARTS: i64 = 8;
    let (mut gone, mut in_use) = (0, 0);
    for version in 1..=VERSIONS {
        assert_eq!(put(&store, "place-order", None, &format!("text {version}")).await, Put::Created(version));
        let starts = (0..STARTS).map(|nth| {
            let (store, mut append) = (Arc::clone(&store), create(i64::from(version) * 100 + nth));
            append.create.as_mut().expect("invariant: it creates").version = version;
            tokio::spawn(async move {
                // They begin one after the other, some before the deletion and some after it.
                for _ in 0..nth * i64::from(version % 5) {
                    tokio::task::yield_now().await;
                }
                match commit(&store, &append).await {
                    Ok(()) => Some(append.saga),
                    Err(AppendError::Deleted) => None,
                    Err(other) => panic!("{other:?}"),
                }
            })
        });
        let starts: Vec<_> = starts.collect();
        let deleted = delete(&store, "place-order", version).await;
        let mut made: Vec<SagaId> = vec![];
        for start in starts {
            made.extend(start.await.unwrap());
        }
        match deleted {
            Deleted::Gone => {
                assert_eq!(made, [], "version {version} is gone");
                gone += 1;
            }
            Deleted::InUse { example, .. } => {
                assert!(made.contains(&example), "version {version} is used by {example}");
                assert!(store.definition("place-order", Some(version)).await.unwrap().is_some());
                in_use += 1;
            }
            Deleted::Unknown => panic!("version {version} was there"),
        }
    }
    println!("{gone} gone, {in_use} in use");
}

pub(super) async fn two_who_delete_at_once_do_not_undo_each_others_work(store: Arc<dyn Store>) {
    for version in 1..=8 {
        put(&store, "a", None, &format!("text {version}")).await;
        let deletions = (0..4).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.delete_definition("a", version, Time(90)).await })
        });
        let deletions: Vec<_> = deletions.collect();
        for deletion in deletions {
            match deletion.await.unwrap() {
                Ok(Deleted::Gone | Deleted::Unknown) | Err(StoreError::Unavailable { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        // Whoever was overtaken tries again.
        assert!(matches!(delete(&store, "a", version).await, Deleted::Gone | Deleted::Unknown));
        assert_eq!(store.definition("a", Some(version)).await.unwrap(), None);
    }
}
