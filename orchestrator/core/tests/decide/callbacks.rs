//! `async`: what is accepted is waited for; the first verdict decides, whenever it comes; none leaves the step unresolved.

use std::time::Duration;

use amends_core::{
    CanCallBack, Input, Terms,
    event::{AttentionReason, Cause, Event, FailedStep, Failure, Verdict},
    ids::Digest,
    state::{Phase, StepState},
    summary::Status,
};
use serde_json::json;

use crate::dsl::{Run, acked, action, answer, done, html, lost, no, not_sent, nth, ok, ok_with, undo};

const DAY: Duration = Duration::from_secs(86_400);

/// `b` may be accepted now and decided within a day.
const LATER: &str = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  b:
    async: true
    timeout: 1d
    call: x POST /b
    output: { id: '${{ response.body.id }}', status: '${{ response.status }}' }
    compensate: { call: x POST /b/undo }
  c: { call: \"x POST /c/${{ steps.b.output.id }}\", compensate: { call: x POST /c/undo } }
output: '${{ steps.b.output }}'
";

/// The pivot may be accepted, and so may what is behind it.
const PIVOT: &str = "
saga: s
deadline: 1h
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  p: { async: true, timeout: 1d, call: x POST /p, pivot: true, retry: { attempts: 2 } }
  z: { async: true, timeout: 1d, call: x POST /z, output: '${{ response.body.id }}' }
";

const ITEMS: &str = "
saga: s
steps:
  b:
    async: true
    timeout: 1d
    for_each: [1, 2, 3]
    concurrency: 2
    call: x POST /b
    output: '${{ response.body.id }}'
    compensate: { call: x POST /b/undo }
output: '${{ steps.b.output }}'
";

fn id(id: &str) -> amends_core::Said {
    done(json!({ "id": id }))
}

/// `b` is accepted.
fn accepted() -> Run {
    Run::of(LATER).answers("a", ok()).answers("b", answer(202)).says(["accepted b action 1"])
}

#[test]
fn what_is_accepted_is_waited_for_and_its_callback_decides_it() {
    let run = accepted().owes([]).passes(DAY / 2).says([]);
    assert_eq!(run.state.summary().wake_at, Some(run.now + DAY / 2));
    let run = run.calls_back("b", id("7"));
    let run = run.says(["called back b action succeeded", "succeeded b action 1", "intended c action 1"]);
    let run = run.answers("c", ok()).is(Status::Completed);
    assert_eq!(*run.state.output, json!({ "id": "7", "status": 200 }));
}

#[test]
fn another_success_than_202_decides_at_once_and_a_202_means_success_where_nobody_asked_for_a_callback() {
    let run = Run::of(LATER).answers("a", answer(202)).says(["succeeded a action 1", "intended b action 1"]);
    run.answers("b", ok_with(json!({ "id": "7" }))).says(["succeeded b action 1", "intended c action 1"]);
}

#[test]
fn a_202_counts_as_other_answers_do_where_a_barrier_must_stand_behind_it() {
    let run = Run::of(LATER).barrier().answers("a", acked(200)).answers("b", answer(202));
    let run = run.says(["unknown b action 1", "intended b action 2"]).answers("b", acked(202));
    run.says(["accepted b action 2"]);
}

#[test]
fn a_rejection_by_callback_is_a_definite_no() {
    let run = accepted().calls_back("b", no("out of town"));
    let run = run.says([
        "called back b action rejected",
        "rejected b action 1",
        "failed b rejected",
        "compensating",
        "intended a compensate 1",
    ]);
    let Some(Cause::StepFailed { failure: Failure::Rejected, reason, .. }) = run.state.cause.clone() else {
        panic!("{:?}", run.state.cause)
    };
    assert_eq!(reason, "out of town");
    run.undo_answers("a", ok()).is(Status::Compensated);
}

#[test]
fn an_unknown_attempt_before_a_rejection_stays_in_doubt() {
    let run = Run::of(LATER).answers("a", ok()).answers("b", lost()).answers("b", answer(202));
    let run = run.calls_back("b", no("")).says([
        "called back b action rejected",
        "rejected b action 2",
        "failed b unresolved",
        "compensating",
        "intended b compensate 1",
    ]);
    run.undo_answers("b", ok()).undo_answers("a", ok()).is(Status::Compensated);
}

#[test]
fn a_callback_whose_output_cannot_be_computed_happened_and_is_undone() {
    let run = accepted().calls_back("b", done(json!({ "name": "7" })));
    run.says([
        "called back b action succeeded",
        "unusable b action 1",
        "failed b unusable",
        "compensating",
        "intended b compensate 1",
    ]);
}

#[test]
fn a_verdict_that_never_comes_leaves_the_step_unresolved_and_it_is_undone() {
    let run = accepted().passes(DAY - Duration::from_secs(1)).says([]).passes(Duration::from_secs(1));
    let run = run.says(["failed b unresolved", "compensating", "intended b compensate 1"]);
    let Some(Cause::StepFailed { step, failure: Failure::TimedOut, reason, .. }) = run.state.cause.clone() else {
        panic!("{:?}", run.state.cause)
    };
    assert_eq!((step.as_str(), reason.as_str()), ("b", "no verdict came by 1970-01-02T00:16:40.000000Z"));
    let run = run.can_call_back(action("b"), id("7"), CanCallBack::TooLate);
    let run = run.calls_back("b", id("7")).says([]).undo_answers("b", ok()).undo_answers("a", ok());
    run.is(Status::Compensated).can_call_back(action("b"), id("7"), CanCallBack::Ended);
}

#[test]
fn a_verdict_that_comes_when_the_time_is_over_and_nobody_has_seen_it_yet_decides() {
    let mut run = accepted();
    run.now = run.now + DAY * 2;
    run.calls_back("b", id("7")).says([
        "called back b action succeeded",
        "succeeded b action 1",
        "intended c action 1",
    ]);
}

#[test]
fn a_verdict_decides_the_call_in_every_phase_and_late_answers_mean_nothing() {
    // While the first attempt is on the wire.
    let run = Run::of(LATER).answers("a", ok()).calls_back("b", id("7"));
    let run = run.says(["called back b action succeeded", "succeeded b action 1", "intended c action 1"]);
    let late = Input::Answered { call: action("b"), attempt: 1, reply: answer(202), terms: Terms::default() };
    run.input(late.clone()).says([]);
    // Between two attempts.
    for broken in [lost(), not_sent()] {
        let run = Run::of(LATER).answers("a", ok()).answers("b", broken).calls_back("b", id("7"));
        run.says(["called back b action succeeded", "succeeded b action 2", "intended c action 1"]);
    }
    // Before the answer is known to a successor.
    let run = Run::of(LATER).answers("a", ok()).adopted(Duration::ZERO).says([
        "adopted",
        "unknown b action 1",
        "intended b action 2",
    ]);
    let run = run.calls_back("b", id("7")).input(late);
    assert!(matches!(run.step("b"), Some(StepState::Succeeded { .. })));
    // While a person is asked.
    let run = Run::of(PIVOT).answers("a", ok()).answers("p", lost()).answers("p", answer(409));
    let run = run.says(["rejected p action 2", "attention p action rejected_after_unknown"]).calls_back("p", id("7"));
    run.says(["called back p action succeeded", "succeeded p action 2", "intended z action 1"]).asks_about([]);
}

#[test]
fn the_first_verdict_wins_and_only_the_same_one_is_confirmed_also_after_the_end() {
    let run = accepted().can_call_back(action("b"), id("7"), CanCallBack::Yes).calls_back("b", id("7"));
    let both = |run: Run| {
        run.can_call_back(action("b"), id("7"), CanCallBack::CameBefore)
            .can_call_back(action("b"), id("8"), CanCallBack::OtherVerdict)
            .can_call_back(action("b"), no("late"), CanCallBack::OtherVerdict)
    };
    let run = both(run).calls_back("b", no("late")).says([]).calls_back("b", id("7")).says([]);
    let run = both(run.answers("c", ok())).is(Status::Completed);
    run.calls_back("b", id("8")).says([]);
    let run = accepted().calls_back("b", no("full"));
    run.can_call_back(action("b"), no("in other words"), CanCallBack::CameBefore).can_call_back(
        action("b"),
        id("7"),
        CanCallBack::OtherVerdict,
    );
}

#[test]
fn what_an_answer_decided_is_confirmed_and_not_contradicted() {
    let run = Run::of(LATER).answers("a", ok()).answers("b", ok_with(json!({ "id": "7" })));
    let run = run.can_call_back(action("b"), id("anything"), CanCallBack::CameBefore);
    let run = run.can_call_back(action("b"), no("after all"), CanCallBack::OtherVerdict).answers("c", answer(409));
    run.can_call_back(action("b"), id("7"), CanCallBack::CameBefore)
        .undo_answers("b", ok())
        .can_call_back(action("b"), id("7"), CanCallBack::TooLate)
        .undo_answers("a", ok())
        .can_call_back(action("b"), id("7"), CanCallBack::Ended);
    let run = Run::of(LATER).answers("a", ok()).answers("b", html());
    run.can_call_back(action("b"), id("7"), CanCallBack::CameBefore);
    let run = Run::of(LATER).answers("a", ok()).answers("b", answer(409));
    run.can_call_back(action("b"), no("full"), CanCallBack::CameBefore).can_call_back(
        action("b"),
        id("7"),
        CanCallBack::OtherVerdict,
    );
}

#[test]
fn nobody_has_a_token_for_what_was_not_called() {
    let run = Run::of(LATER);
    for call in [action("a"), action("b"), action("nothing"), undo("b"), nth(0, action("b"))] {
        run_can_not(&run, call);
    }
    let run = Run::of(ITEMS);
    for call in [action("b"), nth(2, action("b")), nth(3, action("b"))] {
        run_can_not(&run, call);
    }
    fn run_can_not(run: &Run, call: amends_core::ids::CallId) {
        let callback = amends_core::Callback { call, said: no("") };
        let can = amends_core::can_call_back(&run.definition, &run.state, &callback);
        assert_eq!(can, CanCallBack::NeverCalled, "{}", callback.call);
    }
    run.call_calls_back(nth(2, action("b")), no("")).says([]);
}

#[test]
fn what_is_accepted_when_the_saga_fails_is_unresolved_at_once() {
    let run = accepted().cancels().says([
        "cancel requested",
        "compensating",
        "failed b unresolved",
        "intended b compensate 1",
    ]);
    run.can_call_back(action("b"), id("7"), CanCallBack::TooLate);
    // One that is on the wire is awaited; what it then accepts is not.
    let run = Run::of(LATER).answers("a", ok()).cancels().says(["cancel requested", "compensating"]);
    let run =
        run.answers("b", answer(202)).says(["accepted b action 1", "failed b unresolved", "intended b compensate 1"]);
    run.undo_answers("b", ok()).undo_answers("a", ok()).is(Status::Compensated);
}

#[test]
fn a_verdict_on_an_attempt_that_is_awaited_while_the_saga_fails_counts() {
    let failing = || Run::of(LATER).answers("a", ok()).cancels();
    let run = failing().calls_back("b", id("7"));
    run.says(["called back b action succeeded", "succeeded b action 1", "intended b compensate 1"]);
    let run = failing().calls_back("b", no("full"));
    run.says(["called back b action rejected", "rejected b action 1", "failed b rejected", "intended a compensate 1"]);
}

#[test]
fn an_accepted_pivot_is_past_return_and_a_verdict_that_is_late_asks_a_person_once() {
    let run = Run::of(PIVOT).answers("a", ok()).answers("p", answer(202)).says(["accepted p action 1"]);
    let run = run.can_cancel(amends_core::CanCancel::PastPivot).passes(DAY).says(["attention p action timed_out"]);
    assert_eq!(run.state.summary().wake_at, None, "nobody need look at it again by himself");
    let run = run.asks_about([action("p")]).passes(DAY).says([]).adopted(DAY).says(["adopted"]).owes([]);
    let run = run.calls_back("p", id("7"));
    let run =
        run.says(["called back p action succeeded", "succeeded p action 1", "intended z action 1"]).asks_about([]);
    let run = run.answers("z", answer(202)).passes(DAY).says(["attention z action timed_out"]);
    run.calls_back("z", id("8")).is(Status::Completed).asks_about([]);
}

#[test]
fn a_pivot_that_is_rejected_by_callback_is_compensated() {
    let run = Run::of(PIVOT).answers("a", ok()).answers("p", answer(202)).calls_back("p", no("full"));
    run.says([
        "called back p action rejected",
        "rejected p action 1",
        "failed p rejected",
        "compensating",
        "intended a compensate 1",
    ]);
    // After an attempt that may have happened only a barrier's word settles it.
    let doubtful = |run: Run, accept| run.answers("p", lost()).answers("p", accept).calls_back("p", no("full"));
    let run = doubtful(Run::of(PIVOT).answers("a", ok()), answer(202));
    let run =
        run.says(["called back p action rejected", "rejected p action 2", "attention p action rejected_after_unknown"]);
    run.can_call_back(action("p"), no("full"), CanCallBack::CameBefore);
    let run = doubtful(Run::of(PIVOT).barrier().answers("a", acked(200)), acked(202));
    run.is(Status::Compensating);
}

#[test]
fn behind_the_pivot_a_no_and_a_useless_yes_ask_a_person() {
    let late = || {
        let run = Run::of(PIVOT).answers("a", ok()).answers("p", ok());
        run.answers("z", answer(202)).says(["accepted z action 1"])
    };
    let run = late().calls_back("z", no("full"));
    let run = run.says(["called back z action rejected", "rejected z action 1", "attention z action rejected"]);
    run.asks_about([action("z")]).is(Status::Running);
    let run = late().calls_back("z", done(json!({})));
    run.says(["called back z action succeeded", "unusable z action 1", "attention z action unusable"]);
}

#[test]
fn a_useless_answer_is_mended_by_a_callback_and_not_denied() {
    let run = Run::of(PIVOT).answers("a", ok()).answers("p", ok()).answers("z", html());
    let run = run.says(["unusable z action 1", "attention z action unusable"]);
    let run =
        run.can_call_back(action("z"), no("full"), CanCallBack::OtherVerdict).calls_back("z", no("full")).says([]);
    run.calls_back("z", id("8")).says(["called back z action succeeded", "succeeded z action 1", "completed"]);
}

#[test]
fn being_accepted_answers_the_question_why_it_is_tried_so_often() {
    let run = Run::of(PIVOT).answers("a", ok()).answers("p", lost()).answers("p", lost());
    run.asks_about([action("p")]).answers("p", answer(202)).says(["accepted p action 3"]).asks_about([]);
}

#[test]
fn an_adoption_leaves_what_is_accepted_alone() {
    let run = accepted().adopted(DAY / 2).says(["adopted"]).owes([]);
    run.calls_back("b", id("7")).says([
        "called back b action succeeded",
        "succeeded b action 1",
        "intended c action 1",
    ]);
}

#[test]
fn each_item_is_accepted_and_called_back_by_itself_and_takes_its_place_until_then() {
    let item = |index| nth(index, action("b"));
    let run = Run::of(ITEMS).says(["started", "items b 3", "intended b[0] action 1", "intended b[1] action 1"]);
    let run = run.item_answers("b", 0, answer(202)).says(["accepted b[0] action 1"]);
    let run = run.item_answers("b", 1, answer(202)).says(["accepted b[1] action 1"]);
    let run = run.call_calls_back(item(1), id("y"));
    let run = run.says(["called back b[1] action succeeded", "succeeded b[1] action 1", "intended b[2] action 1"]);
    let run = run.item_answers("b", 2, ok_with(json!({ "id": "z" }))).call_calls_back(item(0), id("x"));
    let run = run.is(Status::Completed);
    assert_eq!(*run.state.output, json!(["x", "y", "z"]));
    // One that is late fails the saga; the other is not awaited.
    let run = Run::of(ITEMS).item_answers("b", 0, answer(202)).passes(DAY / 2).item_answers("b", 1, answer(202));
    let run = run.passes(DAY / 2).says([
        "failed b[0] unresolved",
        "compensating",
        "failed b[1] unresolved",
        "intended b[1] compensate 1",
        "intended b[0] compensate 1",
    ]);
    run.is(Status::Compensating);
}

#[test]
fn a_journal_in_which_a_callback_decides_what_it_did_not_say_does_not_fold() {
    let illegal = |run: &Run, events: Vec<Event>| {
        let (mut state, mut why) = (run.state.clone(), None);
        for event in events {
            let recorded = amends_core::event::Recorded { seq: state.next_seq, epoch: state.epoch, at: run.now, event };
            match amends_core::evolve(state.clone(), &recorded) {
                Ok(next) => state = next,
                Err(illegal) => why = why.or(Some(illegal.why)),
            }
        }
        why.expect("something of it is illegal")
    };
    let run = accepted();
    let call = action("b");
    let told = |verdict| Event::CallbackReceived { call: call.clone(), verdict, digest: Digest::of(&[b"x"]) };
    let succeeded = || Event::CallSucceeded { call: call.clone(), attempt: 1, status: 200, output: json!(1).into() };
    let failed = |how| Event::StepFailed { step: "b".into(), index: None, how };
    assert_eq!(illegal(&run, vec![succeeded()]), "this attempt is not open");
    assert_eq!(illegal(&run, vec![told(Verdict::Rejected), succeeded()]), "the callback said something else");
    let twice = vec![told(Verdict::Succeeded), told(Verdict::Succeeded)];
    assert_eq!(illegal(&run, twice), "a call is called back once");
    assert_eq!(illegal(&run, vec![failed(FailedStep::Rejected)]), "what is accepted may have happened");
    let early = Event::AttentionRaised { call: call.clone(), reason: AttentionReason::TimedOut, detail: String::new() };
    assert_eq!(illegal(&run, vec![early]), "its time is not over");
    let again = Event::CallIntended {
        call: call.clone(),
        attempt: 2,
        due_at: run.now,
        request: Digest::of(&[b"x"]),
        pivot: false,
    };
    assert_eq!(illegal(&run, vec![again]), "what is accepted is not asked for again");
    let foreign =
        Event::CallbackReceived { call: action("a"), verdict: Verdict::Succeeded, digest: Digest::of(&[b"x"]) };
    assert_eq!(illegal(&run, vec![foreign]), "only an action that was sent and is under way is called back");
    assert!(matches!(run.state.call(&call).map(|call| call.phase), Some(Phase::Accepted { until: Some(_) })));
}
