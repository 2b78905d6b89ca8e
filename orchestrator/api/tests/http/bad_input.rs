//! Bad input and its answer, row by row.

use axum::body::Body;
use http::{Request, header};
use serde_json::json;

use crate::kit::Server;

/// Path, content type, body; status, kind of problem, and the place that is wrong.
type Row<'a> = (&'a str, &'a str, &'a [u8], u16, &'a str, Option<&'a str>);

const SAGA: &str = "/v1/sagas/00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn bad_paths_and_queries() {
    let server = Server::new().await;
    let long = format!("/v1/definitions/{}", "x".repeat(65));
    let rows: &[(&str, u16, &str)] = &[
        ("/", 404, "unknown-route"),
        ("/v1", 404, "unknown-route"),
        ("/v2/sagas", 404, "unknown-route"),
        ("/v1/sagas/", 404, "unknown-route"),
        ("/v1/sagas/00000000-0000-0000-0000-000000000000/steps", 404, "unknown-route"),
        ("/v1/sagas/7", 400, "invalid-path"),
        ("/v1/sagas/00000000-0000-0000-0000-00000000000g", 400, "invalid-path"),
        ("/v1/sagas/00000000000000000000000000000000", 400, "invalid-path"),
        ("/v1/sagas/%7B00000000-0000-0000-0000-000000000000%7D", 400, "invalid-path"),
        ("/v1/sagas/%00", 400, "invalid-path"),
        ("/v1/sagas/%ff", 400, "invalid-path"),
        ("/v1/sagas/..%2f..%2fadmin", 400, "invalid-path"),
        ("/v1/definitions/a%00b", 400, "invalid-path"),
        ("/v1/definitions/%ff", 400, "invalid-path"),
        (&long, 400, "invalid-path"),
        ("/v1/definitions/x/versions/0", 400, "invalid-path"),
        ("/v1/definitions/x/versions/-1", 400, "invalid-path"),
        ("/v1/definitions/x/versions/+1", 400, "invalid-path"),
        ("/v1/definitions/x/versions/99999999999", 400, "invalid-path"),
        ("/v1/definitions/x/versions/latest", 400, "invalid-path"),
        ("/v1/sagas?limit=-1", 400, "invalid-query"),
        ("/v1/sagas?limit=0", 400, "invalid-query"),
        ("/v1/sagas?limit=1000000000", 400, "invalid-query"),
        ("/v1/sagas?limit=1&limit=2", 400, "invalid-query"),
        ("/v1/sagas?sort=name", 400, "invalid-query"),
        ("/v1/sagas?Status=running", 400, "invalid-query"),
        ("/v1/sagas?status=sleeping", 400, "invalid-query"),
        ("/v1/sagas?status=", 400, "invalid-query"),
        ("/v1/sagas?attention=maybe", 400, "invalid-query"),
        ("/v1/sagas?started_from=yesterday", 400, "invalid-query"),
        ("/v1/sagas?started_before=2026-11-24", 400, "invalid-query"),
        ("/v1/sagas?name=a%00b", 400, "invalid-query"),
        ("/v1/sagas?name=%ff", 400, "invalid-query"),
        ("/v1/sagas?cursor=forged", 400, "invalid-cursor"),
        ("/v1/definitions?cursor=1ff", 400, "invalid-cursor"),
        ("/v1/definitions?limit=201", 400, "invalid-query"),
        ("/v1/definitions/place-order?x=1", 400, "invalid-query"),
        ("/v1/sagas/00000000-0000-0000-0000-000000000000?wait=3", 400, "invalid-query"),
        ("/v1/sagas/00000000-0000-0000-0000-000000000000/history?after=-1", 400, "invalid-query"),
        ("/v1/sagas/00000000-0000-0000-0000-000000000000/history?after=18446744073709551615", 400, "invalid-query"),
        ("/v1/sagas/00000000-0000-0000-0000-000000000000/history?cursor=1", 400, "invalid-query"),
        (SAGA, 404, "unknown-saga"),
    ];
    for (path, status, kind) in rows {
        eprintln!("GET {path}");
        server.get(path).await.is_problem(*status, kind);
    }
}

