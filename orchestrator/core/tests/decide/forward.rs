//! The forward path before a pivot: what each outcome does to a step, and what order steps start in.

use std::time::Duration;

use amends_core::{RefusedThere, state::StepState, summary::Status};
use serde_json::json;

use crate::dsl::{
    DIAMOND, ROW, Run, acked, action, answer, html, lost, not_sent, ok, ok_with, refused_there, retry_after, undo,
};

#[test]
fn steps_without_needs_run_in_source_order_one_at_a_time() {
    Run::of(ROW)
        .says(["started", "intended a action 1"])
        .answers("a", ok())
        .says(["succeeded a action 1", "intended b action 1"])
        .answers("b", ok())
        .answers("c", ok())
        .says(["succeeded c action 1", "completed"])
        .is(Status::Completed);
}

#[test]
fn n_steps_in_a_row_cost_n_plus_one_commits_and_each_retry_one_more() {
    let run = Run::of(ROW).all_answer(&["a", "b", "c"]).is(Status::Completed);
    assert_eq!(run.commits, 4);
    let run = Run::of(ROW).answers("a", lost()).answers("a", not_sent()).all_answer(&["a", "b", "c"]);
    assert_eq!(run.is(Status::Completed).commits, 6);
}

#[test]
fn the_commit_of_an_outcome_is_the_intent_of_the_next_attempt() {
    Run::of(ROW).answers("a", lost()).says(["unknown a action 1", "intended a action 2"]);
    Run::of(ROW).answers("a", not_sent()).says(["not sent a action 1", "intended a action 2"]);
}

#[test]
fn steps_start_together_as_soon_as_their_needs_are_met() {
    Run::of(DIAMOND)
        .says(["started", "intended a action 1", "intended e action 1"])
        .answers("a", ok())
        .says(["succeeded a action 1", "intended b action 1", "intended c action 1"])
        .answers("b", ok())
        .says(["succeeded b action 1"])
        .answers("c", ok())
        .says(["succeeded c action 1", "intended d action 1"])
        .all_answer(&["d", "e"])
        .is(Status::Completed);
}

#[test]
fn a_rejected_step_fails_and_is_not_undone() {
    Run::of(ROW)
        .answers("a", ok())
        .answers("b", answer(409))
        .says(["rejected b action 1", "failed b rejected", "compensating", "intended a compensate 1"])
        .undo_answers("a", ok())
        .says(["succeeded a compensate 1", "compensated"])
        .is(Status::Compensated);
}

#[test]
fn an_unusable_reply_fails_its_step_and_the_step_is_undone() {
    let yaml = "
saga: s
steps:
  a: { call: x POST /a, output: { id: '${{ response.body.id }}' }, compensate: { call: x POST /a/undo } }
";
    let unusable = ["unusable a action 1", "failed a unusable", "compensating", "intended a compensate 1"];
    Run::of(yaml).answers("a", ok_with(json!({ "other": 1 }))).says(unusable);
    Run::of(yaml).answers("a", ok_with(json!("<html>"))).says(unusable);
    Run::of(yaml).answers("a", ok()).says(unusable);
    Run::of(yaml).answers("a", html()).says(unusable);
    let whole = yaml.replace("response.body.id", "response");
    Run::of(&whole).answers("a", html()).says(unusable);
    // What does not look at the body does not mind it.
    Run::of(&yaml.replace("response.body.id", "response.status")).answers("a", html()).is(Status::Completed);
    Run::of(yaml).answers("a", ok_with(json!({ "id": 1 }))).is(Status::Completed);
}

#[test]
fn unknown_is_sticky_a_later_no_does_not_clear_it() {
    for no in [answer(409), acked(409)] {
        Run::of(ROW)
            .answers("a", lost())
            .answers("a", no)
            .says(["rejected a action 2", "failed a unresolved", "compensating", "intended a compensate 1"])
            .undo_answers("a", ok())
            .is(Status::Compensated);
    }
    Run::of(ROW).barrier().answers("a", lost()).answers("a", acked(409)).owes([undo("a")]);
}

#[test]
fn unknown_is_sticky_a_later_attempt_that_never_left_does_not_clear_it() {
    let run = Run::of(ROW).answers("a", lost());
    let run = (2..5).fold(run, |run, _| run.answers("a", not_sent()));
    run.answers("a", not_sent()).says([
        "not sent a action 5",
        "failed a unresolved",
        "compensating",
        "intended a compensate 1",
    ]);
}

#[test]
fn a_step_that_never_left_runs_out_of_attempts_and_is_not_undone() {
    let run = (1..5).fold(Run::of(ROW).answers("a", ok()), |run, _| run.answers("b", not_sent()));
    run.answers("b", not_sent()).says([
        "not sent b action 5",
        "failed b never_sent",
        "compensating",
        "intended a compensate 1",
    ]);
}

