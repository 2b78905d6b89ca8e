//! `GET /v1/sagas/{id}` and its history.

use http::{Request, StatusCode};
use serde_json::json;

use crate::kit::{NO_FUNDS, SLOW_CHARGE, Server, id};

#[tokio::test]
async fn a_saga_shows_its_steps_with_their_attempts() {
    let server = Server::new().await;
    let saga = server.run(NO_FUNDS).await;
    let view = server.get(&format!("/v1/sagas/{}", id(&saga))).await.body;
    let steps = view["steps"].as_array().unwrap();
    let statuses: Vec<_> = steps.iter().map(|step| step["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["compensated", "rejected", "pending"]);
    let charge = &steps[1]["action"];
    assert_eq!(
        (&charge["service"], &charge["method"], &charge["path"]),
        (&json!("payments"), &json!("POST"), &json!("/charges"))
    );
    assert_eq!(charge["attempts"][0]["outcome"], "rejected");
    assert_eq!(charge["attempts"][0]["status"], 402);
    assert!(charge["attempts"][0]["ended_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(steps[0]["compensation"]["attempts"][0]["outcome"], "success");
}

#[tokio::test]
async fn a_get_can_wait_for_the_end() {
    let server = Server::new().await;
    let saga = server.start(SLOW_CHARGE).await;
    let path = format!("/v1/sagas/{}", id(&saga));
    let request = Request::get(&path).header("prefer", "wait=20").body(axum::body::Body::empty()).unwrap();
    let (answer, ()) = tokio::join!(server.ask(request), async { server.services.release() });
    assert_eq!((answer.status, &answer.body["status"]), (StatusCode::OK, &json!("completed")));
    assert_eq!(answer.header("preference-applied"), Some("wait=20"));
}

#[tokio::test]
async fn a_history_is_dense_in_pages_and_its_times_are_readable() {
    let server = Server::new().await;
    let saga = server.run(NO_FUNDS).await;
    let path = format!("/v1/sagas/{}/history", id(&saga));
    let whole = server.get(&path).await.body;
    assert!(whole.get("next_cursor").is_none());
    let whole = whole["items"].as_array().unwrap();
    assert_eq!(whole[0]["event"]["kind"], "saga_started");
    assert_eq!(whole.last().unwrap()["event"]["kind"], "saga_compensated");
    for (at, entry) in whole.iter().enumerate() {
        assert_eq!(entry["seq"], at + 1);
        let times = entry["event"].as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_at"));
        times.for_each(|(name, value)| assert!(value.is_string(), "{name}: {value}"));
    }

    let (mut paged, mut after) = (Vec::new(), "0".to_owned());
    loop {
        let page = server.get(&format!("{path}?after={after}&limit=3")).await.body;
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(&paged, whole);
    let beyond = server.get(&format!("{path}?after={}", whole.len())).await;
    assert_eq!((beyond.status, &beyond.body), (StatusCode::OK, &json!({ "items": [] })));
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let server = Server::new().await;
    let nobody = "/v1/sagas/00000000-0000-0000-0000-000000000000";
    server.get(nobody).await.is_problem(404, "unknown-saga");
    server.get(&format!("{nobody}/history")).await.is_problem(404, "unknown-saga");
}
