//! The format of scenario files: strict, with places, and the editor's schema agrees.

use std::path::Path;

use amends_core::{
    definition::{Definition, Diagnostic, Known},
    scenario::{documented, fits, json_schema, parse, parse_family},
};
use serde_json::{Value, json};

const SAGA: &str = "saga: s
steps:
  a: { call: x POST /a, compensate: { call: x POST /u } }
  w: { await: go, timeout: 1d }
  l: { call: x POST /l, async: true, timeout: 1d, compensate: { call: x POST /ul } }
  p: { call: y POST /p, idempotent: false, probe: y GET /p, compensate: { call: y POST /up } }
";

fn errors(source: &str) -> Vec<Diagnostic> {
    let definition = Definition::parse(SAGA, None).expect("a definition");
    parse(source, &definition).map_or_else(|found| found, |_| vec![])
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas")
}

#[test]
fn every_mistake_is_said_with_its_place_and_a_hint() {
    let with = |lines: &str| format!("scenarios:\n  - name: n\n    expect: {{ status: completed }}\n    {lines}\n");
    for (source, said) in [
        (String::new(), ("E0203", 1, 1)),
        ("scenarios: []\n".to_owned(), ("E0206", 1, 1)),
        ("scenarios: 3\n".to_owned(), ("E0203", 1, 12)),
        ("scenarioz: []\nscenarios: [{ name: n, expect: { status: completed } }]\n".to_owned(), ("E0201", 1, 1)),
        ("scenarios: [{ name: n }]\n".to_owned(), ("E0202", 1, 13)),
        ("scenarios: [{ name: n, expect: { status: done } }]\n".to_owned(), ("E0203", 1, 42)),
        ("scenarios: [{ name: n, expect: &e { status: completed } }]\n".to_owned(), ("E0101", 1, 32)),
        (with("fault: []"), ("E0201", 4, 5)),
        (with("faults: [{ step: b, reject: 409 }]"), ("E0402", 4, 22)),
        (with("faults: [{ step: a }]"), ("E0305", 4, 14)),
        (with("faults: [{ step: a, reject: 409, fail: 500 }]"), ("E0305", 4, 14)),
        (with("faults: [{ step: a, reject: 200 }]"), ("E0206", 4, 33)),
        (with("faults: [{ step: a, lose: both }]"), ("E0203", 4, 31)),
        (with("faults: [{ step: a, delay: 3 }]"), ("E0205", 4, 32)),
        (with("faults: [{ step: a, op: undo, delay: 3s }]"), ("E0203", 4, 29)),
        (with("faults: [{ step: a, attempts: 0, delay: 3s }]"), ("E0206", 4, 35)),
        (with("faults: [{ step: a, lose: reply, duplicate: 2 }]"), ("E0305", 4, 14)),
        (with("faults: [{ step: a, duplicate: 1 }]"), ("E0206", 4, 36)),
        (with("faults: [{ step: a, op: probe, fail: 500 }]"), ("E0402", 4, 22)),
        (with("faults: [{ step: p, op: probe, duplicate: 2 }]"), ("E0305", 4, 14)),
        (with("faults: [{ step: a, op: compensate, lose: connection }]"), ("E0305", 4, 14)),
        (with("faults: [{ step: a, attempts: 2, lose: connection }]"), ("E0305", 4, 14)),
        (with("faults: [{ step: l, lose: connection }]"), ("E0402", 4, 22)),
        (with("callbacks: [{ step: a, after: 1s }]"), ("E0402", 4, 25)),
        (with("callbacks: [{ step: l }]"), ("E0202", 4, 17)),
        (with("callbacks: [{ step: l, after: soon }]"), ("E0205", 4, 35)),
        (with("callbacks: [{ step: l, after: never, body: 1, reject: no }]"), ("E0305", 4, 17)),
        (with("signals: [{ name: 'g o', when: w }]"), ("E0204", 4, 23)),
        (with("signals: [{ name: go }]"), ("E0202", 4, 15)),
        (with("shorten: { x: 1s }"), ("E0402", 4, 16)),
        (with("shorten: [w]"), ("E0203", 4, 14)),
        (with("shorten: { a: 1s }"), ("E0402", 4, 19)),
        (with("input: { when: [now + soon] }"), ("E0205", 4, 21)),
        (with("cancel: { when: nobody }"), ("E0402", 4, 21)),
        (with("replies: {}"), ("E0201", 4, 5)),
    ] {
        let found = errors(&source);
        let places: Vec<_> = found.iter().map(|found| (found.code, found.line, found.column)).collect();
        assert_eq!(places, [said], "{source}\n{found:#?}");
        assert!(found.iter().all(|found| found.hint.is_some()), "{found:#?}");
    }
    let twice =
        "scenarios:\n  - { name: n, expect: { status: completed } }\n  - { name: n, expect: { status: completed } }\n";
    assert_eq!(errors(twice).len(), 1);
    for fine in [
        "faults: [{ step: p, lose: connection }, { step: p, op: probe, reject: 404, attempts: all }]",
        "faults: [{ step: a, duplicate: 10 }]",
        "callbacks: [{ step: l, after: early }, { step: l, after: never }, { step: l, after: 2s, reject: no }]",
    ] {
        assert_eq!(errors(&with(fine)), [], "{fine}");
    }
    assert_eq!(errors(&with("shorten: { w: 1s }\n    faults: [{ step: a, lose: reply, attempts: all }]")), []);
}

