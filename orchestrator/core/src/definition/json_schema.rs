//! The language as a JSON Schema, for editors: names, shapes and docs from the same tables as the checks. It is weaker
//! than [`super::parse`], never stricter: what it refuses is no definition.

use serde_json::{Map, Value, json};

use super::{
    keys::{self, Keys},
    limits,
};

pub(crate) const DURATION: &str =
    "^(([0-9]+(ms|s|m|h|d))+|P[0-9]+D(T([0-9]+H)?([0-9]+M)?([0-9]+S)?)?|PT([0-9]+H)?([0-9]+M)?([0-9]+S)?)$";
const CALL: &str = r"^\s*[A-Za-z][A-Za-z0-9_-]{0,63}\s+(GET|POST|PUT|PATCH|DELETE)\s+/([^/]|$)";
const QUESTION: &str = r"^\s*[A-Za-z][A-Za-z0-9_-]{0,63}\s+GET\s+/([^/]|$)";
const NAME: &str = "^[A-Za-z][A-Za-z0-9_-]{0,63}$";
const NAME_WITH_DOTS: &str = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$";

/// JSON Schema 2020-12 of a definition.
pub fn json_schema() -> Value {
    let mut schema = map(&keys::SAGA, saga);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A saga of Amends",
        "$defs": {
            "defaults": map(&keys::DEFAULTS, defaults),
            "step": step(),
            "compensation": map(&keys::COMPENSATE, compensation),
            "probe": map(&keys::PROBE, probe),
            "retry": map(&keys::RETRY, retry),
            "duration": { "type": "string", "pattern": DURATION, "examples": ["250ms", "30s", "5m", "2h", "7d", "PT1H30M"] },
            "expression": { "type": "string", "pattern": r"^\$\{\{.*\}\}$", "examples": ["${{ input.amount > 100 }}"] },
            "call": { "type": "string", "pattern": CALL, "examples": ["inventory POST /reservations"] },
            "question": { "type": "string", "pattern": QUESTION, "examples": ["payments GET /charges/${{ saga.id }}"] },
            "headers": {
                "type": "object",
                "maxProperties": limits::HEADERS,
                "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,64}$", "not": { "pattern": "^[Ss][Aa][Gg][Aa]-" } },
            },
        },
    });
    if let (Value::Object(schema), Value::Object(head)) = (&mut schema, head) {
        schema.extend(head);
    }
    schema
}

