//! Inputs made up from a definition's schema: one with as little as it may have, one with as much. Between them the `if`s of
//! most sagas go both ways.

use amends_core::definition::Definition;
use serde_json::{Map, Value, json};

/// No input could be made up that the schema accepts.
#[derive(Debug, thiserror::Error)]
#[error("no input could be made up from the schema of `{saga}` ({why})")]
pub struct NoInput {
    pub saga: String,
    pub why: String,
}

/// The longest list that is made up.
const ITEMS: usize = 2;
/// Stands for *a lot*, where only a minimum is known: beyond the limits that people write into an `if`.
const LARGE: i64 = 1_000_000;
/// Times and dates lie behind the virtual start.
const TIME: &str = "2030-01-02T00:00:00Z";
const DATE: &str = "2030-01-02";

/// One or two inputs that fit the schema.
///
/// # Errors
/// None was found: it must be given.
pub fn inputs(definition: &Definition) -> Result<Vec<Value>, NoInput> {
    let Some(schema) = &definition.input else { return Ok(vec![json!({})]) };
    let mut found: Vec<Value> = Vec::new();
    let mut why = String::new();
    for much in [false, true] {
        let value = make(&schema.schema, &schema.schema, much, "input", 0);
        match definition.check_input(&value) {
            Ok(()) if !found.contains(&value) => found.push(value),
            Ok(()) => {}
            Err(errors) => {
                why = errors.first().map(|error| format!("{}: {}", error.pointer, error.message)).unwrap_or_default();
            }
        }
    }
    if found.is_empty() { Err(NoInput { saga: definition.name.to_string(), why }) } else { Ok(found) }
}

fn make(root: &Value, schema: &Value, much: bool, name: &str, depth: usize) -> Value {
    const DEPTH: usize = 12;
    if depth > DEPTH {
        return Value::Null;
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| make(root, target, much, name, depth + 1));
    }
    for given in ["const", "default"] {
        if let Some(value) = schema.get(given) {
            return value.clone();
        }
    }
    for several in ["enum", "examples"] {
        if let Some(values) = schema.get(several).and_then(Value::as_array).filter(|values| !values.is_empty()) {
            return values[if much { values.len() - 1 } else { 0 }].clone();
        }
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(values) = schema.get(choice).and_then(Value::as_array).filter(|values| !values.is_empty()) {
            return make(root, &values[if much { values.len() - 1 } else { 0 }], much, name, depth + 1);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("string"),
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    };
    match kind {
        "object" => object(root, schema, much, depth),
        "array" => {
            let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(u64::MAX);
            let count = if much { (ITEMS as u64).clamp(least, most) } else { least };
            let items = schema.get("items").cloned().unwrap_or_else(|| json!({}));
            let each = |nth: u64| make(root, &items, much, &format!("{name}-{nth}"), depth + 1);
            Value::Array((0..count.min(1000)).map(each).collect())
        }
        "integer" | "number" => number(schema, much),
        "boolean" => Value::Bool(much),
        "null" => Value::Null,
        _ => text(schema, name),
    }
}

fn object(root: &Value, schema: &Value, much: bool, depth: usize) -> Value {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut made = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if much || required.contains(&name.as_str()) {
            made.insert(name.clone(), make(root, property, much, name, depth + 1));
        }
    }
    for name in required {
        made.entry(name).or_insert_with(|| json!(name));
    }
    Value::Object(made)
}

fn number(schema: &Value, much: bool) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64).map(|bound| bound as i64);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|bound| bound + 1));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|bound| bound - 1));
    let step = bound("multipleOf").filter(|step| *step > 0).unwrap_or(1);
    let wanted =
        if much { most.unwrap_or_else(|| least.unwrap_or(0).saturating_add(LARGE)) } else { least.unwrap_or(1) };
    let wanted = wanted.clamp(least.unwrap_or(i64::MIN), most.unwrap_or(i64::MAX).max(least.unwrap_or(i64::MIN)));
    json!(if much { wanted - wanted.rem_euclid(step) } else { wanted + (step - wanted.rem_euclid(step)) % step })
}

fn text(schema: &Value, name: &str) -> Value {
    match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => return json!(TIME),
        Some("date") => return json!(DATE),
        Some("time") => return json!("12:00:00Z"),
        Some("email") => return json!("ada@example.com"),
        Some("uuid") => return json!("00000000-0000-4000-8000-000000000001"),
        Some("uri") => return json!("https://example.com/"),
        _ => {}
    }
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0).min(4096);
    let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(4096);
    let mut made = name.to_owned();
    while (made.chars().count() as u64) < least {
        made.push('x');
    }
    json!(made.chars().take(usize::try_from(most).unwrap_or(usize::MAX)).collect::<String>())
}
