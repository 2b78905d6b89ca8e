//! `/v1/webhooks` and `/v1/hooks/{name}`

use amends_api::{Outside, Streams, router_with};
use amends_events::{Allowed, InputFrom, Secrets, Source, Sources, WebhookTerms, Webhooks};
use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::kit::{Answer, Server, order};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that may tell `hooks.test`, and takes events of `shop`.
async fn server() -> Server {
    let mut server = Server::new().await;
    let secrets = Secrets::parse([("hook".to_owned(), SECRET.to_owned())].into()).unwrap();
    let allowed = Allowed::parse(&["https://hooks.test/amends".to_owned()]).unwrap();
    let terms = WebhookTerms { allowed, secrets: secrets.clone(), ..WebhookTerms::default() };
    let clock = server.engine.clone();
    let webhooks = Webhooks::new(server.store.clone(), terms, move || clock.now()).unwrap();
    let source = Source {
        saga: "place-order".into(),
        version: None,
        secrets: vec!["secret:hook".into()],
        types: ["order.placed".to_owned()].into(),
        input: InputFrom::Data,
    };
    let sources = Sources::new([("shop".to_owned(), source)].into(), secrets).unwrap();
    server.router = router_with(server.engine.clone(), Outside { streams: Streams::default(), webhooks, sources });
    server
}

fn webhook() -> Value {
    json!({ "url": "https://hooks.test/amends/orders", "secrets": ["secret:hook"], "names": ["place-order"] })
}

#[tokio::test]
async fn a_webhook_is_added_shown_paused_resumed_and_deleted() {
    let server = server().await;
    assert_eq!(server.get("/v1/webhooks").await.body, json!({ "items": [] }));
    let added = server.post("/v1/webhooks", &webhook()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let path = added.header("location").unwrap().to_owned();
    assert_eq!(added.body["status"], "active");
    assert_eq!(added.body["secrets"], json!(["secret:hook"]), "by name");
    assert!(!added.body.to_string().contains(SECRET));
    assert_eq!(server.get(&path).await.body, added.body);
    server.run(1).await;
    assert_eq!(server.get(&path).await.body["backlog"].as_u64(), Some(2), "nobody tells here");
    let paused = server.post(&format!("{path}/pause"), &Value::Null).await;
    assert_eq!((paused.status, &paused.body["status"]), (StatusCode::OK, &json!("paused")));
    let again = server.post(&format!("{path}/pause"), &Value::Null).await;
    assert_eq!(again.body["paused_at"], paused.body["paused_at"]);
    assert_eq!(server.post(&format!("{path}/resume"), &Value::Null).await.body["status"], "active");
    assert_eq!(server.get("/v1/webhooks").await.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    server.get(&path).await.is_problem(404, "unknown-webhook");
    server.delete(&path).await.is_problem(404, "unknown-webhook");
    server.post(&format!("{path}/pause"), &Value::Null).await.is_problem(404, "unknown-webhook");
    server.post(&format!("{path}/resume"), &Value::Null).await.is_problem(404, "unknown-webhook");
}

#[tokio::test]
async fn a_webhook_that_is_not_as_it_should_be_is_refused_with_its_place() {
    let server = server().await;
    for (field, value, pointer) in [
        ("url", json!("https://elsewhere.test/amends"), "/url"),
        ("url", json!("https://hooks.test/other"), "/url"),
        ("url", json!("nowhere"), "/url"),
        ("secrets", json!([]), "/secrets"),
        ("secrets", json!([SECRET]), "/secrets"),
    ] {
        let mut broken = webhook();
        broken[field] = value;
        let answer = server.post("/v1/webhooks", &broken).await;
        answer.is_problem(422, "invalid-webhook");
        assert_eq!(answer.pointers(), [pointer]);
    }
    let mut unknown = webhook();
    unknown["secret"] = json!("x");
    server.post("/v1/webhooks", &unknown).await.is_problem(422, "invalid-body");
    server.get("/v1/webhooks/7").await.is_problem(400, "invalid-path");
    server.get("/v1/webhooks?limit=7").await.is_problem(400, "invalid-query");
}

async fn send(server: &Server, name: &str, event: &Value, sign: bool) -> Answer {
    let timestamp = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = event.to_string();
    let secrets = Secrets::parse([("hook".to_owned(), SECRET.to_owned())].into()).unwrap();
    let seconds = i64::try_from(timestamp).unwrap();
    let signature = secrets.sign(&["secret:hook".to_owned()], "m", seconds, body.as_bytes()).unwrap();
    let request = Request::post(format!("/v1/hooks/{name}"))
        .header("content-type", "application/cloudevents+json")
        .header("webhook-id", "m")
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", if sign { signature.as_str() } else { "v1,AAAA" });
    server.ask(request.body(Body::from(body)).unwrap()).await
}

fn event(id: &str, amount: u32) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/shop", "type": "order.placed", "data": order(amount)["input"],
    })
}

#[tokio::test]
async fn an_event_starts_a_saga_once() {
    let server = server().await;
    let first = send(&server, "shop", &event("1", 5), true).await;
    assert_eq!((first.status, &first.body["created"]), (StatusCode::ACCEPTED, &json!(true)), "{}", first.body);
    let again = send(&server, "shop", &event("1", 5), true).await;
    assert_eq!((again.status, &again.body["created"]), (StatusCode::ACCEPTED, &json!(false)));
    assert_eq!((&again.body["saga"], again.header("idempotent-replayed")), (&first.body["saga"], Some("true")));
    assert_eq!(again.header("location"), Some(&*format!("/v1/sagas/{}", first.body["saga"].as_str().unwrap())));
    send(&server, "shop", &event("1", 6), true).await.is_problem(422, "key-reused");
    let other = send(&server, "shop", &event("2", 5), true).await;
    assert_ne!(other.body["saga"], first.body["saga"]);
    assert_eq!(server.get("/v1/sagas").await.body["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_event_that_is_not_as_it_should_be_starts_nothing() {
    let server = server().await;
    send(&server, "shop", &event("1", 5), false).await.is_problem(401, "unsigned");
    send(&server, "other", &event("1", 5), true).await.is_problem(404, "unknown-event-source");
    let mut nameless = event("1", 5);
    nameless["id"] = Value::Null;
    let answer = send(&server, "shop", &nameless, true).await;
    answer.is_problem(422, "invalid-event");
    assert_eq!(answer.pointers(), ["/id"]);
    send(&server, "shop", &event("1", 0), true).await.is_problem(422, "invalid-input");
    let mut seen = event("1", 5);
    seen["type"] = "order.seen".into();
    assert_eq!(send(&server, "shop", &seen, true).await.status, StatusCode::NO_CONTENT);
    assert!(server.get("/v1/sagas").await.body["items"].as_array().unwrap().is_empty());
}
