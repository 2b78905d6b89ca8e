//! Definitions never change once they are kept.

use std::sync::Arc;

use amends_core::{ids::Digest, time::Time};

use crate::{NewDefinition, Put, Store, StoreError, StoredDefinition};

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
