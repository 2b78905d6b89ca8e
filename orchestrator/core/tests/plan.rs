//! What a plan shows of values that nobody has told yet, and of children.

use std::sync::Arc;

use amends_core::{
    Begin,
    definition::Definition,
    ids::{SagaId, StepName},
    plan::{ChildRun, NoPlan, Plan, PlannedUndo, Pretend, Request, What, plan},
    time::Time,
};
use serde_json::{Value, json};
use uuid::Uuid;

const TRIP: &str = r#"
saga: trip
input: { type: object, required: [days], properties: { days: { type: integer } } }
steps:
  quote:
    call: fares POST /quotes
    body: { days: "${{ input.days }}" }
    output: { price: "${{ response.body.price }}", rooms: "${{ response.body.rooms }}", cheap: "${{ response.body.cheap }}" }
    compensate: { call: "fares DELETE /quotes/${{ steps.quote.output.price | default('any') }}" }
  nap: { sleep: 5m }
  rooms:
    for_each: "${{ steps.quote.output.rooms }}"
    call: "hotels POST /rooms/${{ item.id }}/${{ index }}"
    compensate: { call: "hotels DELETE /rooms/${{ item.id }}" }
  insure:
    if: "${{ not steps.quote.output.cheap }}"
    call: "cover POST /policies/${{ steps.quote.output.price }}"
    headers: { X-Price: "eur ${{ steps.quote.output.price * 2 }}" }
    compensate: none
    reason: ends by itself
"#;

fn planned(yaml: &str, input: Value, pretend: &Pretend) -> Result<Plan, NoPlan> {
    let definition = Definition::parse(yaml, None).unwrap_or_else(|found| panic!("{found:#?}"));
    let with = Begin::root(1, input);
    plan(&definition, SagaId(Uuid::nil()), with, Time(0), pretend)
}

fn pretending(outputs: &[(&str, Value)], replies: &[(&str, Value)]) -> Pretend {
    let named =
        |pairs: &[(&str, Value)]| pairs.iter().map(|(step, value)| (StepName::from(*step), value.clone())).collect();
    Pretend { outputs: named(outputs), replies: named(replies), ..Pretend::default() }
}

fn path(plan: &Plan, request: &Request) -> String {
    plan.placeholders.shown(&request.rendered.path)
}

#[test]
fn what_hangs_on_a_reply_is_a_placeholder_and_the_plan_goes_on() {
    let plan = planned(TRIP, json!({ "days": 2 }), &Pretend::default()).expect("a plan");
    let What::Call(quote) = &plan.steps[0].what else { panic!("{plan:#?}") };
    assert!(quote.request.digest.is_some());
    let PlannedUndo::Call { after_lost_reply, after_success, .. } = &quote.undo else { panic!("{quote:#?}") };
    assert_eq!(path(&plan, after_lost_reply), "/quotes/any", "without a reply there is only the default");
    let after_success = after_success.as_ref().expect("a request");
    assert_eq!(path(&plan, after_success), "/quotes/‹steps.quote.output.price | default('any')›");

    let What::Each(rooms) = &plan.steps[2].what else { panic!("{plan:#?}") };
    assert_eq!((rooms.unknown.as_deref(), rooms.calls.len()), (Some("steps.quote.output.rooms"), 1));
    assert_eq!(path(&plan, &rooms.calls[0].request), "/rooms/‹item.id›/0");
    assert_eq!(rooms.calls[0].request.digest, None);

    let insure = &plan.steps[3];
    assert_eq!(insure.condition.as_ref().and_then(|condition| condition.holds), None, "nobody knows yet");
    let What::Call(call) = &insure.what else { panic!("{plan:#?}") };
    assert_eq!(path(&plan, &call.request), "/policies/‹steps.quote.output.price›");
    let price = plan.placeholders.shown(&call.request.rendered.headers[0].1);
    assert_eq!(price, "eur ‹steps.quote.output.price * 2›");
}

