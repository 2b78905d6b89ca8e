//! One saga, one append at a time.

use std::sync::Arc;

use amends_core::{
    event::{Cause, Event, Failure, Recorded},
    ids::{Digest, SagaId, StepName},
    summary::{Status, Summary},
    time::Time,
};
use serde_json::json;
use uuid::Uuid;

use super::given::{compensation_started, create, end, next, step, succeeded, under_epoch, withdrawn, words};
use crate::{Append, Claim, Head, StartKey, Store};

async fn commit(store: &Arc<dyn Store>, append: &Append) -> &'static str {
    words(&store.commit(vec![append.clone()]).await)[0]
}

async fn whole(store: &Arc<dyn Store>, saga: SagaId) -> Vec<Recorded> {
    store.journal(saga, 0..u64::MAX, u32::MAX).await.unwrap()
}

pub(super) async fn a_create_and_its_appends_are_read_back_in_order(store: Arc<dyn Store>) {
    let first = create(100);
    let second = step(&first);
    let third = end(&second);
    for append in [&first, &second, &third] {
        assert_eq!(commit(&store, append).await, "ok");
    }
    let written: Vec<Recorded> = [first.events, second.events, third.events].concat();
    assert_eq!(whole(&store, first.saga).await, written);
    assert_eq!(store.written().commits, 3);
    assert_eq!(store.written().appends, 3);
}

pub(super) async fn a_saga_that_was_never_made_reads_as_nothing(store: Arc<dyn Store>) {
    let saga = SagaId(Uuid::now_v7());
    assert_eq!(store.head(saga).await.unwrap(), None);
    assert_eq!(whole(&store, saga).await, []);
}

pub(super) async fn the_head_says_what_was_last_committed(store: Arc<dyn Store>) {
    let mut first = create(100);
    let made = first.create.as_mut().unwrap();
    made.owner = Uuid::from_u128(7);
    made.version = u32::MAX;
    made.key = Some(StartKey { key: "order 'ünï' 1".into(), request: Digest::of(&[b"request"]) });
    first.summary = Summary { status: Status::Running, attention: true, wake_at: Some(Time(900)), ended_at: None };
    assert_eq!(commit(&store, &first).await, "ok");
    let made = first.create.clone().unwrap();
    let head = Head {
        saga: first.saga,
        name: made.name,
        version: u32::MAX,
        definition: made.definition,
        key: made.key,
        parent: made.parent,
        owner: Some(made.owner),
        epoch: 1,
        next_seq: 3,
        started_at: Time(100),
        updated_at: Time(101),
        purged_at: None,
        summary: first.summary,
    };
    assert_eq!(store.head(first.saga).await.unwrap(), Some(head.clone()));

    let second = end(&next(&first, Status::Running, vec![succeeded("open")]));
    let second = Append { events: renumbered(second.events, 3), ..second };
    assert_eq!(commit(&store, &second).await, "ok");
    let at = second.events[0].at;
    let summary = Summary { status: Status::Compensated, attention: false, wake_at: None, ended_at: Some(at) };
    let ended = Head { next_seq: 4, updated_at: at, summary, ..head };
    assert_eq!(store.head(first.saga).await.unwrap(), Some(ended));
}

fn renumbered(mut events: Vec<Recorded>, from: u64) -> Vec<Recorded> {
    events.iter_mut().zip(from..).for_each(|(event, seq)| event.seq = seq);
    events
}

pub(super) async fn a_second_create_exists_and_changes_nothing(store: Arc<dyn Store>) {
    let first = create(100);
    assert_eq!(commit(&store, &first).await, "ok");
    let before = store.head(first.saga).await.unwrap();
    let mut other = Append { commit: Uuid::new_v4(), ..first.clone() };
    other.create.as_mut().unwrap().name = "other".into();
    other.events[1].event = withdrawn("other");
    assert_eq!(commit(&store, &other).await, "exists");
    assert_eq!(store.head(first.saga).await.unwrap(), before);
    assert_eq!(whole(&store, first.saga).await, first.events);
    assert_eq!(store.written().commits, 1);
}

