//! Notes to whoever owns a saga.

use std::sync::Arc;

use amends_core::{ids::SagaId, time::Time};
use uuid::Uuid;

use super::given::{create_by, end, keyed, step, under_epoch, words};
use crate::{Append, Note, Noted, Store, StoreError, Verdict};

const MINE: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

async fn commit(store: &Arc<dyn Store>, batch: &[Append]) -> Vec<&'static str> {
    words(&store.commit(batch.to_vec()).await)
}

async fn posted(store: &Arc<dyn Store>, saga: SagaId, at: i64) -> Note {
    let note = Note { saga, id: Uuid::new_v4(), body: format!("'note' {at}").into(), at: Time(at) };
    store.post(note.clone()).await.unwrap();
    note
}

fn verdict(note: &Note, body: &str) -> Verdict {
    Verdict { note: note.id, body: body.into() }
}

async fn noted(store: &Arc<dyn Store>, node: Uuid) -> Vec<Note> {
    store.notes(node, 1000).await.unwrap().into_iter().map(|noted| noted.note).collect()
}

async fn read(store: &Arc<dyn Store>, note: &Note) -> Option<Arc<str>> {
    store.verdict(note.saga, note.id).await.unwrap()
}

fn is_not_there<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt { .. }))
}

pub(super) async fn a_note_reaches_whoever_can_do_something_about_it(store: Arc<dyn Store>) {
    let [mine, others, ended] = [create_by(MINE, 1), create_by(OTHER, 1), create_by(OTHER, 1)];
    let nobodys = Append { release: true, ..create_by(OTHER, 1) };
    let ending = end(&ended);
    assert_eq!(
        commit(&store, &[mine.clone(), others.clone(), ended.clone(), nobodys.clone(), ending]).await,
        ["ok"; 5]
    );
    let missing = SagaId(Uuid::now_v7());
    let mut notes = Vec::new();
    for (saga, at) in [(missing, 5), (mine.saga, 4), (others.saga, 3), (nobodys.saga, 2), (ended.saga, 1)] {
        notes.push(posted(&store, saga, at).await);
    }
    let [to_missing, to_mine, to_others, to_nobodys, to_ended] = notes.try_into().unwrap();
    // Oldest first.
    let everyones = [to_ended, to_nobodys];
    let of = |own: &[&Note]| [&everyones[..], &own.iter().map(|note| (*note).clone()).collect::<Vec<_>>()].concat();
    assert_eq!(noted(&store, MINE).await, of(&[&to_mine, &to_missing]));
    assert_eq!(noted(&store, OTHER).await, of(&[&to_others, &to_missing]));
    assert_eq!(noted(&store, Uuid::from_u128(3)).await, of(&[&to_missing]));
    for Noted { note, head } in store.notes(MINE, 10).await.unwrap() {
        assert_eq!(head, store.head(note.saga).await.unwrap());
        assert_eq!(head.is_none(), note == to_missing);
    }
    // It follows the saga.
    let claim = crate::Claim { saga: mine.saga, owner: Some(MINE), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], OTHER).await.unwrap(), [true]);
    assert_eq!(noted(&store, MINE).await, of(&[&to_missing]));
    assert_eq!(noted(&store, OTHER).await, of(&[&to_others, &to_mine, &to_missing]));
}

pub(super) async fn notes_come_oldest_first_and_no_more_than_asked(store: Arc<dyn Store>) {
    let saga = create_by(MINE, 1);
    assert_eq!(commit(&store, std::slice::from_ref(&saga)).await, ["ok"]);
    let mut expected = Vec::new();
    for n in 0..20 {
        expected.push(posted(&store, if n % 2 == 0 { saga.saga } else { SagaId(Uuid::new_v4()) }, n * 7 % 10).await);
    }
    expected.sort_unstable_by_key(|note| (note.at, note.saga, note.id));
    assert_eq!(noted(&store, MINE).await, expected);
    for limit in [0, 1, 7, 20] {
        let notes = store.notes(MINE, limit).await.unwrap();
        assert!(notes.iter().map(|noted| &noted.note).eq(&expected[..usize::try_from(limit).unwrap()]), "{limit}");
    }
}

