//! The labels of a start: those that the definition computes, and those that the caller gives.
//!
//! A definition that computes a label promises that every one of its sagas is found by it. So a caller may not give another
//! value under that name; the same value is no contradiction.

use serde_json::{Map, Value};

use crate::{
    decide::{Begin, started},
    definition::{Definition, limits},
    ids::SagaId,
    render::start_value,
    time::Time,
};

/// All labels of a start that gives those in `with`. A label whose expression is `null` is left out.
///
/// # Errors
/// Why it cannot be started like this: a label that cannot be computed, is given differently, or is beyond a limit.
pub fn labels(definition: &Definition, saga: SagaId, with: &Begin, now: Time) -> Result<Map<String, Value>, String> {
    let mut all = with.labels.clone();
    if !definition.labels.is_empty() {
        let started = started(definition, with.clone(), now);
        for (name, template) in &definition.labels {
            let value = template.render(&|path| start_value(saga, &started, now, path));
            let value = value.map_err(|why| format!("the definition's label `{name}` cannot be computed: {why}"))?;
            if value.is_null() {
                continue;
            }
            match all.get(name) {
                Some(given) if *given != value => {
                    return Err(format!("the definition sets the label `{name}`; leave it out"));
                }
                Some(_) => {}
                None => drop(all.insert(name.clone(), value)),
            }
        }
    }
    if all.len() > limits::LABELS {
        return Err(format!("at most {} labels, the definition's among them", limits::LABELS));
    }
    match all.iter().find(|(name, value)| !fits(name, value)) {
        Some((name, _)) => Err(format!(
            "label `{}`: a text, number or boolean of at most {} bytes with its name",
            name.chars().take(limits::NAME_BYTES).collect::<String>(),
            limits::LABEL_BYTES
        )),
        None => Ok(all),
    }
}

fn fits(name: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => name.len() + text.len() <= limits::LABEL_BYTES,
        Value::Number(_) | Value::Bool(_) => name.len() <= limits::LABEL_BYTES,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