#[test]
fn a_reply_is_read_as_the_step_would_read_it() {
    let reply = json!({ "price": 7, "rooms": [{ "id": "a/b" }, { "id": "c" }], "cheap": true });
    let plan = planned(TRIP, json!({ "days": 2 }), &pretending(&[], &[("quote", reply)])).expect("a plan");
    let What::Each(rooms) = &plan.steps[2].what else { panic!("{plan:#?}") };
    let paths: Vec<String> = rooms.calls.iter().map(|call| path(&plan, &call.request)).collect();
    assert_eq!(paths, ["/rooms/a%2Fb/0", "/rooms/c/1"]);
    assert!(matches!(plan.steps[3].what, What::Skipped), "{plan:#?}");

    let short = json!({ "price": 7 });
    let unfit = planned(TRIP, json!({ "days": 2 }), &pretending(&[], &[("quote", short)]));
    let Err(NoPlan::Unfit { step, why }) = unfit else { panic!("{unfit:#?}") };
    assert_eq!(step.as_str(), "quote");
    assert!(why.contains("response.body.rooms"), "{why}");
}

#[test]
fn what_could_not_be_sent_ends_the_plan_there() {
    let outputs = json!({ "price": 7, "rooms": "none", "cheap": false });
    let plan = planned(TRIP, json!({ "days": 2 }), &pretending(&[("quote", outputs)], &[])).expect("a plan");
    let What::Refused { why } = &plan.steps[2].what else { panic!("{plan:#?}") };
    assert!(why.contains("for_each: no list"), "{why}");
    assert!(matches!(plan.steps[3].what, What::NotReached), "{plan:#?}");
}

#[test]
fn what_a_start_would_refuse_has_no_plan() {
    let Err(NoPlan::Input(errors)) = planned(TRIP, json!({ "days": "two" }), &Pretend::default()) else { panic!() };
    assert_eq!(errors[0].pointer, "/days");
    let stray = planned(TRIP, json!({ "days": 2 }), &pretending(&[("qoute", json!(1))], &[]));
    assert!(matches!(stray, Err(NoPlan::NoStep { step, known }) if step.as_str() == "qoute" && known.len() == 4));
}

#[test]
fn a_value_that_looks_like_a_placeholder_stays_what_it_is() {
    let yaml = "saga: s\nsteps:\n  a:\n    call: x POST /a\n    output: { id: '${{ response.body.id }}' }\n    \
                compensate: none\n    reason: reads\n  b:\n    call: \"x POST /${{ input.id }}/${{ steps.a.output.id }}\"\n    \
                compensate: none\n    reason: reads\n";
    let plan = planned(yaml, json!({ "id": "unknown0x0z" }), &Pretend::default()).expect("a plan");
    let What::Call(b) = &plan.steps[1].what else { panic!("{plan:#?}") };
    assert_eq!(path(&plan, &b.request), "/unknown0x0z/‹steps.a.output.id›");
}

const FAMILY: &str = r#"
saga: family
steps:
  quote: { call: x POST /q, output: { of: "${{ response.body.of }}" }, compensate: { call: x POST /q/undo } }
  kid: { saga: kid, input: { of: "${{ steps.quote.output.of }}", n: 1 }, output: { id: "${{ child.output.id }}" } }
  each: { for_each: [a, b], concurrency: 2, saga: kid, input: "${{ item }}" }
output: "${{ steps.kid.output.id }}"
"#;

#[test]
fn children_are_planned_by_what_they_begin_with() {
    let plan = planned(FAMILY, json!({}), &Pretend::default()).expect("a plan");
    let What::Children(kid) = &plan.steps[1].what else { panic!("{plan:#?}") };
    assert_eq!((&*kid.name, kid.each.is_none(), kid.children.len()), ("kid", true, 1));
    assert_eq!(kid.children[0].saga, SagaId::of_child(SagaId(Uuid::nil()), "kid", None));
    let shown = plan.placeholders.shown(&kid.children[0].input.to_string());
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown, json!({ "of": "‹steps.quote.output.of›", "n": 1 }));
    let What::Children(each) = &plan.steps[2].what else { panic!("{plan:#?}") };
    let inputs: Vec<&Value> = each.children.iter().map(|child| &child.input).collect();
    assert_eq!(inputs, [&json!("a"), &json!("b")]);
    assert_eq!(each.each.as_ref().map(|each| each.concurrency), Some(2));
    assert_ne!(each.children[0].saga, each.children[1].saga);
    // What a child is said to answer counts from there on.
    let told = pretending(&[("quote", json!({ "of": "ada" }))], &[("kid", json!({ "id": 7 }))]);
    let plan = planned(FAMILY, json!({}), &told).expect("a plan");
    assert_eq!(plan.output, Some(Ok(json!(7))));
    let unfit = planned(FAMILY, json!({}), &pretending(&[], &[("kid", json!({}))]));
    assert!(matches!(unfit, Err(NoPlan::Unfit { .. })), "{unfit:?}");
}

