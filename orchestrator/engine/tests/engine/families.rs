//! Families: parents and children that reach each other by notes alone, on one process or on several, whatever goes wrong.
//!
//! The clock stands, so nothing here happens because somebody looked again.

use std::{sync::Arc, time::Duration};

use amends_core::{
    Answer, Begin, Input, Reply, Signal, Terms, begin_with, decide_in_place,
    definition::Definition,
    event::Event,
    ids::{CallId, SagaId},
    summary::Status,
};
use amends_engine::{CancelError, Clock, RegisterError, Setup};
use amends_store::{Append, Create, Deleted, Filter, Store, memory::MemoryStore};
use serde_json::json;
use uuid::Uuid;

use crate::town::{Does, HandClock, SOON, Services, Town, memory};

const KID: &str = "
saga: kid
steps:
  k1: { call: a POST /k1, compensate: { call: a DELETE /k1 } }
  k2: { call: b POST /k2, compensate: { call: b DELETE /k2 } }
output: { of: \"${{ input.of | default('nobody') }}\" }
";

const FAMILY: &str = "
saga: family
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  kid: { saga: kid, input: { of: \"${{ saga.id }}\" } }
  two: { call: b POST /two, compensate: { call: b DELETE /two } }
output: \"${{ steps.kid.output.of }}\"
";

const WAITING_KID: &str = "
saga: kid
steps:
  k1: { call: a POST /k1, compensate: { call: a DELETE /k1 } }
  go: { await: go, timeout: 30d }
";

const GRANDPARENT: &str = "
saga: grandparent
steps:
  zero: { call: c POST /zero, compensate: { call: c DELETE /zero } }
  son: { saga: family }
  last: { call: c POST /last, compensate: { call: c DELETE /last } }
";

async fn town() -> Town {
    let town = Town::new(memory(), 8, 2000).await;
    town.register(KID).await;
    town.register(FAMILY).await;
    town
}

async fn shared() -> (Arc<MemoryStore>, Town) {
    let store = Arc::new(MemoryStore::shared());
    let all: Arc<dyn Store> = store.clone();
    let services = Services::new(&all);
    (store, Town::open(all, services, HandClock::new(), |setup| setup).await)
}

fn kid_of(parent: SagaId) -> SagaId {
    SagaId::of_child(parent, "kid", None)
}

impl Town {
    /// Waits until there is such a saga.
    async fn there(&self, saga: SagaId) {
        let looking = async {
            while self.store.head(saga).await.expect("readable").is_none() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SOON, looking).await.expect("it is made");
    }

    /// What was called, without epochs.
    fn called_in_order(&self) -> Vec<String> {
        self.services.calls().iter().map(|call| call.split(" @").next().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test]
async fn a_child_runs_succeeds_and_is_completed_before_its_parent_ends() {
    let town = town().await;
    let saga = town.start("family").await;
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.ended(kid_of(saga)).await, Status::Completed);
    assert_eq!(town.called_in_order(), ["one action 1", "k1 action 1", "k2 action 1", "two action 1"]);
    let kinds = town.kinds(saga).await;
    let family: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| !kind.starts_with("call_")).collect();
    assert_eq!(
        family,
        [
            "saga_started",
            "child_intended",
            "child_pinned",
            "child_succeeded",
            "saga_succeeded",
            "child_settled",
            "saga_completed"
        ]
    );
    let last = town.journal(saga).await.pop().expect("an end");
    assert!(matches!(&last.event, Event::SagaCompleted { output, .. } if **output == json!(saga.to_string())));
    let head = town.store.head(kid_of(saga)).await.expect("readable").expect("there");
    assert_eq!((head.parent, head.version), (Some(saga), 1));
    let children = Filter { parent: Some(saga), ..Filter::default() };
    assert_eq!(town.store.list(&children, None, 10).await.expect("readable"), [head]);
}

#[tokio::test]
async fn a_parent_that_fails_later_undoes_its_child_in_its_turn() {
    let town = town().await;
    town.services.when("two action", Does::Answers(409, json!({})));
    let saga = town.start("family").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.ended(kid_of(saga)).await, Status::Compensated);
    let back = &town.called_in_order()[4..];
    assert_eq!(back, ["k2 compensate 1", "k1 compensate 1", "one compensate 1"]);
}

#[tokio::test]
async fn a_child_that_fails_fails_its_parents_step() {
    let town = town().await;
    town.services.when("k2 action", Does::Answers(409, json!({})));
    let saga = town.start("family").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.ended(kid_of(saga)).await, Status::Compensated);
    let calls = town.called_in_order();
    assert_eq!(calls, ["one action 1", "k1 action 1", "k2 action 1", "k1 compensate 1", "one compensate 1"]);
}

#[tokio::test]
async fn a_cancel_of_the_parent_reaches_the_child_and_waits_for_it() {
    let town = town().await;
    town.services.when("k2 action", Does::Holds(200, json!({})));
    let saga = town.start("family").await;
    town.services.called("k2 action 1 @2").await;
    town.engine.cancel(saga, None).await.expect("it can be cancelled");
    town.until(kid_of(saga), |head| head.summary.status == Status::Compensating).await;
    assert_eq!(town.store.head(saga).await.expect("readable").expect("there").summary.status, Status::Compensating);
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.called_in_order()[3..], ["k2 compensate 1", "k1 compensate 1", "one compensate 1"]);
}

