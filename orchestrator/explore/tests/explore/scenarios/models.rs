//! What models of services do, and how time passes.

use amends_core::scenario::Asked;
use amends_explore::{Contract, scenarios::Played};

use super::support::{family, family_of, played, wrong};

const TWO: &str = "saga: two
deadline: 1d
steps:
  a: { call: x POST /a, body: { n: 1 }, output: \"${{ response.body }}\", compensate: { call: x POST /undo-a } }
  b: { call: y POST /b, compensate: { call: y POST /undo-b } }
output: \"${{ steps.a.output }}\"
";

fn two(rest: &str, contract: Contract) -> Vec<String> {
    wrong(&family(TWO, &[]), rest, contract)
}

#[test]
fn a_service_answers_what_the_file_says_and_nothing_otherwise() {
    let text = |replies: &str, output: &str| {
        format!("{replies}scenarios: [{{ name: n, expect: {{ status: completed, output: {output} }} }}]\n")
    };
    assert_eq!(two(&text("replies: { a: { id: 7 } }\n", "{ id: 7 }"), Contract::Barrier), [""; 0]);
    assert_eq!(two(&text("", "{}"), Contract::Barrier), [""; 0]);
}

#[test]
fn a_plain_service_knows_nothing_of_what_it_never_did_and_a_barrier_takes_it_for_undone() {
    let text = "scenarios:\n  - name: n\n    faults: [{ step: a, lose: request, attempts: all }]\n    \
                expect: { status: compensated, nothing: [a] }\n";
    assert_eq!(two(text, Contract::Barrier), [""; 0]);
    let found = two(text, Contract::Plain);
    assert!(
        found[0].contains("found compensating (two: a person is asked to look at a compensate: answered 404"),
        "{found:#?}"
    );
}

#[test]
fn what_is_late_arrives_behind_its_undo_and_only_a_barrier_minds() {
    let text = "scenarios:\n  - name: n\n    faults: [{ step: b, delay: 30m, attempts: all }]\n    \
                expect: { status: compensated, undone: [a], nothing: [b] }\n";
    assert_eq!(two(text, Contract::Barrier), [""; 0]);
}

#[test]
fn time_passes_only_when_somebody_waits_for_it() {
    let played = played(
        &family(
            "saga: s\nsteps:\n  w: { sleep: 30d }\n  a: { call: x POST /a, compensate: { call: x POST /u } }\n",
            &[],
        ),
        "scenarios: [{ name: n, expect: { status: completed } }]\n",
        Contract::Barrier,
    );
    assert_eq!(played.took_ms, 30 * 86_400_000 + 1, "a month of sleep and one request");
}

#[test]
fn locks_are_taken_before_the_first_step() {
    let Played { moments, ran, .. } = played(
        &family_of("transfer-money"),
        "replies: { withdraw: { balance: 1 } }\nscenarios:\n  - name: n\n    input: { from: DE1, to: FR2, amount: 800 }\n    expect: { status: completed }\n",
        Contract::Barrier,
    );
    assert_eq!(ran.status, "completed");
    let told: Vec<&str> = moments.iter().map(|moment| moment.line.text.as_str()).collect();
    assert!(told[1].starts_with("takes lock ") && told[2].starts_with("takes lock "), "{told:#?}");
}

#[test]
fn children_have_children_and_are_undone_in_their_turn() {
    let call = |name: &str| format!("{name}: {{ call: x POST /{name}, compensate: {{ call: x POST /undo-{name} }} }}");
    let grandchild = format!("saga: third\nsteps:\n  {}\n", call("c"));
    let child = format!("saga: second\nsteps:\n  {}\n  next: {{ saga: third }}\n", call("b"));
    let root = format!(
        "saga: first\nsteps:\n  {}\n  next: {{ saga: second, for_each: [1, 2] }}\n  {}\n",
        call("a"),
        call("z")
    );
    let family = family(&root, &[&child, &grandchild]);
    let text = "scenarios:\n  - name: n\n    faults: [{ step: z, reject: 409 }]\n    \
                expect: { status: compensated, undone: [c, b, c, b, a], attempts: { c: 2, b: 2 } }\n";
    assert_eq!(wrong(&family, text, Contract::Barrier), [""; 0]);
    let text = "scenarios: [{ name: n, expect: { status: completed, done: [a, next, z], undone: [] } }]\n";
    assert_eq!(wrong(&family, text, Contract::Barrier), [""; 0]);
}

#[test]
fn a_child_that_nobody_knows_is_refused_as_in_a_server() {
    let root = family(
        "saga: s\nsteps:\n  a: { call: x POST /a, compensate: { call: x POST /u } }\n  n: { saga: gone }\n",
        &[],
    );
    let text = "scenarios: [{ name: n, expect: { status: compensated, undone: [a] } }]\n";
    assert_eq!(wrong(&root, text, Contract::Barrier), [""; 0]);
}

#[test]
fn a_fault_befalls_the_first_attempts_of_each_call_and_no_others() {
    let played = played(
        &family_of("order-basket"),
        "replies: { reserve: { id: R }, ship: { tracking: T } }\nscenarios:\n  - name: n\n    input: { customer: ada, amount: 900, lines: [{ sku: a, quantity: 1 }, { sku: b, quantity: 1 }] }\n    \
         faults: [{ step: reserve, fail: 503, attempts: 2 }]\n    expect: { status: completed }\n",
        Contract::Barrier,
    );
    assert_eq!(played.ran.befell, [4]);
    assert_eq!(played.ran.requests.iter().filter(|sent| sent.step == "reserve" && sent.of == Asked::Action).count(), 6);
}
