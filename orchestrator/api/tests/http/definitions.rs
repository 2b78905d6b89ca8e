//! `/v1/definitions`

use http::StatusCode;
use serde_json::{Value, json};

use crate::kit::{ORDER, Server};
use amends_engine::Limits;

fn named(name: &str, path: &str) -> String {
    format!(
        "saga: {name}\nsteps:\n  look:\n    call: inventory GET {path}\n    compensate: none\n    reason: reads only\n"
    )
}

#[tokio::test]
async fn a_definition_is_201_once_and_200_ever_after() {
    let server = Server::empty(Limits::default()).await;
    let first = server.post_yaml("/v1/definitions", ORDER).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.header("location"), Some("/v1/definitions/place-order/versions/1"));
    assert_eq!((&first.body["created"], &first.body["version"]), (&json!(true), &json!(1)));
    let again = server.post_yaml("/v1/definitions", ORDER).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!((&again.body["created"], &again.body["digest"]), (&json!(false), &first.body["digest"]));
    let found = server.get(first.header("location").unwrap()).await.body;
    assert_eq!((&found["source"], &found["digest"]), (&json!(ORDER), &first.body["digest"]));
}

#[tokio::test]
async fn another_text_is_the_next_version_unless_it_asks_for_one_that_is_taken() {
    let server = Server::new().await;
    let changed = ORDER.replace("/shipments", "/parcels");
    assert_eq!(server.post_yaml("/v1/definitions", &changed).await.body["version"], 2);
    assert_eq!(server.get("/v1/definitions/place-order").await.body["version"], 2);
    assert_eq!(server.get("/v1/definitions/place-order/versions/1").await.body["source"], ORDER);
    let taken = ORDER.replace("saga: place-order", "saga: place-order\nversion: 1");
    server.post_yaml("/v1/definitions", &taken).await.is_problem(409, "version-taken");
}

#[tokio::test]
async fn a_definition_that_is_wrong_is_422_with_every_place() {
    let server = Server::new().await;
    let wrong =
        "saga: x\nsteps:\n  a:\n    cal: inventory POST /a\n    compensate: none\n  b:\n    call: nowhere POST /b\n";
    let answer = server.post_yaml("/v1/definitions", wrong).await;
    let errors = answer.is_problem(422, "invalid-definition").body["errors"].as_array().unwrap();
    assert!(errors.len() >= 2, "{}", answer.body);
    for error in errors {
        assert!(error["line"].as_u64() > Some(0) && error["column"].as_u64() > Some(0), "{error}");
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
    }
    let key = errors.iter().find(|error| error["line"] == 4).expect("the mistyped key");
    assert!(key["hint"].as_str().unwrap().contains("call"), "{key}");
}

#[tokio::test]
async fn a_check_registers_nothing_and_says_the_same() {
    let server = Server::empty(Limits::default()).await;
    let good = server.post_yaml("/v1/definitions/check", ORDER).await;
    assert_eq!((good.status, &good.body["ok"]), (StatusCode::OK, &json!(true)));
    let bad = server.post_yaml("/v1/definitions/check", "saga: x\nsteps: []\n").await;
    assert_eq!((bad.status, &bad.body["ok"]), (StatusCode::OK, &json!(false)));
    assert_eq!(bad.body["diagnostics"][0]["severity"], "error");
    assert_eq!(server.get("/v1/definitions").await.body, json!({ "items": [] }));
}

#[tokio::test]
async fn definitions_and_versions_are_listed_in_pages_without_their_text() {
    let server = Server::empty(Limits::default()).await;
    for name in ["cherry", "apple", "banana"] {
        for path in ["/1", "/2", "/3"] {
            server.post_yaml("/v1/definitions", &named(name, path)).await;
        }
    }
    let page = server.get("/v1/definitions?limit=2").await.body;
    let listed = |page: &Value| -> Vec<(String, u64)> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| (item["name"].as_str().unwrap().to_owned(), item["version"].as_u64().unwrap())).collect()
    };
    assert_eq!(listed(&page), [("apple".to_owned(), 3), ("banana".to_owned(), 3)]);
    assert!(page["items"][0].get("source").is_none());
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/definitions?limit=2&cursor={cursor}")).await.body;
    assert_eq!((listed(&rest), rest.get("next_cursor")), (vec![("cherry".to_owned(), 3)], None));

    let page = server.get("/v1/definitions/apple/versions?limit=2").await.body;
    assert_eq!(listed(&page), [("apple".to_owned(), 3), ("apple".to_owned(), 2)]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/definitions/apple/versions?limit=2&cursor={cursor}")).await.body;
    assert_eq!((listed(&rest), rest.get("next_cursor")), (vec![("apple".to_owned(), 1)], None));
    let other = server.get(&format!("/v1/definitions/banana/versions?cursor={cursor}")).await;
    other.is_problem(400, "invalid-cursor");
}

