//! docs/language.md is true: its limits are those of the code, every key has an example, and each example is a definition.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use amends_core::definition::{Severity, json_schema, limits, parse};
use serde_json::Value;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/language.md")).expect("the page")
}

/// The YAML of the page: whole definitions, and steps, which are indented.
fn examples(page: &str) -> Vec<String> {
    page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

fn kib(bytes: usize) -> String {
    assert_eq!(bytes % 1024, 0);
    format!("{} KiB", bytes / 1024)
}

fn hours(duration: Duration) -> String {
    format!("{} h", duration.as_secs() / 3_600)
}

fn days(duration: Duration) -> String {
    format!("{} d", duration.as_secs() / 86_400)
}

#[test]
fn the_limits_on_the_page_are_those_of_the_code_and_none_is_missing() {
    let rows = [
        ("SOURCE_BYTES", kib(limits::SOURCE_BYTES)),
        ("DEPTH", limits::DEPTH.to_string()),
        ("NODES", limits::NODES.to_string()),
        ("STEPS", limits::STEPS.to_string()),
        ("NAME_BYTES", format!("{} bytes", limits::NAME_BYTES)),
        ("EXPRESSION_BYTES", kib(limits::EXPRESSION_BYTES)),
        ("EXPRESSION_DEPTH", limits::EXPRESSION_DEPTH.to_string()),
        ("PATTERNS", limits::PATTERNS.to_string()),
        ("PATTERN_BYTES", kib(limits::PATTERN_BYTES)),
        ("SCHEMA_PLACES", limits::SCHEMA_PLACES.to_string()),
        ("LABELS", limits::LABELS.to_string()),
        ("LABEL_BYTES", format!("{} bytes", limits::LABEL_BYTES)),
        ("LOCKS", limits::LOCKS.to_string()),
        ("LOCK_BYTES", format!("{} bytes", limits::LOCK_BYTES)),
        ("ATTEMPTS", limits::ATTEMPTS.to_string()),
        ("TIMEOUT", hours(limits::TIMEOUT)),
        ("BACKOFF", hours(limits::BACKOFF)),
        ("FACTOR", limits::FACTOR.to_string()),
        ("DEADLINE", days(limits::DEADLINE)),
        ("WAIT", days(limits::WAIT)),
        ("ITEMS", limits::ITEMS.to_string()),
        ("CONCURRENCY", limits::CONCURRENCY.to_string()),
        ("ITEMS_OUTPUT_BYTES", kib(limits::ITEMS_OUTPUT_BYTES)),
        ("SIGNAL_BYTES", kib(limits::SIGNAL_BYTES)),
        ("CALLBACK_BYTES", kib(limits::CALLBACK_BYTES)),
        ("BODY_BYTES", kib(limits::BODY_BYTES)),
        ("PATH_BYTES", kib(limits::PATH_BYTES)),
        ("HEADERS", limits::HEADERS.to_string()),
        ("HEADER_BYTES", kib(limits::HEADER_BYTES)),
        ("GENERATIONS", limits::GENERATIONS.to_string()),
        ("OUTPUT_BYTES", kib(limits::OUTPUT_BYTES)),
        ("RENDERED_BYTES", kib(limits::RENDERED_BYTES)),
        ("READ_BYTES", kib(limits::READ_BYTES)),
        ("ANSWER_BYTES", kib(limits::ANSWER_BYTES)),
        ("INPUT_ERRORS", limits::INPUT_ERRORS.to_string()),
        ("INPUT_WORK", limits::INPUT_WORK.to_string()),
        ("PATTERN_WORK", limits::PATTERN_WORK.to_string()),
        ("DOCUMENT_BYTES", kib(limits::DOCUMENT_BYTES)),
        ("DOCUMENT_DEPTH", limits::DOCUMENT_DEPTH.to_string()),
        ("DOCUMENT_NODES", limits::DOCUMENT_NODES.to_string()),
        ("DOCUMENT_PATHS", limits::DOCUMENT_PATHS.to_string()),
    ];
    let page = page();
    let section = page.split_once("\n## Limits\n").expect("the section").1.split("\n## ").next().expect("its end");
    let shown: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ").map(|(_, most)| most))
        .filter(|most| *most != "at most")
        .collect();
    assert_eq!(shown, rows.iter().map(|(_, most)| most.as_str()).collect::<Vec<_>>());
    // Fuel is a measure of minijinja's, which tells a reader nothing; the others bound how far is looked for something to say.
    let untold = ["EXPRESSION_FUEL", "DOCUMENT_WORDS", "SCHEMA_LOOKS"];
    let told: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).chain(untold).collect();
    let source = include_str!("../src/definition/limits.rs");
    for line in source.lines().filter_map(|line| line.strip_prefix("pub const ")) {
        let name = line.split(':').next().expect("a name");
        assert!(told.contains(name), "docs/language.md does not tell of limits::{name}");
    }
}

#[test]
fn every_key_of_the_language_stands_in_an_example_of_its_page() {
    let all = examples(&page()).concat();
    let schema = json_schema();
    let maps = ["defaults", "step", "compensation", "retry"].map(|name| &schema["$defs"][name]["properties"]);
    let mut keys = BTreeSet::new();
    for map in maps.into_iter().chain([&schema["properties"]]) {
        let Value::Object(map) = map else { panic!("a map of keys") };
        keys.extend(map.keys().map(String::as_str));
    }
    assert!(keys.len() > 25, "{keys:?}");
    let stands = |key: &str| {
        all.match_indices(&format!("{key}:")).any(|(at, _)| all[..at].ends_with([' ', '\n', '{']) || at == 0)
    };
    let missing: Vec<_> = keys.into_iter().filter(|key| !stands(key)).collect();
    assert!(missing.is_empty(), "docs/language.md has no example with {missing:?}");
}

#[test]
fn each_example_of_the_page_is_a_definition_or_steps_of_one() {
    let examples = examples(&page());
    assert!(examples.len() >= 5);
    for example in examples {
        let whole =
            if example.starts_with("  ") { format!("saga: s\ndeadline: 30d\nsteps:\n{example}") } else { example };
        let checked = parse(&whole, None);
        let errors: Vec<_> = checked.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
        assert!(checked.definition.is_some(), "{whole}\n{errors:#?}");
    }
}
