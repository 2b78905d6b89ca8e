//! Steps that run a saga as a child, from both sides.

use std::time::Duration;

use amends_core::{
    Begin, CanCancel, Errand, Input, Report, Settlement, child_begins, child_may_begin,
    definition::Definition,
    event::{Event, Parent, Recorded},
    evolve,
    ids::{CallId, Digest, SagaId},
    state::ChildStands,
    summary::Status,
    time::Time,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dsl::{ROW, Run, action, answer, nth, ok, undo};

/// A call, a child, a call.
const FAMILY: &str = "
saga: family
deadline: 1h
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  k: { saga: row, input: { of: \"${{ saga.id }}\" }, output: { id: \"${{ child.id }}\", n: \"${{ child.output.n }}\" } }
  z: { call: x POST /z, compensate: { call: x POST /z/undo } }
output: \"${{ steps.k.output.n }}\"
";

/// A child before the pivot, one that is the pivot, one behind it.
const PIVOT_CHILD: &str = "
saga: family
deadline: 1h
steps:
  a: { saga: row }
  p: { saga: row, pivot: true }
  z: { saga: row }
";

const EACH: &str = "
saga: family
steps:
  k: { for_each: [1, 2], saga: row, input: { n: \"${{ item }}\" } }
";

fn pin(step: &str) -> Input {
    Input::ChildPinned { call: action(step), version: 1, definition: Digest::of(&[b"row"]) }
}

fn succeeded(step: &str, output: Value) -> Input {
    Input::ChildReported { call: action(step), report: Report::Succeeded { output: output.into() } }
}

fn undone(step: &str) -> Input {
    Input::ChildReported { call: action(step), report: Report::Compensated { reason: "no".to_owned() } }
}

fn told(step: &str) -> Input {
    Input::ChildTold { call: action(step) }
}

fn refused(step: &str) -> Input {
    Input::ChildRefused { call: action(step), reason: "there is none".to_owned() }
}

fn parent() -> Parent {
    let saga = SagaId(Uuid::from_u128(3));
    Parent { saga, step: "k".into(), index: None, line: vec!["family".into()], locks: [].into() }
}

/// `yaml` as the child of somebody.
fn child(yaml: &str) -> Run {
    Run::begun(yaml, Begin { parent: Some(parent()), ..Begin::root(1, json!({})) })
}

fn after_a() -> Run {
    Run::of(FAMILY).answers("a", ok())
}

#[test]
fn a_child_is_intended_then_pinned_then_there_and_its_output_is_the_steps() {
    let run = after_a()
        .says(["succeeded a action 1", "child intended k action"])
        .owes_family([Errand::Pin { call: action("k") }])
        .input(pin("k"))
        .says(["child pinned k action"])
        .owes_family([Errand::Begin { call: action("k") }])
        .input(succeeded("k", json!({ "n": 5 })))
        .says(["child succeeded k action", "intended z action 1"])
        .owes_family([]);
    let own = SagaId::of_child(run.state.saga, "k", None);
    assert_eq!(
        run.state.output_of("k").map(|output| (**output).clone()),
        Some(json!({ "id": own.to_string(), "n": 5 }))
    );
    let known = run.state.child(&action("k")).expect("it is known");
    assert_eq!((known.saga, &*known.input), (own, &json!({ "of": run.state.saga.to_string() })));
}

#[test]
fn a_parent_settles_its_children_before_it_ends_and_cannot_be_cancelled_any_more() {
    let run = after_a().input(pin("k")).input(succeeded("k", json!({ "n": 5 }))).answers("z", ok());
    run.says(["succeeded z action 1", "succeeded"])
        .is(Status::Succeeded)
        .can_cancel(CanCancel::Succeeded)
        .cancels()
        .says([])
        .owes_family([Errand::Settle { call: action("k") }])
        .input(told("k"))
        .says(["child settled k action", "completed"])
        .is(Status::Completed);
}

#[test]
fn a_child_that_ends_compensated_fails_its_step_and_leaves_nothing_to_undo() {
    after_a()
        .input(pin("k"))
        .input(undone("k"))
        .says(["child compensated k action", "failed k rejected", "compensating", "intended a compensate 1"])
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn a_running_child_is_told_to_undo_itself_and_awaited() {
    after_a()
        .input(pin("k"))
        .cancels()
        .says(["cancel requested", "compensating"])
        .owes([])
        .owes_family([Errand::Undo { call: action("k") }])
        .adopted(Duration::from_secs(1))
        .owes_family([Errand::Undo { call: action("k") }])
        .input(undone("k"))
        .says(["child compensated k action", "failed k rejected", "intended a compensate 1"]);
}

#[test]
fn a_child_without_a_version_was_never_there() {
    after_a().cancels().says(["cancel requested", "compensating", "failed k never_sent", "intended a compensate 1"]);
    // The version that was found too late is none.
    after_a().cancels().input(pin("k")).says([]).owes_family([]);
}

#[test]
fn a_child_that_had_succeeded_is_undone_in_its_turn() {
    after_a()
        .input(pin("k"))
        .input(succeeded("k", json!({ "n": 5 })))
        .answers("z", answer(409))
        .says(["rejected z action 1", "failed z rejected", "compensating", "child to be undone k compensate"])
        .owes([])
        .owes_family([Errand::Undo { call: action("k") }])
        .input(undone("k"))
        .says(["child compensated k compensate", "intended a compensate 1"]);
}

#[test]
fn what_a_child_says_twice_or_late_changes_nothing() {
    let run = after_a().input(pin("k")).input(succeeded("k", json!({ "n": 5 })));
    let run = run.input(succeeded("k", json!({ "n": 6 }))).says([]).input(pin("k")).says([]);
    // Nobody but the saga itself can have told it to undo itself.
    let run = run.input(undone("k")).says([]).input(told("k")).says([]);
    run.answers("z", ok()).input(told("k")).input(told("k")).says([]).is(Status::Completed);
}

#[test]
fn told_while_it_finished_a_child_says_both_in_either_order() {
    let failing = || after_a().input(pin("k")).cancels();
    let says = ["child succeeded k action", "child to be undone k compensate"];
    let run = failing().input(succeeded("k", json!({ "n": 5 }))).says(says);
    run.input(undone("k")).says(["child compensated k compensate", "intended a compensate 1"]);
    let run = failing().input(undone("k"));
    run.input(succeeded("k", json!({ "n": 5 }))).says([]).is(Status::Compensating);
}

#[test]
fn an_output_that_cannot_be_taken_from_the_child_fails_the_step_and_the_child_is_undone() {
    after_a()
        .input(pin("k"))
        .input(succeeded("k", json!({ "m": 5 })))
        .says(["child unusable k action", "failed k unusable", "compensating", "child to be undone k compensate"])
        .input(undone("k"))
        .says(["child compensated k compensate", "intended a compensate 1"]);
}

#[test]
fn a_child_that_is_refused_fails_the_step_also_at_the_pivot_for_nothing_has_happened() {
    let says = ["refused k action", "failed k never_sent", "compensating", "intended a compensate 1"];
    after_a().input(refused("k")).says(says);
    let at_pivot = Run::of(PIVOT_CHILD).input(pin("a")).input(succeeded("a", json!(null)));
    at_pivot.can_cancel(CanCancel::PastPivot).input(refused("p")).says([
        "refused p action",
        "failed p never_sent",
        "compensating",
        "child to be undone a compensate",
    ]);
    // Once there may be a child, nobody refuses it.
    after_a().input(pin("k")).input(refused("k")).says([]);
}

#[test]
fn past_its_pivot_a_parent_settles_its_children_at_once_and_does_without_none() {
    let run = Run::of(PIVOT_CHILD)
        .input(pin("a"))
        .input(succeeded("a", json!(null)))
        .owes_family([Errand::Pin { call: action("p") }]);
    let run = run.input(pin("p")).passes_an_hour().passes_an_hour().is(Status::Running);
    let run = run.input(succeeded("p", json!(null))).owes_family([
        Errand::Pin { call: action("z") },
        Errand::Settle { call: action("a") },
        Errand::Settle { call: action("p") },
    ]);
    let run = run.input(told("a")).says(["child settled a action"]).input(told("p")).input(pin("z"));
    run.input(undone("z"))
        .says(["child compensated z action", "attention z action child_compensated"])
        .is(Status::Running)
        .asks_about([action("z")]);
    let run = Run::of(PIVOT_CHILD).input(pin("a")).input(succeeded("a", json!(null))).input(pin("p"));
    run.input(undone("p")).says([
        "child compensated p action",
        "failed p rejected",
        "compensating",
        "child to be undone a compensate",
    ]);
}

#[test]
fn each_item_has_a_child_of_its_own() {
    let pin =
        |index| Input::ChildPinned { call: nth(index, action("k")), version: 1, definition: Digest::of(&[b"row"]) };
    let reports = |index, report| Input::ChildReported { call: nth(index, action("k")), report };
    let run = Run::of(EACH).says(["started", "items k 2", "child intended k[0] action"]);
    let run = run.input(pin(0)).input(reports(0, Report::Succeeded { output: json!(1).into() }));
    let run = run.says(["child succeeded k[0] action", "child intended k[1] action"]).input(pin(1));
    let of = |run: &Run, index| run.state.child(&nth(index, action("k"))).expect("a child").saga;
    assert_ne!(of(&run, 0), of(&run, 1));
    let failed = run.input(reports(1, Report::Compensated { reason: "no".to_owned() }));
    failed
        .says([
            "child compensated k[1] action",
            "failed k[1] rejected",
            "compensating",
            "child to be undone k[0] compensate",
        ])
        .owes_family([Errand::Undo { call: nth(0, action("k")) }])
        .input(reports(0, Report::Compensated { reason: "told".to_owned() }))
        .is(Status::Compensated);
}

// ---- as a child ----------------------------------------------------------------------------------------------------------

#[test]
fn a_child_that_is_done_waits_for_its_parent_and_nobody_else_undoes_it() {
    let run = child(ROW).all_answer(&["a", "b", "c"]).is(Status::Succeeded).owes_family([Errand::ReportSuccess]);
    let run = run.can_cancel(CanCancel::Succeeded).cancels().says([]).passes_an_hour().is(Status::Succeeded);
    run.input(Input::Settled(Settlement::Complete))
        .says(["settled", "completed"])
        .input(Input::Settled(Settlement::Undo))
        .says([]);
}

#[test]
fn a_child_is_undone_as_its_parent_says_and_ends_when_that_has_it_in_writing() {
    let done = || child(ROW).all_answer(&["a", "b", "c"]);
    let run = done().input(Input::Settled(Settlement::Undo)).says(["compensating", "intended c compensate 1"]);
    let run = run.undo_answers("c", ok()).undo_answers("b", ok()).undo_answers("a", ok()).is(Status::Compensating);
    assert_eq!(run.state.summary().wake_at, Some(run.state.updated_at), "nobody else would end it");
    run.owes_family([Errand::ReportUndone]).input(Input::Reported).says(["compensated"]);
    // While it runs, too; and it cannot be reported before it is undone.
    let running = child(ROW).answers("a", ok()).input(Input::Settled(Settlement::Undo)).is(Status::Compensating);
    running.input(Input::Reported).says([]).owes_family([]);
}

#[test]
fn a_child_that_fails_by_itself_reports_it_before_it_ends() {
    let run = child(ROW).answers("a", answer(409)).is(Status::Compensating).owes_family([Errand::ReportUndone]);
    run.input(Input::Reported).says(["compensated"]);
}

#[test]
fn a_child_that_is_told_before_it_is_there_begins_nothing() {
    let with = Begin { parent: Some(parent()), undone: true, ..Begin::root(1, json!({})) };
    Run::begun(ROW, with)
        .says(["started", "compensating"])
        .owes([])
        .owes_family([Errand::ReportUndone])
        .input(Input::Reported)
        .says(["compensated"]);
}

#[test]
fn a_child_settles_its_own_children_when_it_is_settled() {
    let run = child(FAMILY).answers("a", ok()).input(pin("k")).input(succeeded("k", json!({ "n": 1 })));
    let run = run.answers("z", ok()).is(Status::Succeeded).owes_family([Errand::ReportSuccess]);
    run.input(Input::Settled(Settlement::Complete))
        .says(["settled"])
        .owes_family([Errand::Settle { call: action("k") }])
        .input(told("k"))
        .says(["child settled k action", "completed"]);
}

#[test]
fn a_root_takes_nothing_from_a_parent_that_it_does_not_have() {
    Run::of(ROW).input(Input::Settled(Settlement::Undo)).says([]).input(Input::Reported).says([]).is(Status::Running);
}

// ---- what a child begins with ---------------------------------------------------------------------------------------------

fn begins(run: &Run, step: &str) -> Begin {
    child_begins(&run.definition, &run.state, &action(step), 4).expect("it runs a child")
}

#[test]
fn a_childs_deadline_is_the_earlier_one_as_long_as_the_parents_has_an_effect() {
    let run = after_a().input(pin("k"));
    let with = begins(&run, "k");
    assert_eq!(with.deadline_at, run.state.started.deadline_at);
    assert_eq!(with.parent.as_ref().map(|parent| parent.line.clone()), Some(vec!["family".into()]));
    let own = |yaml: &str| Run::begun(yaml, with.clone()).state.started.deadline_at;
    let short = format!("{ROW}deadline: 1m\n");
    assert_eq!(own(&short), Some(Time(1_000_000_000) + Duration::from_secs(60)));
    assert_eq!(own(&format!("{ROW}deadline: 2h\n")), run.state.started.deadline_at);
    assert_eq!(own(ROW), run.state.started.deadline_at);
    let run = Run::of(PIVOT_CHILD).input(pin("a")).input(succeeded("a", json!(null)));
    assert_eq!(begins(&run, "p").deadline_at, None);
    assert!(!begins(&run, "p").undone && begins(&after_a().input(pin("k")).cancels(), "k").undone);
}

fn may(run: &Run, step: &str, child: &str) -> Result<(), String> {
    let child = Definition::parse(child, None).expect("a definition");
    child_may_begin(&run.definition, &run.state, &action(step), (&child, 4), run.now)
}

#[test]
fn what_cannot_be_a_child_is_refused_before_it_is_there() {
    let run = after_a();
    assert_eq!(may(&run, "k", ROW), Ok(()));
    let refused = |run: &Run, child: &str, word: &str| {
        let why = may(run, "k", child).expect_err("it is refused");
        assert!(why.contains(word), "{why}");
    };
    let one = "steps: { a: { call: x POST /a, compensate: none, reason: reads } }";
    refused(&run, &format!("saga: family\n{one}"), "family → family");
    refused(&run, "saga: row\nsteps: { a: { call: x POST /a, pivot: true } }", "has a pivot");
    refused(&run, &format!("saga: row\ninput: {{ required: [b] }}\n{one}"), "takes no such input");
    refused(&run, &format!("saga: row\nlabels: {{ b: \"${{{{ input.b }}}}\" }}\n{one}"), "label");
    refused(&run, &format!("saga: row\nlocks: [b]\n{one}"), "locks that its root does not take: b");
    let locked = FAMILY.replace("deadline", "locks: [b, c]\ndeadline");
    let place = |lock: &str| amends_core::LockPlace { lock: lock.into(), arrived_at: Time(1), held: true };
    let locked = Run::of(&locked).input(Input::LocksAnswered(vec![place("b"), place("c")])).answers("a", ok());
    assert_eq!(may(&locked, "k", &format!("saga: row\nlocks: [b]\n{one}")), Ok(()));
    assert_eq!(begins(&locked, "k").locks.len(), 0, "its root has taken them");
    let mut old = parent();
    old.line = (0..8).map(|nth| format!("above{nth}").into()).collect();
    let deep = Run::begun(FAMILY, Begin { parent: Some(old), ..Begin::root(1, json!({})) }).answers("a", ok());
    refused(&deep, ROW, "generations");
}

// ---- what cannot follow ----------------------------------------------------------------------------------------------------

fn illegal(run: &Run, event: Event) -> &'static str {
    let recorded = Recorded { seq: run.state.next_seq, epoch: run.state.epoch, at: run.now, event };
    evolve(run.state.clone(), &recorded).expect_err("it cannot follow").why
}

#[test]
fn a_journal_cannot_tell_what_no_family_does() {
    let (call, none) = (action("k"), std::sync::Arc::new(json!(null)));
    let completed = || Event::SagaCompleted { output: none.clone(), output_error: None };
    let running = after_a();
    let said = Event::ChildSucceeded { call: call.clone(), output: none.clone() };
    assert!(illegal(&running, said.clone()).contains("no child of this call is under way"));
    let other = Event::ChildIntended {
        call: nth(1, call.clone()),
        child: running.state.saga,
        name: "row".into(),
        input: none.clone(),
        pivot: false,
    };
    assert!(illegal(&running, other).contains("a child's id"));
    let begun = after_a().input(pin("k"));
    let again = Event::ChildPinned { call: call.clone(), version: 2, definition: Digest::of(&[b"row"]) };
    assert!(illegal(&begun, again).contains("and once"));
    assert!(illegal(&begun, Event::CallRefused { call: call.clone(), reason: String::new() }).contains("may be there"));
    let failed = Event::StepFailed { step: "k".into(), index: None, how: amends_core::event::FailedStep::NeverSent };
    assert!(illegal(&begun, failed).contains("has not said"));
    assert!(illegal(&begun, completed()).contains("under way"));
    let done = after_a().input(pin("k")).input(succeeded("k", json!({ "n": 5 }))).answers("z", ok());
    assert!(illegal(&done, completed()).contains("a child of it is not settled"));
    let undo_it = Event::CompensationStarted { cause: amends_core::event::Cause::DeadlinePassed };
    assert!(illegal(&done, undo_it.clone()).contains("by its parent alone"));
    let as_child = child(ROW).all_answer(&["a", "b", "c"]);
    assert!(illegal(&as_child, completed()).contains("its parent has settled it"));
    let settled = done.input(told("k"));
    assert_eq!(settled.state.child(&call).map(|child| child.stands), Some(ChildStands::Settled));
    let _: CallId = undo("k");
}
