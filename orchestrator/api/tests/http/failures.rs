//! What a caller sees when the server fails, and what nobody sees.

use http::Request;
use serde_json::json;

use crate::kit::{Log, Reads, SECRET, Server, json_body};

#[tokio::test]
async fn a_store_that_is_away_is_503_and_says_when_to_ask_again() {
    let server = Server::new().await;
    let saga = server.run(1).await;
    server.store.reads(Reads::Away(SECRET));
    let saga = format!("/v1/sagas/{}", saga["id"].as_str().unwrap());
    for path in [&saga, &format!("{saga}/history"), "/v1/sagas", "/v1/definitions", "/v1/definitions/place-order"] {
        let answer = server.get(path).await;
        answer.is_problem(503, "store-unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
        assert!(!answer.body.to_string().contains("hunter2"), "{path}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_500() {
    let server = Server::new().await;
    server.store.reads(Reads::Corrupt(SECRET));
    let answer = server.get("/v1/sagas").await;
    answer.is_problem(500, "unreadable-row");
    assert!(!answer.body.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_handler_that_panics_is_500_and_the_next_request_is_answered() {
    let server = Server::new().await;
    server.store.reads(Reads::Panic(SECRET));
    let answer = server.get("/v1/sagas").await;
    answer.is_problem(500, "internal");
    assert!(!answer.body.to_string().contains("hunter2"));
    server.store.reads(Reads::Well);
    assert!(server.get("/v1/sagas").await.status.is_success());
}

#[tokio::test]
async fn the_log_has_the_requests_id_and_the_reason_but_no_body_and_no_query() {
    let server = Server::new().await;
    server.store.reads(Reads::Away(SECRET));
    let request = Request::get("/v1/sagas?name=a-secret-name").header("x-request-id", "my-request-1");
    let answer = server.ask(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.header("x-request-id"), Some("my-request-1"));
    let body = json!({ "definition": "place-order", "input": { "amount": "a-secret-input" } });
    let request = Request::post("/v1/sagas").header("idempotency-key", "a-secret-key");
    server.ask(json_body(request, &body)).await;

    let log = Log::of_this_process().text();
    let line = log.lines().find(|line| line.contains("my-request-1") && line.contains("ERROR")).expect("an error line");
    assert!(line.contains(SECRET) && line.contains("/v1/sagas"), "{line}");
    for secret in ["a-secret-name", "a-secret-input", "a-secret-key"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_request_id_that_could_forge_a_log_is_replaced() {
    let server = Server::new().await;
    for given in ["a b", "a\tb", "", &"x".repeat(129)] {
        let request = Request::get("/livez").header("x-request-id", given);
        let answer = server.ask(request.body(axum::body::Body::empty()).unwrap()).await;
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(id.len(), 36, "{given:?} became {id}");
    }
}
