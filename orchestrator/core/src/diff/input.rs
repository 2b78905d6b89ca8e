//! Where a later `input` schema refuses what an earlier one accepted. Properties, `required`, types, enumerations and bounds are
//! understood; where anything else differs, a start *may* be refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::StartChange;
use crate::definition::{InputSchema, limits};

/// Lower bounds: a higher one refuses more.
const AT_LEAST: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/// Upper bounds: a lower one refuses more.
const AT_MOST: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// They say nothing about what is accepted.
const TALK: [&str; 7] = ["title", "description", "$comment", "examples", "default", "deprecated", "$schema"];

pub(super) fn narrowed(from: Option<&InputSchema>, to: Option<&InputSchema>) -> Vec<StartChange> {
    let anything = Value::Bool(true);
    let (from, to) = (from.map_or(&anything, |schema| &schema.schema), to.map_or(&anything, |schema| &schema.schema));
    let mut found = Vec::new();
    compare(&mut found, "", from, to, 0);
    found
}

fn compare(found: &mut Vec<StartChange>, pointer: &str, from: &Value, to: &Value, depth: usize) {
    let nothing = Map::new();
    if from == to || to == &Value::Bool(true) || depth > limits::DEPTH {
        return;
    }
    let mut say = |pointer: String, message: String, certain: bool| {
        found.push(StartChange { pointer, message, certain });
    };
    let (before, after) = match (from, to) {
        (Value::Object(before), Value::Object(after)) => (before, after),
        (Value::Bool(true), Value::Object(after)) => (&nothing, after),
        _ => return say(pointer.to_owned(), "it may be refused: another schema".to_owned(), false),
    };
    if let Some(types) = after.get("type") {
        let (was, is) = (words(before.get("type")), words(Some(types)));
        let taken = |word: &String| is.contains(word) || word == "integer" && is.contains("number");
        if was.is_empty() {
            say(pointer.to_owned(), format!("only {types} is accepted"), true);
        } else if !was.iter().all(taken) {
            say(pointer.to_owned(), format!("{types} is accepted, no longer {}", before["type"]), true);
        }
    }
    let required = |of: &Map<String, Value>| words(of.get("required"));
    for name in required(after).difference(&required(before)) {
        say(format!("{pointer}/{}", escaped(name)), "it is required now".to_owned(), true);
    }
    for (bounds, refuses_more) in [(AT_LEAST, f64::gt as fn(&f64, &f64) -> bool), (AT_MOST, f64::lt)] {
        for bound in bounds {
            let number = |of: &Map<String, Value>| of.get(bound).and_then(Value::as_f64);
            match (number(before), number(after)) {
                (Some(was), Some(is)) if refuses_more(&is, &was) => {
                    say(pointer.to_owned(), format!("`{bound}` is {is}, it was {was}"), true);
                }
                (None, Some(is)) => say(pointer.to_owned(), format!("`{bound}` is {is}, there was none"), true),
                _ => {}
            }
        }
    }
    if let Some(Value::Array(is)) = after.get("enum") {
        match before.get("enum").and_then(Value::as_array) {
            None => say(pointer.to_owned(), "only a few values are accepted".to_owned(), true),
            Some(was) => {
                for value in was.iter().filter(|value| !is.contains(value)) {
                    say(pointer.to_owned(), format!("{value} is no longer accepted"), true);
                }
            }
        }
    }
    let properties = |of: &Map<String, Value>| of.get("properties").and_then(Value::as_object).cloned();
    let (was, is) = (properties(before).unwrap_or_default(), properties(after).unwrap_or_default());
    let closed = |of: &Map<String, Value>| of.get("additionalProperties") == Some(&Value::Bool(false));
    if closed(after) {
        for name in was.keys().filter(|name| !is.contains_key(*name)) {
            say(format!("{pointer}/{}", escaped(name)), "it is no longer accepted".to_owned(), true);
        }
        if !closed(before) {
            say(pointer.to_owned(), "what it does not name is no longer accepted".to_owned(), true);
        }
    }
    let understood = ["type", "required", "enum", "properties", "items"];
    let others = after.keys().filter(|key| {
        let known = understood.iter().chain(&AT_LEAST).chain(&AT_MOST).chain(&TALK).any(|known| known == key);
        !(known || key.as_str() == "additionalProperties" && closed(after)) && before.get(*key) != after.get(*key)
    });
    for key in others {
        say(pointer.to_owned(), format!("`{key}` is another: it may be refused"), false);
    }
    let anything = Value::Bool(true);
    for (name, schema) in &is {
        // What a closed schema did not name was never accepted.
        if was.contains_key(name) || !closed(before) {
            let from = was.get(name).unwrap_or(&anything);
            compare(found, &format!("{pointer}/{}", escaped(name)), from, schema, depth + 1);
        }
    }
    if let Some(schema) = after.get("items") {
        compare(found, &format!("{pointer}/*"), before.get("items").unwrap_or(&anything), schema, depth + 1);
    }
}

/// A word or a list of words.
fn words(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::String(word)) => BTreeSet::from([word.clone()]),
        Some(Value::Array(words)) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => BTreeSet::new(),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
