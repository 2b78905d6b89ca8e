//! Rows that somebody damaged: named, never guessed at, and nobody else's concern.

use std::time::Duration;

use amends_core::{ids::SagaId, time::Time};
use uuid::Uuid;

use super::{created, file, open, tamper};
use crate::{
    Append, Filter, Head, Lease, NewNode, Note, Store, StoreError,
    conformance::given::{create, create_with_id, end, step, words},
};

fn reason<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Corrupt { reason }) => reason,
        other => panic!("not corrupt, but {other:?}"),
    }
}

/// An id that statements can name.
const DAMAGED: SagaId = SagaId(Uuid::from_u128(0x11111111_1111_4111_8111_111111111111));

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named_and_the_others_are_read() {
    for damage in [
        "update journal set event = '{' where saga = x'11111111111141118111111111111111' and seq = 2",
        "update journal set event = '{\"kind\": \"from_the_future\"}'
        where saga = x'11111111111141118111111111111111' and seq = 2",
        "update journal set event = cast(x'7bff7d' as text) where saga = x'11111111111141118111111111111111' and seq = 2",
        "delete from journal where saga = x'11111111111141118111111111111111' and seq = 2",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&file(&folder)).await;
        let neighbour = created(&store, 1).await.remove(0);
        let saga = create_with_id(DAMAGED, 1);
        assert_eq!(words(&store.commit(vec![saga.clone(), step(&neighbour)]).await), ["ok"; 2]);
        assert_eq!(words(&store.commit(vec![step(&saga)]).await), ["ok"]);
        tamper(&store, damage).await;
        let reason = reason(store.journal(DAMAGED, 0..100, 100).await);
        assert!(reason.contains(&DAMAGED.to_string()) && reason.contains("seq 2"), "{reason}");
        assert_eq!(store.journal(DAMAGED, 3..100, 100).await.unwrap().len(), 2);
        assert_eq!(store.journal(neighbour.saga, 0..100, 100).await.unwrap().len(), 4);
        let together = store.journals(&[DAMAGED, neighbour.saga, DAMAGED], 100).await.unwrap();
        assert_eq!(together[1].as_ref().unwrap().len(), 4);
        for place in [0, 2] {
            assert_eq!(self::reason(together[place].clone()), reason);
        }
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_named() {
    for damage in [
        "pragma ignore_check_constraints = on; update sagas set status = 'asleep'",
        "pragma ignore_check_constraints = on; update sagas set version = -1",
        "pragma ignore_check_constraints = on; update sagas set epoch = -1",
        "pragma ignore_check_constraints = on; update sagas set owner = x'00'",
        "pragma ignore_check_constraints = on; update sagas set start_key = 'key'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&file(&folder)).await;
        let saga = created(&store, 2).await.remove(0).saga;
        tamper(&store, &format!("{damage} where id = x'{}'", saga.0.simple())).await;
        let name = saga.to_string();
        assert!(reason(store.head(saga).await).contains(&name), "{damage}");
        assert!(reason(store.list(&Filter::default(), None, 10).await).contains(&name), "{damage}");
        // A damaged owner does not keep the process from joining.
        let node = NewNode { id: Uuid::from_u128(9), name: "next".into() };
        assert_eq!(store.join(node, Duration::ZERO).await.unwrap(), Lease::Sole);
        let orphans = store.orphans(None, 1).await.unwrap();
        assert!(!orphans.iter().any(|head| head.saga == saga), "{damage}");
        assert!(!orphans.is_empty(), "{damage}: the others are adopted all the same");
        let scan = store.scan(None, 10).await.unwrap();
        assert_eq!(scan.len(), 2, "{damage}");
        for (seen, head) in scan {
            assert_eq!(head.is_err(), seen == saga, "{damage}");
            head.map_or_else(|error| assert!(error.to_string().contains(&name), "{error}"), drop);
        }
    }
}

#[tokio::test]
async fn as_many_damaged_rows_as_a_page_has_keep_no_sweep_from_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let mut sagas: Vec<Append> = (0..9).map(create).collect();
    for (place, append) in sagas.iter_mut().enumerate() {
        // Those that will be damaged come first in every order.
        append.saga = SagaId(Uuid::from_u128(u128::try_from(place).unwrap() + 1));
        append.release = place >= 5;
        append.summary.wake_at = Some(Time(i64::try_from(place).unwrap()));
    }
    assert_eq!(words(&store.commit(sagas.clone()).await), ["ok"; 9]);
    for append in &sagas {
        let body = "hello".into();
        store.post(Note { saga: append.saga, id: Uuid::new_v4(), body, at: append.events[0].at }).await.unwrap();
    }
    assert_eq!(words(&store.commit(vec![end(&sagas[4])]).await), ["ok"]);
    tamper(
        &store,
        "pragma ignore_check_constraints = on;
        update sagas set version = -1 where asleep_until < 7 or (asleep_until is null and started_at < 3)",
    )
    .await;
    store.join(NewNode { id: Uuid::from_u128(9), name: "next".into() }, Duration::ZERO).await.unwrap();
    let ids = |heads: Vec<Head>| heads.into_iter().map(|head| head.saga).collect::<Vec<_>>();
    for limit in [1, 2, 3] {
        let at_most = |places: &[usize]| -> Vec<SagaId> {
            places.iter().take(usize::try_from(limit).unwrap()).map(|place| sagas[*place].saga).collect()
        };
        assert_eq!(ids(store.orphans(None, limit).await.unwrap()), at_most(&[3]));
        assert_eq!(ids(store.due(Time(100), limit).await.unwrap()), at_most(&[7, 8]));
        let notes = store.notes(Uuid::nil(), limit).await.unwrap();
        assert_eq!(ids(notes.into_iter().map(|noted| noted.head.unwrap()).collect()), at_most(&[3, 4, 7, 8]));
    }
    assert_eq!(store.next_due().await.unwrap(), Some(Time(7)), "nobody can wake those before");
    let page = store.ended(Time(100), None, 3).await.unwrap();
    assert_eq!((page.found, page.next.unwrap().saga), (vec![], sagas[2].saga));
    assert_eq!(ids(store.ended(Time(100), page.next, 3).await.unwrap().found), [sagas[4].saga]);
}

