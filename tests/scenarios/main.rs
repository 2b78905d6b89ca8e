//! The scenarios of `sagas/*.test.yaml`, each a run of real processes: an orchestrator, a service for each name, a wire that
//! fails on command, and the checker at the end.

mod controls;
mod files;
mod live;
mod run;

use amends_client::Client;
use amends_tests::{
    cluster::Cluster,
    town::{Plan, Scene, Town},
};
use anyhow::{Context, Result, bail};

use crate::files::{File, Saga};

/// Every scenario of a file against one scene; what is not as expected is said of all of them.
async fn all(scene: &Scene, client: &Client, file: &File) -> Result<()> {
    let mut differences = Vec::new();
    for scenario in &file.scenarios.scenarios {
        eprintln!("{}: {}", file.name, scenario.name);
        if let Err(error) = run::one(scene, client, file, scenario).await {
            differences.push(format!("{}.test.yaml:{}: {}\n{error:#}", file.name, scenario.at.line, scenario.name));
        }
        scene.heal();
    }
    if !differences.is_empty() {
        bail!("{} scenario(s) of {} ended differently:\n\n{}", differences.len(), file.name, differences.join("\n\n"));
    }
    scene.audit().await.context("the checker, after all scenarios")
}

async fn on_a_file(name: &str) -> Result<()> {
    let file = File::read(name)?;
    let town = Town::start(plan(&file)).await?;
    all(&town, &town.client()?, &file).await
}

async fn on_postgres(name: &str) -> Result<()> {
    let file = File::read(name)?;
    let cluster = Cluster::start(plan(&file), "").await?;
    all(&cluster, &cluster.client(0)?, &file).await
}

fn plan(file: &File) -> Plan {
    Plan::of_anything(&file.saga.source, &file.saga.services, &file.replies()).with_children(file.children())
}

macro_rules! sagas {
    ($($test:ident $postgres:ident $name:literal)*) => {
        /// Those that have a test here; each file must be among them.
        const TESTED: &[&str] = &[$($name),*];
        $(
            #[tokio::test]
            async fn $test() -> Result<()> {
                on_a_file($name).await
            }

            #[tokio::test]
            async fn $postgres() -> Result<()> {
                on_postgres($name).await
            }
        )*
    };
}

sagas! {
    approve_order approve_order_on_postgres "approve-order"
    book_trip book_trip_on_postgres "book-trip"
    open_kitchen_ticket open_kitchen_ticket_on_postgres "open-kitchen-ticket"
    order_basket order_basket_on_postgres "order-basket"
    pay_claim pay_claim_on_postgres "pay-claim"
    pay_third_party pay_third_party_on_postgres "pay-third-party"
    place_order place_order_on_postgres "place-order"
    refund_recall refund_recall_on_postgres "refund-recall"
    replace_item replace_item_on_postgres "replace-item"
    settle_claim settle_claim_on_postgres "settle-claim"
    ship_later ship_later_on_postgres "ship-later"
    start_subscription start_subscription_on_postgres "start-subscription"
    transfer_money transfer_money_on_postgres "transfer-money"
}

#[tokio::test]
async fn the_example_of_the_page_on_scenarios_runs() -> Result<()> {
    let page = std::fs::read_to_string(files::folder().join("../docs/scenarios.md"))?;
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).context("an example")?;
    let source = std::fs::read_to_string(files::folder().join("place-order.yaml"))?;
    let file = File::of("place-order", source, example)?;
    let town = Town::start(plan(&file)).await?;
    all(&town, &town.client()?, &file).await
}

#[test]
fn every_saga_has_scenarios_and_is_tested_and_told_of() -> Result<()> {
    let names = Saga::names()?;
    assert!(names.len() >= 8, "{names:?}");
    let readme = std::fs::read_to_string(files::folder().join("README.md"))?;
    for name in &names {
        assert!(TESTED.contains(&name.as_str()), "{name} has no test here: add its line to `sagas!`");
        assert!(readme.contains(&format!("[`{name}`]({name}.yaml)")), "sagas/README.md does not tell of {name}");
        let file = File::read(name)?;
        let ends: std::collections::BTreeSet<_> =
            file.scenarios.scenarios.iter().map(|scenario| scenario.expect.status.as_str()).collect();
        assert_eq!(ends.len(), 2, "{name}: scenarios that end well and scenarios that are undone");
    }
    Ok(())
}
