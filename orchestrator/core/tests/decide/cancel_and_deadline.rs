//! Cancel and deadline work until the intent of the pivot's call is committed.

use std::time::Duration;

use amends_core::{CanCancel, Command, event::Cause, outstanding, summary::Status};

use crate::dsl::{PIVOT, ROW, Run, action, answer, lost, not_sent, ok, undo};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_cancel_awaits_what_is_on_the_wire_and_undoes() {
    Run::of(ROW)
        .answers("a", ok())
        .can_cancel(CanCancel::Yes)
        .cancels()
        .says(["cancel requested", "compensating"])
        .owes([action("b")])
        .answers("b", ok())
        .says(["succeeded b action 1", "intended b compensate 1"])
        .undo_answers("b", ok())
        .undo_answers("a", ok())
        .is(Status::Compensated)
        .can_cancel(CanCancel::Ended);
}

#[test]
fn ten_cancels_are_one_event() {
    let run = (0..10).fold(Run::of(ROW).answers("a", ok()), |run, _| run.cancels());
    assert_eq!((run.count("cancel requested"), run.count("compensating")), (1, 1));
    run.can_cancel(CanCancel::AlreadyUndoing).says([]);
}

#[test]
fn a_cancel_while_an_attempt_waits_for_its_turn_withdraws_it() {
    Run::of(ROW).answers("a", not_sent()).cancels().says([
        "cancel requested",
        "compensating",
        "withdrawn a action 2",
        "failed a never_sent",
        "compensated",
    ]);
    Run::of(ROW).answers("a", lost()).cancels().says([
        "cancel requested",
        "compensating",
        "withdrawn a action 2",
        "failed a unresolved",
        "intended a compensate 1",
    ]);
}

#[test]
fn from_the_intent_of_the_pivot_on_a_cancel_is_refused() {
    let run = Run::of(PIVOT).can_cancel(CanCancel::Yes).answers("a", ok());
    let run = run.says(["succeeded a action 1", "intended p action 1"]).can_cancel(CanCancel::PastPivot).cancels();
    let run = run.says([]).answers("p", not_sent()).can_cancel(CanCancel::PastPivot);
    let run = run.answers("p", lost()).can_cancel(CanCancel::PastPivot).answers("p", ok());
    run.can_cancel(CanCancel::PastPivot).cancels().says([]).answers("z", ok()).can_cancel(CanCancel::Ended);
}

#[test]
fn a_cancel_in_the_same_moment_as_the_pivots_intent_comes_too_late_and_one_before_it_is_in_time() {
    Run::of(PIVOT).cancels().says(["cancel requested", "compensating"]).answers("a", ok()).owes([undo("a")]);
    Run::of(PIVOT).answers("a", ok()).cancels().says([]).is(Status::Running);
}

#[test]
fn a_saga_that_failed_at_its_pivot_answers_a_cancel_with_already_undoing() {
    Run::of(PIVOT)
        .answers("a", ok())
        .answers("p", answer(409))
        .can_cancel(CanCancel::AlreadyUndoing)
        .cancels()
        .says([]);
}

#[test]
fn a_deadline_before_the_pivot_undoes() {
    let run = Run::of(PIVOT).passes(HOUR).says(["compensating"]).owes([action("a")]);
    assert_eq!(run.state.cause, Some(Cause::DeadlinePassed));
    run.answers("a", ok()).says(["succeeded a action 1", "intended a compensate 1"]);
    let early = Run::of(PIVOT).passes(HOUR - Duration::from_micros(1)).says([]);
    assert_eq!(early.state.status, Status::Running);
}

#[test]
fn a_deadline_that_passed_while_the_last_step_before_the_pivot_answered_undoes() {
    let mut run = Run::of(PIVOT);
    run.now = run.now + HOUR;
    run.answers("a", ok()).says(["succeeded a action 1", "compensating", "intended a compensate 1"]);
}

#[test]
fn a_deadline_from_the_pivots_intent_on_has_no_effect() {
    let run = Run::of(PIVOT).answers("a", ok());
    let wakes = |run: &Run| {
        let owed = outstanding(&run.definition, &run.state);
        owed.into_iter().any(|command| matches!(command, Command::Wake { .. }))
    };
    assert!(!wakes(&run) && wakes(&Run::of(PIVOT)));
    let run = run.passes(HOUR * 2).says([]).answers("p", lost()).is(Status::Running);
    run.answers("p", ok()).answers("z", ok()).is(Status::Completed);
}

#[test]
fn a_deadline_while_undoing_changes_nothing() {
    Run::of(PIVOT).cancels().passes(HOUR).says([]).is(Status::Compensating);
}

#[test]
fn an_unlimited_step_ends_with_the_deadline() {
    let yaml = "
saga: s
deadline: 1h
steps:
  a: { call: x POST /a, retry: { attempts: unlimited, max_backoff: 1m }, compensate: { call: x POST /a/undo } }
";
    let mut run = Run::of(yaml);
    while run.state.status == Status::Running {
        run = run.answers("a", lost());
        assert!(run.attempt(&action("a")) < 200);
    }
    assert!(run.count("unknown a") > 50);
    run.owes([undo("a")]);
}
