//! `GET /v1/locks/{name}`, and whom a saga waits for.

use http::StatusCode;
use serde_json::{Value, json};

use crate::kit::{Server, eventually, id};

const LOCKED: &str = r#"
saga: locked
locks: ["account:${{ input.account }}", "zone 1/2"]
steps:
  ask: { await: go, timeout: 1d }
"#;

async fn begun(server: &Server, account: &str) -> Value {
    let start = json!({ "definition": "locked", "input": { "account": account } });
    server.post("/v1/sagas", &start).await.body
}

async fn lock_of(server: &Server, saga: &Value, nth: usize) -> Value {
    server.get(&format!("/v1/sagas/{}", id(saga))).await.body["locks"][nth].clone()
}

#[tokio::test]
async fn a_saga_shows_what_it_has_and_for_whom_it_waits_and_a_lock_its_queue() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", LOCKED).await;
    let holder = begun(&server, "7").await;
    eventually("it holds both", async || lock_of(&server, &holder, 1).await["status"] == "held").await;
    let waiter = begun(&server, "7").await;
    eventually("it waits", async || lock_of(&server, &waiter, 0).await["status"] == "waiting").await;
    let lock = lock_of(&server, &waiter, 0).await;
    assert_eq!((&lock["name"], &lock["place"]), (&json!("account:7"), &json!(2)));
    assert!(lock["since"].is_string());
    assert_eq!(lock["ahead"][0]["id"], holder["id"]);
    assert_eq!((&lock["ahead"][0]["name"], &lock["ahead"][0]["status"]), (&json!("locked"), &json!("running")));
    assert_eq!(lock_of(&server, &waiter, 1).await["status"], "needed");

    let queue = server.get("/v1/locks/account:7").await;
    assert_eq!(queue.status, StatusCode::OK);
    let ids: Vec<&Value> = queue.body["items"].as_array().unwrap().iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, [&holder["id"], &waiter["id"]]);
    let first = server.get("/v1/locks/account:7?limit=1").await.body;
    let cursor = first["next_cursor"].as_str().unwrap().to_owned();
    let rest = server.get(&format!("/v1/locks/account:7?cursor={cursor}")).await.body;
    assert_eq!((&rest["items"][0]["id"], rest.get("next_cursor")), (&waiter["id"], None));
    server.get(&format!("/v1/locks/other?cursor={cursor}")).await.is_problem(400, "invalid-cursor");
    // A name with a slash and a space, encoded.
    assert_eq!(server.get("/v1/locks/zone%201%2F2").await.body["items"][0]["id"], holder["id"]);
    assert_eq!(server.get("/v1/locks/nobody").await.body, json!({ "items": [] }));
    server.get(&format!("/v1/locks/{}", "a".repeat(257))).await.is_problem(400, "invalid-path");

    let history = server.get(&format!("/v1/sagas/{}/history", id(&waiter))).await.body;
    assert_eq!(history["items"][1]["event"]["kind"], "lock_queued");
    assert!(history["items"][1]["event"]["arrived_at"].is_string());
}

#[tokio::test]
async fn a_start_whose_lock_has_no_name_is_422() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", LOCKED).await;
    let refused = server.post("/v1/sagas", &json!({ "definition": "locked", "input": {} })).await;
    refused.is_problem(422, "invalid-input");
}
