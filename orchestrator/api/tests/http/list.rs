//! `GET /v1/sagas`

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::kit::{NO_FUNDS, NO_SHIPMENT, SLOW_CHARGE, Server, id};

async fn ids(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/v1/sagas?{query}")).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    answer.body["items"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn sagas_are_listed_newest_first_in_pages_that_hold_under_churn() {
    let server = Server::new().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.insert(0, id(&server.run(1).await));
    }
    let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = server.get(&format!("/v1/sagas?{query}")).await.body;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(id));
        // Somebody starts one between two pages: it is newer than the first page.
        server.run(1).await;
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("limit=3&cursor={cursor}");
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_full_last_page_has_no_next_one() {
    let server = Server::new().await;
    for _ in 0..2 {
        server.run(1).await;
    }
    let page = server.get("/v1/sagas?limit=2").await.body;
    assert_eq!((page["items"].as_array().unwrap().len(), page.get("next_cursor")), (2, None));
}

#[tokio::test]
async fn filters_choose_and_combine() {
    let server = Server::new().await;
    let completed = server.run(1).await;
    let compensated = server.run(NO_FUNDS).await;
    let running = server.start(SLOW_CHARGE).await;
    let stuck = server.run(NO_SHIPMENT).await;
    let [completed_id, compensated_id, running_id, stuck_id] = [&completed, &compensated, &running, &stuck].map(id);
    let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<HashSet<_>>();
    for (query, expected) in [
        ("", set(&[&completed_id, &compensated_id, &running_id, &stuck_id])),
        ("status=completed", set(&[&completed_id])),
        ("status=completed,compensated", set(&[&completed_id, &compensated_id])),
        ("status=completed&status=running", set(&[&completed_id, &running_id, &stuck_id])),
        ("attention=true", set(&[&stuck_id])),
        ("attention=false&status=running", set(&[&running_id])),
        ("name=place-order&status=compensated", set(&[&compensated_id])),
        ("name=other", set(&[])),
        ("started_before=2020-01-01T00:00:00Z", set(&[])),
        ("started_from=2020-01-01T00:00:00%2B01:00&status=completed", set(&[&completed_id])),
    ] {
        assert_eq!(ids(&server, query).await.into_iter().collect::<HashSet<_>>(), expected, "{query}");
    }
    let from = running["started_at"].as_str().unwrap();
    assert_eq!(ids(&server, &format!("started_from={from}")).await, [stuck_id, running_id.clone()]);
    assert_eq!(ids(&server, &format!("started_before={from}")).await, [compensated_id, completed_id]);

    let item = &server.get("/v1/sagas?status=compensated").await.body["items"][0];
    let fields: HashSet<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["id", "name", "version", "status", "attention", "started_at", "updated_at", "ended_at"];
    assert_eq!(fields, expected.into());
}

#[tokio::test]
async fn a_cursor_fits_only_where_it_comes_from() {
    let server = Server::new().await;
    for _ in 0..3 {
        server.run(1).await;
    }
    let page = server.get("/v1/sagas?limit=1&status=completed").await.body;
    let cursor = page["next_cursor"].as_str().unwrap();
    let with = async |query: String| server.get(&format!("/v1/sagas?{query}")).await;
    assert_eq!(
        with(format!("status=completed&limit=5&cursor={cursor}")).await.body["items"].as_array().map(Vec::len),
        Some(2)
    );
    for query in [
        format!("cursor={cursor}"),
        format!("status=running&cursor={cursor}"),
        format!("status=completed&cursor={}", cursor.to_uppercase()),
        format!("status=completed&cursor={cursor}0"),
        "cursor=".to_owned(),
        "cursor=garbage".to_owned(),
        "cursor=%F0%9F%92%A9".to_owned(),
    ] {
        with(query).await.is_problem(400, "invalid-cursor");
    }
}

#[tokio::test]
async fn an_empty_list_is_a_page() {
    let server = Server::new().await;
    assert_eq!(server.get("/v1/sagas").await.body, json!({ "items": Value::Array(vec![]) }));
}