#[tokio::test]
async fn a_definition_named_like_a_route_is_found_all_the_same() {
    let server = Server::empty(Limits::default()).await;
    server.get("/v1/definitions/check").await.is_problem(404, "unknown-definition");
    server.post_yaml("/v1/definitions", &named("check", "/x")).await;
    assert_eq!(server.get("/v1/definitions/check").await.body["name"], "check");
    assert_eq!(server.get("/v1/definitions/check/versions/1").await.body["name"], "check");
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let server = Server::new().await;
    for path in ["nobody", "nobody/versions", "nobody/versions/1", "place-order/versions/2"] {
        server.get(&format!("/v1/definitions/{path}")).await.is_problem(404, "unknown-definition");
    }
}

#[tokio::test]
async fn a_text_at_the_limit_is_read_and_one_above_is_413() {
    const LIMIT: usize = 256 * 1024;
    let server = Server::empty(Limits::default()).await;
    let short = named("padded", "/x");
    let padded = |bytes: usize| format!("{short}{}", "#".repeat(bytes - short.len()));
    assert_eq!(server.post_yaml("/v1/definitions", &padded(LIMIT)).await.status, StatusCode::CREATED);
    for path in ["/v1/definitions", "/v1/definitions/check"] {
        server.post_yaml(path, &padded(LIMIT + 1)).await.is_problem(413, "body-too-large");
    }
}

