//! The schema that editors use is the one that core makes, and it agrees with what core accepts.

use std::path::{Path, PathBuf};

use amends_core::definition::{Severity, json_schema, parse};
use jsonschema::Validator;
use serde_json::Value;

fn sagas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas")
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&json_schema()).expect("it is a JSON Schema")
}

fn as_json(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).expect("YAML")
}

#[test]
fn the_schema_beside_the_sagas_is_the_one_that_core_makes() {
    let path = sagas().join("saga.schema.json");
    let made = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("JSON"));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &made).expect("the schema is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "sagas/saga.schema.json is stale; write it anew with\n  UPDATE_SCHEMA=1 cargo test -p amends-core --test schema"
    );
}

#[test]
fn the_sagas_here_are_right_for_the_schema_and_for_core() {
    let validator = validator();
    let mut seen = 0;
    for entry in std::fs::read_dir(sagas()).expect("sagas") {
        let path = entry.expect("a file").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".yaml") || name.ends_with(".test.yaml") {
            continue;
        }
        seen += 1;
        let yaml = std::fs::read_to_string(&path).expect("a text");
        let errors: Vec<String> = validator.iter_errors(&as_json(&yaml)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let found = parse(&yaml, None).diagnostics;
        assert!(
            found.iter().all(|found| found.severity == Severity::Warning && found.code == "W0501"),
            "{name}: {found:?}"
        );
    }
    assert!(seen >= 2, "{seen} sagas");
}

#[test]
fn what_the_schema_refuses_core_refuses_too() {
    let yaml = std::fs::read_to_string(sagas().join("place-order.yaml")).expect("a text");
    let validator = validator();
    for (from, to) in [
        ("deadline: 1h", "deadlin: 1h"),
        ("deadline: 1h", "deadline: 3600"),
        ("deadline: 1h", "deadline: 1 hour"),
        ("pivot: true", "pivott: true"),
        ("pivot: true", "pivot: yes please"),
        ("pivot: true", "pivot: true\n    compensate: { call: shipping POST /undo }"),
        ("pivot: true", "pivot: true\n    sleep: 30m"),
        ("pivot: true", "pivot: true\n    if: \"${{ input.quantity > 1 }}\""),
        ("pivot: true", "pivot: true\n    if: true"),
        ("pivot: true", "sleep: 30m"),
        ("pivot: true\n    call: shipping POST /shipments", "await: go"),
        ("pivot: true\n    call: shipping POST /shipments", "sleep: 30"),
        ("pivot: true", "for_each: [1]\n    pivot: true"),
        ("timeout: 2s, retry", "concurrency: 2, retry"),
        ("pivot: true", "pivot: true\n    async: true"),
        ("pivot: true", "pivot: true\n    timeout: 1d\n    async: later"),
        ("pivot: true", "pivot: true\n    idempotent: false"),
        ("pivot: true", "pivot: true\n    probe: shipping POST /shipments"),
        ("pivot: true", "pivot: true\n    probe: { call: shipping GET /shipments, settle: 3 }"),
        ("pivot: true", "pivot: true\n    probe: { call: shipping GET /shipments, body: 3 }"),
        ("pivot: true", "pivot: true\n    reject_on: [409, 408]"),
        ("pivot: true", "pivot: true\n    reject_on: [500]"),
        ("deadline: 1h", "labels: [customer]"),
        ("deadline: 1h", "labels: { customer: null }"),
        ("deadline: 1h", "labels: { \"the customer\": 1 }"),
        ("attempts: 5", "attempts: 0"),
        ("attempts: 5", "attempts: 1000000000"),
        ("attempts: 5", "attempts: often"),
        ("factor: 2", "factor: 0.5"),
        ("timeout: 2s", "time: 2s"),
        ("call: shipping POST /shipments", "call: shipping SHIP /shipments"),
        ("call: shipping POST /shipments", "call: shipping POST //evil/shipments"),
        ("call: shipping POST /shipments", "call: https://shipping POST /shipments"),
        ("compensate: { call: \"inventory DELETE", "compensate: { cal: \"inventory DELETE"),
        ("compensate: { call: \"inventory DELETE /reservations/${{ saga.id }}\" }", "compensate: none"),
        ("saga: place-order", "saga: place order"),
        ("  reserve:", "  re serve:"),
        ("type: object", "type: nonsense"),
    ] {
        let broken = yaml.replacen(from, to, 1);
        assert_ne!(broken, yaml, "{from} is not there");
        assert!(!validator.is_valid(&as_json(&broken)), "the schema takes {to}");
        assert!(parse(&broken, None).definition.is_none(), "core takes {to}");
    }
}