#[tokio::test]
async fn a_child_can_be_cancelled_while_it_runs_and_only_by_its_parent_after_that() {
    let town = town().await;
    town.services.when("two action", Does::Holds(200, json!({})));
    let saga = town.start("family").await;
    town.until(kid_of(saga), |head| head.summary.status == Status::Succeeded).await;
    let refused = town.engine.cancel(kid_of(saga), None).await;
    assert!(matches!(refused, Err(CancelError::TooLate { .. })), "{refused:?}");
    town.services.let_go();
    assert_eq!(town.ended(saga).await, Status::Completed);

    town.register(WAITING_KID).await;
    let saga = town.start("family").await;
    town.there(kid_of(saga)).await;
    town.engine.cancel(kid_of(saga), Some("no more".to_owned())).await.expect("it runs");
    assert_eq!(town.ended(saga).await, Status::Compensated);
    let said = town.journal(saga).await.into_iter().find_map(|row| match row.event {
        Event::ChildCompensated { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(said.as_deref(), Some("it was cancelled: no more"));
}

#[tokio::test]
async fn a_child_that_cannot_be_is_refused_and_the_parent_undone() {
    let town = town().await;
    town.engine.set_disabled("kid", 1, true).await.expect("the store is there").expect("it is there");
    let saga = town.start("family").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.store.head(kid_of(saga)).await.expect("readable"), None);
    assert_eq!(town.called_in_order(), ["one action 1", "one compensate 1"]);
    // A version with a pivot may have come after the parent was registered.
    town.register("saga: kid\nsteps: { k: { call: a POST /k, pivot: true } }").await;
    let saga = town.start("family").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
}

#[tokio::test]
async fn a_parent_is_registered_against_its_children() {
    let town = Town::new(memory(), 8, 2000).await;
    let codes = |error| match error {
        Err(RegisterError::Invalid(found)) => found.iter().map(|found| found.code).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(codes(town.engine.register(FAMILY).await), ["E0323"]);
    town.register(KID).await;
    town.register(FAMILY).await;
    let circle = "saga: kid\nsteps: { f: { saga: family } }";
    assert_eq!(codes(town.engine.register(circle).await), ["E0320"]);
    let wrong = FAMILY.replace("steps.kid.output.of", "steps.kid.output.on");
    assert_eq!(codes(town.engine.register(&wrong).await), ["E0404"]);
    assert_eq!(town.engine.check(&wrong).await.expect("the store is there").len(), 1);
}

#[tokio::test]
async fn a_family_of_three_generations_goes_forward_and_back() {
    let town = town().await;
    town.register(GRANDPARENT).await;
    let saga = town.start("grandparent").await;
    assert_eq!(town.ended(saga).await, Status::Completed);
    let son = SagaId::of_child(saga, "son", None);
    assert_eq!(town.ended(son).await, Status::Completed);
    assert_eq!(town.ended(kid_of(son)).await, Status::Completed);
    let before = town.services.calls().len();
    town.services.when("last action", Does::Answers(409, json!({})));
    let saga = town.start("grandparent").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(
        town.called_in_order()[before + 6..],
        ["two compensate 1", "k2 compensate 1", "k1 compensate 1", "one compensate 1", "zero compensate 1"]
    );
}

#[tokio::test]
async fn a_parent_needs_no_memory_while_its_child_waits_and_is_woken_by_its_word() {
    let town = town().await;
    town.register(WAITING_KID).await;
    let saga = town.start("family").await;
    town.there(kid_of(saga)).await;
    // The child lets go at once, the parent when no word came for a while.
    let passing = async {
        while town.engine.load().live > 0 {
            town.clock.pass(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, passing).await.expect("both let go");
    let signal = Signal { name: "go".into(), key: None, payload: json!(null).into() };
    town.engine.signal(kid_of(saga), signal).await.expect("it is awaited");
    // The output that the parent names is not the waiting child's.
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.ended(kid_of(saga)).await, Status::Completed);
}

#[tokio::test]
async fn with_one_place_the_family_takes_turns() {
    let town = Town::new(memory(), 8, 1).await;
    town.register(KID).await;
    town.register(FAMILY).await;
    let saga = town.start("family").await;
    let passing = async {
        while !town.store.head(saga).await.expect("readable").expect("there").summary.status.is_terminal() {
            town.clock.pass(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON * 2, passing).await.expect("it ends");
    assert_eq!(town.ended(saga).await, Status::Completed);
}

#[tokio::test]
async fn who_stops_leaves_nothing_unsaid_to_the_family() {
    for hold in ["one action", "k1 action", "k2 action", "two action"] {
        let (_, first) = shared().await;
        first.register(KID).await;
        first.register(FAMILY).await;
        first.services.when(hold, Does::Holds(200, json!({})));
        let saga = first.start("family").await;
        let reached = async {
            while !first.called_in_order().contains(&format!("{hold} 1")) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SOON, reached).await.expect("it is called");
        let (next, engine) = (first.beside().await, first.engine.clone());
        let stopping = tokio::spawn(async move { engine.shutdown(Duration::from_secs(5)).await });
        first.services.let_go();
        stopping.await.expect("it stops");
        assert_eq!(next.ended(saga).await, Status::Completed, "{hold}");
        assert_eq!(next.ended(kid_of(saga)).await, Status::Completed, "{hold}");
        assert_eq!(next.called_in_order().len(), 4, "{hold}: nothing is sent twice");
    }
}

/// Leases end at times that a die says, in the middle of everything, with two processes that take over from each other.
#[tokio::test]
async fn whoever_dies_when_the_family_ends_as_one() {
    let seed = std::env::var("AMENDS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7_u64);
    println!("AMENDS_SEED={seed}");
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut roll = |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    for round in 0..12 {
        let (store, one) = shared().await;
        let other = one.beside().await;
        for source in [KID, FAMILY, GRANDPARENT] {
            one.register(source).await;
        }
        if round % 2 == 0 {
            one.services.when("last action", Does::Answers(409, json!({})));
        }
        let saga = one.start("grandparent").await;
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(roll(8))).await;
            let town = if roll(2) == 0 { &one } else { &other };
            store.end_lease(town.engine.identity().0);
            // Retries of attempts that are in doubt wait for the clock.
            one.clock.pass(Duration::from_secs(1));
        }
        let son = SagaId::of_child(saga, "son", None);
        let passing = async {
            for of_family in [saga, son, kid_of(son)] {
                while !one
                    .store
                    .head(of_family)
                    .await
                    .expect("readable")
                    .is_some_and(|head| head.summary.status.is_terminal())
                {
                    one.clock.pass(Duration::from_secs(1));
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        };
        if tokio::time::timeout(SOON * 3, passing).await.is_err() {
            let journals = [one.journal(saga).await, one.journal(son).await, one.journal(kid_of(son)).await];
            panic!("round {round}: {journals:#?}");
        }
        let expected = if round % 2 == 0 { Status::Compensated } else { Status::Completed };
        for of_family in [saga, son, kid_of(son)] {
            assert_eq!(one.ended(of_family).await, expected, "round {round}");
        }
    }
}

#[tokio::test]
async fn children_run_under_the_locks_of_their_root_and_nobody_waits_in_a_circle() {
    let town = Town::new(memory(), 8, 2000).await;
    let one = "call: a POST /k1, compensate: { call: a DELETE /k1 }";
    town.register(&format!("saga: kid\nlocks: [\"${{{{ input.of }}}}\"]\nsteps: {{ k1: {{ {one} }} }}")).await;
    let parent = |name: &str, first: &str, second: &str| {
        format!(
            "saga: {name}\nlocks: [x, y]\nsteps:\n  a: {{ saga: kid, input: {{ of: {first} }} }}\n  b: {{ saga: kid, input: {{ of: {second} }} }}\n"
        )
    };
    town.register(&parent("there", "x", "y")).await;
    town.register(&parent("back", "y", "x")).await;
    let mut sagas = Vec::new();
    for _ in 0..10 {
        sagas.push(town.start("there").await);
        sagas.push(town.start("back").await);
    }
    for saga in sagas {
        assert_eq!(town.ended(saga).await, Status::Completed);
        let child = town.journal(SagaId::of_child(saga, "a", None)).await;
        assert!(matches!(&child[0].event, Event::SagaStarted(started) if started.locks.is_empty()));
    }
    // A lock that the root does not take.
    town.register(&parent("other", "x", "z")).await;
    let saga = town.start("other").await;
    assert_eq!(town.ended(saga).await, Status::Compensated);
    assert_eq!(town.ended(SagaId::of_child(saga, "a", None)).await, Status::Compensated);
    let refused = town.journal(saga).await.into_iter().find_map(|row| match row.event {
        Event::CallRefused { call, reason } => Some((call, reason)),
        _ => None,
    });
    let (call, why) = refused.expect("it is refused");
    assert_eq!(call, CallId::action(&"b".into()));
    assert!(why.contains("locks that its root does not take: z"), "{why}");
}

/// Written by a process that lost its lease when it had pinned the child and not made it.
async fn pinned_and_not_made(store: &MemoryStore, town: &Town, cancelled: bool) -> SagaId {
    let definition = Definition::parse(FAMILY, None).expect("a definition");
    let kid = Definition::parse(KID, None).expect("a definition");
    let (saga, now) = (SagaId(Uuid::now_v7()), town.clock.now());
    let (mut state, begun) = begin_with(&definition, saga, Begin::root(1, json!({})), now);
    let one = CallId::action(&"one".into());
    let answer = Answer { status: 200, acked: true, body: b"{}".to_vec(), ..Answer::default() };
    let terms = Terms { barrier: true, ..Terms::default() };
    let inputs = [
        Some(Input::Answered { call: one, attempt: 1, reply: Reply::Answered(answer), terms }),
        Some(Input::ChildPinned { call: CallId::action(&"kid".into()), version: 1, definition: kid.digest }),
        cancelled.then_some(Input::CancelRequested { reason: None }),
    ];
    let mut events = begun.events;
    for input in inputs.into_iter().flatten() {
        events.extend(decide_in_place(&definition, &mut state, input, now).events);
    }
    let (digest, owner) = (definition.digest.clone(), town.engine.identity().0);
    let create = Create {
        owner: Uuid::new_v4(),
        name: "family".into(),
        version: 1,
        definition: digest,
        key: None,
        parent: None,
    };
    let append = Append {
        saga,
        commit: Uuid::new_v4(),
        epoch: 1,
        events,
        summary: state.summary(),
        attention_cleared: None,
        create: Some(create),
        release: false,
        verdicts: vec![],
    };
    assert!(town.store.commit(vec![append]).await[0].is_ok());
    store.end_lease(owner);
    saga
}

#[tokio::test]
async fn a_child_whose_version_is_deleted_before_it_is_there_never_comes_and_its_parent_is_undone() {
    let (store, town) = shared().await;
    town.register(KID).await;
    town.register(FAMILY).await;
    let deleted = town.store.delete_definition("kid", 1, town.clock.now()).await.expect("deletes");
    assert!(matches!(deleted, Deleted::Gone), "{deleted:?}");
    for cancelled in [false, true] {
        let saga = pinned_and_not_made(&store, &town, cancelled).await;
        assert_eq!(town.ended(saga).await, Status::Compensated);
        assert!(town.store.head(kid_of(saga)).await.expect("readable").is_none(), "nobody made it");
        let why = town.journal(saga).await.into_iter().find_map(|row| match row.event {
            Event::ChildCompensated { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(why.as_deref(), Some("its version was deleted before it began"));
    }
}

#[tokio::test]
async fn a_store_that_fails_now_and_then_delays_a_family_and_breaks_nothing() {
    let store = Arc::new(MemoryStore::default());
    let all: Arc<dyn Store> = store.clone();
    let town = Town::open(all.clone(), Services::new(&all), HandClock::new(), |setup| Setup { ..setup }).await;
    town.register(KID).await;
    town.register(FAMILY).await;
    let saga = town.start("family").await;
    let passing = async {
        let mut nth = 0;
        while !store.head(saga).await.expect("readable").expect("there").summary.status.is_terminal() {
            nth += 1;
            if nth % 5 == 0 {
                store.fail_next_commits(1);
            }
            town.clock.pass(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    tokio::time::timeout(SOON * 2, passing).await.expect("it ends");
    assert_eq!(town.ended(saga).await, Status::Completed);
    assert_eq!(town.ended(kid_of(saga)).await, Status::Completed);
}
