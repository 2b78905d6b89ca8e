//! The shape of a scenario file as a JSON Schema, for editors.

use serde_json::{Value, json};

use super::keys;
use crate::definition::{
    json_schema::{DURATION, map},
    limits,
};

/// JSON Schema 2020-12 of a scenario file.
pub fn json_schema() -> Value {
    let mut schema = map(&keys::FILE, |key| match key {
        "replies" => json!({ "type": "object" }),
        _ => json!({ "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/scenario" } }),
    });
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Scenarios for a saga of Amends".into();
    let mut fault = map(&keys::FAULT, |key| match key {
        "op" => json!({ "enum": ["action", "compensate", "probe"] }),
        "attempts" => json!({
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": limits::ATTEMPTS }, { "const": "all" }],
        }),
        "reject" => json!({ "type": "integer", "minimum": 400, "maximum": 499 }),
        "fail" => json!({ "type": "integer", "minimum": 300, "maximum": 599 }),
        "lose" => json!({ "enum": ["request", "reply", "connection"] }),
        "delay" => duration(),
        "duplicate" => json!({ "type": "integer", "minimum": 2, "maximum": 10 }),
        _ => json!({ "type": "string" }),
    });
    fault["oneOf"] = keys::FAULT_KINDS.iter().map(|kind| json!({ "required": [kind] })).collect();
    schema["$defs"] = json!({
        "scenario": map(&keys::SCENARIO, |key| match key {
            "name" => json!({ "type": "string" }),
            "shorten" => json!({ "type": "object", "additionalProperties": duration() }),
            "faults" => json!({ "type": "array", "items": { "$ref": "#/$defs/fault" } }),
            "signals" => json!({ "type": "array", "items": { "$ref": "#/$defs/signal" } }),
            "callbacks" => json!({ "type": "array", "items": { "$ref": "#/$defs/callback" } }),
            "cancel" => json!({ "$ref": "#/$defs/cancel" }),
            "expect" => json!({ "$ref": "#/$defs/expect" }),
            _ => json!({}),
        }),
        "fault": fault,
        "signal": map(&keys::SIGNAL, |key| if key == "data" { json!({}) } else { json!({ "type": "string" }) }),
        "callback": map(&keys::CALLBACK, |key| match key {
            "after" => json!({ "anyOf": [{ "enum": ["early", "never"] }, duration()] }),
            "body" => json!({}),
            _ => json!({ "type": "string" }),
        }),
        "cancel": map(&keys::CANCEL, |_| json!({ "type": "string" })),
        "expect": map(&keys::EXPECT, |key| match key {
            "status" => json!({ "enum": ["completed", "compensated"] }),
            "output" => json!({}),
            "attempts" => json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } }),
            "bodies" => json!({ "type": "object" }),
            "undone" => json!({
                "type": "array",
                "items": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            }),
            _ => json!({ "type": "array", "items": { "type": "string" } }),
        }),
    });
    schema
}

fn duration() -> Value {
    json!({ "type": "string", "pattern": DURATION })
}

/// The name and the doc of every key, map by map: whoever documents the format is held to it.
pub fn documented() -> Vec<(&'static str, &'static str)> {
    super::parse::TABLES.iter().flat_map(|table| table.known.iter().map(|key| (key.name, key.doc))).collect()
}
