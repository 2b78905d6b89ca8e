//! `amends test --live`: the scenarios of the repository against the four sample services, as real processes on their embedded stores.
//! The services know nothing of it; what goes wrong is injected on the way to them.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use amends_tests::{
    process,
    town::{Plan, Town},
};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Some scenarios wait for things that take seconds.
const WITHIN: Duration = Duration::from_secs(300);

/// Sagas that call nobody but the sample services.
const SAGAS: [&str; 5] = ["approve-order", "order-basket", "pay-third-party", "place-order", "ship-later"];

fn sagas() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sagas")
}

/// A configuration with the services themselves, and not the wire of these tests before them.
fn config(town: &Town) -> Result<String> {
    let mut config = String::new();
    for (name, service) in &town.services {
        let address = service.process.address();
        writeln!(config, "[services.{name}]\nurl = \"http://{address}\"\ncontract = \"barrier\"")?;
    }
    let file = town.folder().join("live.toml");
    fs::write(&file, config)?;
    Ok(file.display().to_string())
}

/// Its exit code and what it prints.
async fn test(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let ended = process::ended("amends", &[&["test"], arguments].concat(), WITHIN).await?;
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code().is_some_and(|code| code < 2), "{arguments:?}: {}: {said}", ended.status);
    Ok((ended.status.code(), String::from_utf8(ended.stdout)?))
}

#[tokio::test]
async fn the_scenarios_of_the_repository_come_to_the_same_with_real_services() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let inventory = town.service("inventory").process.address();
    for sku in ["cup", "tea"] {
        let stock = http.put(format!("http://{inventory}/stock/{sku}"));
        stock.json(&json!({ "quantity": 1_000 })).send().await?.error_for_status()?;
    }
    let files: Vec<String> = SAGAS.map(|saga| sagas().join(format!("{saga}.test.yaml")).display().to_string()).into();
    let mut arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    arguments.extend(["--format", "json", "--coverage"]);
    let config = config(&town)?;
    let live = [&["--live", "--config", &config], &arguments[..]].concat();
    let (code, told) = test(&live).await?;
    let told: Value = serde_json::from_str(&told)?;
    let files = told["files"].as_array().context("files")?;
    let scenarios: Vec<&Value> = files.iter().flat_map(|file| file["scenarios"].as_array()).flatten().collect();
    let wrong: Vec<_> = scenarios.iter().filter(|one| one["verdict"] != "passed").collect();
    assert!(scenarios.len() > 25 && wrong.is_empty(), "{wrong:#?}");
    assert_eq!(code, Some(0));
    // What is touched is the same as in virtual time.
    let virtually: Value = serde_json::from_str(&test(&arguments).await?.1)?;
    assert_eq!(told["coverage"], virtually["coverage"]);
    // They were really there, and everything that was undone is.
    let payments = town.service("payments").process.address();
    let balance: Value =
        http.get(format!("http://{payments}/accounts/ada")).send().await?.error_for_status()?.json().await?;
    assert!(balance["balance"].as_i64() < Some(1_000_000), "{balance}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_expectation_is_noticed_with_real_services_too() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let folder = town.folder().join("wrong");
    fs::create_dir_all(&folder)?;
    fs::copy(sagas().join("place-order.yaml"), folder.join("place-order.yaml"))?;
    let config = config(&town)?;
    let head = "scenarios:\n  - name: wrong\n    input: { customer: ada, sku: kettle, quantity: 1, amount: 700 }\n";
    for (rest, said) in [
        ("    expect: { status: compensated }\n", "status: expected compensated, found completed"),
        (
            "    expect: { status: completed, output: { tracking: T-9 } }\n",
            "output/tracking: expected \"T-9\", found \"",
        ),
        ("    expect: { status: completed, attempts: { charge: 2 } }\n", "attempts.charge: expected 2, found 1"),
        ("    expect: { status: completed, never: [ship] }\n", "never: expected no request of ship, found 1"),
        (
            "    expect: { status: completed, bodies: { charge: { amount: 7 } } }\n",
            "bodies.charge/amount: expected 7, found 700",
        ),
        (
            "    faults: [{ step: charge, reject: 402 }]\n    expect: { status: compensated, undone: [open, reserve] }\n",
            "undone: expected open → reserve, found reserve → open",
        ),
        (
            "    faults: [{ step: charge, lose: request, attempts: all }]\n    expect: { status: compensated, nothing: [] }\n",
            "nothing: expected none, found charge",
        ),
        (
            "    faults: [{ step: ship, op: compensate, fail: 500 }]\n    expect: { status: completed }\n",
            "faults: expected `fail` befalls ship (compensate), found it befell nobody",
        ),
        ("    cancel: { when: ship }\n    expect: { status: completed }\n", "nobody cancelled: ship never waited"),
    ] {
        let file = folder.join("place-order.test.yaml");
        fs::write(&file, format!("{head}{rest}"))?;
        let file = file.display().to_string();
        let (code, told) = test(&["--live", "--config", &config, &file, "--format", "junit"]).await?;
        let told = told.replace("&quot;", "\"");
        assert!(code == Some(1) && told.contains(said), "{rest}: {told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_scenario_that_fails_and_no_more() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let mut config = fs::read_to_string(config(&town)?)?;
    let payments = town.service("payments").process.address().to_string();
    config = config.replace(&payments, "127.0.0.1:1");
    let file = town.folder().join("gone.toml");
    fs::write(&file, config)?;
    let (file, saga) = (file.display().to_string(), sagas().join("place-order.test.yaml").display().to_string());
    let arguments = ["--live", "--config", &file, &saga, "--filter", "everything works", "--format", "junit"];
    let (code, told) = test(&arguments).await?;
    assert!(code == Some(1) && told.contains("status: expected completed, found compensated"), "{told}");
    assert!(told.contains("it cannot be reached"), "{told}");
    Ok(())
}
