//! `/v1/faults`: refused unless the server was started for it, read strictly, told of loudly.

use axum::body::Body;
use http::{Request, header};
use serde_json::json;

use crate::kit::{Answer, Server};

const PLAN: &str = "rules: [{ name: lost, step: charge, op: action, attempts: 1, lose: reply }]\n";

async fn put(server: &Server, kind: &str, plan: &str) -> Answer {
    let request = Request::put("/v1/faults").header(header::CONTENT_TYPE, kind);
    server.ask(request.body(Body::from(plan.to_owned())).unwrap()).await
}

async fn clear(server: &Server) -> Answer {
    server.ask(Request::delete("/v1/faults").body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_server_that_was_not_started_for_it_refuses_and_says_nothing_of_faults() {
    let server = Server::new().await;
    put(&server, "application/yaml", PLAN).await.is_problem(403, "faults-not-allowed");
    put(&server, "image/png", "garbage").await.is_problem(403, "faults-not-allowed");
    server.get("/v1/faults").await.is_problem(403, "faults-not-allowed");
    clear(&server).await.is_problem(403, "faults-not-allowed");
    assert!(server.get("/readyz").await.body.get("fault_rules").is_none());
    assert!(!server.get("/metrics").await.body.as_str().unwrap().contains("fault"));
    assert_eq!(server.run(100).await["status"], "completed");
}

#[tokio::test]
async fn a_plan_is_set_fires_is_counted_and_cleared() {
    let server = Server::with_faults().await;
    assert_eq!(server.get("/v1/faults").await.body, json!({ "rules": [] }));
    assert_eq!(server.get("/readyz").await.body["fault_rules"], 0);
    let set = put(&server, "application/yaml", PLAN).await;
    assert_eq!(set.status, 200, "{}", set.body);
    assert_eq!(set.body["rules"], json!([{ "name": "lost", "fault": "lose", "fired": 0 }]));
    assert_eq!(server.get("/readyz").await.body["fault_rules"], 1);
    let saga = server.run(100).await;
    assert_eq!(saga["status"], "completed", "{saga}");
    let charge = saga["steps"].as_array().unwrap().iter().find(|step| step["name"] == "charge").unwrap();
    assert_eq!(charge["action"]["attempts"].as_array().map(Vec::len), Some(2), "{charge}");
    let view = server.get("/v1/faults").await.body;
    assert_eq!((&view["plan"], &view["rules"][0]["fired"]), (&json!(PLAN), &json!(1)));
    let metrics = server.get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    assert!(metrics.contains("amends_fault_rules 1"), "{metrics}");
    assert!(metrics.contains("amends_faults_injected_total{fault=\"lose\"} 1"), "{metrics}");
    let cleared = clear(&server).await;
    assert_eq!((cleared.status.as_u16(), &cleared.body), (200, &view), "it answers what there was");
    assert_eq!(server.get("/v1/faults").await.body, json!({ "rules": [] }));
    assert_eq!(clear(&server).await.body, json!({ "rules": [] }));
}

#[tokio::test]
async fn a_bad_plan_is_refused_with_every_place_and_changes_nothing() {
    let server = Server::with_faults().await;
    put(&server, "application/yaml", PLAN).await;
    let refused =
        put(&server, "application/yaml", "rules:\n  - { step: a, lose: both }\n  - { cut: true, x: 1 }\n").await;
    refused.is_problem(422, "invalid-faults");
    let errors = refused.body["errors"].as_array().unwrap();
    let places: Vec<_> = errors.iter().map(|error| (error["code"].as_str().unwrap(), error["line"].as_u64())).collect();
    assert_eq!(places, [("E0203", Some(2)), ("E0201", Some(3))]);
    assert!(errors.iter().all(|error| error["hint"].is_string()));
    put(&server, "application/yaml", "").await.is_problem(422, "invalid-faults");
    put(&server, "application/json", "{}").await.is_problem(415, "unsupported-media-type");
    put(&server, "application/yaml", &"x".repeat(300 * 1024)).await.is_problem(413, "body-too-large");
    let query = Request::put("/v1/faults?dry=1").header(header::CONTENT_TYPE, "application/yaml");
    server.ask(query.body(Body::from(PLAN)).unwrap()).await.is_problem(400, "invalid-query");
    server.get("/v1/faults?x=1").await.is_problem(400, "invalid-query");
    assert_eq!(server.get("/v1/faults").await.body["rules"][0]["name"], "lost", "the plan before stands");
}
