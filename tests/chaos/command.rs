//! `amends chaos` against a town: what it says holds, and what it must not say holds.

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    process,
    town::{Plan, Town},
    wait::until_true,
};
use anyhow::Result;
use serde_json::Value;

/// Sagas' ids are new with every run, so chance may fall otherwise each time. What has one call a saga goes by `count`; of the others
/// each has more than a hundred calls, and that none of them is met has a chance below one in ten thousand million.
const PLAN: &str = "rules:
  - { name: no money, op: action, step: charge, attempts: 1, count: 8, reject: 402 }
  - { name: lost, probability: 0.3, attempts: 1, lose: reply }
  - { name: late, op: action, attempts: 1, probability: 0.3, replay: compensation }
";

/// Runs it with these ledgers: what a service is called, and whose ledger is read.
async fn chaos(town: &Town, plan: &str, ledgers: &[(&str, &str)]) -> Result<String> {
    let file = town.folder().join("plan.yaml");
    std::fs::write(&file, plan)?;
    let url = format!("http://{}", town.orchestrator.address());
    let (plan, input) = (file.display().to_string(), Town::order(1, 100).to_string());
    let mut arguments: Vec<String> =
        ["chaos", "--url", &url, "--plan", &plan, "--saga", "place-order", "--input", &input, "-o", "json"]
            .map(str::to_owned)
            .to_vec();
    arguments.extend(["--sagas", "30", "--within", "20s"].map(str::to_owned));
    for (service, whose) in ledgers {
        let address = town.service(whose).process.address();
        arguments.extend(["--ledger".to_owned(), format!("{service}=http://{address}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    process::output("amends", &arguments).await
}

const OWN: [(&str, &str); 4] =
    [("orders", "orders"), ("inventory", "inventory"), ("payments", "payments"), ("shipping", "shipping")];

#[tokio::test]
async fn a_sound_system_holds_under_a_plan_and_is_left_without_faults() -> Result<()> {
    let town = Town::start(Plan::orders().allowing_faults()).await?;
    let report: Value = serde_json::from_str(&chaos(&town, PLAN, &OWN).await?)?;
    assert_eq!(report["holds"], true, "{report:#}");
    assert_eq!(report["checks"].as_array().map(Vec::len), Some(5), "{report:#}");
    for status in ["completed", "compensated"] {
        assert!(report["sagas"][status].as_u64().is_some_and(|sagas| sagas > 0), "{report:#}");
    }
    let fired = report["faults"].as_array().expect("rules").iter().map(|rule| rule["fired"].as_u64());
    assert!(fired.into_iter().all(|fired| fired > Some(0)), "{report:#}");
    assert_eq!(town.client()?.faults().await?.rules, []);
    town.run(Town::order(1, 100), SagaStatus::Completed).await?;
    until_true("the wire is quiet", std::time::Duration::from_secs(10), || town.wire_is_quiet()).await?;
    town.audit().await
}

#[tokio::test]
async fn a_ledger_that_does_not_fit_and_a_plan_that_does_nothing_are_told() -> Result<()> {
    let town = Town::start(Plan::orders().allowing_faults()).await?;
    // As if payments had done what inventory did.
    let told = chaos(&town, PLAN, &[("payments", "inventory")]).await.expect_err("it must not hold").to_string();
    assert!(told.contains("exit status: 1"), "{told}");
    let told = chaos(&town, "rules: [{ step: nobody, cut: true }]\n", &OWN).await.expect_err("nothing happened");
    assert!(told.to_string().contains("exit status: 1"), "{told}");
    let plain = Town::start(Plan::orders()).await?;
    let told = chaos(&plain, PLAN, &OWN).await.expect_err("it takes no plan").to_string();
    assert!(told.contains("does not inject faults"), "{told}");
    Ok(())
}
