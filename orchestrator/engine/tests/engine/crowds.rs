//! More than there is room for: starts, timers that are due together, and commands that race what they are about.

use std::{collections::BTreeMap, time::Duration};

use amends_core::summary::Status;
use amends_engine::{CancelError, Cancelled, StartError};
use amends_store::Filter;
use serde_json::json;

use crate::town::{Does, SOON, THREE, Town, memory, start};

const PIVOTED: &str = "
saga: pivoted
steps:
  one: { call: a POST /one, compensate: { call: a DELETE /one } }
  two: { call: b POST /two, pivot: true }
  three: { call: c POST /three }
";

#[tokio::test]
async fn starts_at_five_times_the_bound_are_refused_before_they_are_written_and_those_accepted_all_end() {
    const BOUND: usize = 20;
    let town = Town::new(memory(), 4, BOUND).await;
    town.register(THREE).await;
    town.services.when("one action", Does::Holds(200, json!({})));
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..5 * BOUND {
        let engine = town.engine.clone();
        starts.spawn(async move { engine.start(start("three")).await });
    }
    let (mut accepted, mut refused) = (Vec::new(), 0);
    while let Some(started) = starts.join_next().await {
        match started.expect("no panic") {
            Ok(started) => accepted.push(started.saga),
            Err(StartError::Overloaded { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((accepted.len(), refused), (BOUND, 4 * BOUND));
    let written = town.store.list(&Filter::default(), None, 1_000).await.expect("readable");
    assert_eq!(written.len(), BOUND, "nothing of the others was written");
    town.services.let_go();
    for saga in accepted {
        assert_eq!(town.ended(saga).await, Status::Completed);
    }
}

#[tokio::test]
async fn ten_thousand_that_are_due_within_one_second_are_woken_as_there_is_room_and_none_is_lost() {
    const SLEEPERS: usize = 10_000;
    const LIVE: usize = 500;
    let town = Town::new(memory(), 8, LIVE).await;
    town.register("saga: nap\nsteps:\n  wait: { sleep: 1h }\n  then: { call: a POST /then, compensate: { call: a DELETE /then } }\n").await;
    for _ in 0..SLEEPERS {
        town.clock.pass(Duration::from_micros(99));
        let started = async {
            while let Err(error) = town.engine.start(start("nap")).await {
                assert!(matches!(error, StartError::Overloaded { .. }), "{error:?}");
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, started).await.expect("a place becomes free");
    }
    town.at_rest().await;
    assert!(town.services.calls().is_empty(), "all are asleep");
    town.clock.pass(Duration::from_secs(3_600));
    let mut most = 0;
    let woken = async {
        while town.services.calls().len() < SLEEPERS || town.engine.load().live > 0 {
            most = most.max(town.engine.load().live);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON * 6, woken).await.expect("all are woken");
    assert!((2..=LIVE).contains(&most), "{most} at once");
    assert_eq!(town.services.calls().len(), SLEEPERS, "each once");
    assert_eq!(town.services.not_intended(), Vec::<String>::new());
    let counts = town.store.counts().await.expect("readable");
    assert_eq!((counts.running, counts.compensating), (0, 0), "each has ended");
}

async fn later(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cancel_that_races_the_pivot_or_the_end_has_one_outcome() {
    let mut ends = BTreeMap::<(&str, &str), u32>::new();
    for round in 0..80 {
        let (name, held) = [("pivoted", "one action"), ("three", "three action")][round % 2];
        let town = Town::new(memory(), 8, 8).await;
        town.register(PIVOTED).await;
        town.register(THREE).await;
        town.services.when(held, Does::Holds(200, json!({})));
        let saga = town.start(name).await;
        town.services.called(&format!("{held} 1 @1")).await;
        // Among the tasks of the saga, each time a little later: from before the answer that decides to behind it.
        let cancel = tokio::spawn({
            let engine = town.engine.clone();
            async move {
                later(round / 2).await;
                tokio::join!(engine.cancel(saga, None), engine.cancel(saga, None))
            }
        });
        let services = town.services.clone();
        tokio::spawn(async move {
            later(20).await;
            services.let_go();
        });
        let (one, other) = cancel.await.expect("no panic");
        let end = town.ended(saga).await;
        let kinds = town.kinds(saga).await;
        let requested = kinds.iter().filter(|kind| *kind == "cancel_requested").count();
        let ended = kinds.iter().filter(|kind| ["saga_completed", "saga_compensated"].contains(&kind.as_str())).count();
        assert_eq!(ended, 1, "round {round}: one end: {kinds:?}");
        let came = match (one, other) {
            (Ok(Cancelled::Undoing), _) | (_, Ok(Cancelled::Undoing)) => {
                assert_eq!((end, requested), (Status::Compensated, 1), "round {round}: {kinds:?}");
                "undone"
            }
            (Err(CancelError::TooLate { .. }), Err(CancelError::TooLate { .. })) => {
                assert_eq!((end, requested), (Status::Completed, 0), "round {round}: {kinds:?}");
                "too late"
            }
            (one, other) => panic!("round {round}: {one:?}, {other:?}"),
        };
        *ends.entry((name, came)).or_default() += 1;
    }
    assert!(ends.len() == 4 && ends.values().all(|often| *often >= 2), "each came about: {ends:?}");
}
