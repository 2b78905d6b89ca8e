//! What checking an input costs at worst: schemas that are made to be slow, inputs of a megabyte that are made for them.
//!
//! `cargo run --release -p amends-core --example input_cost`; it ends with 1 when one takes longer than it may.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use amends_core::definition::Definition;
use serde_json::{Value, json};

/// The largest body of a start.
const INPUT_BYTES: usize = 1024 * 1024;
/// A start must not hold a thread longer.
const AT_MOST: Duration = Duration::from_millis(100);

/// A name, a schema, and an input.
type Case = (&'static str, Value, Value);

fn cases() -> Vec<Case> {
    let text = "a".repeat(INPUT_BYTES - 100);
    let many = |item: &str| -> Value { vec![item; (INPUT_BYTES - 100) / (item.len() + 3)].into() };
    let numbers: Vec<usize> = (0..INPUT_BYTES / 8).collect();
    let objects: Vec<Value> = (0..INPUT_BYTES / 20).map(|n| json!({ "a": n })).collect();
    let keys: Value =
        (0..INPUT_BYTES / 14).map(|n| (format!("k{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let times = |n: usize, schema: Value| -> Value { vec![schema; n].into() };
    let s = |schema: Value| json!({ "properties": { "s": schema } });
    let l = |schema: Value| json!({ "properties": { "s": { "items": schema } } });
    let with = |value: Value| json!({ "s": value });
    // No two places of it look alike, so that no automaton of its patterns can be kept.
    let mixed: String = (0_u32..)
        .map(|n| if n.wrapping_mul(0x9E37_79B9) >> 17 & 1 == 0 { 'a' } else { 'b' })
        .take(INPUT_BYTES - 100)
        .collect();
    let doubling = "(a|b)*a(a|b){400}c";
    let each_pattern = |n: usize| -> Value {
        (0..64).map(|k| (format!("^(a|b)*a(a|b){{{}}}c", n + k), json!(true))).collect::<serde_json::Map<_, _>>().into()
    };
    let mixed_keys = |count: usize| -> Value {
        (0..count).map(|n| (format!("{}{n}", &mixed[n..n + 40]), json!(1))).collect::<serde_json::Map<_, _>>().into()
    };
    vec![
        ("a plain input", s(json!({ "type": "string" })), with(json!(text))),
        ("a pattern that doubles its states", s(json!({ "pattern": "(a|b)*a(a|b){400}c$" })), with(json!(text))),
        ("a pattern of many repetitions", s(json!({ "pattern": "(a{0,90}){90}b$" })), with(json!(text))),
        ("a pattern of many letters", s(json!({ "pattern": "(\\w\\d?){300}b$" })), with(json!(text))),
        (
            "64 patterns",
            s(
                json!({ "allOf": (0..64).map(|n| json!({ "pattern": format!("(a|b)*a(a|b){{{n}}}c$") })).collect::<Vec<_>>() }),
            ),
            with(json!(text)),
        ),
        (
            "a pattern for each of many",
            l(json!({ "pattern": "^(a|b)*a(a|b){12}c$" })),
            with(json!(many("abababababababababab"))),
        ),
        (
            "64 patterns for each of many names",
            s(
                json!({ "patternProperties": (0..64).map(|n| (format!("^k.*{n}x$"), json!(true))).collect::<serde_json::Map<_, _>>() }),
            ),
            with(keys.clone()),
        ),
        ("a pattern that doubles its states, and a text for it", s(json!({ "pattern": doubling })), with(json!(mixed))),
        ("a large pattern that doubles its states", s(json!({ "pattern": "(a|b)*a(a|b){3000}c" })), with(json!(mixed))),
        (
            "64 patterns that double their states",
            s(
                json!({ "allOf": (0..64).map(|n| json!({ "pattern": format!("(a|b)*a(a|b){{{}}}c", 100 + n) })).collect::<Vec<_>>() }),
            ),
            with(json!(mixed)),
        ),
        (
            "64 patterns for as many names as may be",
            s(json!({ "patternProperties": each_pattern(10) })),
            with(mixed_keys(17_000)),
        ),
        (
            "64 large patterns for as many names as may be",
            s(json!({ "patternProperties": each_pattern(200) })),
            with(mixed_keys(17_000)),
        ),
        (
            "a pattern for as many texts as may be",
            l(json!({ "pattern": doubling })),
            with(json!((0..15_000).map(|n| &mixed[n..n + 60]).collect::<Vec<_>>())),
        ),
        ("unique numbers", s(json!({ "uniqueItems": true })), with(json!(numbers))),
        ("unique objects", s(json!({ "uniqueItems": true })), with(json!(objects))),
        (
            "unique texts that are nearly the same",
            s(json!({ "uniqueItems": true })),
            with(json!((0..1000).map(|n| format!("{}{n}", "a".repeat(1000))).collect::<Vec<_>>())),
        ),
        (
            "many alternatives for each of many",
            l(json!({ "anyOf": times(2000, json!({ "minLength": 3 })) })),
            with(json!(many("ab"))),
        ),
        (
            "many alternatives, one of them",
            l(json!({ "oneOf": times(2000, json!({ "minLength": 3 })) })),
            with(json!(many("ab"))),
        ),
        (
            "many lengths of a long text",
            s(json!({ "allOf": times(4000, json!({ "minLength": 3 })) })),
            with(json!(text)),
        ),
        (
            "a long list of words for each of many",
            l(json!({ "enum": (0..5000).map(|n| format!("w{n}")).collect::<Vec<_>>() })),
            with(json!(many("zzzzzz"))),
        ),
        (
            "unevaluated items",
            s(
                json!({ "allOf": times(200, json!({ "contains": { "minimum": 1 } })), "unevaluatedItems": { "minimum": 0 } }),
            ),
            with(json!(numbers)),
        ),
        (
            "unevaluated properties",
            s(
                json!({ "anyOf": times(200, json!({ "patternProperties": { "^k": { "minimum": 0 } } })), "unevaluatedProperties": false }),
            ),
            with(keys.clone()),
        ),
        ("contains", s(json!({ "contains": { "const": -1 }, "minContains": 0 })), with(json!(numbers))),
        (
            "names of properties",
            s(json!({ "propertyNames": { "anyOf": times(500, json!({ "maxLength": 1 })) } })),
            with(keys),
        ),
        ("a pattern that the input brings", s(json!({ "format": "regex" })), with(json!("(a{0,90}){90}b"))),
        ("many patterns that the input brings", l(json!({ "format": "regex" })), with(json!(many("a{900}")))),
        ("an address", s(json!({ "format": "idn-email" })), with(json!(format!("{text}@a.b")))),
        ("a name of a host", s(json!({ "format": "idn-hostname" })), with(json!(text))),
        ("a template", s(json!({ "format": "uri-template" })), with(json!("{a}".repeat(INPUT_BYTES / 4)))),
        ("a pointer", s(json!({ "format": "json-pointer" })), with(json!("/a".repeat(INPUT_BYTES / 3)))),
        ("dates", l(json!({ "format": "date-time" })), with(json!(many("2026-11-24T12:00:00Z")))),
    ]
}

fn main() -> ExitCode {
    let mut slow = 0;
    for (name, schema, input) in cases() {
        let source = json!({ "saga": "s", "input": schema, "steps": { "a": { "pivot": true, "call": "x POST /a" } } });
        let before = Instant::now();
        let definition = match Definition::parse(&source.to_string(), None) {
            Ok(definition) => definition,
            Err(found) => {
                println!("{:>9} {name}: refused: {}", "-", found[0].message.chars().take(90).collect::<String>());
                continue;
            }
        };
        let parsed = before.elapsed();
        let before = Instant::now();
        let fits = definition.check_input(&input).is_ok();
        let took = before.elapsed();
        let bytes = input.to_string().len();
        let mark = if took > AT_MOST { "SLOW" } else { "" };
        slow += usize::from(took > AT_MOST);
        println!("{took:>9.2?} {name}: {bytes} bytes, fits: {fits}, registered in {parsed:.2?} {mark}");
    }
    if slow == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