pub(super) async fn a_wrong_seq_is_a_conflict(store: Arc<dyn Store>) {
    let first = create(100);
    let second = step(&first);
    let third = step(&second);
    assert_eq!(commit(&store, &first).await, "ok");
    assert_eq!(commit(&store, &third).await, "conflict");
    assert_eq!(commit(&store, &second).await, "ok");
    assert_eq!(commit(&store, &third).await, "ok");
    assert_eq!(whole(&store, first.saga).await, [first.events, second.events, third.events].concat());
}

pub(super) async fn what_has_ended_goes_on_but_never_lives_again(store: Arc<dyn Store>) {
    let first = create(100);
    let last = end(&first);
    assert_eq!(commit(&store, &first).await, "ok");
    assert_eq!(commit(&store, &last).await, "ok");
    let released = Append { release: true, ..step(&last) };
    let others = Append { saga: SagaId(Uuid::now_v7()), ..create(1) };
    assert_eq!(commit(&store, &step(&last)).await, "conflict");
    assert_eq!(words(&store.commit(vec![step(&last), others, released]).await), ["conflict", "ok", "conflict"]);
    let remark = end(&last);
    assert_eq!(commit(&store, &remark).await, "ok");
    assert_eq!(store.head(first.saga).await.unwrap().unwrap().summary, remark.summary);
    assert_eq!(whole(&store, first.saga).await, [first.events, last.events, remark.events].concat());
}

pub(super) async fn an_append_to_no_saga_is_a_conflict(store: Arc<dyn Store>) {
    let append = step(&create(100));
    assert_eq!(commit(&store, &append).await, "conflict");
    assert_eq!(whole(&store, append.saga).await, []);
}

pub(super) async fn a_stale_epoch_is_fenced(store: Arc<dyn Store>) {
    let first = create(100);
    assert_eq!(commit(&store, &first).await, "ok");
    let claim = Claim { saga: first.saga, owner: Some(Uuid::nil()), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(1)).await.unwrap(), [true]);
    let stale = step(&first);
    assert_eq!(commit(&store, &stale).await, "fenced");
    // Fenced comes before Conflict: the old owner must learn that it is no owner.
    assert_eq!(commit(&store, &step(&stale)).await, "fenced");
    assert_eq!(whole(&store, first.saga).await, first.events);
    // An epoch that was never given is not the owner's either.
    assert_eq!(commit(&store, &under_epoch(stale.clone(), 3)).await, "fenced");
    assert_eq!(commit(&store, &under_epoch(stale, 2)).await, "ok");
}

pub(super) async fn the_same_append_again_is_ok_and_writes_nothing(store: Arc<dyn Store>) {
    let first = create(100);
    let second = step(&first);
    assert_eq!(commit(&store, &first).await, "ok");
    for _ in 0..3 {
        assert_eq!(commit(&store, &second).await, "ok");
    }
    assert_eq!(store.written().commits, 2);
    // Also when the saga was adopted in between: it is there.
    let claim = Claim { saga: first.saga, owner: Some(Uuid::nil()), epoch: 1 };
    assert_eq!(store.adopt(vec![claim], Uuid::from_u128(1)).await.unwrap(), [true]);
    assert_eq!(commit(&store, &second).await, "ok");
    assert_eq!(whole(&store, first.saga).await, [first.events, second.events].concat());
    assert_eq!(store.written().appends, 2);
}

pub(super) async fn the_same_create_again_is_ok_and_writes_nothing(store: Arc<dyn Store>) {
    let first = create(100);
    for _ in 0..3 {
        assert_eq!(commit(&store, &first).await, "ok");
    }
    assert_eq!(whole(&store, first.saga).await, first.events);
    assert_eq!(store.written().commits, 1);
    // Once the saga has gone on, its creator is no longer waiting: whoever asks now is another.
    assert_eq!(commit(&store, &step(&first)).await, "ok");
    assert_eq!(commit(&store, &first).await, "exists");
}

pub(super) async fn another_append_at_the_same_place_is_a_conflict(store: Arc<dyn Store>) {
    let first = create(100);
    let second = step(&first);
    assert_eq!(commit(&store, &first).await, "ok");
    assert_eq!(commit(&store, &second).await, "ok");
    assert_eq!(commit(&store, &Append { commit: Uuid::new_v4(), ..second.clone() }).await, "conflict");
    assert_eq!(commit(&store, &end(&first)).await, "conflict");
    assert_eq!(whole(&store, first.saga).await, [first.events, second.events].concat());
}

