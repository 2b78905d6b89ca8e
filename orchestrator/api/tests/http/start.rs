//! `POST /v1/sagas`

use std::time::{Duration, Instant};

use amends_engine::Limits;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{Answer, NO_FUNDS, NO_SHIPMENT, Reads, SECRET, SLOW_CHARGE, Server, id, json_body, order};

async fn keyed(server: &Server, key: &str, body: &Value) -> Answer {
    server.post_keyed("/v1/sagas", key, body).await
}

async fn waiting(server: &Server, wait: &str, body: &Value) -> Answer {
    server.ask(json_body(Request::post("/v1/sagas").header("prefer", wait), body)).await
}

#[tokio::test]
async fn a_start_is_202_with_its_place_and_its_view() {
    let server = Server::new().await;
    let mut body = order(SLOW_CHARGE);
    body["labels"] = json!({ "shop": "north", "urgent": true });
    let answer = server.post("/v1/sagas", &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let location = format!("/v1/sagas/{}", id(&answer.body));
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert_eq!(answer.header("idempotent-replayed"), None);
    assert_eq!(answer.body["status"], "running");
    assert_eq!(answer.body["version"], 1);
    assert_eq!(answer.body["labels"], json!({ "shop": "north", "urgent": true }));
    assert_eq!(server.get(&location).await.body["id"], answer.body["id"]);
}

#[tokio::test]
async fn a_start_that_waits_is_200_when_the_saga_has_ended() {
    let server = Server::new().await;
    let answer = waiting(&server, "wait=20", &order(1)).await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("completed")));
    assert_eq!(answer.body["output"]["order"], answer.body["id"]);
    assert_eq!(answer.header("preference-applied"), Some("wait=20"));
    assert!(answer.header("location").is_some());

    let answer = waiting(&server, "wait=20", &order(NO_FUNDS)).await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("compensated")));
    let summary = "charge was rejected by payments: 402 insufficient funds";
    assert_eq!(answer.body["cause"]["summary"], summary);
}

#[tokio::test]
async fn a_wait_ends_with_its_time_or_with_attention_and_the_saga_goes_on() {
    let server = Server::new().await;
    let began = Instant::now();
    let answer = waiting(&server, "wait=1", &order(SLOW_CHARGE)).await;
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::ACCEPTED, &json!("running")));
    assert!(began.elapsed() >= Duration::from_secs(1));

    let answer = waiting(&server, "wait=100", &order(NO_SHIPMENT)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.header("preference-applied"), Some("wait=60"));
    assert_eq!(answer.body["attention"][0]["step"], "ship");
    assert!(began.elapsed() < Duration::from_secs(50), "attention ends a wait");
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_the_same_saga_running_or_ended() {
    let server = Server::new().await;
    let first = keyed(&server, "order-17", &order(SLOW_CHARGE)).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (StatusCode::ACCEPTED, None));
    let repeat = keyed(&server, "\"order-17\"", &order(SLOW_CHARGE)).await;
    assert_eq!((repeat.status, repeat.header("idempotent-replayed")), (StatusCode::ACCEPTED, Some("true")));
    assert_eq!(repeat.body["id"], first.body["id"]);
    assert_eq!(repeat.header("location"), first.header("location"));

    server.services.release();
    server.engine.settled(id(&first.body).parse().unwrap(), Duration::from_secs(20)).await;
    let ended = keyed(&server, "order-17", &order(SLOW_CHARGE)).await;
    assert_eq!((ended.status, &ended.body["status"]), (StatusCode::OK, &json!("completed")));
    assert_eq!(ended.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_key_that_asks_for_something_else_is_422() {
    let server = Server::new().await;
    keyed(&server, "k", &order(1)).await;
    keyed(&server, "k", &order(2)).await.is_problem(422, "key-reused");
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_422_and_says_where() {
    let server = Server::new().await;
    let body = json!({ "definition": "place-order", "input": { "amount": 0, "note": 7 } });
    let answer = server.post("/v1/sagas", &body).await;
    let mut pointers = answer.is_problem(422, "invalid-input").pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/input/amount", "/input/note"]);
}

#[tokio::test]
async fn a_full_server_is_429_and_says_when_to_ask_again() {
    let server = Server::with(Limits { max_live_sagas: 1, ..Limits::default() }).await;
    server.start(SLOW_CHARGE).await;
    let answer = server.post("/v1/sagas", &order(1)).await;
    answer.is_problem(429, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_server_that_shuts_down_is_503_and_holds_nobody() {
    let server = Server::new().await;
    let saga = server.start(SLOW_CHARGE).await;
    let path = format!("/v1/sagas/{}", id(&saga));
    let request = Request::get(&path).header("prefer", "wait=60").body(axum::body::Body::empty()).unwrap();
    let began = Instant::now();
    let (held, ()) = tokio::join!(server.ask(request), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.engine.shutdown(Duration::from_millis(50)).await;
    });
    assert_eq!(held.status, StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(10), "a held request ends with the server");
    let answer = server.post("/v1/sagas", &order(1)).await;
    answer.is_problem(503, "shutting-down");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_start_that_is_durable_but_cannot_be_read_says_so_and_where() {
    let server = Server::new().await;
    // The definition is in the engine's cache after this one, so that only reading the saga fails.
    server.run(1).await;
    server.store.reads(Reads::Away(SECRET));
    // It raises attention, so that the whole of it is not in memory.
    let request = Request::post("/v1/sagas").header("prefer", "wait=20");
    let answer = server.ask(json_body(request, &order(NO_SHIPMENT))).await;
    answer.is_problem(503, "store-unavailable");
    assert!(answer.body["detail"].as_str().unwrap().contains("is started and goes on"), "{}", answer.body);
    server.store.reads(Reads::Well);
    assert_eq!(server.get(answer.header("location").unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_trace_context_is_passed_on_if_it_is_one() {
    let server = Server::new().await;
    let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (given, kept) in [(valid, json!(valid)), ("not-one", Value::Null)] {
        let request = Request::post("/v1/sagas").header("traceparent", given);
        let saga = server.ask(json_body(request, &order(1))).await.body;
        let history = server.get(&format!("/v1/sagas/{}/history?limit=1", id(&saga))).await.body;
        assert_eq!(history["items"][0]["event"]["traceparent"], kept);
    }
}
