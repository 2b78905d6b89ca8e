//! `if`: evaluated once, when the step's needs are met; skipped is done.

use amends_core::{Begin, definition::Definition, ids::SagaId, labels, state::StepState, summary::Status, time::Time};
use serde_json::{Map, Value, json};

use crate::dsl::{Run, action, answer, ok, ok_with, undo};

/// `b` only for large amounts; `c` behind it.
const MAYBE: &str = "
saga: s
steps:
  a: { call: x POST /a, output: { big: '${{ response.body.big }}' }, compensate: { call: x POST /a/undo } }
  b:
    if: '${{ steps.a.output.big }}'
    call: x POST /b
    output: { id: '${{ response.body.id }}' }
    compensate: { call: x POST /b/undo }
  c: { call: \"x POST /c/${{ steps.b.output.id | default('none') }}\", compensate: { call: x POST /c/undo } }
output: { b: \"${{ steps.b.output.id | default('none') }}\" }
";

fn after_a(big: Value) -> Run {
    Run::of(MAYBE).answers("a", ok_with(json!({ "big": big })))
}

#[test]
fn a_step_whose_if_is_true_runs() {
    let run = after_a(json!(true)).says(["succeeded a action 1", "intended b action 1"]);
    let run = run.answers("b", ok_with(json!({ "id": "r7" }))).answers("c", ok()).is(Status::Completed);
    assert_eq!(*run.state.output, json!({ "b": "r7" }));
}

#[test]
fn a_step_whose_if_is_false_is_skipped_in_the_commit_that_met_its_needs_and_counts_as_done() {
    let run = after_a(json!(false)).says(["succeeded a action 1", "skipped b", "intended c action 1"]);
    assert_eq!(run.step("b"), Some(&StepState::Skipped));
    let run = run.answers("c", ok()).says(["succeeded c action 1", "completed"]);
    assert_eq!(*run.state.output, json!({ "b": "none" }));
}

#[test]
fn a_skipped_step_is_transparent_when_the_saga_is_undone() {
    after_a(json!(false))
        .answers("c", answer(409))
        .says(["rejected c action 1", "failed c rejected", "compensating", "intended a compensate 1"])
        .undo_answers("a", ok())
        .is(Status::Compensated);
}

#[test]
fn an_if_is_asked_once_and_never_again_by_a_retry_or_another_owner() {
    let run = after_a(json!(true)).answers("b", answer(503)).says(["unknown b action 1", "intended b action 2"]);
    let run = run.adopted(std::time::Duration::from_secs(10));
    assert_eq!(run.count("skipped"), 0);
    run.owes([action("b")]);
    let run = after_a(json!(false)).adopted(std::time::Duration::from_secs(10));
    assert_eq!(run.count("skipped b"), 1);
}

#[test]
fn an_if_that_is_neither_true_nor_false_fails_its_step_before_the_pivot() {
    for big in [json!(1), json!("true"), json!(null), json!([])] {
        after_a(big)
            .says([
                "succeeded a action 1",
                "cannot begin b",
                "failed b never_sent",
                "compensating",
                "intended a compensate 1",
            ])
            .undo_answers("a", ok())
            .is(Status::Compensated);
    }
}

#[test]
fn an_if_without_a_value_behind_the_pivot_asks_a_person_and_undoes_nothing() {
    let yaml = "
saga: s
steps:
  p: { call: x POST /p, pivot: true }
  z: { if: '${{ input.gone }}', call: x POST /z }
";
    let run = Run::of(yaml).answers("p", ok());
    let run = run.says(["succeeded p action 1", "cannot begin z", "attention z action refused_here"]);
    assert_eq!(run.step("z"), Some(&StepState::Refused));
    run.asks_about([action("z")]).is(Status::Running).owes([]).cancels().says([]).passes_an_hour().says([]);
}

#[test]
fn skipped_steps_in_a_row_and_against_source_order_are_all_skipped_at_once() {
    let yaml = "
saga: s
steps:
  d: { needs: [c], call: x POST /d, compensate: { call: x POST /d/undo } }
  c: { needs: [b], if: '${{ input.no }}', call: x POST /c, compensate: { call: x POST /c/undo } }
  b: { needs: [a], if: '${{ input.no }}', call: x POST /b, compensate: { call: x POST /b/undo } }
  a: { needs: [], if: '${{ input.no }}', call: x POST /a, compensate: { call: x POST /a/undo } }
";
    let run = Run::with_input(yaml, json!({ "no": false }));
    run.says(["started", "skipped a", "skipped b", "skipped c", "intended d action 1"]);
    // With nothing left to do it is done at once.
    let all = yaml.replace("call: x POST /d,", "if: '${{ input.no }}', call: x POST /d,");
    Run::with_input(&all, json!({ "no": false })).is(Status::Completed);
}

#[test]
fn a_failure_in_the_moment_of_a_skip_goes_on_undoing() {
    let yaml = "
saga: s
steps:
  a: { needs: [], if: '${{ input.no }}', call: x POST /a, compensate: { call: x POST /a/undo } }
  b: { needs: [a], call: x POST /b, compensate: { call: x POST /b/undo } }
  c: { needs: [], if: '${{ input.gone }}', call: x POST /c, compensate: { call: x POST /c/undo } }
";
    Run::with_input(yaml, json!({ "no": false })).says([
        "started",
        "skipped a",
        "intended b action 1",
        "cannot begin c",
        "failed c never_sent",
        "compensating",
        "withdrawn b action 1",
        "failed b never_sent",
        "compensated",
    ]);
}

#[test]
fn what_a_step_after_a_skipped_one_did_is_undone_before_what_came_before_both() {
    let run = after_a(json!(false)).answers("c", ok_with(json!({})));
    assert_eq!(run.state.status, Status::Completed);
    let cancelled = after_a(json!(false)).cancels().answers("c", ok());
    cancelled.owes([undo("c")]).undo_answers("c", ok()).owes([undo("a")]);
}

// ---- labels ---------------------------------------------------------------------------------------------------------

const LABELLED: &str = "
saga: s
labels: { customer: '${{ input.customer }}', big: '${{ input.n > 5 }}', note: '${{ input.note | default(null) }}', of: 'v${{ saga.version }}', id: '${{ saga.id }}' }
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
";

fn labelled(input: Value, given: Value) -> Result<Value, String> {
    let definition = Definition::parse(LABELLED, None).expect("a definition");
    let Value::Object(given) = given else { panic!("labels are a map") };
    let with = Begin { labels: given, ..Begin::root(3, input) };
    labels(&definition, SagaId(uuid::Uuid::from_u128(7)), &with, Time(0)).map(Value::Object)
}

#[test]
fn labels_are_computed_from_the_input_and_join_those_of_the_start() {
    let id = uuid::Uuid::from_u128(7).to_string();
    assert_eq!(
        labelled(json!({ "customer": "ada", "n": 7 }), json!({ "shop": 3 })),
        Ok(json!({ "customer": "ada", "big": true, "of": "v3", "id": id, "shop": 3 }))
    );
    let noted = labelled(json!({ "customer": "ada", "n": 7, "note": "gift" }), json!({})).expect("labels");
    assert_eq!(noted["note"], json!("gift"));
}

#[test]
fn a_start_may_repeat_a_label_of_the_definition_but_not_contradict_it() {
    let input = json!({ "customer": "ada", "n": 7 });
    assert!(labelled(input.clone(), json!({ "customer": "ada" })).is_ok());
    let refused = labelled(input, json!({ "customer": "bob" }));
    assert_eq!(refused, Err("the definition sets the label `customer`; leave it out".to_owned()));
}

#[test]
fn labels_that_cannot_be_computed_or_are_too_large_refuse_the_start() {
    let why = |input: Value| labelled(input, json!({})).expect_err("no labels");
    assert!(why(json!({ "n": 1 })).contains("`customer` cannot be computed: `input.customer` has no value here"));
    for customer in [json!(["a"]), json!({}), json!("x".repeat(300))] {
        assert!(why(json!({ "customer": customer, "n": 1 })).contains("label `customer`"));
    }
    let many: Map<String, Value> = (0..14).map(|n| (format!("l{n}"), json!(n))).collect();
    let refused = labelled(json!({ "customer": "ada", "n": 1 }), Value::Object(many));
    assert!(refused.is_err_and(|why| why.starts_with("at most 16 labels")));
}
