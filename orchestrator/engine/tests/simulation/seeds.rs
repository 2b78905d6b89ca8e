//! As many seeds as one likes. Two tests, so that two cores have something to do.

use std::{collections::BTreeMap, time::Instant};

use amends_core::summary::Status;

use crate::run::run;

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What must have happened, and at least once in how many seeds.
const FIRED: &[(&str, u64)] = &[
    ("a request is not sent", 5),
    ("a request is lost", 10),
    ("a request comes late", 5),
    ("a request comes twice", 5),
    ("an answer is lost", 5),
    ("a service is overloaded", 10),
    ("a read fails", 10),
    ("a write fails", 5),
    ("an acknowledgement is lost", 5),
    ("an acknowledgement comes late", 10),
    ("a write is made late", 20),
    ("the store is slow", 10),
    ("a node dies", 5),
    ("a node stands still", 10),
    ("a machine sleeps", 10),
    ("a node is stopped", 20),
    ("a saga is adopted", 10),
    ("a sleeper is woken", 5),
    ("a lease has ended", 20),
    ("a writer is fenced", 100),
    ("a writer has a conflict", 1_000),
    ("a call of a stale owner leaves", 100),
    ("a stale call is turned away", 200),
    ("a late action meets its tombstone", 100),
    ("a copy gets the stored answer", 5),
    ("there is nothing to undo", 20),
    ("a lock changes hands", 50),
    ("completed", 3),
    ("compensated", 5),
    ("attention", 1_000),
];

fn seeds_from(offset: u64, step: u64) {
    let (first, many) = (env("AMENDS_SEED", 0), env("AMENDS_SIMULATION_SEEDS", 20_000));
    let began = Instant::now();
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut ran: u32 = 0;
    for seed in (first + offset..first + many).step_by(usize::try_from(step).expect("small")) {
        let run = run(seed, None);
        if many == 1 {
            println!("{run}");
        }
        assert!(
            run.verdict.is_empty(),
            "{run}\nseed {seed}: {:#?}\nto see it again: AMENDS_SEED={seed} AMENDS_SIMULATION_SEEDS=1",
            run.verdict
        );
        ran += 1;
        for (what, times) in run.counts.iter().map(|(what, times)| (*what, *times)).chain(seen_in(&run)) {
            *counts.entry(what).or_default() += times;
        }
    }
    let took = began.elapsed();
    println!(
        "AMENDS_SEED={first} AMENDS_SIMULATION_SEEDS={many}: {ran} here in {took:.1?}, {:.0} a second",
        f64::from(ran) / took.as_secs_f64()
    );
    println!("{counts:#?}");
    for (what, once_in) in FIRED {
        let times = counts.get(what).copied().unwrap_or(0);
        assert!(times >= u64::from(ran) / once_in, "`{what}` only {times} times in {ran} seeds");
    }
}

/// What is counted afterwards.
fn seen_in(run: &crate::run::Run) -> Vec<(&'static str, u64)> {
    use crate::services::Did;
    let did = |did: Did| run.books.iter().filter(|entry| entry.did == did).count() as u64;
    let ended = |status| run.sagas.iter().filter(|(head, _)| head.summary.status == status).count() as u64;
    let raised = |(_, journal): &&(_, Vec<amends_core::event::Recorded>)| {
        journal.iter().any(|row| matches!(row.event, amends_core::event::Event::AttentionRaised { .. }))
    };
    vec![
        ("a stale call is turned away", did(Did::Fenced)),
        ("a late action meets its tombstone", did(Did::TooLate)),
        ("a copy gets the stored answer", did(Did::Replayed)),
        ("there is nothing to undo", did(Did::NullUndo)),
        ("completed", ended(Status::Completed)),
        ("compensated", ended(Status::Compensated)),
        ("attention", run.sagas.iter().filter(raised).count() as u64),
        ("requests", run.wire.len() as u64),
        ("sagas", run.sagas.len() as u64),
    ]
}

#[test]
fn sagas_keep_the_contract_in_one_half_of_the_seeds() {
    seeds_from(0, 2);
}

#[test]
fn sagas_keep_the_contract_in_the_other_half_of_the_seeds() {
    seeds_from(1, 2);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..200 {
        let (once, again) = (run(seed, None).to_string(), run(seed, None).to_string());
        assert_eq!(once, again, "seed {seed}");
    }
}