/// A map with the known keys and no other; what each key's value looks like, `value` says.
pub(crate) fn map(keys: &Keys, value: fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys
        .known
        .iter()
        .map(|key| {
            let mut schema = value(key.name);
            schema["description"] = key.doc.into();
            (key.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = keys.known.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn step() -> Value {
    let mut schema = map(&keys::STEP, step_value);
    let kinds: Vec<Value> = keys::KINDS
        .iter()
        .map(|(kind, own)| {
            let names: Vec<&str> = [*kind].iter().chain(*own).chain(&keys::WITH_EVERY_KIND).copied().collect();
            json!({ "required": [kind], "propertyNames": { "enum": names } })
        })
        .collect();
    schema["oneOf"] = kinds.into();
    schema["dependentRequired"] = json!({ "concurrency": ["for_each"] });
    schema["allOf"] = json!([
        { "if": { "required": ["await"] }, "then": { "required": ["timeout"] } },
        {
            "if": { "required": ["async"], "properties": { "async": { "const": true } } },
            "then": { "required": ["timeout"] },
        },
        {
            "if": { "required": ["compensate"], "properties": { "compensate": { "const": "none" } } },
            "then": { "required": ["reason"] },
            "else": { "not": { "required": ["reason"] } },
        },
        {
            "if": { "required": ["pivot"], "properties": { "pivot": { "const": true } } },
            "then": {
                "not": { "anyOf": [{ "required": ["compensate"] }, { "required": ["if"] }, { "required": ["for_each"] }] },
            },
        },
        {
            "if": {
                "required": ["pivot", "idempotent"],
                "properties": { "pivot": { "const": true }, "idempotent": { "const": false } },
            },
            "then": { "required": ["probe"] },
        },
    ]);
    schema
}

fn saga(key: &str) -> Value {
    match key {
        "saga" => json!({ "type": "string", "pattern": NAME_WITH_DOTS }),
        "version" => json!({ "type": "integer", "minimum": 1, "maximum": i32::MAX }),
        "description" => json!({ "type": "string" }),
        "input" => json!({ "$ref": "https://json-schema.org/draft/2020-12/schema", "type": "object" }),
        "labels" => json!({
            "type": "object",
            "maxProperties": limits::LABELS,
            "propertyNames": { "pattern": NAME_WITH_DOTS },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        }),
        "locks" => json!({ "type": "array", "maxItems": limits::LOCKS, "items": { "type": "string", "minLength": 1 } }),
        "deadline" => json!({ "$ref": "#/$defs/duration" }),
        "defaults" => json!({ "$ref": "#/$defs/defaults" }),
        "steps" => json!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": limits::STEPS,
            "propertyNames": { "pattern": NAME },
            "additionalProperties": { "$ref": "#/$defs/step" },
        }),
        "output" => json!({}),
        _ => unlisted(key),
    }
}

fn defaults(key: &str) -> Value {
    match key {
        "timeout" => json!({ "$ref": "#/$defs/duration" }),
        "retry" => json!({ "$ref": "#/$defs/retry" }),
        _ => unlisted(key),
    }
}

fn step_value(key: &str) -> Value {
    match key {
        "sleep" => json!({ "$ref": "#/$defs/duration" }),
        "until" => json!({ "type": "string", "examples": ["${{ input.starts_at }}", "2026-12-24T18:00:00Z"] }),
        "await" => json!({ "type": "string", "pattern": NAME }),
        "saga" => json!({ "type": "string", "pattern": NAME_WITH_DOTS }),
        "input" => json!({}),
        "for_each" => json!({ "anyOf": [{ "type": "array" }, { "$ref": "#/$defs/expression" }] }),
        "concurrency" => json!({ "type": "integer", "minimum": 1, "maximum": limits::CONCURRENCY }),
        "if" => json!({ "$ref": "#/$defs/expression" }),
        "needs" => json!({ "type": "array", "items": { "type": "string", "pattern": NAME } }),
        "output" => json!({}),
        "pivot" | "async" => json!({ "type": "boolean" }),
        "compensate" => json!({ "anyOf": [{ "const": "none" }, { "$ref": "#/$defs/compensation" }] }),
        "reason" => json!({ "type": "string", "pattern": "\\S" }),
        "idempotent" => json!({ "type": "boolean" }),
        "probe" => json!({ "anyOf": [{ "$ref": "#/$defs/question" }, { "$ref": "#/$defs/probe" }] }),
        "reject_on" => json!({
            "type": "array",
            "items": { "type": "integer", "minimum": 400, "maximum": 499, "not": { "enum": [408, 425, 429] } },
        }),
        _ => call(key),
    }
}

fn compensation(key: &str) -> Value {
    match key {
        "success_on" => json!({ "type": "array", "items": { "type": "integer", "minimum": 400, "maximum": 499 } }),
        _ => call(key),
    }
}

fn probe(key: &str) -> Value {
    match key {
        "call" => json!({ "$ref": "#/$defs/question" }),
        "settle" => json!({ "$ref": "#/$defs/duration" }),
        _ => call(key),
    }
}

/// What a step and its compensation have in common.
fn call(key: &str) -> Value {
    match key {
        "call" => json!({ "$ref": "#/$defs/call" }),
        "body" => json!({}),
        "headers" => json!({ "$ref": "#/$defs/headers" }),
        "timeout" => json!({ "$ref": "#/$defs/duration" }),
        "retry" => json!({ "$ref": "#/$defs/retry" }),
        _ => unlisted(key),
    }
}

fn retry(key: &str) -> Value {
    match key {
        "attempts" => json!({
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": limits::ATTEMPTS }, { "const": "unlimited" }],
        }),
        "backoff" | "max_backoff" => json!({ "$ref": "#/$defs/duration" }),
        "factor" => json!({ "type": "number", "minimum": 1, "maximum": limits::FACTOR }),
        _ => unlisted(key),
    }
}

fn unlisted(key: &str) -> Value {
    unreachable!("invariant: every key of the tables has a shape, {key} too")
}