pub(super) async fn the_same_note_again_changes_nothing(store: Arc<dyn Store>) {
    let note = posted(&store, SagaId(Uuid::now_v7()), 1).await;
    let again = Note { body: "other".into(), at: Time(9), ..note.clone() };
    store.post(again.clone()).await.unwrap();
    assert_eq!(noted(&store, MINE).await, std::slice::from_ref(&note));
    assert!(store.settle(note.saga, 0, vec![verdict(&note, "done")]).await.unwrap());
    store.post(again).await.unwrap();
    assert_eq!(noted(&store, MINE).await, []);
    assert_eq!(read(&store, &note).await.as_deref(), Some("done"));
}

pub(super) async fn a_note_is_settled_only_under_the_epoch_of_its_saga(store: Arc<dyn Store>) {
    let saga = create_by(MINE, 1);
    assert_eq!(commit(&store, std::slice::from_ref(&saga)).await, ["ok"]);
    let [first, second] = [posted(&store, saga.saga, 1).await, posted(&store, saga.saga, 2).await];
    for epoch in [0, 2, u64::MAX] {
        assert!(!store.settle(saga.saga, epoch, vec![verdict(&first, "no")]).await.unwrap());
    }
    assert_eq!(read(&store, &first).await, None);
    let unknown = Verdict { note: Uuid::new_v4(), body: "no".into() };
    assert!(store.settle(saga.saga, 1, vec![unknown.clone(), verdict(&first, "'yes'")]).await.unwrap());
    assert_eq!(read(&store, &first).await.as_deref(), Some("'yes'"));
    assert!(is_not_there(store.verdict(saga.saga, unknown.note).await));
    assert_eq!(noted(&store, MINE).await, std::slice::from_ref(&second));
    // Somebody may have read it.
    assert!(store.settle(saga.saga, 1, vec![verdict(&first, "no"), verdict(&first, "no")]).await.unwrap());
    assert_eq!(read(&store, &first).await.as_deref(), Some("'yes'"));
    // Whoever owned a saga that has ended, and whatever is not there, is passed by nobody.
    assert_eq!(commit(&store, &[end(&saga)]).await, ["ok"]);
    assert!(store.settle(saga.saga, 9, vec![verdict(&second, "late"), verdict(&second, "later")]).await.unwrap());
    assert_eq!(read(&store, &second).await.as_deref(), Some("late"));
    let missing = posted(&store, SagaId(Uuid::now_v7()), 3).await;
    assert!(store.settle(missing.saga, 0, vec![verdict(&missing, "missing")]).await.unwrap());
    assert_eq!(read(&store, &missing).await.as_deref(), Some("missing"));
    assert_eq!(noted(&store, MINE).await, []);
}

pub(super) async fn a_verdict_is_read_where_the_note_is(store: Arc<dyn Store>) {
    let note = posted(&store, SagaId(Uuid::now_v7()), 1).await;
    assert_eq!(read(&store, &note).await, None);
    assert!(is_not_there(store.verdict(note.saga, Uuid::new_v4()).await));
    assert!(is_not_there(store.verdict(SagaId(Uuid::now_v7()), note.id).await));
}