#[tokio::test]
async fn bad_bodies() {
    let server = Server::new().await;
    let deep = format!("{{\"definition\":\"place-order\",\"input\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let huge = format!("{{\"definition\":\"{}\"}}", "x".repeat(1024 * 1024));
    let long = json!({ "definition": "x".repeat(65) }).to_string();
    let reason = json!({ "reason": "x".repeat(1001) }).to_string();
    let cancel = format!("{SAGA}/cancel");
    let json = "application/json";
    let rows: &[Row<'_>] = &[
        ("/v1/sagas", json, b"", 400, "malformed-body", None),
        ("/v1/sagas", json, b"{", 400, "malformed-body", None),
        ("/v1/sagas", json, b"{\"definition\":\"x\"}}", 400, "malformed-body", None),
        ("/v1/sagas", json, b"{\"definition\":\"\xff\"}", 400, "malformed-body", None),
        ("/v1/sagas", json, deep.as_bytes(), 400, "malformed-body", None),
        ("/v1/sagas", json, huge.as_bytes(), 413, "body-too-large", None),
        ("/v1/sagas", "text/plain", b"{}", 415, "unsupported-media-type", None),
        ("/v1/sagas", "application/x-www-form-urlencoded", b"a=1", 415, "unsupported-media-type", None),
        ("/v1/sagas", "", b"{}", 415, "unsupported-media-type", None),
        ("/v1/sagas", json, b"[]", 422, "invalid-body", Some("")),
        ("/v1/sagas", json, b"{}", 422, "invalid-body", Some("")),
        ("/v1/sagas", json, b"{\"definition\":7}", 422, "invalid-body", Some("/definition")),
        ("/v1/sagas", json, b"{\"definition\":\"\"}", 422, "invalid-body", Some("/definition")),
        ("/v1/sagas", json, b"{\"definition\":\"a\\u0000b\"}", 422, "invalid-body", Some("/definition")),
        ("/v1/sagas", json, long.as_bytes(), 422, "invalid-body", Some("/definition")),
        ("/v1/sagas", json, b"{\"definition\":\"x\",\"version\":0}", 422, "invalid-body", Some("/version")),
        ("/v1/sagas", json, b"{\"definition\":\"x\",\"version\":1.5}", 422, "invalid-body", Some("/version")),
        ("/v1/sagas", json, b"{\"definition\":\"x\",\"version\":4000000000}", 422, "invalid-body", Some("/version")),
        ("/v1/sagas", json, b"{\"definition\":\"x\",\"inptu\":{}}", 422, "invalid-body", Some("/inptu")),
        ("/v1/sagas", json, b"{\"definition\":\"x\",\"labels\":[]}", 422, "invalid-body", Some("/labels")),
        (
            "/v1/sagas",
            json,
            b"{\"definition\":\"place-order\",\"input\":{\"amount\":1},\"labels\":{\"a\":[]}}",
            422,
            "invalid-labels",
            Some("/labels"),
        ),
        ("/v1/sagas", json, b"{\"definition\":\"place-order\"}", 422, "invalid-input", Some("/input")),
        ("/v1/sagas", json, b"{\"definition\":\"nobody\"}", 404, "unknown-definition", None),
        ("/v1/sagas", json, b"{\"definition\":\"place-order\",\"version\":9}", 404, "unknown-definition", None),
        (&cancel, json, b"{", 400, "malformed-body", None),
        (&cancel, "text/plain", b"{}", 415, "unsupported-media-type", None),
        (&cancel, json, b"{\"why\":\"x\"}", 422, "invalid-body", Some("/why")),
        (&cancel, json, reason.as_bytes(), 422, "invalid-body", Some("/reason")),
        (&cancel, json, b"{}", 404, "unknown-saga", None),
        ("/v1/definitions", json, b"{}", 415, "unsupported-media-type", None),
        ("/v1/definitions", "", b"saga: x", 415, "unsupported-media-type", None),
        ("/v1/definitions", "text/yaml", b"saga: \xff", 400, "malformed-body", None),
        ("/v1/definitions", "text/plain; charset=utf-8", b"a: &x 1\nb: *x\n", 422, "invalid-definition", None),
        ("/v1/definitions/check", json, b"{}", 415, "unsupported-media-type", None),
    ];
    for (path, media, body, status, kind, pointer) in rows {
        let shown: String = String::from_utf8_lossy(body).chars().take(80).collect();
        eprintln!("POST {path} {media} {shown}");
        let mut request = Request::post(*path);
        if !media.is_empty() {
            request = request.header(header::CONTENT_TYPE, *media);
        }
        let answer = server.ask(request.body(Body::from(body.to_vec())).unwrap()).await;
        answer.is_problem(*status, kind);
        if let Some(pointer) = pointer {
            assert_eq!(answer.pointers(), [*pointer]);
        }
    }
}

#[tokio::test]
async fn bad_keys() {
    let server = Server::new().await;
    let long = "k".repeat(256);
    for key in ["", "\"\"", "a b", "\"a", "a\tb", &long] {
        let request = Request::post("/v1/sagas")
            .header("idempotency-key", key)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(json!({ "definition": "place-order", "input": { "amount": 1 } }).to_string()))
            .unwrap();
        server.ask(request).await.is_problem(400, "invalid-header");
    }
    assert_eq!(server.get("/v1/sagas").await.body, json!({ "items": [] }));
}

#[tokio::test]
async fn a_post_with_an_unknown_parameter_does_nothing() {
    let server = Server::new().await;
    let body = json!({ "definition": "place-order", "input": { "amount": 1 } });
    server.post("/v1/sagas?wait=1", &body).await.is_problem(400, "invalid-query");
    server.post_yaml("/v1/definitions?dry_run=true", "saga: x").await.is_problem(400, "invalid-query");
    assert_eq!(server.get("/v1/sagas").await.body, json!({ "items": [] }));
}
