//! `POST /v1/callbacks`

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{Answer, Log, Server, eventually, id, json_body};

const LATER: &str = r#"
saga: later
steps:
  reserve:
    call: inventory POST /reservations
    body: {}
    compensate: { call: "inventory DELETE /reservations/${{ saga.id }}" }
  ship:
    async: true
    timeout: 1d
    call: shipping POST /shipments
    body: {}
    output: { tracking: "${{ response.body.tracking }}" }
    compensate: { call: "shipping POST /shipments/${{ saga.id }}/cancel" }
output: { tracking: "${{ steps.ship.output.tracking }}" }
"#;

/// A saga whose shipment is accepted, and the token for it.
async fn accepted() -> (Server, Value, String) {
    let server = Server::new().await;
    let registered = server.post_yaml("/v1/definitions", LATER).await;
    assert_eq!(registered.status, StatusCode::CREATED, "{}", registered.body);
    let saga = server.post("/v1/sagas", &json!({ "definition": "later" })).await.body;
    let path = format!("/v1/sagas/{}", id(&saga));
    eventually("it waits", async || server.get(&path).await.body["steps"][1]["status"] == "waiting").await;
    let token = server.services.tokens()[0].expose().to_owned();
    (server, saga, token)
}

fn succeeded() -> Value {
    json!({ "outcome": "succeeded", "body": { "tracking": "t-7" } })
}

fn rejected() -> Value {
    json!({ "outcome": "rejected", "reason": "nobody drives there" })
}

async fn call_back(server: &Server, token: &str, verdict: &Value) -> Answer {
    server.ask(json_body(Request::post("/v1/callbacks").header("saga-callback", token), verdict)).await
}

async fn ended(server: &Server, saga: &Value) -> Value {
    let request = Request::get(format!("/v1/sagas/{}", id(saga))).header("prefer", "wait=20");
    server.ask(request.body(Body::empty()).unwrap()).await.body
}

