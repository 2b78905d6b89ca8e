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
        ("    expect: { status: compensated }\n", "status: expected compensated, it is \"completed\""),
        ("    expect: { status: completed, output: { tracking: T-2 } }\n", "output: at `/tracking` expected \"T-2\""),
        ("    expect: { status: completed, done: [open, reserve] }\n", "done: expected open, reserve, found open,"),
        ("    expect: { status: completed, skipped: [open] }\n", "skipped: expected open, found "),
        ("    expect: { status: completed, undone: [open] }\n", "undone: expected open, found "),
        ("    expect: { status: completed, nothing: [open] }\n", "nothing: expected open, found "),
        (
            "    expect: { status: completed, attempts: { charge: 2 } }\n",
            "requests of charge action: expected 2, found 1",
        ),
        ("    expect: { status: completed, attempts: { charge.compensate: 1 } }\n", "expected 1, found 0"),
        ("    expect: { status: completed, bodies: { charge: { amount: 7 } } }\n", "the body of charge: at `/amount`"),
        ("    expect: { status: completed, never: [ship] }\n", "requests of ship action: expected 0, found 1"),
        (
            "    faults: [{ step: ship, op: compensate, fail: 500 }]\n    expect: { status: completed }\n",
            "a fault of ship never befell anybody",
        ),
        (
            "    faults: [{ step: reserve, reject: 409 }]\n    expect: { status: compensated, undone: [[open, reserve]] }\n",
            "undone: expected open, reserve, found open",
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
