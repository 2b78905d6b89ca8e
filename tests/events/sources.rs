//! Sagas that an event starts, sent again and again while the orchestrator is killed.

use std::{fs, time::Duration};

use amends_protocol::v1::{HookAnswer, SagaStatus};
use amends_tests::town::{Plan, Town};
use anyhow::{Context, Result};
use reqwest::{Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::receiver::{SECRET, signature};

const CONFIG: &str = "[event_sources.shop]\nsaga = \"place-order\"\nsecrets = [\"secret:in\"]\n\
    types = [\"shop.order.placed.v1\"]\n";

/// Sends an event as a webhook of somebody else's does.
async fn send(town: &Town, event: &Value) -> Result<Response> {
    let (body, timestamp) = (event.to_string(), std::time::UNIX_EPOCH.elapsed()?.as_secs().to_string());
    let client = reqwest::Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(10));
    let request = client
        .build()?
        .post(format!("http://{}/v1/hooks/shop", town.orchestrator.address()))
        .header("content-type", "application/cloudevents+json")
        .header("webhook-id", "msg_1")
        .header("webhook-signature", signature("msg_1", &timestamp, body.as_bytes()))
        .header("webhook-timestamp", timestamp)
        .body(body);
    Ok(request.send().await?)
}

fn event(id: usize, amount: i64) -> Value {
    json!({
        "specversion": "1.0",
        "id": id.to_string(),
        "source": "/shop",
        "type": "shop.order.placed.v1",
        "data": Town::order(1, amount),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_starts_one_saga_however_often_it_comes_and_whoever_dies() -> Result<()> {
    let folder = TempDir::with_prefix("amends-source-")?;
    let secret = folder.path().join("in.secret");
    fs::write(&secret, SECRET)?;
    let config = format!("{CONFIG}[secrets.in]\nfile = \"{}\"\n", secret.display());
    let mut town = Town::start(Plan::orders().patient().with_config(&config)).await?;
    let mut sagas = Vec::new();
    for id in 0..10 {
        let answer = send(&town, &event(id, 100)).await?;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let answer: HookAnswer = answer.json().await?;
        assert!(answer.created);
        sagas.push(answer.saga);
    }
    town.crash().await?;
    for (id, saga) in sagas.iter().enumerate() {
        let answer = send(&town, &event(id, 100)).await?;
        let location = answer.headers().get("location").context("a location")?.to_str()?.to_owned();
        assert_eq!(location, format!("/v1/sagas/{saga}"));
        let answer: HookAnswer = answer.json().await?;
        assert_eq!((answer.saga, answer.created), (*saga, false));
        assert_eq!(town.ended(*saga).await?.status, SagaStatus::Completed);
    }
    assert_eq!(send(&town, &event(3, 101)).await?.status(), StatusCode::UNPROCESSABLE_ENTITY, "another under its id");
    let mut unwanted = event(11, 100);
    unwanted["type"] = "shop.order.seen.v1".into();
    assert_eq!(send(&town, &unwanted).await?.status(), StatusCode::NO_CONTENT);
    assert_eq!(town.sagas().await?.len(), 10);
    town.audit().await
}