pub(super) async fn an_append_gives_verdicts_in_its_own_commit(store: Arc<dyn Store>) {
    let [saga, other] = [create_by(MINE, 1), create_by(MINE, 1)];
    assert_eq!(commit(&store, &[saga.clone(), other.clone()]).await, ["ok"; 2]);
    let mut notes = Vec::new();
    for at in 0..5 {
        notes.push(posted(&store, saga.saga, at).await);
    }
    // Another saga's note of the same id is another note.
    let namesake = Note { saga: other.saga, ..notes[0].clone() };
    store.post(namesake.clone()).await.unwrap();
    let answering = |append: Append, answers: &[(&Note, &str)]| Append {
        verdicts: answers.iter().map(|(note, body)| verdict(note, body)).collect(),
        ..append
    };
    let unknown = Note { id: Uuid::new_v4(), ..notes[0].clone() };
    // Alone.
    let first = answering(step(&saga), &[(&notes[0], "one"), (&unknown, "no"), (&notes[1], "two")]);
    assert_eq!(commit(&store, std::slice::from_ref(&first)).await, ["ok"]);
    // Not of an append that is not made.
    let stale = answering(under_epoch(step(&first), 2), &[(&notes[2], "no")]);
    let misplaced = answering(step(&step(&first)), &[(&notes[2], "no")]);
    assert_eq!(commit(&store, std::slice::from_ref(&stale)).await, ["fenced"]);
    assert_eq!(commit(&store, &[misplaced, stale, step(&other)]).await, ["conflict", "fenced", "ok"]);
    assert_eq!(read(&store, &notes[2]).await, None);
    assert_eq!(noted(&store, MINE).await.len(), 4);
    // In a batch, two of one saga.
    let second = answering(step(&first), &[(&notes[2], "three")]);
    let third = answering(end(&second), &[(&notes[3], "four"), (&notes[2], "no")]);
    assert_eq!(commit(&store, &[second, third, end(&step(&other))]).await, ["ok"; 3]);
    let mut answers = Vec::new();
    for note in &notes {
        answers.push(read(&store, note).await);
    }
    let expected = [Some("one"), Some("two"), Some("three"), Some("four"), None];
    assert_eq!(answers, expected.map(|body| body.map(Arc::from)));
    assert_eq!(read(&store, &namesake).await, None);
    assert!(is_not_there(store.verdict(saga.saga, unknown.id).await));
}

pub(super) async fn answered_notes_go_after_their_time(store: Arc<dyn Store>) {
    let saga = SagaId(Uuid::now_v7());
    let mut notes = Vec::new();
    for at in 0..10 {
        notes.push(posted(&store, saga, at).await);
    }
    let answered = notes[..8].iter().map(|note| verdict(note, "done")).collect();
    assert!(store.settle(saga, 0, answered).await.unwrap());
    assert_eq!(store.tidy(Time(0), 100).await.unwrap(), 0);
    assert_eq!(store.tidy(Time(5), 2).await.unwrap(), 2);
    assert_eq!(store.tidy(Time(5), 100).await.unwrap(), 3);
    for (place, note) in notes.iter().enumerate() {
        assert_eq!(is_not_there(store.verdict(saga, note.id).await), place < 5, "{place}");
    }
    assert_eq!(store.tidy(Time(100), 100).await.unwrap(), 3, "what waits for its verdict stays");
    assert_eq!(noted(&store, MINE).await, notes[8..]);
}

pub(super) async fn notes_go_with_the_journal_and_later_ones_meet_the_stub(store: Arc<dyn Store>) {
    let saga = keyed(create_by(MINE, 1));
    let early = posted(&store, saga.saga, 1).await;
    assert_eq!(commit(&store, &[saga.clone(), end(&saga)]).await, ["ok"; 2]);
    assert_eq!(store.purge(vec![saga.saga], Time(9)).await.unwrap(), 1);
    assert!(is_not_there(store.verdict(saga.saga, early.id).await));
    let late = posted(&store, saga.saga, 2).await;
    let noted = store.notes(OTHER, 10).await.unwrap();
    assert_eq!(noted, [Noted { note: late.clone(), head: store.head(saga.saga).await.unwrap() }]);
    assert!(store.settle(saga.saga, 7, vec![verdict(&late, "over")]).await.unwrap());
    assert_eq!(read(&store, &late).await.as_deref(), Some("over"));
}
