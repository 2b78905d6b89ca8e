//! Places in the texts of a profile, and what stands in them.
//!
//! **It must never know** what a text is for.

use serde_json::Value;
use uuid::Uuid;

/// The saga's id, fresh for each case: what keeps the cases of one run, and of many runs, apart.
const FRESH: &str = "saga.id";

/// Replaces the first value that `new` knows a replacement for.
pub(super) fn change(value: &mut Value, new: &impl Fn(&Value) -> Option<Value>) -> bool {
    if let Some(changed) = new(value) {
        *value = changed;
        return true;
    }
    match value {
        Value::Object(map) => map.values_mut().any(|value| change(value, new)),
        Value::Array(list) => list.iter_mut().any(|value| change(value, new)),
        _ => false,
    }
}

/// # Errors
/// A place that nobody can fill.
pub(super) fn fill_value(value: &Value, saga: Uuid) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(fill_text(text, saga)?),
        Value::Array(list) => list.iter().map(|value| fill_value(value, saga)).collect::<Result<_, _>>()?,
        Value::Object(map) => {
            let filled = map.iter().map(|(key, value)| Ok((key.clone(), fill_value(value, saga)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

/// # Errors
/// A place that nobody can fill.
pub(super) fn fill_text(text: &str, saga: Uuid) -> Result<String, String> {
    fill(text, |name| {
        if name == FRESH {
            return Ok(saga.to_string());
        }
        Err(format!("`{text}`: a profile knows `${{{{ {FRESH} }}}}` and, in headers, `${{{{ env.NAME }}}}`"))
    })
}

/// Each `${{ name }}` gives way to what `value` answers.
///
/// # Errors
/// `value` has none, or a place does not end.
pub(super) fn fill(text: &str, value: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${{") {
        let (name, after) = behind.split_once("}}").ok_or_else(|| format!("`{text}`: a `${{{{` without its `}}}}`"))?;
        filled.push_str(before);
        filled.push_str(&value(name.trim())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