/// All that a definition runs as children.
fn family(definition: &Definition, known: &mut Known) {
    for (_, child) in definition.children() {
        let path = folder().join(format!("{}.yaml", child.name));
        let source = std::fs::read_to_string(&path).expect("its child");
        let read = Definition::parse(&source, None).expect("a definition");
        family(&read, known);
        known.insert(child.name.clone(), std::sync::Arc::new(read));
    }
}

#[test]
fn the_schema_beside_the_scenarios_is_the_one_that_core_makes_and_takes_them_all() {
    let path = folder().join("scenario.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("JSON"));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &made).expect("the schema is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let how = "UPDATE_SCHEMA=1 cargo test -p amends-core --test scenario";
    assert!(kept == made, "sagas/scenario.schema.json is stale; write it anew with\n  {how}");
    let validator = jsonschema::draft202012::new(&json_schema()).expect("a schema");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).expect("sagas") {
        let path = entry.expect("a file").path();
        if !path.to_string_lossy().ends_with(".test.yaml") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).expect("a text");
        let value: Value = serde_saphyr::from_str(&text).expect("YAML");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        let saga = std::fs::read_to_string(path.to_string_lossy().replace(".test.yaml", ".yaml")).expect("its saga");
        let definition = Definition::parse(&saga, None).expect("a definition");
        let mut known = Known::new();
        family(&definition, &mut known);
        let read = parse_family(&text, &definition, &known);
        assert!(read.is_ok(), "{}: {read:#?}", path.display());
    }
    assert!(seen >= 8, "{seen} files");
}

#[test]
fn the_page_on_scenarios_tells_of_every_key() {
    let page = std::fs::read_to_string(folder().join("../docs/scenarios.md")).expect("the page");
    for (name, doc) in documented() {
        assert!(page.contains(&format!("| `{name}` | {doc} |")), "docs/scenarios.md lacks\n| `{name}` | {doc} |");
    }
}

#[test]
fn of_maps_only_what_is_expected_is_compared() {
    let found = json!({ "a": 1, "b": [{ "c": 2, "d": 3 }], "e": "x" });
    for expected in [json!("*"), json!({}), json!({ "b": "*" }), json!({ "b": [{ "c": 2 }] }), found.clone()] {
        assert_eq!(fits(&expected, &found), Ok(()), "{expected}");
    }
    for (expected, at) in [
        (json!({ "a": 2 }), "/a"),
        (json!({ "b": [] }), "/b"),
        (json!({ "b": [{ "c": 1 }] }), "/b/0/c"),
        (json!({ "gone": 1 }), "/gone"),
        (json!([]), ""),
    ] {
        let why = fits(&expected, &found).expect_err("it differs");
        assert_eq!(why.pointer, at, "{why}");
        assert!(why.to_string().starts_with(&format!("at `{at}` ")), "{why}");
    }
}
