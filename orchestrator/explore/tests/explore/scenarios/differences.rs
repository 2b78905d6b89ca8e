//! Each wrong expectation is noticed and told, each with its place.

use amends_core::scenario::differences;
use amends_explore::Contract;

use super::support::{family_of, played, scenarios, wrong};

const HEAD: &str = "replies: { reserve: { id: R-1 }, ship: { tracking: T-1 } }
scenarios:
  - name: control
    input: { customer: ada, sku: kettle, quantity: 1, amount: 700 }
";

#[test]
fn a_wrong_expectation_fails_and_says_what_is_different() {
    let family = family_of("place-order");
    for (rest, said) in [
        ("expect: { status: compensated }", "status: expected compensated, found completed"),
        (
            "expect: { status: completed, output: { tracking: T-2 } }",
            "output/tracking: expected \"T-2\", found \"T-1\"",
        ),
        (
            "expect: { status: completed, done: [open, reserve] }",
            "done: expected open, reserve, found open, reserve, charge, ship, confirm (not expected: charge, ship, confirm)",
        ),
        ("expect: { status: completed, skipped: [open] }", "skipped: expected open, found none (missing: open)"),
        ("expect: { status: completed, undone: [open] }", "undone: expected open, found none (missing: open)"),
        ("expect: { status: completed, nothing: [open] }", "nothing: expected open, found none (missing: open)"),
        ("expect: { status: completed, attempts: { charge: 2 } }", "attempts.charge: expected 2, found 1"),
        (
            "expect: { status: completed, attempts: { charge.compensate: 1 } }",
            "attempts.charge.compensate: expected 1, found 0",
        ),
        (
            "expect: { status: completed, bodies: { charge: { amount: 7 } } }",
            "bodies.charge/amount: expected 7, found 700",
        ),
        ("expect: { status: completed, never: [ship] }", "never: expected no request of ship, found 1"),
        (
            "faults: [{ step: ship, op: compensate, fail: 500 }]\n    expect: { status: completed }",
            "faults: expected `fail` befalls ship (compensate), found it befell nobody",
        ),
        (
            "faults: [{ step: charge, reject: 402 }]\n    expect: { status: compensated, undone: [open, reserve] }",
            "undone: expected open → reserve, found reserve → open (the same steps, in another order)",
        ),
        (
            "faults: [{ step: reserve, reject: 409 }]\n    expect: { status: completed }",
            "status: expected completed, found compensated (reserve failed)",
        ),
        (
            "faults: [{ step: reserve, reject: 409 }]\n    expect: { status: compensated, bodies: { ship: {} } }",
            "bodies.ship: expected a request, found none (ship was never called)",
        ),
        (
            "faults: [{ step: confirm, reject: 409 }]\n    expect: { status: completed }",
            "status: expected completed, found running (place-order: a person is asked to look at confirm action: answered 409",
        ),
    ] {
        let text = format!("{HEAD}    {rest}\n");
        let found = wrong(&family, &text, Contract::Barrier);
        assert!(found.len() == 1 && found[0].starts_with(said), "{rest}: {found:#?}");
    }
    assert_eq!(wrong(&family, &format!("{HEAD}    expect: {{ status: completed }}\n"), Contract::Barrier), [""; 0]);
}

#[test]
fn a_difference_says_where_its_expectation_stands_and_whom_it_is_about() {
    let family = family_of("place-order");
    let text =
        format!("{HEAD}    expect: {{ status: completed, attempts: {{ open: 1, charge: 2 }}, never: [ship] }}\n");
    let file = scenarios(&family, &text);
    let found = differences(&file.scenarios[0], &played(&family, &text, Contract::Barrier).ran);
    let places: Vec<_> = found.iter().map(|one| (one.at.line, one.at.column, one.about[0].0.as_str())).collect();
    assert_eq!(places, [(5, 55, "charge"), (5, 68, "ship")], "{found:#?}");
}

#[test]
fn what_cannot_be_done_as_it_is_written_is_told() {
    let family = family_of("approve-order");
    let head = "scenarios:\n  - name: control\n    input: { customer: ada, sku: kettle, quantity: 9, amount: 90000 }\n";
    let shorter = "    shorten: { approve: 1s }\n    expect: { status: compensated }\n";
    for (rest, said) in [
        (
            "    signals: [{ name: delivered, when: hold }]\n",
            "signal delivered was not sent: hold never waited for it, and the saga is compensated",
        ),
        (
            "    signals: [{ name: nobody, when: start }]\n",
            "signal nobody is refused: no step of `approve-order` awaits",
        ),
        ("    cancel: { when: hold }\n", "nobody cancelled: hold never waited, and the saga is compensated"),
    ] {
        let found = wrong(&family, &format!("{head}{rest}{shorter}"), Contract::Barrier);
        assert!(found.len() == 1 && found[0].contains(said), "{rest}: {found:#?}");
    }
    let later = family_of("ship-later");
    let text = "scenarios:\n  - name: control\n    input: { customer: ada, sku: kettle, quantity: 1, amount: 700 }\n    \
                callbacks: [{ step: ship, after: never }]\n    faults: [{ step: charge, reject: 402 }]\n    \
                expect: { status: compensated }\n";
    let found = wrong(&later, text, Contract::Barrier);
    assert_eq!(
        found,
        ["callbacks: expected ship is accepted, found it was never accepted, so that nobody could call back"]
    );
}

#[test]
fn a_compensation_that_fails_for_ever_is_no_endless_run() {
    let family = family_of("place-order");
    let text = format!(
        "{HEAD}    faults: [{{ step: charge, reject: 402 }}, {{ step: open, op: compensate, fail: 503, attempts: all }}]\n    \
         expect: {{ status: compensated }}\n"
    );
    let found = wrong(&family, &text, Contract::Barrier);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains("it has not ended after 20000 things have happened"), "{found:#?}");
    assert!(
        found[1].contains("found compensating (place-order: a person is asked to look at open compensate"),
        "{found:#?}"
    );
}
