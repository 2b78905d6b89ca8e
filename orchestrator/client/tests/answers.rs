//! What the client makes of answers, from a server that says what it is told.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::time::Duration;

use amends_client::{Client, ClientError, List, Signal, Start, Timeouts};
use amends_protocol::{
    participant::CallbackToken,
    problem::ProblemType,
    v1::{CallbackRequest, SagaStatus, StartRequest},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// Answers one request with these bytes; gives back what was asked.
async fn answering(answer: String) -> (Client, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let asked = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !whole(&request) {
            let mut chunk = [0; 4096];
            let read = socket.read(&mut chunk).await.unwrap();
            assert!(read > 0, "the client hung up");
            request.extend_from_slice(&chunk[..read]);
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    (client, asked)
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
}

const SAGA: &str = r#"{"id":"00000000-0000-0000-0000-000000000007","name":"place-order","version":1,"definition":"d",
    "status":"completed","attention":[],"input":null,"labels":{},"started_at":"2026-11-24T17:00:00Z",
    "updated_at":"2026-11-24T17:00:01Z","epoch":1,"steps":[],"a_field_from_the_future":1}"#;

#[tokio::test]
async fn a_start_carries_its_key_quoted_and_its_wait_and_tells_a_replay() {
    let (client, asked) = answering(answer("200 OK", "idempotent-replayed: true\r\n", SAGA)).await;
    let start = Start {
        request: StartRequest { definition: "place-order".into(), ..StartRequest::default() },
        key: Some("a\"b".into()),
        wait: Some(Duration::from_millis(1500)),
        traceparent: None,
    };
    let answer = client.start(&start).await.unwrap();
    assert!(answer.replayed);
    assert_eq!(answer.saga.status, SagaStatus::Completed);
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("POST /v1/sagas HTTP/1.1"), "{asked}");
    assert!(asked.contains("idempotency-key: \"a\\\"b\"\r\n"), "{asked}");
    assert!(asked.contains("prefer: wait=2\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"definition":"place-order"}"#), "{asked}");
}

#[tokio::test]
async fn a_signal_carries_its_key_quoted_and_its_payload_as_it_is() {
    let (client, asked) = answering(answer("202 Accepted", "", SAGA)).await;
    let signal =
        Signal { name: "approved/../x".into(), key: Some("a 1".into()), payload: serde_json::json!({ "by": "ada" }) };
    client.signal(uuid::Uuid::from_u128(7), &signal).await.unwrap();
    let asked = asked.await.unwrap();
    let place = "POST /v1/sagas/00000000-0000-0000-0000-000000000007/signals/approved%2F..%2Fx HTTP/1.1";
    assert!(asked.starts_with(place), "{asked}");
    assert!(asked.contains("idempotency-key: \"a 1\"\r\n"), "{asked}");
    assert!(asked.ends_with(r#"{"by":"ada"}"#), "{asked}");
}

#[tokio::test]
async fn a_problem_becomes_an_error_that_carries_it() {
    let body = r#"{"type":"urn:amends:problem:overloaded","title":"Full","status":429,"detail":"too many"}"#;
    let headers = "content-type: application/problem+json\r\nretry-after: 3\r\n";
    let (client, _asked) = answering(answer("429 Too Many Requests", headers, body)).await;
    let error = client.readyz().await.unwrap_err();
    assert!(error.is(ProblemType::Overloaded), "{error:?}");
    assert_eq!(error.to_string(), "too many");
    let ClientError::Problem { retry_after, .. } = error else { panic!("a problem") };
    assert_eq!(retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn answers_of_strangers_are_no_answers() {
    let (client, _asked) = answering(answer("502 Bad Gateway", "content-type: text/html\r\n", "<html>")).await;
    assert!(matches!(client.version().await.unwrap_err(), ClientError::Foreign { status: 502, .. }));
    let (client, _asked) = answering(answer("302 Found", "location: http://127.0.0.1:1/\r\n", "")).await;
    assert!(matches!(client.version().await.unwrap_err(), ClientError::Foreign { status: 302, .. }));
    let (client, _asked) = answering(answer("200 OK", "", "{}")).await;
    assert!(matches!(client.version().await.unwrap_err(), ClientError::Foreign { status: 200, .. }));
}

#[tokio::test]
async fn names_and_filters_cannot_leave_their_place() {
    let (client, asked) = answering(answer("404 Not Found", "", "")).await;
    client.definition("../sagas?x=1", Some(2)).await.unwrap_err();
    assert!(asked.await.unwrap().starts_with("GET /v1/definitions/..%2Fsagas%3Fx=1/versions/2 HTTP/1.1"));
    let (client, asked) = answering(answer("200 OK", "", r#"{"items":[]}"#)).await;
    let list = List {
        statuses: vec![SagaStatus::Running, SagaStatus::Compensating],
        name: Some("a&b".into()),
        limit: Some(5),
        ..List::default()
    };
    client.sagas(&list).await.unwrap();
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("GET /v1/sagas?status=running&status=compensating&name=a%26b&limit=5 "), "{asked}");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let timeouts = Timeouts { connect: Duration::from_secs(1), answer: Duration::from_millis(50) };
    let error = Client::with_timeouts(&base, timeouts).unwrap().livez().await.unwrap_err();
    assert!(matches!(error, ClientError::Transport(_)), "{error:?}");
    assert!(Client::new("ftp://x").is_err() && Client::new("127.0.0.1:80").is_err());
}

#[tokio::test]
async fn a_callback_brings_its_token_in_a_header_and_wants_no_body_back() {
    let token = CallbackToken::new("call.proof").unwrap();
    let verdict = CallbackRequest::Rejected { reason: Some("full".into()) };
    for status in ["204 No Content", "202 Accepted"] {
        let (client, asked) = answering(answer(status, "", "")).await;
        client.call_back(&token, &verdict).await.unwrap();
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("POST /v1/callbacks HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_lowercase().contains("saga-callback: call.proof\r\n"), "{asked}");
        assert!(asked.ends_with(r#"{"outcome":"rejected","reason":"full"}"#), "{asked}");
    }
    let problem = r#"{"type":"urn:amends:problem:call-over","title":"t","status":410}"#;
    let (client, _) = answering(answer("410 Gone", "content-type: application/problem+json\r\n", problem)).await;
    let gone = client.call_back(&token, &verdict).await.unwrap_err();
    let ClientError::Problem { problem, .. } = gone else { panic!("{gone:?}") };
    assert_eq!(problem.problem_type(), Some(ProblemType::CallOver));
}
