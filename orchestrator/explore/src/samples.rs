//! Values that nobody has given: what a service answers, and what a signal brings, made up so that a template that reads them
//! has a value.

use amends_core::expr::{Segment, Template};
use serde_json::{Map, Value, json};

/// What stands for a value of which only the place is known, one kind after the other until the template computes.
const KINDS: [fn(&str) -> Value; 4] =
    [|name| json!(format!("{name}-1")), |_| json!(1), |_| json!(true), |_| json!(["a", "b"])];

/// A value below `root` from which the template computes, as far as one can be found. `prefix` are the names before the value.
pub(crate) fn value_for(template: Option<&Template>, prefix: &[&str], computes: impl Fn(&Value) -> bool) -> Value {
    let Some(template) = template else { return json!({}) };
    let expressions = template.expressions();
    let paths: Vec<&[Segment]> = expressions
        .iter()
        .flat_map(|expression| expression.paths())
        .filter_map(|path| below(&path.segments, prefix))
        .collect();
    let tries = KINDS.iter().map(|kind| {
        let mut value = Value::Null;
        for path in &paths {
            put(&mut value, path, kind);
        }
        if value.is_null() { json!({}) } else { value }
    });
    let mut first = None;
    for value in tries {
        if computes(&value) {
            return value;
        }
        first.get_or_insert(value);
    }
    first.unwrap_or_default()
}

fn below<'p>(path: &'p [Segment], prefix: &[&str]) -> Option<&'p [Segment]> {
    let starts = path.len() >= prefix.len()
        && path.iter().zip(prefix).all(|(segment, name)| matches!(segment, Segment::Name(own) if &**own == *name));
    starts.then(|| &path[prefix.len()..])
}

fn put(into: &mut Value, path: &[Segment], kind: &fn(&str) -> Value) {
    match path {
        [] => {
            if into.is_null() {
                *into = kind("value");
            }
        }
        [Segment::Name(name), rest @ ..] => {
            if !into.is_object() {
                *into = Value::Object(Map::new());
            }
            if let Some(map) = into.as_object_mut() {
                let place = map.entry(name.to_string()).or_insert(Value::Null);
                if rest.is_empty() {
                    if place.is_null() {
                        *place = kind(name);
                    }
                } else {
                    put(place, rest, kind);
                }
            }
        }
        [Segment::Index(index), rest @ ..] => {
            if !into.is_array() {
                *into = Value::Array(vec![]);
            }
            if let Some(list) = into.as_array_mut()
                && *index < 100
            {
                while list.len() <= *index {
                    list.push(kind("item"));
                }
                if !rest.is_empty() {
                    put(&mut list[*index], rest, kind);
                }
            }
        }
    }
}
