//! The shape of a plan as a JSON Schema, for editors.

use serde_json::{Value, json};

use super::{keys, model::Point};
use crate::definition::{
    json_schema::{DURATION, map},
    limits,
};

/// JSON Schema 2020-12 of a plan of faults.
pub fn json_schema() -> Value {
    let mut schema = map(&keys::PLAN, |key| match key {
        "seed" => json!({ "type": "integer", "minimum": 0 }),
        _ => json!({ "type": "array", "minItems": 1, "maxItems": 100, "items": { "$ref": "#/$defs/rule" } }),
    });
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A plan of faults for Amends".into();
    let mut rule = map(&keys::RULE, |key| match key {
        "op" => json!({ "enum": ["action", "compensate", "probe"] }),
        "label" => json!({
            "type": "object", "minProperties": 1, "maxProperties": limits::LABELS,
            "additionalProperties": { "type": ["string", "number", "boolean"] }
        }),
        "attempt" | "attempts" => json!({ "type": "integer", "minimum": 1, "maximum": limits::ATTEMPTS }),
        "probability" => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        "count" => json!({ "type": "integer", "minimum": 1 }),
        "delay" => duration(),
        "refuse" | "cut" => json!({ "const": true }),
        "lose" => json!({ "enum": ["request", "reply"] }),
        "reject" => status(400, 499),
        "fail" => status(300, 599),
        "status" => status(100, 599),
        "body" => json!({}),
        "duplicate" => json!({ "type": "integer", "minimum": 1, "maximum": 10 }),
        "replay" => json!({ "anyOf": [{ "const": "compensation" }, duration()] }),
        "abort" => json!({ "enum": Point::ALL.map(|(word, _)| word) }),
        _ => json!({ "type": "string" }),
    });
    rule["oneOf"] = keys::FAULTS.iter().map(|kind| json!({ "required": [kind] })).collect();
    schema["$defs"] = json!({ "rule": rule });
    schema
}

fn status(least: u32, most: u32) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

fn duration() -> Value {
    json!({ "type": "string", "pattern": DURATION })
}

/// The name and the doc of every key, map by map: whoever documents the format is held to it.
pub fn documented() -> Vec<(&'static str, &'static str)> {
    super::parse::TABLES.iter().flat_map(|table| table.known.iter().map(|key| (key.name, key.doc))).collect()
}
