//! `for_each`: one call for each item, so many at once, in order and back.

use amends_core::{
    Input,
    event::Cause,
    ids::CallId,
    render,
    state::{Life, StepState},
    summary::Status,
};
use serde_json::{Value, json};

use crate::dsl::{Run, action, answer, lost, not_sent, nth, ok, ok_with, undo};

const EACH: &str = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  b:
    for_each: '${{ input.items }}'
    concurrency: 2
    call: 'x POST /b/${{ item.sku }}'
    body: { index: '${{ index }}', item: '${{ item }}' }
    output: { id: '${{ response.body.id }}' }
    compensate: { call: \"x POST /b/${{ item.sku }}/undo/${{ steps.b.output.id | default('lost') }}\" }
  c: { call: 'x POST /c/${{ steps.b.output[1].id }}', compensate: { call: x POST /c/undo } }
output: '${{ steps.b.output }}'
";

fn items(count: usize) -> Value {
    json!({ "items": (0..count).map(|n| json!({ "sku": format!("s{n}") })).collect::<Vec<_>>() })
}

fn id(id: &str) -> amends_core::Reply {
    ok_with(json!({ "id": id }))
}

/// Where `b` begins with so many items.
fn begun(count: usize) -> Run {
    Run::with_input(EACH, items(count)).answers("a", ok())
}

fn b(index: u32) -> CallId {
    nth(index, action("b"))
}

fn undo_b(index: u32) -> CallId {
    nth(index, undo("b"))
}

fn path(run: &Run, call: &CallId) -> String {
    render(&run.definition, &run.state, call).expect("it renders").path
}

#[test]
fn items_begin_in_their_order_so_many_at_once_and_outputs_stand_in_the_order_of_the_items() {
    let run = begun(3).says(["succeeded a action 1", "items b 3", "intended b[0] action 1", "intended b[1] action 1"]);
    assert_eq!([path(&run, &b(0)), path(&run, &b(1))], ["/b/s0", "/b/s1"]);
    let run = run.item_answers("b", 1, id("one")).says(["succeeded b[1] action 1", "intended b[2] action 1"]);
    let run = run.item_answers("b", 2, id("two")).says(["succeeded b[2] action 1"]);
    let run = run.item_answers("b", 0, id("zero")).says(["succeeded b[0] action 1", "intended c action 1"]);
    assert_eq!(path(&run, &action("c")), "/c/one");
    let run = run.answers("c", ok()).is(Status::Completed);
    assert_eq!(*run.state.output, json!([{ "id": "zero" }, { "id": "one" }, { "id": "two" }]));
}

#[test]
fn without_concurrency_items_go_one_by_one() {
    let run = Run::with_input(&EACH.replace("concurrency: 2", "timeout: 1s"), items(2)).answers("a", ok());
    let run = run.says(["succeeded a action 1", "items b 2", "intended b[0] action 1"]);
    run.item_answers("b", 0, id("x")).says(["succeeded b[0] action 1", "intended b[1] action 1"]);
}

#[test]
fn no_items_are_a_step_that_is_done_with_an_empty_list() {
    let yaml = EACH.replace("/c/${{ steps.b.output[1].id }}", "/c/${{ steps.b.output | length }}");
    let run = Run::with_input(&yaml, items(0)).answers("a", ok());
    let run = run.says(["succeeded a action 1", "items b 0", "intended c action 1"]).answers("c", ok());
    assert_eq!((run.state.status, &*run.state.output), (Status::Completed, &json!([])));
}

#[test]
fn each_item_is_retried_for_itself_with_its_own_key_and_bytes() {
    let run = begun(2).item_answers("b", 0, lost()).says(["unknown b[0] action 1", "intended b[0] action 2"]);
    assert_ne!(run.wait(&b(0)), std::time::Duration::ZERO);
    assert_eq!((run.attempt(&b(0)), run.attempt(&b(1))), (2, 1));
    let requests = [0, 1].map(|index| run.state.call(&b(index)).and_then(|call| call.request.clone()));
    assert_ne!(requests[0], requests[1]);
}

#[test]
fn the_first_item_that_fails_stops_new_items_and_those_in_flight_are_awaited() {
    let run = begun(4).item_answers("b", 0, answer(409));
    let run = run.says(["rejected b[0] action 1", "failed b[0] rejected", "compensating"]).owes([b(1)]);
    let Some(Cause::StepFailed { step, index: Some(0), .. }) = &run.state.cause else {
        panic!("{:?}", run.state.cause)
    };
    assert_eq!(step.as_str(), "b");
    let run = run.item_answers("b", 1, id("one")).says(["succeeded b[1] action 1", "intended b[1] compensate 1"]);
    assert_eq!(path(&run, &undo_b(1)), "/b/s1/undo/one");
    let run = run.call_answers(undo_b(1), ok()).says(["succeeded b[1] compensate 1", "intended a compensate 1"]);
    run.undo_answers("a", ok()).is(Status::Compensated);
}

#[test]
fn items_are_undone_in_reverse_order_with_the_same_concurrency_and_before_what_came_before_them() {
    let run = (0..4).fold(begun(4), |run, index| run.item_answers("b", index, id("x")));
    let run = run.answers("c", answer(409)).says([
        "rejected c action 1",
        "failed c rejected",
        "compensating",
        "intended b[3] compensate 1",
        "intended b[2] compensate 1",
    ]);
    let run = run.call_answers(undo_b(2), ok()).says(["succeeded b[2] compensate 1", "intended b[1] compensate 1"]);
    let run = run.call_answers(undo_b(3), ok()).says(["succeeded b[3] compensate 1", "intended b[0] compensate 1"]);
    let run = run.call_answers(undo_b(0), ok()).says(["succeeded b[0] compensate 1"]);
    let run = run.call_answers(undo_b(1), ok()).says(["succeeded b[1] compensate 1", "intended a compensate 1"]);
    run.undo_answers("a", ok()).is(Status::Compensated);
}

#[test]
fn an_item_of_which_nothing_is_known_is_undone_too_without_its_output() {
    let run = (1..5).fold(begun(2).item_answers("b", 1, id("one")), |run, _| run.item_answers("b", 0, lost()));
    let run = run.item_answers("b", 0, lost()).says([
        "unknown b[0] action 5",
        "failed b[0] unresolved",
        "compensating",
        "intended b[1] compensate 1",
        "intended b[0] compensate 1",
    ]);
    assert_eq!(path(&run, &undo_b(0)), "/b/s0/undo/lost");
}

#[test]
fn items_that_never_left_are_not_undone() {
    let run = (1..5).fold(begun(3), |run, _| run.item_answers("b", 0, not_sent()));
    let run = run.item_answers("b", 1, not_sent()).item_answers("b", 0, not_sent());
    let run = run.says(["not sent b[0] action 5", "failed b[0] never_sent", "compensating"]).owes([b(1)]);
    let run = run.input(Input::Withdrawn { call: b(1), attempt: 2 });
    let run = run.says(["withdrawn b[1] action 2", "failed b[1] never_sent", "intended a compensate 1"]);
    assert_eq!(run.count("intended b[2]"), 0);
}

#[test]
fn an_item_that_cannot_be_rendered_fails_for_itself() {
    let items = json!({ "items": [{ "sku": "s0" }, { "name": "no sku" }] });
    let run = Run::with_input(EACH, items).answers("a", ok());
    run.says([
        "succeeded a action 1",
        "items b 2",
        "intended b[0] action 1",
        "refused b[1] action",
        "failed b[1] never_sent",
        "compensating",
        "withdrawn b[0] action 1",
        "failed b[0] never_sent",
        "intended a compensate 1",
    ]);
}

#[test]
fn a_list_that_is_none_or_too_long_fails_its_step_before_the_pivot_and_asks_behind_it() {
    let long: Vec<u32> = (0..1_001).collect();
    let large = vec!["x".repeat(1_000); 300];
    for list in [json!({ "a": 1 }), json!("abc"), json!(null), json!(long), json!(large)] {
        let run = Run::with_input(EACH, json!({ "items": list })).answers("a", ok());
        run.says([
            "succeeded a action 1",
            "cannot begin b",
            "failed b never_sent",
            "compensating",
            "intended a compensate 1",
        ]);
    }
    let behind = "
saga: s
steps:
  p: { call: x POST /p, pivot: true }
  z: { for_each: '${{ input.gone }}', call: x POST /z }
";
    let run = Run::of(behind).answers("p", ok());
    run.says(["succeeded p action 1", "cannot begin z", "attention z action refused_here"]).asks_about([action("z")]);
}

#[test]
fn behind_the_pivot_an_item_that_waits_for_a_person_takes_its_place_and_the_others_go_on() {
    let behind = "
saga: s
steps:
  p: { call: x POST /p, pivot: true }
  z: { for_each: [1, 2, 3], concurrency: 2, call: 'x POST /z/${{ item }}' }
";
    let run = Run::of(behind).answers("p", ok()).item_answers("z", 0, answer(409));
    let run = run.says(["rejected z[0] action 1", "attention z[0] action rejected"]);
    let run = run.item_answers("z", 1, ok()).says(["succeeded z[1] action 1", "intended z[2] action 1"]);
    let run = run.item_answers("z", 2, ok()).says(["succeeded z[2] action 1"]);
    run.asks_about([nth(0, action("z"))]).is(Status::Running).owes([]);
}

#[test]
fn items_are_listed_once_and_a_new_owner_goes_on_with_them() {
    let run = begun(3).item_answers("b", 0, id("zero")).adopted(std::time::Duration::from_secs(10));
    let run = run.says([
        "adopted",
        "unknown b[1] action 1",
        "intended b[1] action 2",
        "unknown b[2] action 1",
        "intended b[2] action 2",
    ]);
    assert_eq!(run.count("items b"), 1);
    let Some(StepState::Each(each)) = run.step("b") else { panic!("items") };
    assert!(matches!(each.lives[0], Some(Life::Succeeded { .. })));
}

#[test]
fn an_item_gives_no_more_than_its_share() {
    let run = Run::with_input(EACH, items(1_000)).answers("a", ok());
    let run =
        run.item_answers("b", 0, id(&"x".repeat(1_000))).says(["succeeded b[0] action 1", "intended b[2] action 1"]);
    let run = run.item_answers("b", 1, id(&"x".repeat(1_100)));
    run.says(["unusable b[1] action 1", "failed b[1] unusable", "compensating"]).owes([b(2)]);
}

#[test]
fn a_step_with_items_and_an_if_that_is_false_is_skipped() {
    let yaml = EACH.replace("    concurrency: 2\n", "    if: '${{ input.no }}'\n");
    let yaml = yaml.replace("steps.b.output[1].id }}", "steps.b.output[1].id | default(0) }}");
    let yaml = yaml.replace("output: '${{ steps.b.output }}'", "output: '${{ steps.b.output | default(null) }}'");
    let run = Run::with_input(&yaml, json!({ "no": false })).answers("a", ok());
    run.says(["succeeded a action 1", "skipped b", "intended c action 1"]);
}