#[test]
fn the_lost_reply_of_the_last_step_undoes_the_last_step_too() {
    let run = (1..5).fold(Run::of(ROW).all_answer(&["a", "b"]), |run, _| run.answers("c", lost()));
    run.answers("c", lost())
        .says(["unknown c action 5", "failed c unresolved", "compensating", "intended c compensate 1"])
        .undo_answers("c", ok())
        .says(["succeeded c compensate 1", "intended b compensate 1"])
        .undo_answers("b", ok())
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn a_service_that_is_back_in_time_completes_with_one_key_and_one_body() {
    let run = (1..4).fold(Run::of(ROW), |run, _| run.answers("a", answer(500)));
    let digests: std::collections::BTreeSet<_> = run
        .journal
        .iter()
        .filter_map(|recorded| match &recorded.event {
            amends_core::event::Event::CallIntended { request, .. } => Some(request.clone()),
            _ => None,
        })
        .collect();
    assert_eq!((digests.len(), run.attempt(&action("a"))), (1, 4));
    run.all_answer(&["a", "b", "c"]).is(Status::Completed);
}

#[test]
fn only_a_definite_no_is_a_no() {
    for status in [408, 425, 429, 500, 502, 503, 504, 301, 302, 307, 100, 600] {
        Run::of(ROW).answers("a", answer(status)).says(["unknown a action 1", "intended a action 2"]);
    }
    for status in [400, 401, 403, 404, 409, 410, 422, 451] {
        Run::of(ROW).answers("a", answer(status)).says([
            "rejected a action 1",
            "failed a rejected",
            "compensating",
            "compensated",
        ]);
    }
}

#[test]
fn an_answer_without_the_ack_that_is_due_is_unknown() {
    for status in [200, 204, 400, 409] {
        Run::of(ROW).barrier().answers("a", answer(status)).says(["unknown a action 1", "intended a action 2"]);
    }
    Run::of(ROW).barrier().answers("a", acked(200)).says(["succeeded a action 1", "intended b action 1"]);
}

#[test]
fn a_fenced_or_other_body_answer_to_the_true_owner_is_unknown_and_asks_a_person() {
    for (refused, word) in [(RefusedThere::StaleEpoch, "stale_epoch"), (RefusedThere::OtherBody, "other_body")] {
        let attention = format!("attention a action {word}");
        let run = Run::of(ROW)
            .barrier()
            .answers("a", refused_there(refused))
            .says(["unknown a action 1", &attention, "intended a action 2"])
            .asks_about([action("a")])
            .answers("a", refused_there(refused))
            .says(["unknown a action 2", "intended a action 3"]);
        run.answers("a", acked(200)).asks_about([]);
    }
}

#[test]
fn retry_after_is_honoured_up_to_the_longest_backoff() {
    let run = Run::of(ROW).answers("a", retry_after(3));
    assert_eq!(run.wait(&action("a")), Duration::from_secs(3));
    let run = Run::of(ROW).answers("a", retry_after(315_360_000));
    assert_eq!(run.wait(&action("a")), Duration::from_secs(10));
}

#[test]
fn late_and_duplicate_answers_mean_nothing() {
    use amends_core::Input;
    let late = |attempt| Input::Answered { call: action("a"), attempt, reply: answer(409), terms: Default::default() };
    Run::of(ROW).answers("a", ok()).input(late(1)).says([]);
    Run::of(ROW).answers("a", lost()).input(late(1)).says([]).input(late(3)).says([]);
    Run::of(ROW).all_answer(&["a", "b", "c"]).input(late(1)).says([]).cancels().says([]);
    let stranger = Input::Answered { call: action("no"), attempt: 1, reply: ok(), terms: Default::default() };
    Run::of(ROW).input(stranger).says([]);
    Run::of(ROW).input(Input::Withdrawn { call: action("a"), attempt: 1 }).says([]);
}

#[test]
fn when_a_step_fails_what_waits_for_its_turn_is_withdrawn_and_what_is_on_the_wire_is_awaited() {
    let run = Run::of(DIAMOND).answers("a", ok()).answers("b", lost());
    // `b` waits for its second attempt, `c` and `e` are on the wire.
    let run = run.input(amends_core::Input::Answered {
        call: action("c"),
        attempt: 1,
        reply: answer(409),
        terms: Default::default(),
    });
    run.says([
        "rejected c action 1",
        "failed c rejected",
        "compensating",
        "withdrawn b action 2",
        "failed b unresolved",
    ])
    .answers("e", ok())
    // `a` waits for `b`, which depended on it; `e` waits for nobody.
    .says(["succeeded e action 1", "intended e compensate 1", "intended b compensate 1"])
    .undo_answers("b", ok())
    .says(["succeeded b compensate 1", "intended a compensate 1"])
    .undo_answers("a", ok())
    .says(["succeeded a compensate 1"])
    .undo_answers("e", ok())
    .is(Status::Compensated);
}

#[test]
fn answers_to_what_was_on_the_wire_when_the_saga_failed_count() {
    let failing = || {
        Run::of(DIAMOND).answers("a", answer(409)).says(["rejected a action 1", "failed a rejected", "compensating"])
    };
    failing().answers("e", ok()).says(["succeeded e action 1", "intended e compensate 1"]);
    failing().answers("e", lost()).says(["unknown e action 1", "failed e unresolved", "intended e compensate 1"]);
    failing().answers("e", answer(409)).says(["rejected e action 1", "failed e rejected", "compensated"]);
    failing().answers("e", not_sent()).says(["not sent e action 1", "failed e never_sent", "compensated"]);
    failing().withdraws("e").says(["withdrawn e action 1", "failed e never_sent", "compensated"]);
    failing().barrier().answers("e", refused_there(RefusedThere::OtherBody)).says([
        "unknown e action 1",
        "attention e action other_body",
        "failed e unresolved",
        "intended e compensate 1",
    ]);
}

#[test]
fn the_output_of_a_saga_that_cannot_be_computed_undoes_nothing() {
    let yaml = "
saga: s
output: { what: '${{ input.missing }}' }
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
";
    let run = Run::of(yaml).answers("a", ok()).is(Status::Completed);
    assert!(run.state.output.is_null() && matches!(run.step("a"), Some(StepState::Succeeded { .. })));
}