#[tokio::test]
async fn a_saga_whose_journal_is_ahead_of_its_row_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let sagas = created(&store, 20).await;
    let damaged = create_with_id(DAMAGED, 1);
    assert_eq!(words(&store.commit(vec![damaged.clone()]).await), ["ok"]);
    tamper(&store, "insert into journal values (x'11111111111141118111111111111111', 4, 1, 1, '{}')").await;
    let mut batch: Vec<Append> = sagas.iter().map(step).collect();
    batch.insert(7, step(&damaged));
    let mut expected = vec!["ok"; 21];
    expected[7] = "corrupt";
    for _ in 0..2 {
        let answers = store.commit(batch.clone()).await;
        assert_eq!(words(&answers), expected);
        assert!(answers[7].as_ref().unwrap_err().to_string().contains(&DAMAGED.to_string()), "{:?}", answers[7]);
    }
    assert_eq!(words(&store.commit(vec![step(&damaged)]).await), ["corrupt"]);
    assert_eq!(store.head(DAMAGED).await.unwrap().unwrap().next_seq, 3);
    assert_eq!(store.journal(DAMAGED, 0..4, 100).await.unwrap(), damaged.events);
    for saga in &sagas {
        assert_eq!(store.journal(saga.saga, 0..100, 100).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn an_append_that_breaks_a_rule_of_the_schema_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&file(&folder)).await;
    let sagas = created(&store, 3).await;
    let note = |append: &Append| Note { saga: append.saga, id: Uuid::from_u128(7), body: "hello".into(), at: Time(1) };
    store.post(note(&sagas[1])).await.unwrap();
    // Its row is written before the rule is met, and its verdict would be after.
    let mut broken = step(&sagas[1]);
    broken.verdicts = vec![crate::Verdict { note: Uuid::from_u128(7), body: "done".into() }];
    tamper(
        &store,
        &format!("insert into journal values (x'{}', {}, 1, 1, '{{}}')", broken.saga.0.simple(), broken.events[1].seq),
    )
    .await;
    let after = step(&sagas[0]);
    let batch = vec![create(1), step(&sagas[2]), broken.clone(), after.clone(), step(&after), create(2)];
    assert_eq!(words(&store.commit(batch.clone()).await), ["ok", "ok", "corrupt", "ok", "ok", "ok"]);
    assert_eq!(store.head(broken.saga).await.unwrap().unwrap().next_seq, 3);
    assert_eq!(store.journal(broken.saga, 0..4, 100).await.unwrap(), sagas[1].events);
    assert_eq!(store.verdict(broken.saga, Uuid::from_u128(7)).await.unwrap(), None);
    for (append, next_seq) in [(&batch[0], 3), (&batch[1], 5), (&batch[4], 7), (&batch[5], 3)] {
        assert_eq!(store.head(append.saga).await.unwrap().unwrap().next_seq, next_seq);
        let journal = store.journal(append.saga, 0..100, 100).await.unwrap();
        assert_eq!(journal.len(), usize::try_from(next_seq).unwrap() - 1);
    }
}

#[tokio::test]
async fn a_saga_whose_standing_cannot_be_read_fails_alone() {
    for damage in ["epoch = -1", "next_seq = -1", "last_commit = x'00'"] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&file(&folder)).await;
        let sagas = created(&store, 3).await;
        let id = sagas[1].saga.0.simple();
        let sql = format!("pragma ignore_check_constraints = on; update sagas set {damage} where id = x'{id}'");
        tamper(&store, &sql).await;
        // Not what comes next, so that it is asked where the saga stands.
        let mut batch: Vec<Append> = sagas.iter().map(step).collect();
        batch[1] = step(&batch[1]);
        let answers = store.commit(batch).await;
        assert_eq!(words(&answers), ["ok", "corrupt", "ok"], "{damage}");
        assert!(answers[1].as_ref().unwrap_err().to_string().contains(&sagas[1].saga.to_string()), "{:?}", answers[1]);
    }
}
