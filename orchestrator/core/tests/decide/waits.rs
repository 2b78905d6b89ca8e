//! `sleep`, `until` and what ends a wait.

use std::time::Duration;

use amends_core::{Command, Input, event::Cause, outstanding, state::StepState, summary::Status, time::Time};
use serde_json::{Value, json};

use crate::dsl::{Run, action, answer, ok, undo};

const HOUR: Duration = Duration::from_secs(3600);

/// A call, an hour's sleep, a call.
const NAP: &str = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  nap: { sleep: 1h }
  b: { call: x POST /b, compensate: { call: x POST /b/undo } }
";

fn wakes(run: &Run) -> Vec<Time> {
    let owed = outstanding(&run.definition, &run.state).into_iter();
    owed.filter_map(|command| match command {
        Command::Wake { at } => Some(at),
        Command::Call { .. } | Command::Probe { .. } | Command::Lock { .. } | Command::Family(_) | Command::Finish => {
            None
        }
    })
    .collect()
}

fn until(yaml_until: &str, input: Value) -> Run {
    Run::with_input(
        &format!(
            "saga: s\nsteps:\n  u: {{ until: \"{yaml_until}\" }}\n  b: {{ call: x POST /b, compensate: none, reason: reads }}\n"
        ),
        input,
    )
}

#[test]
fn a_sleep_begins_in_the_commit_that_met_its_needs_and_ends_when_it_is_over_and_not_before() {
    let run = Run::of(NAP).answers("a", ok()).says(["succeeded a action 1", "sleeps nap"]).owes([]);
    assert_eq!(wakes(&run), [run.now + HOUR]);
    assert_eq!(run.state.summary().wake_at, Some(run.now + HOUR));
    let run = run.passes(HOUR - Duration::from_micros(1)).says([]);
    run.passes(Duration::from_micros(1))
        .says(["slept nap", "intended b action 1"])
        .answers("b", ok())
        .is(Status::Completed);
}

#[test]
fn a_sleep_costs_two_commits() {
    let run = Run::of(NAP).answers("a", ok()).passes(HOUR).answers("b", ok()).is(Status::Completed);
    assert_eq!(run.commits, 4);
}

#[test]
fn a_sleeper_goes_on_where_it_was_after_a_death_a_release_and_a_clock_that_went_back() {
    let run = Run::of(NAP).answers("a", ok());
    let due = run.now + HOUR;
    let run = run.adopted(HOUR / 2).says(["adopted"]);
    assert_eq!(wakes(&run), [due]);
    let run = run.input(Input::Released).passes(HOUR).says([]);
    run.adopted(Duration::ZERO).says(["adopted", "slept nap", "intended b action 1"]);

    let mut run = Run::of(NAP).answers("a", ok());
    run.now = Time(run.now.0 - 7_200_000_000);
    let run = run.adopted(Duration::ZERO).says(["adopted"]);
    assert_eq!(wakes(&run), [due]);
}

#[test]
fn a_wait_ends_at_once_when_the_saga_is_cancelled_fails_or_passes_its_deadline() {
    Run::of(NAP)
        .answers("a", ok())
        .cancels()
        .says(["cancel requested", "compensating", "failed nap cut_short", "intended a compensate 1"])
        .undo_answers("a", ok())
        .is(Status::Compensated);

    let beside = "
saga: s
steps:
  nap: { needs: [], sleep: 1h }
  a: { needs: [], call: x POST /a, compensate: { call: x POST /a/undo } }
";
    let run = Run::of(beside).says(["started", "sleeps nap", "intended a action 1"]);
    run.answers("a", answer(409)).says([
        "rejected a action 1",
        "failed a rejected",
        "compensating",
        "failed nap cut_short",
        "compensated",
    ]);

    let run = Run::of(&NAP.replace("steps:", "deadline: 30m\nsteps:")).answers("a", ok()).passes(HOUR / 2);
    let run = run.says(["compensating", "failed nap cut_short", "intended a compensate 1"]);
    assert_eq!(run.state.cause, Some(Cause::DeadlinePassed));
    assert_eq!(run.state.summary().wake_at, Some(run.now), "nothing but its call");
}

#[test]
fn what_a_sleeper_stands_between_is_undone_in_order() {
    let run = Run::of(NAP).answers("a", ok()).passes(HOUR).cancels().answers("b", ok()).owes([undo("b")]);
    run.undo_answers("b", ok()).owes([undo("a")]);
}

#[test]
fn sleeps_in_a_row_are_slept_one_after_the_other_and_side_by_side_together() {
    let row = "saga: s\nsteps:\n  x: { sleep: 1h }\n  y: { sleep: 1h }\n";
    let run = Run::of(row).says(["started", "sleeps x"]).passes(HOUR * 3).says(["slept x", "sleeps y"]);
    run.passes(HOUR).says(["slept y", "completed"]);
    let beside = "saga: s\nsteps:\n  x: { needs: [], sleep: 1h }\n  y: { needs: [], sleep: 1h }\n";
    Run::of(beside).passes(HOUR).says(["slept x", "slept y", "completed"]);
}

#[test]
fn an_until_is_evaluated_once_and_written_down_as_a_time() {
    let run = until("${{ input.at }}", json!({ "at": "1970-01-01T01:16:40+01:00" }));
    // The test's clock begins at 1000 s, which is 00:16:40.
    let run = run.says(["started", "sleeps u", "slept u", "intended b action 1"]);
    assert_eq!(run.state.status, Status::Running);
    let run = until("1970-01-01T${{ input.hour }}:00:00Z", json!({ "hour": "02" })).says(["started", "sleeps u"]);
    assert_eq!(wakes(&run), [Time(7_200_000_000)]);
    run.adopted(Duration::ZERO).says(["adopted"]).passes(HOUR * 2).says(["slept u", "intended b action 1"]);
}

#[test]
fn an_until_that_is_no_time_or_out_of_sight_fails_its_step_before_the_pivot() {
    for at in [json!("soon"), json!(3), json!(null), json!("9999-12-31T00:00:00Z"), json!("1970-01-01")] {
        until("${{ input.at }}", json!({ "at": at })).says([
            "started",
            "cannot begin u",
            "failed u never_sent",
            "compensating",
            "compensated",
        ]);
    }
}

#[test]
fn an_until_without_a_value_behind_the_pivot_asks_a_person() {
    let yaml = "saga: s\nsteps:\n  p: { call: x POST /p, pivot: true }\n  u: { until: '${{ input.at }}' }\n";
    let run = Run::of(yaml).answers("p", ok());
    let run = run.says(["succeeded p action 1", "cannot begin u", "attention u action refused_here"]);
    assert_eq!(run.step("u"), Some(&StepState::Refused));
    run.asks_about([action("u")]).is(Status::Running);
}

#[test]
fn a_sleep_whose_if_is_false_is_not_slept() {
    let yaml = NAP.replace("sleep: 1h", "sleep: 1h, if: '${{ input.slow }}'");
    Run::with_input(&yaml, json!({ "slow": false })).answers("a", ok()).says([
        "succeeded a action 1",
        "skipped nap",
        "intended b action 1",
    ]);
}
