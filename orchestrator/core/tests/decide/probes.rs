//! Actions that must not be sent twice, probes, and what counts as a no.

use std::time::Duration;

use amends_core::{CanCancel, summary::Status};
use serde_json::json;

use crate::dsl::{Run, acked, action, answer, lost, not_sent, ok, ok_with, refused_there, retry_after, undo};

/// `b` must not be sent twice and can be asked after; `p` is the pivot, the same; `z` has no probe.
const ONCE: &str = "
saga: once
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  b:
    call: x POST /b
    timeout: 2s
    retry: { attempts: 3, backoff: 100ms }
    idempotent: false
    probe: x GET /b
    output: { id: \"${{ response.body.id }}\" }
    compensate: { call: x POST /b/undo }
  p: { call: x POST /p, pivot: true, timeout: 2s, retry: { attempts: 3 }, idempotent: false, probe: x GET /p }
  z: { call: x POST /z, idempotent: false }
";

/// No probe before the pivot.
const ONCE_UNASKED: &str = "
saga: once
steps:
  b: { call: x POST /b, idempotent: false, compensate: { call: x POST /b/undo } }
  c: { call: x POST /c, compensate: { call: x POST /c/undo } }
";

/// The pivot may be sent again, and can be asked after.
const ASKED: &str = "
saga: asked
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  p: { call: x POST /p, pivot: true, timeout: 1s, retry: { attempts: 3 }, probe: { call: x GET /p, settle: 10s } }
";

fn at_b() -> Run {
    Run::of(ONCE).answers("a", ok()).owes([action("b")])
}

fn at_p() -> Run {
    at_b().answers("b", ok_with(json!({ "id": 1 }))).owes([action("p")])
}

const SETTLED: Duration = Duration::from_secs(4);

#[test]
fn what_may_have_happened_is_asked_after_and_not_sent_again() {
    for unknown in [lost(), answer(500), retry_after(1), answer(429)] {
        at_b()
            .answers("b", unknown)
            .says(["unknown b action 1", "to be asked b action 1"])
            .owes([])
            .is(Status::Running);
    }
}

#[test]
fn a_probe_that_finds_it_applied_gives_the_output() {
    let run = at_b().answers("b", lost()).probe_answers("b", ok_with(json!({ "id": 7 }))).says([
        "asked b action 1 applied",
        "succeeded b action 1",
        "intended p action 1",
    ]);
    assert_eq!(run.state.output_of("b").map(|output| (**output).clone()), Some(json!({ "id": 7 })));
}

#[test]
fn a_probe_that_finds_it_applied_without_an_output_makes_it_unusable_and_it_is_undone() {
    at_b().answers("b", lost()).probe_answers("b", ok()).says([
        "asked b action 1 applied",
        "unusable b action 1",
        "failed b unusable",
        "compensating",
        "intended b compensate 1",
    ]);
    at_p().answers("p", lost()).probe_answers("p", ok()).says([
        "asked p action 1 applied",
        "succeeded p action 1",
        "intended z action 1",
    ]);
}

#[test]
fn not_applied_counts_only_when_it_has_settled_and_permits_sending_again() {
    let run = at_b().answers("b", lost());
    let lost_at = run.now;
    let run = run.probe_answers("b", answer(404)).says(["asked b action 1 not_applied_yet"]).owes([]);
    let (attempt, due_at) = run.probe("b").expect("it is asked again");
    assert_eq!((attempt, due_at), (1, lost_at + SETTLED));
    let run = run.probe_answers("b", answer(404)).says(["asked b action 1 not_applied", "postponed b action"]);
    run.owes([]).passes(SETTLED).says(["intended b action 2"]).owes([action("b")]);
}

#[test]
fn a_probe_that_was_sent_before_it_settled_says_nothing_however_late_it_is_answered() {
    let run = at_b().answers("b", lost());
    let asked_at = run.now;
    let mut run = run.passes(SETTLED * 3);
    let (call, terms) = (action("b"), amends_core::Terms::default());
    let early = amends_core::Input::Probed { call, attempt: 1, asked_at, reply: answer(404), terms };
    run = run.input(early).says(["asked b action 1 not_applied_yet"]);
    run.probe_answers("b", answer(404)).says(["asked b action 1 not_applied", "postponed b action"]);
}

#[test]
fn an_attempt_after_a_verdict_does_not_take_the_step_from_what_is_undone() {
    let run = at_b().answers("b", lost()).passes(SETTLED).probe_answers("b", answer(404)).passes(SETTLED);
    run.answers("b", answer(409))
        .says(["rejected b action 2", "failed b unresolved", "compensating", "intended b compensate 1"])
        .undo_answers("b", ok())
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn attempts_and_probes_before_the_pivot_come_to_an_end() {
    let run = at_b().answers("b", lost());
    let run = run.probe_answers("b", answer(202)).says(["asked b action 1 in_progress"]);
    let run = run.probe_answers("b", answer(409)).says(["asked b action 1 in_progress"]);
    run.probe_answers("b", lost()).says([
        "asked b action 1 unknown",
        "failed b unresolved",
        "compensating",
        "intended b compensate 1",
    ]);
    let mut run = at_b();
    for _ in 1..3 {
        run = run.answers("b", lost()).passes(SETTLED).probe_answers("b", answer(404)).passes(SETTLED);
    }
    run.answers("b", lost()).passes(SETTLED).probe_answers("b", answer(404)).says([
        "asked b action 3 not_applied",
        "failed b unresolved",
        "compensating",
        "intended b compensate 1",
    ]);
}

#[test]
fn a_cancel_ends_the_asking_and_what_may_have_happened_is_undone() {
    at_b().answers("b", lost()).can_cancel(CanCancel::Yes).cancels().says([
        "cancel requested",
        "compensating",
        "failed b unresolved",
        "intended b compensate 1",
    ]);
    at_b().answers("b", not_sent()).cancels().says([
        "cancel requested",
        "compensating",
        "failed b never_sent",
        "intended a compensate 1",
    ]);
}

#[test]
fn what_was_not_sent_is_intended_anew_only_when_it_is_due() {
    let run = at_b().answers("b", not_sent()).says(["not sent b action 1", "postponed b action"]).owes([]);
    // A process that ends in between makes nothing unknown.
    let run = run.adopted(Duration::ZERO).says(["adopted"]);
    let run = run.passes(Duration::from_secs(1)).says(["intended b action 2"]);
    assert_eq!(run.wait(&action("b")), Duration::ZERO);
    run.answers("b", ok_with(json!({ "id": 1 }))).owes([action("p")]);
}

#[test]
fn an_attempt_that_is_open_at_an_adoption_is_asked_after() {
    let run = at_b().adopted(Duration::from_secs(60));
    let adopted_at = run.now;
    let run = run.says(["adopted", "unknown b action 1", "to be asked b action 1"]).owes([]);
    let run = run.probe_answers("b", answer(404)).says(["asked b action 1 not_applied_yet"]);
    assert_eq!(run.probe("b").map(|(_, due_at)| due_at), Some(adopted_at + SETTLED));
    // Asking goes on over an adoption, with what was known.
    run.adopted(SETTLED)
        .says(["adopted"])
        .probe_answers("b", answer(404))
        .says(["asked b action 1 not_applied", "postponed b action"]);
}

#[test]
fn without_a_probe_an_unknown_answer_fails_the_step_before_the_pivot() {
    Run::of(ONCE_UNASKED)
        .answers("b", lost())
        .says(["unknown b action 1", "failed b unresolved", "compensating", "intended b compensate 1"])
        .undo_answers("b", lost())
        .owes([undo("b")])
        .undo_answers("b", ok())
        .is(Status::Compensated);
}

#[test]
fn without_a_probe_an_unknown_answer_behind_the_pivot_waits_for_a_person() {
    at_p()
        .answers("p", ok())
        .answers("z", lost())
        .says(["unknown z action 1", "attention z action unresolved"])
        .owes([])
        .asks_about([action("z")])
        .passes_an_hour()
        .says([])
        .adopted(Duration::from_secs(1))
        .says(["adopted"]);
}

#[test]
fn at_the_pivot_it_is_asked_without_limit_and_nothing_is_undone() {
    let mut run = at_p().answers("p", lost()).can_cancel(CanCancel::PastPivot);
    for _ in 0..40 {
        run = run.probe_answers("p", answer(503)).is(Status::Running).owes([]);
    }
    let run = run.asks_about([action("p")]);
    assert!(run.probe("p").is_some_and(|(_, due_at)| due_at.since(run.now) >= Duration::from_secs(60)));
    assert_eq!((run.count("intended p action"), run.count("compensating")), (1, 0));
    run.probe_answers("p", ok()).asks_about([]).answers("z", ok()).is(Status::Completed);
}

#[test]
fn a_pivot_that_was_not_applied_is_sent_again_for_ever() {
    let mut run = at_p();
    for attempt in 1..10 {
        assert_eq!(run.attempt(&action("p")), attempt);
        run = run.answers("p", lost()).passes(SETTLED).probe_answers("p", answer(404)).passes_an_hour();
    }
    run.asks_about([action("p")]).answers("p", ok()).asks_about([]);
}

#[test]
fn a_plain_no_after_an_unknown_attempt_at_the_pivot_is_asked_about() {
    let asked = || {
        Run::of(ASKED).answers("a", ok()).answers("p", lost()).answers("p", answer(409)).says([
            "rejected p action 2",
            "attention p action rejected_after_unknown",
            "to be asked p action 2",
        ])
    };
    asked().owes([]).probe_answers("p", ok()).asks_about([]).is(Status::Completed);
    let run = asked().probe_answers("p", answer(404)).says(["asked p action 2 not_applied_yet"]);
    run.probe_answers("p", answer(404))
        .says(["asked p action 2 not_applied", "failed p rejected", "compensating", "intended a compensate 1"])
        .asks_about([])
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn an_idempotent_action_with_a_probe_is_retried_as_always() {
    Run::of(ASKED).answers("a", ok()).answers("p", lost()).says(["unknown p action 1", "intended p action 2"]);
}

#[test]
fn a_barriers_word_about_an_action_counts_only_with_its_ack() {
    let run = at_b().barrier().answers("b", lost()).passes(SETTLED);
    let run = run.probe_answers("b", answer(404)).says(["asked b action 1 unknown"]);
    run.probe_answers("b", acked(404)).says(["asked b action 1 not_applied", "postponed b action"]);
    let run = at_b().barrier().answers("b", lost()).passes(SETTLED);
    run.probe_answers("b", ok_with(json!({ "id": 7 }))).says(["asked b action 1 unknown"]);
    let run = at_b().barrier().answers("b", lost()).passes(SETTLED);
    run.probe_answers("b", refused_there(amends_core::RefusedThere::StaleEpoch))
        .says(["attention b action stale_epoch", "asked b action 1 unknown"]);
}

#[test]
fn a_late_or_doubled_answer_to_a_probe_means_nothing() {
    let run = at_b().answers("b", lost());
    let (call, asked_at, terms) = (action("b"), run.now, amends_core::Terms::default());
    let late = amends_core::Input::Probed { call, attempt: 1, asked_at, reply: ok(), terms };
    let run = run.probe_answers("b", ok_with(json!({ "id": 7 })));
    run.input(late.clone()).says([]);
    at_b().input(late.clone()).says([]);
    at_b().answers("b", lost()).cancels().input(late).says([]);
}

const NARROW: &str = "
saga: narrow
steps:
  a: { call: x POST /a, reject_on: [409, 422], retry: { attempts: 2 }, compensate: { call: x POST /a/undo } }
";

#[test]
fn a_step_says_itself_what_is_a_no() {
    for no in [409, 422] {
        Run::of(NARROW).answers("a", answer(no)).says([
            "rejected a action 1",
            "failed a rejected",
            "compensating",
            "compensated",
        ]);
    }
    Run::of(NARROW)
        .answers("a", answer(404))
        .says(["unknown a action 1", "intended a action 2"])
        .answers("a", answer(400))
        .says(["unknown a action 2", "failed a unresolved", "compensating", "intended a compensate 1"])
        // Of its compensation every 4xx is a no, as before.
        .undo_answers("a", answer(404))
        .says(["rejected a compensate 1", "attention a compensate rejected"]);
}

#[test]
fn the_steps_word_comes_before_the_services() {
    let terms = amends_core::Terms { reject_on: Some(vec![404]), ..amends_core::Terms::default() };
    let answered = |status| amends_core::Input::Answered {
        call: action("a"),
        attempt: 1,
        reply: answer(status),
        terms: terms.clone(),
    };
    Run::of(NARROW).input(answered(404)).says(["unknown a action 1", "intended a action 2"]);
    Run::of(crate::dsl::ROW).input(answered(404)).says([
        "rejected a action 1",
        "failed a rejected",
        "compensating",
        "compensated",
    ]);
}
