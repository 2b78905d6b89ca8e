//! A scenario that expects the wrong thing fails, and says what is different.

use amends_core::scenario::{Scenario, parse};
use amends_tests::town::Town;
use anyhow::{Result, anyhow};

use crate::{
    files::{File, folder},
    plan, run,
};

const HEAD: &str = "replies: { reserve: { id: R-1 }, ship: { tracking: T-1 } }
scenarios:
  - name: control
    input: { customer: ada, sku: kettle, quantity: 1, amount: 700 }
";

#[tokio::test]
async fn a_wrong_expectation_fails_and_says_what_is_different() -> Result<()> {
    let source = std::fs::read_to_string(folder().join("place-order.yaml"))?;
    let right = "    expect: { status: completed, done: [open, reserve, charge, ship, confirm] }\n";
    let file = File::of("place-order", source.clone(), &format!("{HEAD}{right}"))?;
    let town = Town::start(plan(&file)).await?;
    let client = town.client()?;
    let definition =
        amends_core::definition::Definition::parse(&source, None).map_err(|found| anyhow!("{found:#?}"))?;
    for (rest, said) in [
        ("    expect: { status: compensated }\n", "status: expected compensated, found completed"),
        ("    expect: { status: completed, output: { tracking: T-2 } }\n", "output/tracking: expected \"T-2\""),
        ("    expect: { status: completed, done: [open, reserve] }\n", "done: expected open, reserve, found open,"),
        ("    expect: { status: completed, skipped: [open] }\n", "skipped: expected open, found "),
        ("    expect: { status: completed, undone: [open] }\n", "undone: expected open, found "),
        ("    expect: { status: completed, nothing: [open] }\n", "nothing: expected open, found "),
        ("    expect: { status: completed, attempts: { charge: 2 } }\n", "attempts.charge: expected 2, found 1"),
        ("    expect: { status: completed, attempts: { charge.compensate: 1 } }\n", "expected 1, found 0"),
        (
            "    expect: { status: completed, bodies: { charge: { amount: 7 } } }\n",
            "bodies.charge/amount: expected 7, found 700",
        ),
        ("    expect: { status: completed, never: [ship] }\n", "never: expected no request of ship, found 1"),
        (
            "    faults: [{ step: ship, op: compensate, fail: 500 }]\n    expect: { status: completed }\n",
            "`fail` befalls ship (compensate), found it befell nobody",
        ),
        (
            "    faults: [{ step: reserve, reject: 409 }]\n    expect: { status: compensated, undone: [[open, reserve]] }\n",
            "undone: expected [open, reserve], found open",
        ),
    ] {
        let scenarios = parse(&format!("{HEAD}{rest}"), &definition).map_err(|found| anyhow!("{rest}: {found:#?}"))?;
        let scenario: &Scenario = &scenarios.scenarios[0];
        let failed = run::one(&town, &client, &file, scenario).await;
        town.heal();
        let Err(why) = failed else { panic!("{rest} was not noticed") };
        assert!(format!("{why:#}").contains(said), "{rest}: {why:#}");
    }
    run::one(&town, &client, &file, &file.scenarios.scenarios[0]).await
}

/// Each wrong in one thing, for what is answered later and what is asked after.
async fn is_noticed(name: &str, replies: &str, wrong: &[(&str, &str)], right: &str) -> Result<()> {
    let source = std::fs::read_to_string(folder().join(format!("{name}.yaml")))?;
    let input = "{ customer: ada, sku: kettle, quantity: 1, amount: 700 }";
    let head = format!("replies: {replies}\nscenarios:\n  - name: control\n    input: {input}\n");
    let of = |rest: &str| File::of(name, source.clone(), &format!("{head}{rest}"));
    let town = Town::start(plan(&of(right)?)).await?;
    let client = town.client()?;
    for (rest, said) in wrong {
        let file = of(rest)?;
        let failed = run::one(&town, &client, &file, &file.scenarios.scenarios[0]).await;
        town.heal();
        let Err(why) = failed else { panic!("{rest} was not noticed") };
        assert!(format!("{why:#}").contains(said), "{rest}: {why:#}");
    }
    let file = of(right)?;
    run::one(&town, &client, &file, &file.scenarios.scenarios[0]).await
}

#[tokio::test]
async fn a_wrong_expectation_about_callbacks_is_noticed() -> Result<()> {
    let wrong = [
        (
            "    callbacks: [{ step: ship, after: 50ms, reject: no }]\n    expect: { status: completed }\n",
            "status: expected completed, found compensated",
        ),
        (
            "    callbacks: [{ step: ship, after: early, body: { tracking: T-9 } }]\n    expect: { status: completed, output: { tracking: T-1 } }\n",
            "output/tracking: expected \"T-1\", found \"T-9\"",
        ),
        (
            "    callbacks: [{ step: ship, after: never }]\n    faults: [{ step: charge, reject: 402 }]\n    expect: { status: compensated }\n",
            "ship is accepted, found it was never accepted",
        ),
        (
            "    faults: [{ step: ship, duplicate: 3 }]\n    expect: { status: completed, attempts: { ship: 3 } }\n",
            "attempts.ship: expected 3, found 1",
        ),
    ];
    is_noticed(
        "ship-later",
        "{ ship: { tracking: T-1 } }",
        &wrong,
        "    expect: { status: completed, done: [open, reserve, charge, ship, confirm] }\n",
    )
    .await
}

#[tokio::test]
async fn a_wrong_expectation_about_probes_is_noticed() -> Result<()> {
    let wrong = [
        (
            "    faults: [{ step: pay, lose: reply }]\n    expect: { status: completed, attempts: { pay.probe: 2 } }\n",
            "attempts.pay.probe: expected 2, found 1",
        ),
        (
            "    faults: [{ step: pay, op: probe, fail: 503 }]\n    expect: { status: completed }\n",
            "`fail` befalls pay (probe), found it befell nobody",
        ),
        (
            "    faults: [{ step: pay, lose: connection }]\n    expect: { status: compensated, nothing: [pay] }\n",
            "nothing: expected pay, found ",
        ),
    ];
    let replies = "{ pay: { id: c-1 }, ship: { tracking: T-1 } }";
    is_noticed(
        "pay-third-party",
        replies,
        &wrong,
        "    expect: { status: completed, attempts: { pay: 1, pay.probe: 0 } }\n",
    )
    .await
}
