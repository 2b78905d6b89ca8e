//! Calls that cannot be made as the definition says.

use amends_core::{CanCancel, summary::Status};
use serde_json::{Value, json};

use crate::dsl::{Run, action, answer, ok, ok_with, undo};

fn second_step(call: &str, more: &str, input: Value) -> Run {
    let yaml = format!(
        "
saga: s
deadline: 1h
steps:
  a: {{ call: x POST /a, compensate: {{ call: x POST /a/undo }} }}
  b: {{ call: '{call}', {more} compensate: {{ call: x POST /b/undo }} }}
"
    );
    Run::with_input(&yaml, input).answers("a", ok())
}

#[track_caller]
fn refused(run: Run) {
    run.says([
        "succeeded a action 1",
        "refused b action",
        "failed b never_sent",
        "compensating",
        "intended a compensate 1",
    ])
    .undo_answers("a", ok())
    .is(Status::Compensated);
}

#[test]
fn a_missing_value_fails_the_step_before_anything_is_sent() {
    refused(second_step("x POST /b/${{ input.gone }}", "", json!({})));
    refused(second_step("x POST /b", "body: '${{ input.gone }}',", json!({})));
}

#[test]
fn a_header_value_with_a_line_break_is_refused() {
    for value in ["a\r\nHost: evil", "a\nb", "\u{0}", "é"] {
        refused(second_step("x POST /b", "headers: { X-Tenant: '${{ input.v }}' },", json!({ "v": value })));
    }
    second_step("x POST /b", "headers: { X-Tenant: '${{ input.v }}' },", json!({ "v": "fine" })).owes([action("b")]);
}

#[test]
fn a_path_value_that_would_lead_elsewhere_is_refused() {
    for value in [json!(".."), json!("."), json!(""), json!("a\u{0}b"), json!(null), json!([1]), json!({})] {
        refused(second_step("x POST /b/${{ input.v }}/c", "", json!({ "v": value })));
    }
    refused(second_step("x POST /b/.${{ input.v }}/c", "", json!({ "v": "." })));
}

#[test]
fn a_path_value_is_one_encoded_segment() {
    for (value, path) in [
        ("../../admin", "/b/..%2F..%2Fadmin/c"),
        ("a?x=1#", "/b/a%3Fx%3D1%23/c"),
        ("%00", "/b/%2500/c"),
        ("%2e%2e", "/b/%252e%252e/c"),
        ("ü \\", "/b/%C3%BC%20%5C/c"),
    ] {
        let run = second_step("x POST /b/${{ input.v }}/c", "", json!({ "v": value }));
        let rendered = amends_core::render(&run.definition, &run.state, &action("b")).expect("it renders");
        assert_eq!(rendered.path, path);
    }
}

#[test]
fn an_action_is_sent_only_if_its_compensation_renders_without_the_steps_own_output() {
    let yaml = |more: &str| {
        format!(
            "
saga: s
steps:
  a:
    call: x POST /a
    output: {{ id: '${{{{ response.body.id }}}}' }}
    compensate: {{ call: \"x POST /undo/${{{{ steps.a.output.id | default({more}) }}}}\" }}
"
        )
    };
    Run::of(&yaml("''")).says(["started", "refused a action", "failed a never_sent", "compensating", "compensated"]);
    // With a default it is sent, and undone with its output if there is one.
    let path = |run: &Run| amends_core::render(&run.definition, &run.state, &undo("a")).expect("it renders").path;
    let run = Run::of(&yaml("saga.id")).answers("a", ok_with(json!({})));
    assert_eq!(path(&run.owes([undo("a")])), format!("/undo/{}", uuid::Uuid::from_u128(7)));
}

#[test]
fn from_the_pivot_on_it_asks_a_person_and_until_the_intent_of_the_pivot_cancel_still_works() {
    let yaml = "
saga: s
deadline: 1h
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  p: { call: 'x POST /p/${{ input.gone }}', pivot: true }
";
    let run = Run::of(yaml).answers("a", ok());
    let run = run.says(["succeeded a action 1", "refused p action", "attention p action refused_here"]).owes([]);
    run.can_cancel(CanCancel::Yes).asks_about([action("p")]).cancels().says([
        "cancel requested",
        "compensating",
        "failed p never_sent",
        "intended a compensate 1",
    ]);
    let behind = yaml
        .replace("/${{ input.gone }}', pivot: true }", "', pivot: true }\n  z: { call: 'x POST /${{ input.gone }}' }");
    let run = Run::of(&behind).answers("a", ok()).answers("p", ok());
    run.says(["succeeded p action 1", "refused z action", "attention z action refused_here"]).is(Status::Running);
}

#[test]
fn a_compensation_that_cannot_be_made_asks_a_person_and_its_predecessors_wait() {
    let yaml = "
saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /a/undo } }
  b:
    call: x POST /b
    output: { id: '${{ response.body.id }}' }
    compensate: { call: \"x POST /undo/${{ steps.b.output.id | default('none') }}\" }
  c: { call: x POST /c, compensate: { call: x POST /c/undo } }
";
    Run::of(yaml)
        .answers("a", ok())
        .answers("b", ok_with(json!({ "id": ".." })))
        .answers("c", answer(409))
        .says([
            "rejected c action 1",
            "failed c rejected",
            "compensating",
            "refused b compensate",
            "attention b compensate refused_here",
        ])
        .owes([])
        .asks_about([undo("b")]);
}

#[test]
fn a_step_that_cannot_start_takes_back_what_was_intended_beside_it_in_the_same_moment() {
    let yaml = "
saga: s
steps:
  a: { needs: [], call: x POST /a, compensate: { call: x POST /a/undo } }
  b: { needs: [], call: 'x POST /${{ input.gone }}', compensate: { call: x POST /b/undo } }
";
    Run::of(yaml)
        .says([
            "started",
            "intended a action 1",
            "refused b action",
            "failed b never_sent",
            "compensating",
            "withdrawn a action 1",
            "failed a never_sent",
            "compensated",
        ])
        .is(Status::Compensated);
}

#[test]
fn other_bytes_under_the_same_key_are_not_sent_and_a_person_is_asked() {
    use amends_core::{event::Event, ids::Digest};
    let mut run = second_step("x POST /b", "", json!({}));
    // As if the version before had rendered the call differently.
    let at = run
        .journal
        .iter()
        .position(|recorded| matches!(&recorded.event, Event::CallIntended { call, .. } if *call == action("b")));
    let Some(Event::CallIntended { request, .. }) = at.map(|at| &mut run.journal[at].event) else {
        panic!("b is intended")
    };
    *request = Digest::of(&[b"other"]);
    run.state = amends_core::fold(run.state.saga, &run.journal).expect("it folds");
    run.answers("b", crate::dsl::lost())
        .says(["unknown b action 1", "refused b action", "attention b action refused_here"])
        .owes([])
        .is(Status::Running)
        .cancels()
        .says(["cancel requested", "compensating", "failed b unresolved", "intended b compensate 1"]);
}