#[tokio::test]
async fn a_definition_is_drawn_in_three_formats_with_their_media_types() {
    let server = Server::new().await;
    let path = "/v1/definitions/place-order/versions/1/graph";
    for (query, kind, begins) in [
        ("", "image/svg+xml", "<svg "),
        ("?format=svg", "image/svg+xml", "<svg "),
        ("?format=mermaid", "text/vnd.mermaid; charset=utf-8", "flowchart TD"),
        ("?format=dot", "text/vnd.graphviz; charset=utf-8", "digraph "),
    ] {
        let answer = server.get(&format!("{path}{query}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some(kind)));
        assert!(answer.body.as_str().unwrap().starts_with(begins), "{}", answer.body);
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    server.get(&format!("{path}?format=png")).await.is_problem(400, "invalid-query");
    server.get(&format!("{path}?size=9")).await.is_problem(400, "invalid-query");
    server.get("/v1/definitions/place-order/versions/2/graph").await.is_problem(404, "unknown-definition");
}

#[tokio::test]
async fn a_disabled_version_takes_no_new_starts_and_the_next_highest_does() {
    let server = Server::new().await;
    let changed = ORDER.replace("/shipments", "/parcels");
    assert_eq!(server.post_yaml("/v1/definitions", &changed).await.body["version"], 2);
    let input = json!({ "customer": "ada", "sku": "kettle", "quantity": 1, "amount": 100 });
    let start = json!({ "definition": "place-order", "input": input });
    let first = server.post_keyed("/v1/sagas", "k1", &start).await;
    assert_eq!((first.status, &first.body["version"]), (StatusCode::ACCEPTED, &json!(2)));

    let off = server.post("/v1/definitions/place-order/versions/2/disable", &Value::Null).await;
    assert_eq!(off.status, StatusCode::OK, "{}", off.body);
    let at = &off.body["disabled_at"];
    assert!(at.is_string(), "{}", off.body);
    let again = server.post("/v1/definitions/place-order/versions/2/disable", &Value::Null).await;
    assert_eq!(&again.body["disabled_at"], at, "again is no change");
    assert_eq!(&server.get("/v1/definitions/place-order/versions").await.body["items"][0]["disabled_at"], at);

    let next = server.post("/v1/sagas", &start).await;
    assert_eq!((next.status, &next.body["version"]), (StatusCode::ACCEPTED, &json!(1)));
    let asked = json!({ "definition": "place-order", "version": 2, "input": input });
    server.post("/v1/sagas", &asked).await.is_problem(409, "definition-disabled");
    // An earlier start is repeated as ever (invariant 9).
    let repeated = server.post_keyed("/v1/sagas", "k1", &start).await;
    assert_eq!((&repeated.body["id"], repeated.header("idempotent-replayed")), (&first.body["id"], Some("true")));

    server.post("/v1/definitions/place-order/versions/1/disable", &Value::Null).await;
    server.post("/v1/sagas", &start).await.is_problem(409, "definition-disabled");
    let repeated = server.post_keyed("/v1/sagas", "k1", &start).await;
    assert_eq!(repeated.body["id"], first.body["id"]);

    let on = server.post("/v1/definitions/place-order/versions/2/enable", &Value::Null).await;
    assert_eq!(on.body.get("disabled_at"), None);
    assert_eq!(server.post("/v1/sagas", &start).await.body["version"], 2);
    server
        .post("/v1/definitions/place-order/versions/9/disable", &Value::Null)
        .await
        .is_problem(404, "unknown-definition");
    server.post("/v1/definitions/nothing/versions/1/enable", &Value::Null).await.is_problem(404, "unknown-definition");
}

#[tokio::test]
async fn a_version_in_use_is_not_deleted_and_one_that_nobody_uses_is_gone() {
    let server = Server::new().await;
    let changed = ORDER.replace("/shipments", "/parcels");
    assert_eq!(server.post_yaml("/v1/definitions", &changed).await.body["version"], 2);
    let input = json!({ "customer": "ada", "sku": "kettle", "quantity": 1, "amount": 100 });
    let start = json!({ "definition": "place-order", "version": 1, "input": input });
    let saga = server.post("/v1/sagas", &start).await.body;

    let path = |version: u32| format!("/v1/definitions/place-order/versions/{version}");
    let in_use = server.delete(&path(1)).await;
    let id = saga["id"].as_str().unwrap();
    assert!(in_use.body["detail"].as_str().unwrap().contains(id), "{}", in_use.body);
    in_use.is_problem(409, "definition-in-use");

    let gone = server.delete(&path(2)).await;
    assert_eq!((gone.status, &gone.body["version"]), (StatusCode::OK, &json!(2)));
    assert_eq!(gone.body["source"], json!(changed), "the text, for the last time");
    for gone in [
        server.get(&path(2)).await,
        server.get(&format!("{}/graph", path(2))).await,
        server.delete(&path(2)).await,
        server.delete(&path(9)).await,
    ] {
        gone.is_problem(404, "unknown-definition");
    }
    assert_eq!(server.get("/v1/definitions/place-order").await.body["version"], 1);
    assert_eq!(server.post_yaml("/v1/definitions", &changed).await.body["version"], 3);
    server.delete("/v1/definitions/place-order/versions/0").await.is_problem(400, "invalid-path");
    server.delete(&format!("{}?force=true", path(3))).await.is_problem(400, "invalid-query");
}

#[tokio::test]
async fn two_versions_are_compared() {
    let server = Server::new().await;
    server.post_yaml("/v1/definitions", &ORDER.replace("/shipments", "/parcels")).await;
    let diff = server.get("/v1/definitions/place-order/diff?from=1&to=2").await.body;
    assert_eq!((&diff["same"], diff["changes"].as_array().map(Vec::len)), (&json!(false), Some(1)), "{diff}");
    let change = &diff["changes"][0];
    assert_eq!((&change["at"], &change["withheld"]), (&json!("steps.ship.call"), &json!(true)));
    assert!(change["to"].as_str().is_some_and(|to| to.ends_with("/parcels")), "{change}");
    assert_eq!(server.get("/v1/definitions/place-order/diff?from=2&to=2").await.body["same"], json!(true));
    server.get("/v1/definitions/place-order/diff?from=1&to=3").await.is_problem(404, "unknown-definition");
    for query in ["", "?from=1", "?from=1&to=x", "?from=0&to=1", "?from=1&to=2&x=1"] {
        server.get(&format!("/v1/definitions/place-order/diff{query}")).await.is_problem(400, "invalid-query");
    }
}
