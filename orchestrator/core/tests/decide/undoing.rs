//! Undoing: order, attention, halts.

use std::time::Duration;

use amends_core::{
    RefusedThere,
    state::{Phase, StepState},
    summary::Status,
};

use crate::dsl::{DIAMOND, ROW, Run, acked, answer, lost, not_sent, ok, refused_there, retry_after, undo};

fn undoing() -> Run {
    Run::of(ROW).all_answer(&["a", "b"]).answers("c", answer(409)).owes([undo("b")])
}

#[test]
fn steps_in_a_row_are_undone_in_reverse_one_at_a_time() {
    undoing()
        .undo_answers("b", ok())
        .says(["succeeded b compensate 1", "intended a compensate 1"])
        .undo_answers("a", ok())
        .says(["succeeded a compensate 1", "compensated"])
        .is(Status::Compensated);
}

#[test]
fn a_compensation_waits_only_for_the_steps_that_depended_on_its_step() {
    let run = Run::of(DIAMOND).all_answer(&["a", "b", "c", "e"]).answers("d", answer(409));
    run.says([
        "rejected d action 1",
        "failed d rejected",
        "compensating",
        "intended e compensate 1",
        "intended c compensate 1",
        "intended b compensate 1",
    ])
    .undo_answers("c", ok())
    .says(["succeeded c compensate 1"])
    .undo_answers("b", ok())
    .says(["succeeded b compensate 1", "intended a compensate 1"]);
}

#[test]
fn a_step_with_nothing_to_undo_is_transparent() {
    let yaml = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  look: { call: x GET /b, compensate: none, reason: reads only }
  c: { call: x POST /c, compensate: { call: x POST /c/undo } }
  d: { call: x POST /d, compensate: { call: x POST /d/undo } }
";
    Run::of(yaml)
        .all_answer(&["a", "look", "c"])
        .answers("d", answer(409))
        .owes([undo("c")])
        // Through `look` the step `a` still waits for `c`.
        .undo_answers("c", lost())
        .owes([undo("c")])
        .undo_answers("c", ok())
        .says(["succeeded c compensate 2", "intended a compensate 1"]);
    Run::of(yaml).answers("a", ok()).answers("look", answer(404)).owes([undo("a")]);
}

#[test]
fn a_rejected_compensation_asks_a_person_and_its_predecessors_wait() {
    let run = undoing()
        .undo_answers("b", answer(409))
        .says(["rejected b compensate 1", "attention b compensate rejected"])
        .asks_about([undo("b")])
        .owes([])
        .passes(Duration::from_secs(1_000_000))
        .says([])
        .adopted(Duration::from_secs(60))
        .says(["adopted"])
        .is(Status::Compensating);
    assert!(matches!(run.step("b"), Some(StepState::Compensating { call, .. }) if call.phase == Phase::Halted));
    assert!(matches!(run.step("a"), Some(StepState::Succeeded { .. })));
}

#[test]
fn one_halted_branch_does_not_stop_the_others() {
    Run::of(DIAMOND)
        .all_answer(&["a", "b", "c", "e"])
        .answers("d", answer(409))
        .undo_answers("c", answer(409))
        .undo_answers("e", ok())
        .undo_answers("b", ok())
        .says(["succeeded b compensate 1"])
        .owes([])
        .is(Status::Compensating);
}

#[test]
fn a_compensation_past_its_threshold_asks_a_person_once_and_goes_on_at_least_a_minute_apart() {
    let mut run = undoing();
    for _ in 1..10 {
        run = run.undo_answers("b", lost());
        assert!(run.wait(&undo("b")) <= Duration::from_secs(60));
        run = run.asks_about([]);
    }
    run = run.undo_answers("b", lost()).says([
        "unknown b compensate 10",
        "attention b compensate attempts_exhausted",
        "intended b compensate 11",
    ]);
    for reply in [lost(), not_sent(), answer(503), retry_after(1)].into_iter().cycle().take(40) {
        run = run.undo_answers("b", reply);
        assert!(run.wait(&undo("b")) >= Duration::from_secs(60));
    }
    assert_eq!(run.count("attention b compensate"), 1);
    run.undo_answers("b", ok()).asks_about([]).undo_answers("a", ok()).is(Status::Compensated);
}

#[test]
fn a_compensation_that_is_not_sent_is_sent_again() {
    undoing().undo_answers("b", not_sent()).says(["not sent b compensate 1", "intended b compensate 2"]);
}

#[test]
fn a_compensation_may_count_gone_as_undone() {
    let yaml = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x DELETE /a, success_on: [404, 410] } }
  b: { call: x POST /b, compensate: { call: x DELETE /b } }
";
    Run::of(yaml).answers("a", ok()).answers("b", answer(409)).undo_answers("a", answer(404)).is(Status::Compensated);
    // For the action the same status is a no.
    Run::of(yaml).answers("a", answer(404)).says([
        "rejected a action 1",
        "failed a rejected",
        "compensating",
        "compensated",
    ]);
}

#[test]
fn a_fenced_compensation_of_the_true_owner_asks_a_person_and_goes_on() {
    undoing()
        .barrier()
        .undo_answers("b", refused_there(RefusedThere::StaleEpoch))
        .says(["unknown b compensate 1", "attention b compensate stale_epoch", "intended b compensate 2"])
        .undo_answers("b", acked(409))
        .says(["rejected b compensate 2", "attention b compensate rejected"])
        .owes([]);
}
