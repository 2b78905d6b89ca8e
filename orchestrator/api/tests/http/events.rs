//! `GET /v1/events`

use std::time::Duration;

use amends_api::{Outside, Streams, router_with};
use amends_core::time::Time;
use amends_events::{Sources, WebhookTerms, Webhooks};
use amends_store::Store;
use axum::{Router, body::Body};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::kit::{NO_FUNDS, NO_SHIPMENT, SLOW_CHARGE, Server, id};

const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// What a message of a stream says; data that is no JSON is a mistake.
#[derive(Debug, Default, PartialEq)]
struct Message {
    id: Option<String>,
    event: String,
    data: Value,
}

/// All messages that have data, and the last place.
fn read(stream: &str) -> (Vec<Message>, String) {
    let (mut messages, mut last) = (Vec::new(), String::new());
    for block in stream.split_terminator("\n\n") {
        let mut message = Message::default();
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("id", id) => message.id = Some(id.to_owned()),
                ("event", event) => event.clone_into(&mut message.event),
                ("data", data) => message.data = serde_json::from_str(data).unwrap(),
                other => panic!("{other:?} in {stream}"),
            }
        }
        if let Some(id) = &message.id {
            last.clone_from(id);
        }
        if !message.data.is_null() {
            messages.push(message);
        }
    }
    (messages, last)
}

/// What the stream tells until it is at its end.
async fn told(server: &Server, query: &str) -> (Vec<Message>, String) {
    let answer = server.get(&format!("/v1/events?follow=false{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    read(answer.body.as_str().unwrap())
}

fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.event.trim_start_matches("amends.saga.")).collect()
}

#[tokio::test]
async fn every_turn_of_a_saga_is_told_in_order_and_says_what_its_view_says() {
    let server = Server::new().await;
    let done = server.run(1).await;
    let undone = server.run(NO_FUNDS).await;
    let (messages, _) = told(&server, &format!("&from=beginning&saga={}", id(&done))).await;
    assert_eq!(kinds(&messages), ["started.v1", "completed.v1"]);
    let last = &messages[1].data;
    assert_eq!(last["type"], "amends.saga.completed.v1");
    assert_eq!((&last["specversion"], &last["source"]), (&json!("1.0"), &json!("/amends")));
    assert_eq!((&last["subject"], &last["data"]["saga"]), (&done["id"], &done["id"]));
    assert_eq!((&last["data"]["name"], &last["data"]["version"]), (&done["name"], &done["version"]));
    assert_eq!((&last["data"]["status"], &last["data"]["output"]), (&done["status"], &done["output"]));
    assert_eq!(last["time"], done["ended_at"]);
    assert_eq!(messages[0].data["id"], format!("{}:1", id(&done)));
    let (messages, _) = told(&server, &format!("&from=beginning&saga={}", id(&undone))).await;
    assert_eq!(kinds(&messages), ["started.v1", "compensating.v1", "compensated.v1"]);
    let cause = &messages[1].data["data"]["cause"];
    for word in ["kind", "step", "failure", "reason"] {
        assert_eq!(cause[word], undone["cause"][word]);
    }
}

#[tokio::test]
async fn that_a_person_has_to_look_is_told_with_where() {
    let server = Server::new().await;
    let stuck = server.run(NO_SHIPMENT).await;
    let (messages, _) = told(&server, "&from=beginning").await;
    assert_eq!(kinds(&messages), ["started.v1", "attention_raised.v1"]);
    let (told, shown) = (&messages[1].data["data"]["attention"], &stuck["attention"][0]);
    for word in ["step", "op", "reason", "detail"] {
        assert_eq!(told[word], shown[word]);
    }
}

#[tokio::test]
async fn a_stream_goes_on_behind_its_last_id_and_begins_with_now() {
    let server = Server::new().await;
    server.run(1).await;
    let (messages, now) = told(&server, "").await;
    assert_eq!(messages, []);
    server.run(2).await;
    let (all, end) = told(&server, "&from=beginning").await;
    assert_eq!(all.len(), 4);
    let (since, _) = told(&server, &format!("&cursor={now}")).await;
    assert_eq!(kinds(&since), ["started.v1", "completed.v1"]);
    assert_eq!(told(&server, &format!("&cursor={end}")).await.0, []);
    // Each place on the way leads to what comes behind it; the header counts more than the parameter.
    for (place, message) in all.iter().enumerate() {
        let Some(id) = &message.id else { continue };
        let request = Request::get(format!("/v1/events?follow=false&cursor={end}")).header("last-event-id", id);
        let answer = server.ask(request.body(Body::empty()).unwrap()).await;
        let behind = read(answer.body.as_str().unwrap()).0;
        assert_eq!(kinds(&behind), kinds(&all[place + 1..]));
    }
}

