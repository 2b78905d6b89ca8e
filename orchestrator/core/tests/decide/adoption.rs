//! Restart and adoption are one input.

use std::time::Duration;

use amends_core::{Input, summary::Status};

use crate::dsl::{PIVOT, ROW, Run, action, answer, lost, not_sent, ok, undo};

const LEASE: Duration = Duration::from_secs(10);

#[test]
fn an_attempt_that_may_have_left_is_unknown_first_and_then_made_again() {
    let run = Run::of(ROW).adopted(LEASE).says(["adopted", "unknown a action 1", "intended a action 2"]);
    assert_eq!((run.state.epoch, run.journal.last().map(|last| last.epoch)), (2, Some(2)));
}

#[test]
fn an_attempt_that_was_not_due_yet_stands() {
    let run = Run::of(ROW).answers("a", not_sent());
    let run = run.adopted(Duration::ZERO).says(["adopted"]).owes([action("a")]);
    assert_eq!(run.attempt(&action("a")), 2);
    // Right when it is due it may have left.
    let run = Run::of(ROW).answers("a", not_sent());
    let due = run.wait(&action("a"));
    run.adopted(due).says(["adopted", "unknown a action 2", "intended a action 3"]);
}

#[test]
fn a_clock_that_went_back_cannot_vouch_for_an_attempt() {
    let mut run = Run::of(ROW).answers("a", not_sent());
    run.now = amends_core::time::Time(run.now.0 - 3_600_000_000);
    let run = run.adopted(Duration::ZERO).says(["adopted", "unknown a action 2", "intended a action 3"]);
    assert!(run.journal.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn what_was_let_go_in_good_order_is_not_unknown() {
    let run = Run::of(ROW).input(Input::Released).says(["released"]).cancels().says([]).passes(LEASE).says([]);
    run.adopted(LEASE)
        .says(["adopted"])
        .owes([action("a")])
        .answers("a", ok())
        .says(["succeeded a action 1", "intended b action 1"]);
}

#[test]
fn deaths_use_up_attempts_and_what_they_leave_is_undone() {
    let run = (1..5).fold(Run::of(ROW), |run, _| run.adopted(LEASE));
    run.adopted(LEASE).says([
        "adopted",
        "unknown a action 5",
        "failed a unresolved",
        "compensating",
        "intended a compensate 1",
    ]);
}

#[test]
fn a_pivot_that_was_open_is_asked_again_and_nothing_is_undone() {
    let mut run = Run::of(PIVOT).answers("a", ok());
    for _ in 0..20 {
        run = run.adopted(Duration::from_secs(600)).is(Status::Running).owes([action("p")]);
    }
    assert_eq!(run.count("unknown p"), 20);
}

#[test]
fn a_compensation_that_was_open_is_made_again() {
    let undoing = Run::of(ROW).answers("a", ok()).answers("b", answer(409)).owes([undo("a")]);
    undoing.adopted(LEASE).says(["adopted", "unknown a compensate 1", "intended a compensate 2"]);
}

#[test]
fn a_halted_call_stays_halted() {
    Run::of(ROW)
        .answers("a", ok())
        .answers("b", answer(409))
        .undo_answers("a", answer(409))
        .adopted(LEASE)
        .says(["adopted"])
        .owes([])
        .asks_about([undo("a")]);
}

#[test]
fn an_action_that_was_on_the_wire_when_the_saga_failed_is_unresolved_for_the_next_owner() {
    Run::of(ROW).cancels().says(["cancel requested", "compensating"]).adopted(LEASE).says([
        "adopted",
        "unknown a action 1",
        "failed a unresolved",
        "intended a compensate 1",
    ]);
}

#[test]
fn a_deadline_that_passed_while_nobody_owned_the_saga_is_seen_at_its_adoption() {
    Run::of(PIVOT).adopted(Duration::from_secs(3600)).says([
        "adopted",
        "unknown a action 1",
        "intended a action 2",
        "compensating",
        "withdrawn a action 2",
        "failed a unresolved",
        "intended a compensate 1",
    ]);
}

#[test]
fn an_adoption_that_does_not_raise_the_epoch_means_nothing() {
    Run::of(ROW).input(Input::Adopted { epoch: 1 }).says([]).input(Input::Adopted { epoch: 0 }).says([]);
    Run::of(ROW)
        .answers("a", lost())
        .input(Input::Adopted { epoch: 9 })
        .says(["adopted"])
        .input(Input::Adopted { epoch: 8 })
        .says([]);
}

#[test]
fn an_ended_saga_is_not_adopted() {
    Run::of(ROW).all_answer(&["a", "b", "c"]).adopted(LEASE).says([]);
}
