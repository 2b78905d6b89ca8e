//! Parents and children in views and lists, and what a definition is told of its children.

use http::StatusCode;
use serde_json::{Value, json};

use crate::kit::{Server, eventually, id};

const KID: &str = r#"
saga: kid
steps:
  go: { await: go, timeout: 1d, output: { by: "${{ signal.by }}" } }
output: { by: "${{ steps.go.output.by }}" }
"#;

const FAMILY: &str = r#"
saga: family
steps:
  first: { saga: kid }
  rest: { for_each: [1, 2], concurrency: 2, saga: kid }
output: { by: "${{ steps.first.output.by }}" }
"#;

async fn view(server: &Server, saga: &str) -> Value {
    server.get(&format!("/v1/sagas/{saga}")).await.body
}

/// The ids of a step's children, once there are so many.
async fn children(server: &Server, saga: &str, nth: usize, many: usize) -> Vec<String> {
    let ids = async || -> Vec<String> {
        let list = server.get(&format!("/v1/sagas?parent={saga}")).await.body;
        let made: Vec<String> = list["items"].as_array().unwrap().iter().map(id).collect();
        let known = view(server, saga).await["steps"][nth]["children"]["sagas"].clone();
        let known: Vec<String> = known.as_array().unwrap().iter().map(id).collect();
        known.into_iter().filter(|known| made.contains(known)).collect()
    };
    eventually("its children are there", async || ids().await.len() == many).await;
    ids().await
}

async fn go(server: &Server, saga: &str) {
    let answer = server.post(&format!("/v1/sagas/{saga}/signals/go"), &json!({ "by": "ada" })).await;
    assert!(answer.status.is_success(), "{}", answer.body);
}

#[tokio::test]
async fn a_family_is_seen_from_both_sides_and_settled_in_the_end() {
    let server = Server::new().await;
    for source in [KID, FAMILY] {
        let answer = server.post_yaml("/v1/definitions", source).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    }
    let saga = id(&server.post("/v1/sagas", &json!({ "definition": "family", "input": {} })).await.body);
    let first = children(&server, &saga, 0, 1).await.remove(0);
    let seen = view(&server, &saga).await;
    assert_eq!(
        (&seen["steps"][0]["status"], &seen["steps"][0]["children"]["definition"]),
        (&json!("waiting"), &json!("kid"))
    );
    assert_eq!(seen["parent"], Value::Null);
    let child = view(&server, &first).await;
    assert_eq!(child["parent"], json!({ "id": saga, "step": "first" }));
    go(&server, &first).await;
    let rest = children(&server, &saga, 1, 2).await;
    assert_eq!(view(&server, &rest[1]).await["parent"], json!({ "id": saga, "step": "rest", "index": 1 }));
    // It is done, and only its parent undoes it.
    assert_eq!(view(&server, &first).await["status"], "succeeded");
    let refused = server.post(&format!("/v1/sagas/{first}/cancel"), &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    for child in &rest {
        go(&server, child).await;
    }
    eventually("it has ended", async || view(&server, &saga).await["status"] == "completed").await;
    let seen = view(&server, &saga).await;
    assert_eq!(seen["output"], json!({ "by": "ada" }));
    let statuses =
        seen["steps"][1]["children"]["sagas"].as_array().unwrap().iter().map(|child| child["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [json!("completed"), json!("completed")]);
    eventually("so have they", async || view(&server, &rest[0]).await["status"] == "completed").await;
    let list = server.get(&format!("/v1/sagas?parent={saga}&name=kid")).await.body;
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["parent"] == saga.as_str()));
    let none = server.get(&format!("/v1/sagas?parent={first}")).await.body;
    assert_eq!(none["items"], json!([]));
    let bad = server.get("/v1/sagas?parent=first").await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_definition_is_checked_and_registered_against_its_children() {
    let server = Server::new().await;
    let unknown = server.post_yaml("/v1/definitions/check", FAMILY).await.body;
    assert_eq!((&unknown["ok"], &unknown["diagnostics"][0]["code"]), (&json!(false), &json!("E0323")));
    let refused = server.post_yaml("/v1/definitions", FAMILY).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.body);
    server.post_yaml("/v1/definitions", KID).await;
    let known = server.post_yaml("/v1/definitions/check", FAMILY).await.body;
    assert_eq!(known["ok"], json!(true), "{known}");
}
