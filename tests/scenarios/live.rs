//! The same files by `amends test --live`: whatever services they name, families among them. Those that call nobody but the sample
//! services are in `tests/live`.

use std::{fmt::Write as _, fs, time::Duration};

use amends_tests::{process, town::Town};
use anyhow::Result;

use crate::{
    files::{File, folder},
    plan,
};

const SAGAS: [&str; 8] = [
    "book-trip",
    "open-kitchen-ticket",
    "pay-claim",
    "refund-recall",
    "replace-item",
    "settle-claim",
    "start-subscription",
    "transfer-money",
];
const WITHIN: Duration = Duration::from_secs(120);

#[tokio::test]
async fn every_other_saga_comes_to_the_same_by_the_runner_against_real_services() -> Result<()> {
    let mut wrong = Vec::new();
    for name in SAGAS {
        let file = File::read(name)?;
        let town = Town::start(plan(&file)).await?;
        let mut config = String::new();
        for (service, running) in &town.services {
            let address = running.process.address();
            writeln!(config, "[services.{service}]\nurl = \"http://{address}\"\ncontract = \"barrier\"")?;
        }
        let catalogue = town.folder().join("live.toml");
        fs::write(&catalogue, config)?;
        let (catalogue, scenarios) =
            (catalogue.display().to_string(), folder().join(format!("{name}.test.yaml")).display().to_string());
        let ended = process::ended("amends", &["test", "--live", "--config", &catalogue, &scenarios], WITHIN).await?;
        let told = String::from_utf8_lossy(&ended.stdout);
        let all = file.scenarios.scenarios.len();
        if !ended.status.success() || !told.contains(&format!("scenarios: {all} passed")) {
            wrong.push(format!("{told}{}", String::from_utf8_lossy(&ended.stderr)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
