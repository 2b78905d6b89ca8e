//! Orders over four engines: what goes wrong on the way and in the services comes to the same as on files, and the checker says so
//! from the engines themselves. And each service keeps the participant contract on its engine.

use std::{collections::BTreeMap, time::Duration};

use amends_protocol::v1::SagaStatus;
use amends_servers::Mode;
use amends_tests::{
    process,
    proxy::{Action, Rule},
    town::{Effects, Plan, Town},
};
use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::ground::{self, root};

const VERIFY_WITHIN: Duration = Duration::from_secs(100);

/// The stores as services are told of them.
fn addresses(town: &ground::Town) -> Result<BTreeMap<&'static str, String>> {
    Ok(town.provision()?.iter().map(|store| (store.owner, store.address())).collect())
}

fn rejected_at_charge() -> Value {
    let mut order = Town::order(2, 500);
    order["amount"] = json!(2_000_000);
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_over_four_engines_end_as_they_must_whatever_is_lost() -> Result<()> {
    let engines = ground::Town::start().await?;
    let mut town = Town::start(Plan::orders().on(addresses(&engines)?)).await?;
    town.run(Town::order(2, 500), SagaStatus::Completed).await?;
    town.run(rejected_at_charge(), SagaStatus::Compensated).await?;
    // Every reply is lost once, and every request arrives twice.
    for step in ["open", "reserve", "charge", "ship", "confirm"] {
        let lost = town.inject_rule(step, Rule::action_of(step, Action::CutAfterRequest).attempts(1..=1));
        town.run(Town::order(1, 100), SagaStatus::Completed).await?;
        assert!(lost.fired() > 0, "no reply of {step} was lost");
        town.heal();
        let twice = town.inject(step, Action::Duplicate { copies: 2, at_once: true });
        town.run(Town::order(1, 100), SagaStatus::Completed).await?;
        assert!(twice.fired() > 0, "no request of {step} was doubled");
        town.heal();
    }
    let saga = town.run(rejected_at_charge(), SagaStatus::Compensated).await?;
    assert_eq!(town.effects(saga.id).await?["reserve"], Effects { applied: 1, undone: 1, null: 0 });
    // The orchestrator dies with orders under way.
    let mut under_way = vec![];
    for number in 0..6 {
        under_way.push(town.begin(Town::order(1, if number % 3 == 0 { 2_000_000 } else { 50 })).await?);
    }
    town.crash().await?;
    for saga in under_way {
        town.ended(saga).await?;
    }
    town.audit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_dies_in_the_middle_loses_nothing_that_was_answered() -> Result<()> {
    let mut engines = ground::Town::start().await?;
    let town = Town::start(Plan::orders().on(addresses(&engines)?)).await?;
    let mut under_way = vec![];
    for engine in ["postgres", "mariadb", "redis"] {
        for number in 0..4 {
            under_way.push(town.begin(Town::order(1, if number == 0 { 2_000_000 } else { 50 })).await?);
        }
        engines = tokio::task::spawn_blocking(move || -> std::io::Result<_> {
            match engine {
                "postgres" => engines.postgres.stop(Mode::Immediate).and_then(|()| engines.postgres.start_again())?,
                "mariadb" => engines.mariadb.stop(Mode::Immediate).and_then(|()| engines.mariadb.start_again())?,
                _ => engines.redis.stop(Mode::Immediate).and_then(|()| engines.redis.start_again())?,
            }
            Ok(engines)
        })
        .await??;
    }
    for saga in under_way {
        let view = town.ended(saga).await?;
        if !matches!(view.status, SagaStatus::Completed | SagaStatus::Compensated) {
            bail!("{view:#?}");
        }
    }
    town.audit().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_keeps_the_participant_contract_on_its_engine() -> Result<()> {
    let engines = ground::Town::start().await?;
    let town = Town::start(Plan::orders().on(addresses(&engines)?)).await?;
    for (service, kind) in [("orders", "postgres"), ("payments", "mysql"), ("inventory", "redis")] {
        let address = format!("http://{}", town.service(service).process.address());
        let profile = root().join(format!("services/{service}/profile.yaml")).display().to_string();
        let asked = ["verify-participant", &address, "--profile", &profile, "--rounds", "5", "--format", "json"];
        let ended = process::ended("amends", &asked, VERIFY_WITHIN).await?;
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{service}: {said}{}", String::from_utf8_lossy(&ended.stderr));
        let report: Value = serde_json::from_str(&said)?;
        assert_eq!(report["failed"], 0);
        assert!(report["passed"].as_u64() > Some(15), "{service}: hardly anything was tested: {said}");
        let card =
            reqwest::Client::builder().no_proxy().build()?.get(format!("{address}/.well-known/amends-participant"));
        let card: Value = card.send().await?.json().await?;
        assert_eq!(card["kind"], kind, "it runs on something else");
    }
    Ok(())
}
