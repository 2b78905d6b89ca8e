//! `POST /v1/sagas/{id}/signals/{name}`

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{Answer, Server, eventually, id, json_body};

const APPROVAL: &str = r#"
saga: approval
steps:
  reserve:
    call: inventory POST /reservations
    body: {}
    compensate: { call: "inventory DELETE /reservations/${{ saga.id }}" }
  approve:
    await: approved
    timeout: 1d
    output: { by: "${{ signal.by }}" }
  pause: { sleep: 1s, if: "${{ false }}" }
  ship:
    pivot: true
    call: shipping POST /shipments
    body: { by: "${{ steps.approve.output.by }}" }
output: { by: "${{ steps.approve.output.by }}" }
"#;

/// A saga that awaits its approval.
async fn waiting() -> (Server, Value) {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", APPROVAL).await;
    let saga = server.post("/v1/sagas", &json!({ "definition": "approval" })).await.body;
    let path = format!("/v1/sagas/{}", id(&saga));
    eventually("it waits", async || server.get(&path).await.body["steps"][1]["status"] == "waiting").await;
    (server, saga)
}

async fn signal(server: &Server, saga: &Value, name: &str, key: Option<&str>, payload: &Value) -> Answer {
    let mut request = Request::post(format!("/v1/sagas/{}/signals/{name}", id(saga)));
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    server.ask(json_body(request, payload)).await
}

async fn ended(server: &Server, saga: &Value) -> Value {
    let request = Request::get(format!("/v1/sagas/{}", id(saga))).header("prefer", "wait=20");
    server.ask(request.body(Body::empty()).unwrap()).await.body
}

#[tokio::test]
async fn a_step_that_waits_shows_for_what_and_until_when() {
    let (server, saga) = waiting().await;
    let view = server.get(&format!("/v1/sagas/{}", id(&saga))).await.body;
    let approve = &view["steps"][1];
    assert_eq!(approve["wait"]["signal"], "approved");
    let [began, until] = ["began_at", "until"].map(|field| approve["wait"][field].as_str().unwrap().to_owned());
    let days = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!(days(&until) - days(&began), chrono::TimeDelta::days(1));
    assert!(approve.get("action").is_none());
    assert_eq!(view["steps"][2]["wait"], json!({}));
    let history = server.get(&format!("/v1/sagas/{}/history", id(&saga))).await.body;
    let awaits = history["items"].as_array().unwrap().iter().find(|row| row["event"]["kind"] == "await_started");
    assert!(days(awaits.unwrap()["event"]["until"].as_str().unwrap()) == days(&until));
}

#[tokio::test]
async fn a_signal_is_202_again_and_again_also_after_the_end_and_one_event() {
    let (server, saga) = waiting().await;
    for _ in 0..3 {
        let answer = signal(&server, &saga, "approved", Some("k"), &json!({ "by": "ada" })).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    }
    let view = ended(&server, &saga).await;
    assert_eq!((&view["status"], &view["output"]), (&json!("completed"), &json!({ "by": "ada" })));
    assert_eq!(view["steps"][1]["wait"]["outcome"], "signalled");
    let again = signal(&server, &saga, "approved", Some("k"), &json!({ "by": "ada" })).await;
    assert_eq!((again.status, &again.body["status"]), (StatusCode::ACCEPTED, &json!("completed")));
    let history = server.get(&format!("/v1/sagas/{}/history", id(&saga))).await.body;
    let events = history["items"].as_array().unwrap().iter();
    assert_eq!(events.filter(|entry| entry["event"]["kind"] == "signal_received").count(), 1);
}

#[tokio::test]
async fn another_payload_under_a_key_is_409_and_a_new_signal_after_the_end_410() {
    let (server, saga) = waiting().await;
    signal(&server, &saga, "approved", Some("k"), &json!({ "by": "ada" })).await;
    let reused = signal(&server, &saga, "approved", Some("k"), &json!({ "by": "bob" })).await;
    reused.is_problem(409, "key-reused");
    ended(&server, &saga).await;
    signal(&server, &saga, "approved", Some("k"), &json!({ "by": "bob" })).await.is_problem(409, "key-reused");
    signal(&server, &saga, "approved", None, &json!({ "by": "ada" })).await.is_problem(410, "saga-ended");
}