#[test]
fn what_core_takes_the_schema_takes_too() {
    let validator = validator();
    for step in [
        "call: x GET /a, compensate: none, reason: reads only",
        "call: ' x  POST  / ', body: null, compensate: { call: x DELETE /a, success_on: [404, 410], timeout: P1D }",
        "call: x PUT /a?b=c, headers: { X-Tenant: '1' }, needs: [], retry: { attempts: 1, backoff: PT1S }, compensate: { call: x POST /u, retry: { attempts: unlimited } }",
        "call: x PATCH /a, timeout: 1h30m, pivot: true, output: '${{ response.status }}', retry: { factor: 1.5 }",
        "call: x PATCH /a, timeout: PT2H30M, pivot: true",
        "for_each: [1, '${{ saga.id }}'], concurrency: 100, call: 'x POST /${{ item }}', compensate: none, reason: reads",
        "for_each: '${{ input.list }}', call: x POST /a, compensate: { call: 'x DELETE /a/${{ index }}' }",
        "call: x POST /a, async: true, timeout: 7d, pivot: true",
        "call: x POST /a, async: false, compensate: { call: x POST /u }",
        "call: x POST /a, pivot: true, idempotent: false, probe: 'x GET /a/${{ saga.id }}', reject_on: [409, 422]",
        "call: x POST /a, pivot: true, probe: { call: x GET /a, headers: { X-A: b }, timeout: 1s, settle: 1m }",
        "call: x POST /a, idempotent: false, reject_on: [], compensate: { call: x POST /u }",
        "sleep: 30m, if: '${{ true }}'",
        "until: '2026-12-24T18:00:00+01:00', needs: []",
        "until: '${{ saga.started_at }}'",
        "await: go-on, timeout: 7d, output: { by: '${{ signal.by | default(1) }}' }",
        "if: '${{ 1 + 1 == 2 }}', call: x PATCH /a, compensate: none, reason: reads only",
    ] {
        let yaml = format!(
            "saga: s.1\nversion: 3\nlabels: {{ a.b: 1, c: true, d: '${{{{ saga.id }}}}' }}\noutput: 1\nsteps:\n  a_b-1: {{ {step} }}\n"
        );
        let taken = parse(&yaml, None).definition.is_some();
        let errors: Vec<String> = validator.iter_errors(&as_json(&yaml)).map(|error| error.to_string()).collect();
        assert!(taken, "core refuses {step}: {:?}", parse(&yaml, None).diagnostics);
        assert!(errors.is_empty(), "core takes {step}, the schema: {errors:?}");
    }
}

#[test]
fn every_key_has_its_doc_in_the_schema() {
    fn documented(schema: &Value, count: &mut usize) {
        if let Value::Object(entries) = schema {
            if let Some(Value::Object(properties)) = entries
                .get("properties")
                .filter(|_| entries.contains_key("required") && entries.contains_key("additionalProperties"))
            {
                for (name, property) in properties {
                    *count += 1;
                    assert!(property["description"].as_str().is_some_and(|doc| !doc.is_empty()), "{name}");
                }
            }
            entries.values().for_each(|value| documented(value, count));
        }
    }
    let mut count = 0;
    documented(&json_schema(), &mut count);
    assert!(count > 20, "{count} keys");
}
