//! `POST /v1/sagas/{id}/cancel`

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{Answer, NO_FUNDS, SLOW_CHARGE, SLOW_SHIPMENT, Server, eventually, id};

async fn cancel(server: &Server, saga: &Value) -> Answer {
    server.post(&format!("/v1/sagas/{}/cancel", id(saga)), &json!({ "reason": "changed my mind" })).await
}

#[tokio::test]
async fn a_cancel_is_202_again_and_again_and_one_event() {
    let server = Server::new().await;
    let saga = server.start(SLOW_CHARGE).await;
    let first = cancel(&server, &saga).await;
    assert_eq!((first.status, &first.body["status"]), (StatusCode::ACCEPTED, &json!("compensating")));
    assert_eq!(first.body["cause"]["summary"], "it was cancelled: changed my mind");
    for _ in 2..=10 {
        let again = cancel(&server, &saga).await;
        assert_eq!((again.status, &again.body), (StatusCode::ACCEPTED, &first.body));
    }

    server.services.release();
    server.engine.settled(id(&saga).parse().unwrap(), Duration::from_secs(20)).await;
    let after = cancel(&server, &saga).await;
    assert_eq!((after.status, &after.body["status"]), (StatusCode::ACCEPTED, &json!("compensated")));
    let history = server.get(&format!("/v1/sagas/{}/history", id(&saga))).await.body;
    let events = history["items"].as_array().unwrap().iter();
    assert_eq!(events.filter(|entry| entry["event"]["kind"] == "cancel_requested").count(), 1);
}

#[tokio::test]
async fn a_cancel_without_a_body_needs_no_content_type() {
    let server = Server::new().await;
    let saga = server.start(SLOW_CHARGE).await;
    let path = format!("/v1/sagas/{}/cancel", id(&saga));
    let answer = server.ask(Request::post(&path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body["cause"]["summary"], "it was cancelled");
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_is_409() {
    let server = Server::new().await;
    for amount in [1, NO_FUNDS] {
        let ended = server.run(amount).await;
        cancel(&server, &ended).await.is_problem(409, "too-late");
    }
    let saga = server.start(SLOW_SHIPMENT).await;
    let path = format!("/v1/sagas/{}", id(&saga));
    eventually("the pivot is called", async || server.get(&path).await.body["steps"][2]["status"] == "calling").await;
    cancel(&server, &saga).await.is_problem(409, "too-late");
}

#[tokio::test]
async fn a_cancel_of_nothing_is_404() {
    let server = Server::new().await;
    let nobody = json!({ "id": "00000000-0000-0000-0000-000000000000" });
    cancel(&server, &nobody).await.is_problem(404, "unknown-saga");
}