const KID: &str = r#"
saga: kid
version: 4
steps:
  a: { call: "x POST /a", body: "${{ input }}", compensate: { call: "x DELETE /a/${{ saga.id }}" } }
output: { id: "${{ input }}" }
"#;

/// A root with the definitions of its children.
fn family_planned(yaml: &str, kids: &[&str], replies: &[(&str, Value)]) -> Plan {
    let parse = |yaml: &str| Definition::parse(yaml, None).unwrap_or_else(|found| panic!("{found:#?}"));
    let kids = kids.iter().map(|kid| parse(kid)).map(|kid| (kid.name.clone(), Arc::new(kid)));
    let pretend = Pretend { known: kids.collect(), ..pretending(&[], replies) };
    planned(yaml, json!({}), &pretend).expect("a plan")
}

fn runs<'p>(plan: &'p Plan, step: &str) -> Vec<&'p ChildRun> {
    let planned = plan.steps.iter().find(|planned| planned.name.as_str() == step).expect("the step");
    let What::Children(children) = &planned.what else { panic!("{planned:#?}") };
    children.children.iter().map(|child| &child.run).collect()
}

#[test]
fn a_child_whose_definition_is_here_is_planned_with_its_parent() {
    let plan = family_planned(FAMILY, &[KID], &[]);
    assert!(matches!(runs(&plan, "kid")[..], [ChildRun::Hangs]), "{plan:#?}");
    let [ChildRun::Planned(a, definition), ChildRun::Planned(b, _)] = runs(&plan, "each")[..] else {
        panic!("{plan:#?}")
    };
    assert_eq!((&*definition.name, a.started.version), ("kid", 4));
    assert_ne!(a.saga, b.saga);
    let What::Call(call) = &a.steps[0].what else { panic!("{a:#?}") };
    assert_eq!(call.request.rendered.body.as_deref(), Some(&b"\"a\""[..]));
    assert!(!plan.stops());
    // With what it hangs on it is planned, too, and its output is what its parent goes on with.
    let told = family_planned(FAMILY, &[KID], &[("quote", json!({ "of": { "id": 7 } }))]);
    assert!(matches!(runs(&told, "kid")[..], [ChildRun::Planned(..)]), "{told:#?}");
    assert_eq!(told.output, Some(Ok(json!({ "of": { "id": 7 }, "n": 1 }))));
    let alone = family_planned(FAMILY, &[], &[]);
    assert!(matches!(runs(&alone, "each")[..], [ChildRun::NotHere, ChildRun::NotHere]), "{alone:#?}");
}

#[test]
fn a_child_that_would_be_refused_stops_its_parent() {
    let why = |kid: &str, line: &str| {
        let plan = family_planned(line, &[kid], &[]);
        assert!(plan.stops(), "{plan:#?}");
        match &plan.steps[0].what {
            What::Refused { why } => why.clone(),
            other => panic!("{other:#?}"),
        }
    };
    let line = "saga: line\nsteps: { kid: { saga: kid, input: 1 } }";
    let strict = "saga: kid\ninput: { type: string }\nsteps: { a: { sleep: 1s } }";
    assert!(why(strict, line).starts_with("saga kid version 1 takes no such input"));
    let unfit = "saga: line\nsteps: { kid: { saga: kid, input: 1, output: { x: '${{ child.output.nowhere }}' } } }";
    let plain = "saga: kid\nsteps: { a: { sleep: 1s } }\noutput: { id: 1 }";
    assert!(why(plain, unfit).starts_with("from the output of its child"));
    let circle = ["saga: kid\nsteps: { a: { saga: other } }", "saga: other\nsteps: { a: { saga: kid } }"];
    let plan = family_planned(line, &circle, &[]);
    let [ChildRun::Planned(kid, _)] = runs(&plan, "kid")[..] else { panic!("{plan:#?}") };
    let [ChildRun::Planned(other, _)] = runs(kid, "a")[..] else { panic!("{kid:#?}") };
    assert!(matches!(&other.steps[0].what, What::Refused { why } if why.contains("its own descendant")), "{other:#?}");
    assert!(plan.stops() && plan.output.is_none());
}
