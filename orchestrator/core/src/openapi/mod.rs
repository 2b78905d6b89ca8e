//! A service's own OpenAPI document, 3.0 or 3.1, as far as a call can be held against it.
//!
//! Why it exists: a call that its service does not have, or that lacks what it demands, is found when a definition is registered and
//! not when the first saga fails. Why no crate of models: none reads both versions, and most of a document is of no
//! interest here. Who calls it: `definition::documents`; the command line reads the file and hands over its text.
//!
//! Nothing is said but what is certain: what cannot be known is [`Option::None`] everywhere in here, and silence.
//! **It must never know** files, other documents (a reference out of this one is refused), or what is told to whom.

mod answer;
mod operation;
mod routes;
mod schema;
mod text;

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;

pub(crate) use answer::Told;
pub(crate) use operation::{In, Operation};
pub(crate) use routes::{Route, comparable, decoded, segments};
pub(crate) use schema::{Looks, Refusal, What};

use crate::definition::limits;
use routes::Template;

/// A document that was read whole: every reference in it leads somewhere within it.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    document: Value,
    /// 3.0, whose schemas are not quite JSON Schema.
    old: bool,
    /// The paths below which its servers live, cut into segments; the empty one not among them.
    bases: Vec<Vec<String>>,
    paths: Vec<Template>,
}

/// Why a text is no document that calls could be checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// A line and a column, or a JSON pointer.
    pub place: String,
    pub message: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for Unreadable {}

fn unreadable(place: impl Into<String>, message: impl Into<String>) -> Unreadable {
    Unreadable { place: place.into(), message: message.into() }
}

impl Api {
    /// Reads a document from its text, JSON or YAML.
    ///
    /// # Errors
    /// It is neither; it is larger than documents are; see [`Self::of`].
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        Self::of(text::read(text)?)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is no OpenAPI 3.0 or 3.1, has no paths, or refers to what is not in it.
    pub fn of(document: Value) -> Result<Self, Unreadable> {
        let version = match document.get("openapi") {
            Some(Value::String(version)) => version.as_str(),
            _ if document.get("swagger").is_some() => {
                return Err(unreadable("#/swagger", "OpenAPI 2 (Swagger): convert it to 3.0 or 3.1"));
            }
            _ => {
                return Err(unreadable(
                    "#",
                    "it has no `openapi: 3.0.…` or `openapi: 3.1.…`, so it is no such document",
                ));
            }
        };
        let old = version == "3.0" || version.starts_with("3.0.");
        if !old && version != "3.1" && !version.starts_with("3.1.") {
            let shown: String = version.chars().take(20).collect();
            return Err(unreadable("#/openapi", format!("version `{shown}`; 3.0 and 3.1 are read")));
        }
        look_through(&document)?;
        let Some(Value::Object(paths)) = document.get("paths") else {
            return Err(unreadable("#/paths", "there are no paths in it, so there is nothing to check calls against"));
        };
        if paths.len() > limits::DOCUMENT_PATHS {
            return Err(unreadable("#/paths", format!("more than {} paths", limits::DOCUMENT_PATHS)));
        }
        let paths = paths.keys().filter(|path| path.starts_with('/')).map(|path| Template::of(path)).collect();
        let bases = routes::bases(&document);
        Ok(Self { document, old, bases, paths })
    }

    /// What is there in place of `value`, if that is a reference. `None`: it leads nowhere, or in a circle.
    fn resolved<'a>(&'a self, mut value: &'a Value) -> Option<&'a Value> {
        for _ in 0..HOPS {
            match value.get("$ref") {
                Some(Value::String(reference)) => value = target(&self.document, reference)?,
                _ => return Some(value),
            }
        }
        None
    }

    /// What stands at a reference.
    fn target(&self, reference: &str) -> Option<&Value> {
        target(&self.document, reference)
    }
}

/// References that lead to references, one after the other.
const HOPS: usize = 16;

/// What stands at a reference within the document.
fn target<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = percent_decode_str(reference.strip_prefix('#')?).decode_utf8().ok()?;
    document.pointer(&pointer)
}

/// Below these keys stand examples and other data that only looks like a document.
const DATA: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Whether it is of a size that can be walked, and every reference leads to something within it.
fn look_through(document: &Value) -> Result<(), Unreadable> {
    let mut nodes = 0_usize;
    // A stack of ours: a document that was made and not read may be deeper than a stack of calls.
    let mut left = vec![(document, String::from("#"), 0_usize)];
    while let Some((value, place, depth)) = left.pop() {
        nodes += 1;
        if nodes > limits::DOCUMENT_NODES {
            return Err(unreadable("#", format!("more than {} keys, values and items", limits::DOCUMENT_NODES)));
        }
        if depth > limits::DOCUMENT_DEPTH {
            return Err(unreadable(
                place,
                format!("more than {} maps and lists inside each other", limits::DOCUMENT_DEPTH),
            ));
        }
        match value {
            Value::Array(items) => {
                left.extend(items.iter().enumerate().map(|(ix, item)| (item, format!("{place}/{ix}"), depth + 1)));
            }
            Value::Object(entries) => {
                if let Some(Value::String(reference)) = entries.get("$ref") {
                    check_reference(document, reference, &place)?;
                }
                let structure =
                    entries.iter().filter(|(key, _)| !DATA.contains(&key.as_str()) && !key.starts_with("x-"));
                let below = |key: &str| format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
                left.extend(structure.map(|(key, value)| (value, below(key), depth + 1)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

fn check_reference(document: &Value, reference: &str, place: &str) -> Result<(), Unreadable> {
    let shown: String = reference.chars().take(200).collect();
    if !reference.starts_with("#/") && reference != "#" {
        let message = format!("the reference `{shown}` leads out of the document: bundle it into one file first");
        return Err(unreadable(place, message));
    }
    match target(document, reference) {
        Some(_) => Ok(()),
        None => Err(unreadable(place, format!("there is nothing at `{shown}`"))),
    }
}
