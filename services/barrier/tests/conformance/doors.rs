//! What a participant says about itself, and what it says to bad requests.

use amends_protocol::participant::{Op, SAGA_EPOCH, SAGA_STEP};
use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::{
    sqlite,
    subject::{action, ask, compensation, probe, saga},
};

#[tokio::test]
async fn a_participant_tells_its_kind_and_the_fingerprint_of_its_store() {
    let (one, two) = (sqlite::subject(None).await, sqlite::subject(None).await);
    let card = one.get("/.well-known/amends-participant").await;
    assert_eq!((&card["kind"], &card["contract"], &card["barrier"]), (&"sqlite".into(), &1.into(), &true.into()));
    let beside = ask(&one.beside, Request::get("/.well-known/amends-participant").body(Body::empty()).unwrap()).await;
    assert_eq!(beside.json(), card, "two programs on one store");
    assert_ne!(two.get("/.well-known/amends-participant").await["fingerprint"], card["fingerprint"]);
    assert!(one.dir.unwrap().path().join("pot.db").exists());
}

#[tokio::test]
async fn a_mutating_request_without_saga_headers_is_told_which_one_is_missing() {
    let subject = sqlite::subject(None).await;
    let bare = Request::post("/coins").body(Body::from("{\"add\":1}")).unwrap();
    let heard = ask(&subject.calls, bare).await;
    assert_eq!((heard.status, heard.ack.as_deref()), (StatusCode::BAD_REQUEST, None));
    assert_eq!(heard.headers["content-type"], "application/problem+json");
    assert!(heard.json()["detail"].as_str().unwrap().contains("saga-op"), "{heard:?}");
    for name in [SAGA_EPOCH, SAGA_STEP] {
        let mut request = action(saga(), 1).request();
        request.headers_mut().remove(&name);
        let heard = ask(&subject.calls, request).await;
        assert_eq!(heard.status, StatusCode::BAD_REQUEST);
        assert!(heard.json()["detail"].as_str().unwrap().contains(name.as_str()), "{heard:?}");
    }
    assert_eq!(subject.coins().await, 0);
}

#[tokio::test]
async fn numbers_that_no_store_can_keep_are_refused() {
    let subject = sqlite::subject(None).await;
    for bad in [action(saga(), 1).epoch(0), action(saga(), 1).epoch(1 << 63), action(saga(), 1).attempt(0)] {
        assert_eq!(subject.send(&bad).await.status, StatusCode::BAD_REQUEST);
    }
    let largest = action(saga(), 1).epoch((1 << 63) - 1).attempt(u32::MAX).index(u32::MAX);
    assert_eq!(subject.send(&largest).await.status, StatusCode::CREATED);
    assert_eq!(subject.effects(largest.headers.saga).await, [format!("[{}] action applied", u32::MAX)]);
}

#[tokio::test]
async fn a_call_at_a_route_of_the_other_op_is_refused_without_ack() {
    let subject = sqlite::subject(None).await;
    let mut wrong = action(saga(), 1);
    wrong.headers.op = Op::Compensate;
    let mut wrong_too = compensation(saga());
    wrong_too.headers.op = Op::Action;
    let mut posted_probe = probe(saga());
    posted_probe.method = Method::POST;
    for attempt in [wrong, wrong_too, posted_probe] {
        let heard = subject.send(&attempt).await;
        assert_eq!((heard.status, heard.ack), (StatusCode::BAD_REQUEST, None), "{attempt:?}");
        assert_eq!(subject.effects(attempt.headers.saga).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_gets_413_and_no_effect() {
    let subject = sqlite::subject(None).await;
    let padded = |bytes: usize| format!("{{\"add\":1{}}}", " ".repeat(bytes - 9));
    let fits = action(saga(), 1).body(padded(1024 * 1024));
    assert_eq!(subject.send(&fits).await.status, StatusCode::CREATED);
    let too_long = action(saga(), 1).body(padded(1024 * 1024 + 1));
    let heard = subject.send(&too_long).await;
    assert_eq!((heard.status, heard.problem().as_deref()), (StatusCode::PAYLOAD_TOO_LARGE, Some("too-large")));
    assert_eq!(subject.coins().await, 1);
}

#[tokio::test]
async fn another_content_type_is_a_refusal() {
    let subject = sqlite::subject(None).await;
    let fill = action(saga(), 1);
    let mut request = fill.request();
    request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    let heard = ask(&subject.calls, request).await;
    assert_eq!((heard.status, heard.ack), (StatusCode::UNSUPPORTED_MEDIA_TYPE, fill.key()));
}

#[tokio::test]
async fn unknown_routes_methods_and_parameters_are_problems() {
    let subject = sqlite::subject(None).await;
    let cases = [
        ("GET", "/nowhere", StatusCode::NOT_FOUND),
        ("PATCH", "/coins", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/ledger?sage=1", StatusCode::BAD_REQUEST),
        ("GET", "/ledger?saga=1", StatusCode::BAD_REQUEST),
        ("GET", "/ledger?limit=0", StatusCode::BAD_REQUEST),
        ("GET", "/ledger?limit=-1", StatusCode::BAD_REQUEST),
        ("GET", "/ledger?limit=1000000000", StatusCode::BAD_REQUEST),
    ];
    for (method, path, status) in cases {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let heard = ask(&subject.calls, request).await;
        assert_eq!(heard.status, status, "{method} {path}");
        assert_eq!(heard.headers["content-type"], "application/problem+json", "{method} {path}");
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(heard.headers["allow"], "POST,DELETE");
        }
    }
}

#[tokio::test]
async fn the_ledger_is_read_page_by_page() {
    let subject = sqlite::subject(None).await;
    let saga = saga();
    for index in 0..5 {
        subject.send(&action(saga, 1).index(index)).await;
    }
    let mut path = format!("/ledger?saga={saga}&limit=2");
    let mut seen = vec![];
    loop {
        let heard = ask(&subject.calls, Request::get(&path).body(Body::empty()).unwrap()).await;
        seen.extend(heard.json().as_array().unwrap().iter().map(|entry| entry["index"].clone()));
        let Some(link) = heard.headers.get("link") else { break };
        path = format!("/ledger{}", link.split(['<', '>']).nth(1).unwrap());
    }
    assert_eq!(seen, (0..5).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_step_that_only_reads_is_acked_when_its_answer_is_definite() {
    let subject = sqlite::subject(None).await;
    let mut read = action(saga(), 1);
    read.method = Method::GET;
    let heard = subject.send(&read).await;
    assert_eq!((heard.status, heard.ack.as_deref()), (StatusCode::METHOD_NOT_ALLOWED, Some(&*read.headers.key())));
    read.path = "/livez".into();
    let heard = subject.send(&read).await;
    assert_eq!((heard.status, heard.ack.as_deref()), (StatusCode::OK, Some(&*read.headers.key())));
    let outside = ask(&subject.calls, Request::get("/livez").body(Body::empty()).unwrap()).await;
    assert_eq!((outside.status, outside.ack), (StatusCode::OK, None), "who reads for himself needs no ack");
    assert_eq!(subject.coins().await, 0);
}