#[tokio::test]
async fn a_signal_that_no_step_takes_any_more_is_409() {
    let server = Server::new().await;
    let two = APPROVAL.replace("pause: { sleep: 1s, if: \"${{ false }}\" }", "then: { await: then, timeout: 1d }");
    server.post_yaml("/v1/definitions", &two).await;
    let saga = server.post("/v1/sagas", &json!({ "definition": "approval" })).await.body;
    signal(&server, &saga, "approved", None, &json!({ "by": "ada" })).await;
    let second = signal(&server, &saga, "approved", None, &json!({ "by": "bob" })).await;
    second.is_problem(409, "not-awaited");
    let then = signal(&server, &saga, "then", None, &json!(null)).await;
    assert_eq!(then.status, StatusCode::ACCEPTED, "{}", then.body);
    assert_eq!(ended(&server, &saga).await["status"], "completed");
}

#[tokio::test]
async fn a_signal_without_a_body_needs_no_content_type() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", "saga: s\nsteps:\n  a: { await: go-on, timeout: 1d }\n").await;
    let saga = server.post("/v1/sagas", &json!({ "definition": "s" })).await.body;
    let path = format!("/v1/sagas/{}/signals/go-on", id(&saga));
    let answer = server.ask(Request::post(&path).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
}

#[tokio::test]
async fn signals_that_are_none_are_told_what_is_wrong_with_them() {
    let (server, saga) = waiting().await;
    let fits = json!({ "by": "ada" });
    let unknown = signal(&server, &saga, "aproved", None, &fits).await;
    unknown.is_problem(422, "invalid-signal");
    assert!(unknown.body["detail"].as_str().unwrap().contains("they await approved"), "{}", unknown.body);
    signal(&server, &saga, "approved", None, &json!({})).await.is_problem(422, "invalid-signal");
    signal(&server, &saga, "approved", Some(&"k".repeat(256)), &fits).await.is_problem(400, "invalid-header");
    signal(&server, &saga, "ap%20proved", None, &fits).await.is_problem(400, "invalid-path");
    signal(&server, &saga, &"a".repeat(65), None, &fits).await.is_problem(400, "invalid-path");
    let large = json!({ "by": "x".repeat(65 * 1024) });
    signal(&server, &saga, "approved", None, &large).await.is_problem(413, "body-too-large");
    let nobody = json!({ "id": "00000000-0000-0000-0000-000000000000" });
    signal(&server, &nobody, "approved", None, &fits).await.is_problem(404, "unknown-saga");
    let path = format!("/v1/sagas/{}/signals/approved", id(&saga));
    let broken = Request::post(&path).header("content-type", "application/json").body(Body::from("{\"by\":")).unwrap();
    server.ask(broken).await.is_problem(400, "malformed-body");
    let text = Request::post(&path).header("content-type", "text/plain").body(Body::from("ada")).unwrap();
    server.ask(text).await.is_problem(415, "unsupported-media-type");
    server.post(&format!("{path}?by=ada"), &fits).await.is_problem(400, "invalid-query");
    let view = server.get(&format!("/v1/sagas/{}", id(&saga))).await.body;
    assert_eq!(view["steps"][1]["status"], "waiting", "nothing of that changed anything");
}

#[tokio::test]
async fn a_cancelled_saga_says_that_its_wait_was_cut_short() {
    let (server, saga) = waiting().await;
    server.post(&format!("/v1/sagas/{}/cancel", id(&saga)), &json!({})).await;
    let view = ended(&server, &saga).await;
    let approve = &view["steps"][1];
    assert_eq!((&view["status"], &approve["status"]), (&json!("compensated"), &json!("failed")));
    assert_eq!(approve["wait"]["outcome"], "cut_short");
}