#[tokio::test]
async fn a_stream_tells_only_what_was_asked_for() {
    let server = Server::new().await;
    server.run(1).await;
    server.run(NO_FUNDS).await;
    for (query, expected) in [
        ("&type=amends.saga.completed.v1", &["completed.v1"][..]),
        ("&type=amends.saga.completed.v1&type=amends.saga.compensated.v1", &["completed.v1", "compensated.v1"]),
        ("&name=place-order&type=amends.saga.compensating.v1", &["compensating.v1"]),
        ("&name=other", &[]),
        ("&saga=00000000-0000-0000-0000-000000000000", &[]),
    ] {
        let (messages, _) = told(&server, &format!("&from=beginning{query}")).await;
        assert_eq!(kinds(&messages), expected, "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let server = Server::new().await;
    for (query, kind) in [
        ("sga=1", "invalid-query"),
        ("saga=1", "invalid-query"),
        ("name=", "invalid-query"),
        ("type=amends.saga.started.v2", "invalid-query"),
        ("from=yesterday", "invalid-query"),
        ("follow=maybe", "invalid-query"),
        ("follow=true&follow=true", "invalid-query"),
        ("cursor=abc", "invalid-cursor"),
    ] {
        server.get(&format!("/v1/events?{query}")).await.is_problem(400, kind);
    }
    let many = "&type=amends.saga.started.v1".repeat(33);
    server.get(&format!("/v1/events?follow=false{many}")).await.is_problem(400, "invalid-query");
    let request = Request::get("/v1/events").header("last-event-id", "é").body(Body::empty()).unwrap();
    server.ask(request).await.is_problem(400, "invalid-cursor");
}

#[tokio::test]
async fn what_is_missing_is_said_and_not_passed_over() {
    let server = Server::new().await;
    let (_, before) = told(&server, "").await;
    let saga = server.run(1).await;
    let (_, behind) = told(&server, "").await;
    // Its journal goes, what points to it stays.
    server.store.purge(vec![id(&saga).parse().unwrap()], Time(1)).await.unwrap();
    let (messages, _) = told(&server, &format!("&cursor={before}")).await;
    assert!(messages.iter().all(|message| message.event == "gap"), "{messages:?}");
    assert_eq!(messages[0].data["reason"], "purged");
    // What points to it goes.
    let now = server.engine.now();
    server.store.drop_batches(now + WEEK, None, now, WEEK, 100).await.unwrap();
    let (messages, _) = told(&server, &format!("&cursor={before}")).await;
    assert_eq!(kinds(&messages), ["gap"]);
    assert_eq!(messages[0].data["reason"], "too_old");
    // Who had passed it misses nothing, and all that is kept is nothing.
    assert_eq!(told(&server, &format!("&cursor={behind}")).await.0, []);
    assert_eq!(told(&server, "&from=beginning").await.0, []);
}

fn router(server: &Server, streams: &Streams) -> Router {
    let clock = server.engine.clone();
    let webhooks = Webhooks::new(server.store.clone(), WebhookTerms::default(), move || clock.now()).unwrap();
    router_with(server.engine.clone(), Outside { streams: streams.clone(), webhooks, sources: Sources::default() })
}

/// A stream that is read as it comes.
async fn following(server: &Server, streams: &Streams, query: &str) -> Body {
    let router = router(server, streams);
    let request = Request::get(format!("/v1/events{query}")).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body()
}

async fn next(body: &mut Body) -> Option<String> {
    let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await.expect("something comes");
    frame.map(|frame| String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_stream_that_is_followed_tells_what_comes_and_ends_with_the_server() {
    let server = Server::new().await;
    let mut streams = Streams::default();
    streams.heartbeat_every = Duration::from_millis(10);
    let mut body = following(&server, &streams, "").await;
    let first = next(&mut body).await.unwrap();
    assert!(first.starts_with("id: ") && read(&first).0.is_empty(), "{first}");
    let saga = server.start(SLOW_CHARGE).await;
    let mut said = String::new();
    while !said.contains("started.v1") {
        said = next(&mut body).await.unwrap();
    }
    assert!(said.contains(&id(&saga)));
    // It is quiet now; the place is said all the same.
    let mut said = next(&mut body).await.unwrap();
    while !said.starts_with(": ") {
        said = next(&mut body).await.unwrap();
    }
    assert!(said.contains("\nid: "), "{said}");
    server.engine.shutdown(Duration::ZERO).await;
    while next(&mut body).await.is_some() {}
}

#[tokio::test]
async fn there_are_only_so_many_streams_and_whoever_takes_nothing_makes_room() {
    let server = Server::new().await;
    let mut streams = Streams::new("/here".into(), 2);
    streams.slow_after = Duration::from_millis(50);
    streams.heartbeat_every = Duration::ZERO;
    let slow = following(&server, &streams, "").await;
    let mut other = following(&server, &streams, "?from=beginning").await;
    let router = router(&server, &streams);
    let ask = || Request::get("/v1/events?follow=false").body(Body::empty()).unwrap();
    let refused = router.clone().oneshot(ask()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    // The heartbeats fill what there is for the one that does not read; the one that does keeps its place.
    let began = std::time::Instant::now();
    while router.clone().oneshot(ask()).await.unwrap().status() != StatusCode::OK {
        assert!(began.elapsed() < Duration::from_secs(20), "the slow reader keeps its place");
        next(&mut other).await.expect("goes on");
    }
    assert!(next(&mut other).await.is_some());
    drop(slow);
}
