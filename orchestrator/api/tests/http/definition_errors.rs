//! What is no definition, over HTTP: the problem, and of each mistake its code, its place and a hint.

use amends_core::definition::limits;
use amends_engine::Limits;
use serde_json::{Value, json};

use crate::kit::Server;

/// A source, and what is said of it: code, line, column.
type Row = (String, Vec<(&'static str, u64, u64)>);

/// A definition whose one step, on line 3, is right but for `what`, which begins at column 8.
fn step<const N: usize>(what: &str, said: [(&'static str, u64, u64); N]) -> Row {
    let source = format!("saga: s\nsteps:\n  a: {{ {what}, compensate: {{ call: inventory POST /u }} }}\n");
    (source, said.into())
}

fn rows() -> Vec<Row> {
    let text = |source: &str, at: (&'static str, u64, u64)| (source.to_owned(), vec![at]);
    let deep = format!("saga: s\ninput: {}{}\n", "[".repeat(1_000), "]".repeat(1_000));
    vec![
        text("saga: s\nsteps: *a\n", ("E0101", 2, 8)),
        text("saga: &a s\nsteps: {}\n", ("E0101", 1, 7)),
        text("saga: !!str s\nsteps: {}\n", ("E0101", 1, 7)),
        text("saga: s\nsteps:\n  <<: {}\n", ("E0101", 3, 3)),
        text("saga: s\n---\nsaga: t\n", ("E0101", 2, 1)),
        text(&deep, ("E0101", 2, 263)),
        text("saga: s\nsaga: t\n", ("E0101", 2, 1)),
        step("call: inventory POST /a, retires: 3", [("E0201", 3, 33)]),
        step("call: inventory POST /a, needs: [a]", [("E0313", 3, 41)]),
        step("call: inventory POST /a, needs: [gone]", [("E0312", 3, 41)]),
        step("call: inventory POST /a, timeout: 0s", [("E0206", 3, 42)]),
        step("call: inventory POST /a, timeout: -1s", [("E0205", 3, 42)]),
        step("call: inventory POST /a, timeout: 3650d", [("E0206", 3, 42)]),
        step("call: inventory POST /a, timeout: 30", [("E0205", 3, 42)]),
        step("call: inventory POST /a, retry: { attempts: 1000000000 }", [("E0206", 3, 52)]),
        step("call: inventori POST /a", [("E0303", 3, 14)]),
        step("call: inventory POST https://evil.example/a", [("E0301", 3, 14)]),
        step("call: https://evil.example POST /a", [("E0302", 3, 14)]),
        step("call: '${{ input.host }} POST /a'", [("E0302", 3, 14)]),
        step("call: inventory POST /a, headers: { Host: evil }", [("E0304", 3, 44)]),
        step("call: inventory POST /a, headers: { Authorization: x }", [("E0304", 3, 44)]),
        step("call: inventory POST /a, headers: { Saga-Epoch: '1' }", [("E0304", 3, 44)]),
        step("call: inventory POST /a, body: 'sk_live_4eC39HqLyjWDarjtT1'", [("E0315", 3, 39)]),
        step(&format!("call: inventory POST /a, body: '${{{{ {}1 }}}}'", "(".repeat(10_000)), [("E0401", 3, 43)]),
        step("call: inventory POST /a, body: '${{ steps.b.output.c }}'", [("E0402", 3, 44)]),
        step("output: { i: '${{ response.body.i }}' }, call: inventory POST /a, pivot: true", [("E0307", 3, 87)]),
    ]
}

fn places(said: &Value) -> Vec<(&str, u64, u64)> {
    let said = said.as_array().expect("a list").iter();
    said.map(|one| {
        let hint = one["hint"].as_str().unwrap_or_default();
        assert!(!hint.is_empty() && one["message"].as_str().is_some_and(|message| !message.is_empty()), "{one}");
        let number = |key: &str| one[key].as_u64().expect("a number");
        (one["code"].as_str().expect("a code"), number("line"), number("column"))
    })
    .collect()
}

#[tokio::test]
async fn each_mistake_is_answered_with_its_code_its_place_and_a_hint_and_registers_nothing() {
    let server = Server::empty(Limits::default()).await;
    for (source, said) in rows() {
        let shown: String = source.chars().take(200).collect();
        eprintln!("{shown}");
        let refused = server.post_yaml("/v1/definitions", &source).await;
        let refused = refused.is_problem(422, "invalid-definition");
        assert_eq!(places(&refused.body["errors"]), said, "{shown}");
        let checked = server.post_yaml("/v1/definitions/check", &source).await;
        assert_eq!(checked.body["ok"], json!(false));
        assert_eq!(places(&checked.body["diagnostics"]), said, "{shown}");
    }
    assert_eq!(server.get("/v1/definitions").await.body, json!({ "items": [] }));
}

#[tokio::test]
async fn a_definition_of_more_than_its_limit_is_413_and_one_of_the_limit_is_read() {
    let server = Server::empty(Limits::default()).await;
    let of = |bytes: usize| {
        let head = "saga: s\nsteps: { a: { call: inventory GET /a, compensate: none, reason: reads only } }\n# ";
        format!("{head}{}", "x".repeat(bytes - head.len()))
    };
    server.post_yaml("/v1/definitions", &of(limits::SOURCE_BYTES + 1)).await.is_problem(413, "body-too-large");
    assert_eq!(server.get("/v1/definitions").await.body, json!({ "items": [] }));
    assert_eq!(server.post_yaml("/v1/definitions", &of(limits::SOURCE_BYTES)).await.status, 201);
}
