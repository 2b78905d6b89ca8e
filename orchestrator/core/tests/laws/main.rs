//! The laws of a saga over random definitions and random weather, and controls that show that each law can be broken.
//!
//! `AMENDS_CASES` says how many cases (default 300), `AMENDS_SEED` which ones (default 0).

mod imagined;
mod laws;
mod locks;
mod plan;
mod run;
mod world;

use amends_core::{
    definition::{Kind, Side, Step, Undo, Wait},
    summary::Status,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::{
    plan::Plan,
    run::{Broken, Outcome, run},
};

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn runner() -> TestRunner {
    runner_of(env("AMENDS_CASES", 300))
}

fn runner_of(cases: u64) -> TestRunner {
    let seed = env("AMENDS_SEED", 0);
    println!("AMENDS_CASES={cases} AMENDS_SEED={seed}");
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = u32::try_from(cases).expect("not that many cases");
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[test]
fn every_saga_keeps_the_laws_in_any_weather_and_ends_when_it_clears() {
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<Outcome, u32>::new());
    let kept = runner().run(&plan::plans(), |plan| match run(&plan, Broken::Nothing) {
        Ok(outcome) => {
            *seen.borrow_mut().entry(outcome).or_default() += 1;
            Ok(())
        }
        Err(why) => Err(TestCaseError::fail(why)),
    });
    kept.unwrap_or_else(|error| panic!("{error}"));
    // The weather was neither all fine nor all foul.
    let seen = seen.into_inner();
    println!("{seen:?}");
    for outcome in [Outcome::Ended(Status::Completed), Outcome::Ended(Status::Compensated), Outcome::WaitsForAPerson] {
        assert!(seen.get(&outcome).copied().unwrap_or(0) > 0, "no case was {outcome:?}: {seen:?}");
    }
}

/// Plans of a deterministic stream until the law in question notices what is broken. Others may notice it before.
#[track_caller]
fn is_noticed(broken: Broken, says: &[&str]) {
    const MOST: usize = 3_000;
    let strategy = plan::plans();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut others = Vec::new();
    for _ in 0..MOST {
        let plan: Plan = strategy.new_tree(&mut runner).expect("a plan").current();
        match run(&plan, broken) {
            Err(why) if says.iter().any(|word| why.contains(word)) => return,
            Err(why) => others.push(why),
            Ok(_) => {}
        }
    }
    others.dedup();
    panic!("{MOST} cases with {broken:?}, and the law did not notice; others did: {others:#?}");
}

#[test]
fn a_failing_step_that_is_not_undone_is_noticed() {
    is_noticed(Broken::FailingStepNotUndone, &["is not undone", "applied 1 and undone 0"]);
}

#[test]
fn a_timeout_taken_for_a_failure_is_noticed() {
    is_noticed(Broken::TimeoutMeansNotSent, &["applied 1 and undone 0", "was applied"]);
}

#[test]
fn an_unknown_that_is_not_sticky_is_noticed() {
    is_noticed(Broken::UnknownNotSticky, &["is not undone", "applied 1 and undone 0"]);
}

#[test]
fn undoing_in_the_wrong_order_is_noticed() {
    is_noticed(Broken::WrongOrder, &["before"]);
}

#[test]
fn an_if_that_is_ignored_is_noticed() {
    is_noticed(Broken::IfIgnored, &["although its if is false"]);
}

#[test]
fn a_sleep_that_ends_early_is_noticed() {
    is_noticed(Broken::SleepEndsEarly, &["slept long enough"]);
}

#[test]
fn a_signal_that_was_acknowledged_and_lost_is_noticed() {
    is_noticed(Broken::SignalLost, &["were acknowledged"]);
}

#[test]
fn a_callback_that_was_acknowledged_and_lost_is_noticed() {
    is_noticed(Broken::CallbackLost, &["were acknowledged"]);
}

#[test]
fn an_acceptance_that_is_forgotten_is_noticed() {
    is_noticed(Broken::AcceptedForgotten, &["what is accepted may have happened"]);
}

#[test]
fn signals_out_of_their_order_are_noticed() {
    is_noticed(Broken::LastSignalFirst, &["which came first"]);
}

#[test]
fn items_without_bound_are_noticed() {
    is_noticed(Broken::NoConcurrency, &["others are under way"]);
}

#[test]
fn undoing_at_an_unknown_pivot_is_noticed() {
    is_noticed(Broken::PivotLikeAnyStep, &["point of no return"]);
}

#[test]
fn undoing_while_an_action_is_on_the_wire_is_noticed() {
    is_noticed(Broken::DoesNotAwait, &["on the wire"]);
}

#[test]
fn an_adoption_that_takes_open_attempts_for_unsent_is_noticed() {
    is_noticed(Broken::AdoptionForgets, &["applied 1 and undone 0", "two attempts", "was applied"]);
}

#[test]
fn a_participant_without_tombstones_is_noticed() {
    is_noticed(Broken::NoTombstones, &["applied 1 and undone 0", "applied 2"]);
}

#[test]
fn a_participant_without_idempotency_is_noticed() {
    is_noticed(Broken::NoIdempotency, &["applied 2", "applied 3"]);
}

#[test]
fn an_action_that_is_sent_twice_is_noticed() {
    is_noticed(Broken::SentTwice, &["is sent twice"]);
}

#[test]
fn a_probe_that_is_believed_too_early_is_noticed() {
    is_noticed(Broken::ProbeNotAwaited, &["before it has settled"]);
}

#[test]
fn a_participant_that_forgets_its_refusals_is_noticed() {
    is_noticed(Broken::RefusalsNotStored, &["applied 1", "was applied"]);
}

#[test]
fn sagas_that_share_locks_keep_the_laws_in_any_weather_and_nobody_waits_for_ever() {
    let reached = std::cell::RefCell::new(locks::Reached::default());
    // A town is several sagas.
    let kept = runner_of(env("AMENDS_CASES", 300).div_ceil(4)).run(&locks::towns(), |town| {
        locks::play(&town, locks::Broken::Nothing, &mut reached.borrow_mut()).map_err(TestCaseError::fail)
    });
    kept.unwrap_or_else(|error| panic!("{error}"));
    let reached = reached.into_inner();
    println!("{reached:?}");
    assert!(reached.ended > 0 && reached.waited > 0 && reached.died_holding > 0 && reached.behind > 0, "{reached:?}");
}

/// As [`is_noticed`], of many sagas.
#[track_caller]
fn is_noticed_of_locks(broken: locks::Broken, says: &str) {
    const MOST: usize = 1_000;
    let strategy = locks::towns();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut others = Vec::new();
    for _ in 0..MOST {
        let town = strategy.new_tree(&mut runner).expect("a town").current();
        match locks::play(&town, broken, &mut locks::Reached::default()) {
            Err(why) if why.contains(says) => return,
            Err(why) => others.push(why),
            Ok(()) => {}
        }
    }
    others.dedup();
    panic!("{MOST} cases with {broken:?}, and the law did not notice; others did: {others:#?}");
}

#[test]
fn who_passes_by_in_a_queue_is_noticed() {
    is_noticed_of_locks(locks::Broken::PassedBy, "came before");
}

#[test]
fn a_lock_that_is_lost_in_a_crash_is_noticed() {
    is_noticed_of_locks(locks::Broken::LostInACrash, "has more than one holder");
}

#[test]
fn a_lock_of_two_holders_is_noticed() {
    is_noticed_of_locks(locks::Broken::TwoAtOnce, "has more than one holder");
}

#[test]
fn a_lock_that_is_never_freed_is_noticed() {
    is_noticed_of_locks(locks::Broken::NeverFreed, "wait for each other");
}

#[test]
fn locks_in_any_order_are_noticed() {
    is_noticed_of_locks(locks::Broken::AnyOrder, "wait for each other");
}

#[test]
fn a_journal_that_was_tampered_with_is_noticed() {
    use amends_core::event::Event;
    let strategy = plan::plans();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut tampered = [0_u32; 6];
    for _ in 0..200 {
        let plan: Plan = strategy.new_tree(&mut runner).expect("a plan").current();
        let definition = plan.definition();
        let (state, journal) = run::journal(&plan);
        laws::of_the_journal(&definition, &journal, &state).expect("untouched it is lawful");
        let mut notice = |which: usize, journal: &[_]| {
            tampered[which] += 1;
            assert!(laws::of_the_journal(&definition, journal, &state).is_err(), "tampering {which} of {plan:?}");
        };
        // A row is gone, doubled, swapped, of another time, of another owner; a second end.
        let middle = journal.len() / 2;
        let mut gone = journal.clone();
        gone.remove(middle);
        notice(0, &gone);
        let mut doubled = journal.clone();
        doubled.insert(middle, journal[middle].clone());
        notice(1, &doubled);
        let mut swapped = journal.clone();
        swapped.swap(middle - 1, middle);
        notice(2, &swapped);
        let mut early = journal.clone();
        early[middle].at = amends_core::time::Time(0);
        notice(3, &early);
        let mut foreign = journal.clone();
        foreign[middle].epoch += 100;
        notice(4, &foreign);
        if let Some(last) = journal.last().filter(|_| state.status.is_terminal()) {
            let mut twice = journal.clone();
            twice.push(amends_core::event::Recorded {
                seq: last.seq + 1,
                event: Event::SagaCompensated,
                ..last.clone()
            });
            notice(5, &twice);
        }
    }
    assert!(tampered.iter().all(|count| *count > 0), "{tampered:?}");
}

#[test]
fn the_plans_reach_what_the_laws_are_about() {
    let strategy = plan::plans();
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (mut parallel, mut pivots, mut transparent, mut deadlines, mut alone) = (0, 0, 0, 0, 0);
    let (mut conditional, mut sleeping, mut awaiting, mut items, mut later) = (0, 0, 0, 0, 0);
    for _ in 0..200 {
        let definition = strategy.new_tree(&mut runner).expect("a plan").current().definition();
        let steps = &definition.steps;
        let beside = |ix: usize, other: usize| {
            ix != other && !steps[ix].ancestors.contains(&other) && !steps[other].ancestors.contains(&ix)
        };
        parallel += u32::from((0..steps.len()).any(|ix| (0..steps.len()).any(|other| beside(ix, other))));
        pivots += u32::from(steps.iter().any(|step| step.side == Side::Pivot));
        transparent += u32::from(steps.iter().any(|step| matches!(step.undo(), Undo::Nothing { .. })));
        deadlines += u32::from(definition.deadline.is_some());
        items += u32::from(steps.iter().any(|step| step.call().is_some_and(|call| call.each.is_some())));
        later += u32::from(steps.iter().any(|step| step.call().is_some_and(|call| call.verdict_within.is_some())));
        awaiting += u32::from(definition.awaited().next().is_some());
        let sleeps = |step: &Step| matches!(step.kind, Kind::Wait(Wait::Sleep(_) | Wait::Until(_)));
        sleeping += u32::from(steps.iter().any(sleeps));
        conditional += u32::from(steps.iter().any(|step| step.condition.is_some()));
        alone += u32::from(steps.len() == 1);
    }
    for (what, count) in [
        ("parallel", parallel),
        ("pivots", pivots),
        ("transparent", transparent),
        ("deadlines", deadlines),
        ("conditional", conditional),
        ("sleeping", sleeping),
        ("awaiting", awaiting),
        ("items", items),
        ("later", later),
        ("alone", alone),
    ] {
        assert!(count >= 10, "{what}: {count} of 200");
    }
}
