//! The point of no return, and the path behind it.

use std::time::Duration;

use amends_core::{CanCancel, summary::Status};
use serde_json::json;

use crate::dsl::{PIVOT, Run, acked, action, answer, lost, not_sent, ok, ok_with, undo};

fn at_pivot() -> Run {
    Run::of(PIVOT).answers("a", ok()).owes([action("p")])
}

#[test]
fn an_unknown_pivot_is_asked_again_without_limit_and_nothing_is_undone() {
    let mut run = at_pivot();
    for attempt in 1..=40 {
        run = run.answers("p", lost()).is(Status::Running).owes([action("p")]);
        assert_eq!(run.attempt(&action("p")), attempt + 1);
    }
    assert_eq!(run.count("compensating") + run.count("intended a compensate"), 0);
    let run = run.asks_about([action("p")]);
    assert!(run.wait(&action("p")) >= Duration::from_secs(60));
    run.answers("p", ok()).asks_about([]).answers("z", ok()).is(Status::Completed);
}

#[test]
fn a_pivot_that_is_rejected_at_once_fails_and_the_steps_before_it_are_undone() {
    at_pivot()
        .answers("p", answer(409))
        .says(["rejected p action 1", "failed p rejected", "compensating", "intended a compensate 1"])
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn an_acked_no_of_a_barrier_settles_a_pivot_that_was_unknown() {
    at_pivot().barrier().answers("p", lost()).answers("p", acked(409)).says([
        "rejected p action 2",
        "failed p rejected",
        "compensating",
        "intended a compensate 1",
    ]);
}

#[test]
fn a_plain_no_after_an_unknown_attempt_at_the_pivot_asks_a_person_and_waits() {
    for no in [answer(409), acked(409)] {
        at_pivot()
            .answers("p", lost())
            .answers("p", no)
            .says(["rejected p action 2", "attention p action rejected_after_unknown"])
            .is(Status::Running)
            .asks_about([action("p")])
            .owes([])
            .passes(Duration::from_secs(365 * 24 * 3600))
            .says([])
            .cancels()
            .says([])
            .adopted(Duration::from_secs(60))
            .says(["adopted"])
            .owes([]);
    }
}

#[test]
fn a_pivot_that_never_left_runs_out_of_attempts_and_fails() {
    at_pivot().answers("p", not_sent()).answers("p", not_sent()).answers("p", not_sent()).says([
        "not sent p action 3",
        "failed p never_sent",
        "compensating",
        "intended a compensate 1",
    ]);
}

#[test]
fn a_pivot_that_did_not_leave_after_an_unknown_attempt_is_asked_again() {
    let run = at_pivot().answers("p", lost());
    let run = (0..10).fold(run, |run, _| run.answers("p", not_sent()).is(Status::Running).owes([action("p")]));
    run.answers("p", ok()).answers("z", ok()).is(Status::Completed);
}

#[test]
fn behind_the_pivot_a_no_asks_a_person_and_waits() {
    at_pivot()
        .answers("p", ok())
        .answers("z", answer(409))
        .says(["rejected z action 1", "attention z action rejected"])
        .is(Status::Running)
        .owes([])
        .asks_about([action("z")]);
}

#[test]
fn behind_the_pivot_lost_and_unsent_attempts_are_made_again_until_done() {
    let mut run = at_pivot().answers("p", ok());
    for _ in 0..10 {
        run = run.answers("z", lost()).answers("z", not_sent()).is(Status::Running);
    }
    let run = run.asks_about([action("z")]);
    assert_eq!(run.count("attention z"), 1);
    assert!(run.wait(&action("z")) >= Duration::from_secs(60));
    run.answers("z", ok()).is(Status::Completed).asks_about([]);
}

#[test]
fn from_the_pivot_on_an_unusable_reply_asks_a_person_and_is_never_asked_again() {
    let yaml = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  p: { call: x POST /p, pivot: true, output: { n: '${{ response.body.n }}' } }
  z: { call: x POST /z, output: { n: '${{ response.body.n }}' } }
";
    let run = || Run::of(yaml).answers("a", ok());
    run()
        .answers("p", ok_with(json!([])))
        .says(["unusable p action 1", "attention p action unusable"])
        .is(Status::Running)
        .owes([])
        .can_cancel(CanCancel::PastPivot);
    run()
        .answers("p", ok_with(json!({ "n": 1 })))
        .answers("z", ok())
        .says(["unusable z action 1", "attention z action unusable"])
        .owes([]);
}

#[test]
fn the_deadline_is_no_alarm_any_more_once_the_pivot_is_intended() {
    let run = Run::of(PIVOT);
    assert_eq!(run.state.summary().wake_at, Some(run.now));
    let run = run.answers("a", ok()).answers("p", ok()).answers("z", answer(409)).owes([]);
    // Nothing is due by itself: a sweep that looks for what is due must not find it for ever.
    assert_eq!(run.state.summary().wake_at, None);
    run.owes([]).asks_about([action("z")]).passes(Duration::from_secs(7200)).says([]);
}

#[test]
fn undoing_never_touches_the_pivot() {
    let run = at_pivot().barrier().answers("p", lost()).answers("p", acked(409)).undo_answers("a", acked(200));
    assert_eq!(run.is(Status::Compensated).count("intended p compensate"), 0);
    at_pivot().answers("p", answer(409)).owes([undo("a")]);
}
