//! `/livez`, `/readyz`, `/version`

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::kit::{Reads, SECRET, Server};

#[tokio::test]
async fn a_server_that_shuts_down_lives_but_is_not_ready() {
    let server = Server::new().await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, &ready.body["ready"]), (StatusCode::OK, &json!(true)));
    assert_eq!(ready.body["max_live_sagas"], 10_000);
    server.engine.shutdown(Duration::from_secs(1)).await;
    let answer = server.get("/readyz").await;
    answer.is_problem(503, "shutting-down");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(server.get("/livez").await.body, json!({ "live": true }));
}

#[tokio::test]
async fn a_server_whose_store_is_away_lives_but_is_not_ready() {
    let server = Server::new().await;
    server.store.reads(Reads::Away(SECRET));
    let answer = server.get("/readyz").await;
    answer.is_problem(503, "store-unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(server.get("/livez").await.status, StatusCode::OK);
    server.store.reads(Reads::Well);
    assert_eq!(server.get("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_version_is_the_packages() {
    let server = Server::new().await;
    let body = server.get("/version").await.body;
    assert_eq!(body, json!({ "version": env!("CARGO_PKG_VERSION"), "api": ["v1"] }));
}
