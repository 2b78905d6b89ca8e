//! What `amends plan` shows is what participants receive: method, path, headers and bytes.

use std::{fs, path::Path};

use amends_protocol::v1::SagaStatus;
use amends_tests::{
    process,
    proxy::{Action, WireRequest},
    town::{CUSTOMER, Plan, Town},
    words::Op,
};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use uuid::Uuid;

/// Steps of `place-order`, in order.
const STEPS: [&str; 5] = ["open", "reserve", "charge", "ship", "confirm"];

/// The plan of a saga that has run, with the replies that its participants gave.
async fn planned(town: &Town, saga: Uuid, input: &Value) -> Result<Value> {
    let definition = town.folder().join("planned.yaml");
    fs::write(&definition, town.definition())?;
    let config = town.folder().join("amends.toml");
    let view = town.client()?.saga(saga, None).await?;
    let [definition, config] = [definition, config].map(|path| path.display().to_string());
    let (id, input) = (saga.to_string(), input.to_string());
    let started_at = view.started_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let mut arguments: Vec<String> = [
        "plan",
        &definition,
        "--config",
        &config,
        "--id",
        &id,
        "--data",
        &input,
        "--started-at",
        &started_at,
        "--json",
    ]
    .map(str::to_owned)
    .to_vec();
    for step in STEPS {
        let answers = town.wire(saga, step, Op::Action);
        let body = answers.iter().flat_map(|request| &request.copies).find_map(|copy| copy.answer.as_ref());
        // What it answered with was read by the step, if it has an output at all.
        if let Some(answer) = body.filter(|answer| serde_json::from_str::<Value>(&answer.body).is_ok()) {
            arguments.extend(["--reply".to_owned(), format!("{step}={}", answer.body)]);
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Ok(serde_json::from_str(&process::output("amends", &arguments).await?)?)
}

/// Byte for byte, apart from what says where it goes and how long it is.
fn same(planned: &Value, received: &WireRequest) -> Result<()> {
    let sent = &received.sent;
    let headers: Vec<_> =
        sent.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length")).collect();
    let received = json!({
        "method": sent.method, "path": sent.path, "headers": headers, "body": sent.body, "digest": received.digest,
    });
    let planned = json!({
        "method": planned["method"], "path": planned["path"], "headers": planned["headers"],
        "body": planned["body"].as_str().unwrap_or_default(), "digest": planned["digest"],
    });
    assert_eq!(planned, received);
    Ok(())
}

#[tokio::test]
async fn participants_receive_what_was_planned() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    let input = Town::order(1, 100);
    let saga = town.run(input.clone(), SagaStatus::Completed).await?.id;
    let plan = planned(&town, saga, &input).await?;
    let steps = plan["steps"].as_array().context("steps")?;
    assert_eq!(steps.len(), STEPS.len());
    for (planned, step) in steps.iter().zip(STEPS) {
        assert_eq!(planned["step"], step);
        let received = town.wire(saga, step, Op::Action);
        same(&planned["call"]["request"], &received[0])?;
    }
    town.audit().await
}

#[tokio::test]
async fn what_was_planned_to_undo_it_is_received_when_it_is_undone() -> Result<()> {
    let town = Town::start(Plan::orders()).await?;
    town.inject("ship", Action::Acked(409));
    let input = Town::order(1, 100);
    let saga = town.run(input.clone(), SagaStatus::Compensated).await?.id;
    let plan = planned(&town, saga, &input).await?;
    let steps = plan["steps"].as_array().context("steps")?;
    for (planned, step) in steps.iter().zip(["open", "reserve", "charge"]) {
        let received = town.wire(saga, step, Op::Compensate);
        same(&planned["call"]["undo"]["after_success"], &received[0])?;
        assert_eq!(planned["call"]["undo"]["after_lost_reply"]["digest"], received[0].digest);
    }
    town.audit().await
}

/// The plan of a family, with nothing but what is in the folder of its root's definition.
async fn family_planned(saga: Uuid, input: &Value) -> Result<Value> {
    let sagas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sagas/settle-claim.yaml").display().to_string();
    let (id, input) = (saga.to_string(), input.to_string());
    let arguments = ["plan", &sagas, "--id", &id, "--data", &input, "--json"];
    Ok(serde_json::from_str(&process::output("amends", &arguments).await?)?)
}

#[tokio::test]
async fn what_was_planned_for_a_child_is_received_from_it() -> Result<()> {
    let town = Town::start(Plan::claims()).await?;
    let input = json!({ "customer": CUSTOMER, "policy": "p-7", "sku": "kettle", "amount": 4200 });
    let saga = town.run(input.clone(), SagaStatus::Completed).await?.id;
    let plan = family_planned(saga, &input).await?;
    let mut seen = vec![];
    for child in ["pay", "replace"] {
        let step = plan["steps"].as_array().context("steps")?.iter().find(|step| step["step"] == child);
        let planned = &step.context("the step")?["children"][0];
        let id: Uuid = serde_json::from_value(planned["saga"].clone())?;
        for step in planned["plan"]["steps"].as_array().context("the child's steps")? {
            let name = step["step"].as_str().context("a name")?;
            let (planned, received) = (&step["call"]["request"], &town.wire(id, name, Op::Action)[0]);
            assert_eq!(planned["method"], received.sent.method, "{child} {name}");
            assert_eq!(planned["path"], received.sent.path, "{child} {name}");
            // One tells on what the one before it was answered.
            if name != "tell" {
                assert_eq!(planned["body"], received.sent.body, "{child} {name}");
                assert_eq!(planned["digest"], received.digest, "{child} {name}");
            }
            seen.push(name.to_owned());
        }
    }
    assert_eq!(seen, ["book", "transfer", "reserve", "ship", "tell"]);
    town.audit().await
}
