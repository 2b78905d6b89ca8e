//! The document and the routes are one.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::Value;

use crate::kit::Server;

/// Everything that is served, so that a route can neither appear nor vanish by accident.
const ROUTES: [(&str, &str); 38] = [
    ("DELETE", "/v1/faults"),
    ("GET", "/v1/faults"),
    ("PUT", "/v1/faults"),
    ("GET", "/livez"),
    ("GET", "/metrics"),
    ("POST", "/v1/hooks/{name}"),
    ("GET", "/v1/events"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/webhooks/{id}"),
    ("DELETE", "/v1/webhooks/{id}"),
    ("POST", "/v1/webhooks/{id}/pause"),
    ("POST", "/v1/webhooks/{id}/resume"),
    ("GET", "/v1/locks/{name}"),
    ("GET", "/v1/nodes"),
    ("GET", "/openapi.json"),
    ("GET", "/readyz"),
    ("GET", "/v1/definitions"),
    ("GET", "/v1/definitions/check"),
    ("GET", "/v1/definitions/{name}"),
    ("GET", "/v1/definitions/{name}/diff"),
    ("GET", "/v1/definitions/{name}/versions"),
    ("GET", "/v1/definitions/{name}/versions/{version}"),
    ("GET", "/v1/definitions/{name}/versions/{version}/graph"),
    ("GET", "/v1/sagas"),
    ("GET", "/v1/sagas/{id}"),
    ("GET", "/v1/sagas/{id}/history"),
    ("GET", "/version"),
    ("GET", "/v1/locks"),
    ("DELETE", "/v1/definitions/{name}/versions/{version}"),
    ("POST", "/v1/callbacks"),
    ("POST", "/v1/definitions"),
    ("POST", "/v1/definitions/check"),
    ("POST", "/v1/definitions/{name}/versions/{version}/disable"),
    ("POST", "/v1/definitions/{name}/versions/{version}/enable"),
    ("POST", "/v1/sagas"),
    ("POST", "/v1/sagas/{id}/cancel"),
    ("POST", "/v1/sagas/{id}/signals/{name}"),
];

async fn document(server: &Server) -> Value {
    server.get("/openapi.json").await.body
}

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        let methods = ["get", "post", "put", "patch", "delete"].into_iter().filter(|method| item.get(method).is_some());
        methods.map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    paths.iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_document_has_every_route() {
    let server = Server::new().await;
    let expected: BTreeSet<_> = ROUTES.map(|(method, path)| (method.to_owned(), path.to_owned())).into();
    assert_eq!(operations(&document(&server).await), expected);
}

#[tokio::test]
async fn every_documented_path_answers_as_its_document_says() {
    let server = Server::new().await;
    let document = document(&server).await;
    for (method, path) in operations(&document) {
        let concrete = path
            .replace("{id}", "00000000-0000-0000-0000-000000000000")
            .replace("{name}", "place-order")
            .replace("{version}", "1")
            // A stream that comes to its end.
            .replace("/v1/events", "/v1/events?follow=false");
        let request = Request::builder().method(method.as_str()).uri(concrete).body(Body::empty()).unwrap();
        let answer = server.ask(request).await;
        let kind = answer.body["type"].as_str().unwrap_or_default();
        assert!(!kind.ends_with("unknown-route") && !kind.ends_with("method-not-allowed"), "{method} {path}: {kind}");
        let responses = &document["paths"][&path][method.to_lowercase()]["responses"];
        let status = answer.status.as_str();
        assert!(responses.get(status).is_some(), "{method} {path} answered {status}, which is not documented");
    }
}

#[tokio::test]
async fn a_method_that_is_not_documented_is_405_and_says_which_are() {
    let server = Server::new().await;
    for (documented, path) in ROUTES {
        let concrete = path
            .replace("{id}", "00000000-0000-0000-0000-000000000000")
            .replace("{name}", "place-order")
            .replace("{version}", "1");
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            if ROUTES.contains(&(method.as_str(), path)) {
                continue;
            }
            let request = Request::builder().method(method).uri(&concrete).body(Body::empty()).unwrap();
            let answer = server.ask(request).await;
            answer.is_problem(405, "method-not-allowed");
            assert!(answer.header("allow").unwrap().contains(documented), "{path}");
        }
    }
}

#[tokio::test]
async fn every_operation_has_a_name_words_and_its_problems() {
    let server = Server::new().await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = BTreeSet::new();
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}: twice");
        assert!(operation["summary"].is_string(), "{method} {path} has no words");
        let responses = operation["responses"].as_object().unwrap();
        let errors = responses.iter().filter(|(status, _)| !status.starts_with('2'));
        for (status, response) in errors {
            let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
        }
        let expected: &[&str] = if path.starts_with("/v1/") { &["400", "default"] } else { &["default"] };
        for status in expected {
            assert!(responses.contains_key(*status), "{method} {path} lacks {status}");
        }
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let server = Server::new().await;
    let document = document(&server).await;
    let mut references = BTreeSet::new();
    gather(&document, &mut references);
    assert!(references.contains("#/components/schemas/ProblemError"), "{references:?}");
    assert!(references.contains("#/components/schemas/SagaView"));
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn gather(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| gather(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| gather(value, references)),
        _ => {}
    }
}
