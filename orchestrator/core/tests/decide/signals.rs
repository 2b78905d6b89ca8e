//! `await`: who gets which signal, what comes early, late, twice or not at all.

use std::time::Duration;

use amends_core::{CanSignal, UnfitSignal, check_signal, event::Cause, event::Failure, summary::Status};
use serde_json::{Value, json};

use crate::dsl::{Run, action, ok};

const DAY: Duration = Duration::from_secs(86_400);

const APPROVAL: &str = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  ask: { await: approved, timeout: 1d, output: { by: '${{ signal.by }}' } }
  b: { call: \"x POST /b/${{ steps.ask.output.by }}\", compensate: { call: x POST /b/undo } }
output: { by: \"${{ steps.ask.output.by }}\" }
";

/// Two steps await the same, side by side.
const TWO: &str = "
saga: s
steps:
  one: { needs: [], await: go, timeout: 1d, output: '${{ signal }}' }
  two: { needs: [a], await: go, timeout: 1d, output: '${{ signal }}' }
  a: { needs: [], call: x POST /a, compensate: { call: x POST /a/undo } }
";

/// A step behind the pivot awaits.
const LATE: &str = "
saga: s
steps:
  p: { call: x POST /p, pivot: true }
  ask: { await: arrived, timeout: 1d }
";

fn by(who: &str) -> Value {
    json!({ "by": who })
}

#[test]
fn a_signal_that_is_awaited_is_taken_in_the_commit_in_which_it_came() {
    let run = Run::of(APPROVAL).answers("a", ok()).says(["succeeded a action 1", "awaits ask approved"]).owes([]);
    assert_eq!(run.state.summary().wake_at, Some(run.now + DAY));
    let run = run.signal("approved", "k", by("ada"));
    let run = run.says(["signal approved", "taken ask approved", "intended b action 1"]).answers("b", ok());
    assert_eq!(*run.state.output, by("ada"));
    assert_eq!(run.commits, 4);
}

#[test]
fn a_signal_that_comes_early_is_kept_and_taken_as_soon_as_it_is_awaited() {
    let run = Run::of(APPROVAL).signal("approved", "", by("ada")).says(["signal approved"]);
    let run = run.can_signal("approved", "", by("bob"), CanSignal::NotAwaited).adopted(DAY / 2).answers("a", ok());
    run.says(["succeeded a action 2", "awaits ask approved", "taken ask approved", "intended b action 1"]);
}

#[test]
fn the_same_key_is_the_same_signal_also_after_it_was_taken_and_after_the_end() {
    let run = Run::of(APPROVAL).signal("approved", "k", by("ada"));
    let run = run.can_signal("approved", "k", by("ada"), CanSignal::CameBefore).signal("approved", "k", by("ada"));
    let run = run.says([]).can_signal("approved", "k", by("bob"), CanSignal::KeyReused);
    let run = run.signal("approved", "k", by("bob")).says([]).answers("a", ok());
    let run = run.can_signal("approved", "k", by("ada"), CanSignal::CameBefore);
    let run = run.can_signal("approved", "other", by("ada"), CanSignal::NotAwaited);
    let run = run.answers("b", ok()).is(Status::Completed);
    run.can_signal("approved", "k", by("ada"), CanSignal::CameBefore)
        .can_signal("approved", "k", by("bob"), CanSignal::KeyReused)
        .can_signal("approved", "other", by("ada"), CanSignal::Ended)
        .signal("approved", "other", by("ada"))
        .says([]);
}

#[test]
fn the_order_of_fields_in_a_payload_does_not_make_another_signal() {
    let ordered: Value = serde_json::from_str(r#"{"by":"ada","at":[{"x":1,"y":2}]}"#).expect("JSON");
    let other: Value = serde_json::from_str(r#"{"at":[{"y":2,"x":1}],"by":"ada"}"#).expect("JSON");
    let run = Run::of(APPROVAL).signal("approved", "k", ordered);
    run.can_signal("approved", "k", other, CanSignal::CameBefore);
}

#[test]
fn of_several_that_await_the_same_the_first_to_wait_gets_the_first_signal() {
    let run = Run::of(TWO).says(["started", "awaits one go", "intended a action 1"]).answers("a", ok());
    let run = run.says(["succeeded a action 1", "awaits two go"]).signal("go", "", json!(1));
    let run = run.says(["signal go", "taken one go"]).signal("go", "", json!(2)).says([
        "signal go",
        "taken two go",
        "completed",
    ]);
    assert_eq!(run.state.output_of("two").map(|output| (**output).clone()), Some(json!(2)));
    // The one that waits longer goes first, wherever it stands in the source; early signals keep their order.
    let run = Run::of(&TWO.replace("one: { needs: []", "one: { needs: [a, two]")).signal("go", "", json!(1));
    let run = run.signal("go", "", json!(2)).can_signal("go", "", json!(3), CanSignal::NotAwaited);
    let run = run.answers("a", ok()).says([
        "succeeded a action 1",
        "awaits two go",
        "taken two go",
        "awaits one go",
        "taken one go",
        "completed",
    ]);
    assert_eq!(run.state.output_of("two").map(|output| (**output).clone()), Some(json!(1)));
}

#[test]
fn as_many_signals_are_kept_as_may_be_taken_and_a_skipped_step_takes_none() {
    let run = Run::of(TWO).signal("go", "", json!(1)).says(["signal go", "taken one go"]);
    let run = run.signal("go", "", json!(2)).says(["signal go"]).signal("go", "", json!(3)).says([]);
    run.can_signal("go", "", json!(3), CanSignal::NotAwaited);
    let yaml = TWO.replace("one: {", "one: { if: '${{ input.no }}',");
    let run = Run::with_input(&yaml, json!({ "no": false }));
    run.can_signal("go", "", json!(1), CanSignal::Yes).signal("go", "", json!(1)).can_signal(
        "go",
        "",
        json!(2),
        CanSignal::NotAwaited,
    );
}

#[test]
fn a_wait_that_times_out_before_the_pivot_fails_its_step() {
    let run = Run::of(APPROVAL).answers("a", ok()).passes(DAY);
    let run = run.says(["failed ask timed_out", "compensating", "intended a compensate 1"]);
    let Some(Cause::StepFailed { step, index: None, failure: Failure::TimedOut, reason }) = run.state.cause.clone()
    else {
        panic!("{:?}", run.state.cause)
    };
    assert_eq!((step.as_str(), reason.as_str()), ("ask", "no signal `approved` came by 1970-01-02T00:16:40.000000Z"));
    run.can_signal("approved", "", by("ada"), CanSignal::Undoing)
        .signal("approved", "", by("ada"))
        .says([])
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn a_wait_that_times_out_behind_the_pivot_asks_a_person_once_and_goes_on_waiting() {
    let run = Run::of(LATE).answers("p", ok()).passes(DAY).says(["attention ask action timed_out"]);
    assert_eq!(run.state.summary().wake_at, None, "nobody need look at it again by himself");
    let run = run.asks_about([action("ask")]).passes(DAY).says([]).adopted(DAY).says(["adopted"]);
    let run = run.signal("arrived", "", json!(null)).says(["signal arrived", "taken ask arrived", "completed"]);
    run.asks_about([]);
}

#[test]
fn a_signal_that_comes_when_the_time_is_over_and_nobody_has_seen_it_yet_is_taken() {
    let mut run = Run::of(APPROVAL).answers("a", ok());
    run.now = run.now + DAY * 2;
    run.signal("approved", "", by("ada")).says(["signal approved", "taken ask approved", "intended b action 1"]);
}

#[test]
fn a_signal_that_was_acknowledged_and_not_taken_is_of_no_use_to_a_saga_that_is_undone() {
    let run = Run::of(APPROVAL).signal("approved", "k", by("ada")).cancels().answers("a", ok());
    let run = run.undo_answers("a", ok()).is(Status::Compensated);
    run.can_signal("approved", "k", by("ada"), CanSignal::CameBefore);
}

#[test]
fn a_payload_that_a_step_could_not_use_or_that_nobody_awaits_is_refused_before_it_is_kept() {
    let run = Run::of(APPROVAL);
    let why = |name: &str, payload: Value| check_signal(&run.definition, &name.into(), &payload);
    assert_eq!(why("approved", by("ada")), Ok(()));
    let unknown = why("aproved", by("ada")).expect_err("nobody awaits it").to_string();
    assert_eq!(unknown, "no step of `s` awaits a signal `aproved`; they await approved");
    let unfit = why("approved", json!({ "who": "ada" })).expect_err("no `by`").to_string();
    assert_eq!(unfit, "step `ask` cannot take its output from this payload: `signal.by` has no value here");
    let large = json!({ "by": "ada", "letter": "x".repeat(70_000) });
    assert_eq!(why("approved", large.clone()), Err(UnfitSignal::TooLarge));
    for (name, payload) in [("aproved", by("ada")), ("approved", json!(null)), ("approved", large)] {
        let run = Run::of(APPROVAL).can_signal(name, "", payload.clone(), CanSignal::Unfit);
        run.signal(name, "", payload).says([]);
    }
}
