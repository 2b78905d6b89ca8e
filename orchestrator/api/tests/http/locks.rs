//! `GET /v1/locks`, `GET /v1/locks/{name}`, and whom a saga waits for.

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

#[tokio::test]
async fn all_locks_are_listed_with_who_has_them_and_how_many_wait() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", LOCKED).await;
    assert_eq!(server.get("/v1/locks").await.body, json!({ "items": [] }));
    let holder = begun(&server, "7").await;
    eventually("it holds both", async || lock_of(&server, &holder, 1).await["status"] == "held").await;
    let waiter = begun(&server, "7").await;
    eventually("it waits", async || lock_of(&server, &waiter, 0).await["status"] == "waiting").await;

    let all = server.get("/v1/locks").await.body;
    let rows: Vec<_> = all["items"].as_array().unwrap().iter().map(|lock| (&lock["name"], &lock["waiting"])).collect();
    assert_eq!(rows, [(&json!("account:7"), &json!(1)), (&json!("zone 1/2"), &json!(0))]);
    let first = &all["items"][0]["holder"];
    assert_eq!((&first["id"], &first["name"], &first["status"]), (&holder["id"], &json!("locked"), &json!("running")));
    assert!(first["arrived_at"].is_string());

    let page = server.get("/v1/locks?limit=1").await.body;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/locks?limit=1&cursor={cursor}")).await.body;
    assert_eq!((&rest["items"][0]["name"], rest.get("next_cursor")), (&json!("zone 1/2"), None));
    server.get(&format!("/v1/locks?prefix=zone&cursor={cursor}")).await.is_problem(400, "invalid-cursor");

    let zones = server.get("/v1/locks?prefix=zone%20").await.body;
    assert_eq!((&zones["items"][0]["name"], zones["items"].as_array().unwrap().len()), (&json!("zone 1/2"), 1));
    assert_eq!(server.get("/v1/locks?prefix=nobody").await.body, json!({ "items": [] }));
    server.get("/v1/locks?name=x").await.is_problem(400, "invalid-query");
    server.get("/v1/locks?limit=0").await.is_problem(400, "invalid-query");
}