pub(super) async fn a_broken_append_fails_alone(store: Arc<dyn Store>) {
    let good = create(100);
    let sound = create(100);
    let change = |change: fn(&mut Append)| {
        let mut append = Append { saga: SagaId(Uuid::now_v7()), ..sound.clone() };
        change(&mut append);
        append
    };
    let broken = [
        change(|append| append.events.clear()),
        change(|append| append.events[1].seq = 3),
        change(|append| append.events[1].epoch = 2),
        change(|append| append.create = None),
        change(|append| append.events.iter_mut().for_each(|event| event.seq += 1)),
        change(|append| *append = under_epoch(append.clone(), 2)),
        change(|append| *append = under_epoch(append.clone(), 0)),
        change(|append| append.summary.ended_at = Some(Time(1))),
        change(|append| append.summary.status = Status::Completed),
        change(|append| *append = under_epoch(step(append), u64::MAX)),
        change(|append| {
            *append = step(append);
            append.events[0].seq = u64::MAX - 1;
            append.events[1].seq = u64::MAX;
        }),
    ];
    for append in broken {
        let saga = append.saga;
        let answers = store.commit(vec![append, good.clone()]).await;
        assert_eq!(words(&answers), ["corrupt", "ok"]);
        assert_eq!(store.head(saga).await.unwrap(), None);
    }
    assert_eq!(whole(&store, good.saga).await, good.events);
}

pub(super) async fn events_come_back_as_they_were(store: Arc<dyn Store>) {
    let first = create(i64::from(i32::MIN));
    let hard = json!({
        "quotes": "'\"`\\ -- ; drop table journal; ${{ x }} ?1 $1 :a @b",
        "unicode": "žluťoučký 𝕜ůň 👩‍👩‍👧 \u{200f}عربي\u{0}\u{7f}\r\n\t",
        "numbers": [0, -1, u64::MAX, i64::MIN, 1.5, 1e300],
        "empty": [null, "", {}, []],
        "nested": { "kind": "saga_completed", "": { "": [[[1]]] } },
        "long": "ü".repeat(100_000),
    });
    let failed = Cause::StepFailed {
        step: StepName::from("říz'ek"),
        index: Some(u32::MAX),
        failure: Failure::AttemptsExhausted,
        reason: "it's \"late\"\n".into(),
    };
    let events = vec![
        Event::CallSucceeded {
            call: amends_core::ids::CallId { index: Some(u32::MAX), ..call("hard") },
            attempt: u32::MAX,
            status: 200,
            output: Arc::new(hard),
        },
        Event::CallUnknown { call: call("a"), attempt: 1, status: None, reason: String::new() },
        Event::CompensationStarted { cause: failed },
        Event::CancelRequested { reason: Some("'".repeat(1000)) },
        compensation_started(),
    ];
    let second = next(&first, Status::Compensating, events);
    assert_eq!(commit(&store, &first).await, "ok");
    assert_eq!(commit(&store, &second).await, "ok");
    assert_eq!(whole(&store, first.saga).await, [first.events, second.events].concat());
}

fn call(step: &str) -> amends_core::ids::CallId {
    amends_core::ids::CallId::compensate(&StepName::from(step))
}

pub(super) async fn journal_ranges_and_limits_hold(store: Arc<dyn Store>) {
    let first = create(100);
    let second = next(&first, Status::Running, (0..8).map(|n| withdrawn(&format!("step{n}"))).collect());
    let neighbour = create(100);
    for append in [&first, &second, &neighbour] {
        assert_eq!(commit(&store, append).await, "ok");
    }
    let seqs = async |range, limit| -> Vec<u64> {
        store.journal(first.saga, range, limit).await.unwrap().iter().map(|event| event.seq).collect()
    };
    assert_eq!(seqs(0..u64::MAX, 100).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(seqs(3..6, 100).await, [3, 4, 5]);
    assert_eq!(seqs(3..u64::MAX, 2).await, [3, 4]);
    assert_eq!(seqs(10..11, 100).await, [10]);
    assert_eq!(seqs(11..u64::MAX, 100).await, [0; 0]);
    assert_eq!(seqs(5..5, 100).await, [0; 0]);
    assert_eq!(seqs(1..11, 0).await, [0; 0]);
}