#[tokio::test]
async fn what_is_accepted_shows_since_when_and_until_when_and_what_came_of_it() {
    let (server, saga, token) = accepted().await;
    let view = server.get(&format!("/v1/sagas/{}", id(&saga))).await.body;
    let attempt = &view["steps"][1]["action"]["attempts"][0];
    let time = |field: &str| attempt[field].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!(time("verdict_until") - time("accepted_at"), chrono::TimeDelta::days(1));
    assert!(attempt.get("outcome").is_none() && attempt.get("ended_at").is_none(), "{attempt}");
    let history = server.get(&format!("/v1/sagas/{}/history", id(&saga))).await.body;
    let rows = history["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["event"]["kind"] == "call_accepted").unwrap();
    assert_eq!(
        row["event"]["until"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(),
        time("verdict_until")
    );
    assert_eq!(call_back(&server, &token, &succeeded()).await.status, StatusCode::NO_CONTENT);
    let view = ended(&server, &saga).await;
    assert_eq!((&view["status"], &view["output"]), (&json!("completed"), &json!({ "tracking": "t-7" })));
    let attempt = &view["steps"][1]["action"]["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["called_back"]), (&json!("success"), &json!(true)));
    assert!(attempt.get("status").is_none(), "a callback has none");
}

#[tokio::test]
async fn a_callback_may_be_repeated_and_not_contradicted_also_after_the_end() {
    let (server, saga, token) = accepted().await;
    for _ in 0..2 {
        for _ in 0..2 {
            let answer = call_back(&server, &token, &succeeded()).await;
            assert_eq!((answer.status, answer.body), (StatusCode::NO_CONTENT, Value::Null));
        }
        call_back(&server, &token, &rejected()).await.is_problem(409, "other-verdict");
        let other = json!({ "outcome": "succeeded", "body": { "tracking": "t-8" } });
        call_back(&server, &token, &other).await.is_problem(409, "other-verdict");
        assert_eq!(ended(&server, &saga).await["status"], "completed");
    }
    let history = server.get(&format!("/v1/sagas/{}/history", id(&saga))).await.body;
    let rows = history["items"].as_array().unwrap();
    assert_eq!(rows.iter().filter(|row| row["event"]["kind"] == "callback_received").count(), 1);
}

#[tokio::test]
async fn a_rejection_undoes_the_saga_and_says_why() {
    let (server, saga, token) = accepted().await;
    assert_eq!(call_back(&server, &token, &rejected()).await.status, StatusCode::NO_CONTENT);
    let view = ended(&server, &saga).await;
    assert_eq!(view["status"], "compensated");
    assert_eq!(view["cause"]["summary"], "ship was rejected by shipping: nobody drives there");
    assert_eq!(view["steps"][1]["status"], "rejected");
    call_back(&server, &token, &succeeded()).await.is_problem(409, "other-verdict");
}

#[tokio::test]
async fn a_callback_that_is_late_is_gone() {
    let (server, saga, token) = accepted().await;
    server.post(&format!("/v1/sagas/{}/cancel", id(&saga)), &json!({})).await;
    assert_eq!(ended(&server, &saga).await["status"], "compensated");
    call_back(&server, &token, &succeeded()).await.is_problem(410, "saga-ended");
    let view = ended(&server, &saga).await;
    let attempt = &view["steps"][1]["action"]["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["detail"]), (&json!("unknown"), &json!("accepted, and no verdict came")));
}

#[tokio::test]
async fn a_token_that_was_not_given_out_is_refused_alike_whatever_is_wrong_with_it() {
    let (server, saga, token) = accepted().await;
    let (key, proof) = token.split_once('.').unwrap();
    let flipped: String = proof.chars().rev().collect();
    let elsewhere = accepted().await.2;
    let (other_key, _) = elsewhere.split_once('.').unwrap();
    let mut answers = vec![];
    for bad in [
        "x".to_owned(),
        format!("{key}.{flipped}"),
        format!("{other_key}.{proof}"),
        elsewhere.clone(),
        format!("{key}."),
        key.to_owned(),
    ] {
        let answer = call_back(&server, &bad, &succeeded()).await;
        answer.is_problem(403, "invalid-token");
        let mut body = answer.body;
        body.as_object_mut().unwrap().remove("instance");
        answers.push(body);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "no hint at what is wrong: {answers:?}");
    assert_eq!(server.get(&format!("/v1/sagas/{}", id(&saga))).await.body["steps"][1]["status"], "waiting");
}

#[tokio::test]
async fn what_is_no_callback_is_said_to_be_none() {
    let (server, _, token) = accepted().await;
    let without = server.ask(json_body(Request::post("/v1/callbacks"), &succeeded())).await;
    without.is_problem(400, "invalid-header");
    let both = Request::post("/v1/callbacks").header("saga-callback", &token).header("saga-callback", &token);
    server.ask(json_body(both, &succeeded())).await.is_problem(400, "invalid-header");
    let spaced = Request::post("/v1/callbacks").header("saga-callback", "a b");
    server.ask(json_body(spaced, &succeeded())).await.is_problem(400, "invalid-header");
    for bad in [
        json!({ "outcome": "perhaps" }),
        json!({}),
        json!({ "outcome": "succeeded", "reason": "why" }),
        json!({ "outcome": "rejected", "body": {} }),
        json!({ "outcome": "rejected", "reason": "x".repeat(1001) }),
    ] {
        call_back(&server, &token, &bad).await.is_problem(422, "invalid-body");
    }
    let large = json!({ "outcome": "succeeded", "body": "x".repeat(300_000) });
    call_back(&server, &token, &large).await.is_problem(413, "body-too-large");
    let in_url = Request::post(format!("/v1/callbacks?token={token}"));
    server.ask(json_body(in_url, &succeeded())).await.is_problem(400, "invalid-query");
}

/// Everything that is logged, shown or stored on the way of a call that is accepted, retried and called back.
#[tokio::test]
async fn the_token_is_in_no_log_no_journal_and_no_answer() {
    let (server, saga, token) = accepted().await;
    let path = format!("/v1/sagas/{}", id(&saga));
    let mut said = String::new();
    call_back(&server, &format!("{token}x"), &succeeded()).await;
    for verdict in [json!({ "outcome": "no" }), succeeded(), succeeded(), rejected()] {
        said.push_str(&call_back(&server, &token, &verdict).await.body.to_string());
    }
    said.push_str(&ended(&server, &saga).await.to_string());
    for path in [path.clone(), format!("{path}/history"), "/v1/sagas".to_owned(), "/metrics".to_owned()] {
        let answer = server.ask(Request::get(&path).body(Body::empty()).unwrap()).await;
        said.push_str(&answer.body.to_string());
    }
    let log = Log::of_this_process().text();
    assert!(log.contains("/v1/callbacks"), "the log is that of these requests");
    assert!(said.contains("callback_received") && said.contains("other-verdict"), "and the answers are those");
    let (_, proof) = token.split_once('.').unwrap();
    for (what, text) in [("log", &log), ("answers", &said)] {
        assert!(!text.contains(&token) && !text.contains(proof), "the token is in the {what}");
    }
}
