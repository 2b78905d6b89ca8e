//! Whether a value with expressions in it can be what a schema asks for.
//!
//! Only what holds for whatever the expressions give is a refusal. What is not understood (`not`, `if`, patterns, formats) is none.

use serde_json::{Map, Value};

use super::Api;
use crate::{
    definition::{
        diagnostic::Mark,
        limits,
        node::{Key, Node, Tree},
    },
    expr::Template,
};

/// Something in a value that its schema cannot accept.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) at: Mark,
    pub(crate) what: What,
    pub(crate) message: String,
    /// A word that is not known, and those that are.
    pub(crate) meant: Option<(String, Vec<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    FieldMissing,
    FieldUnknown,
    Value,
}

/// What is refused of a value, if anything is for certain, and as long as there are `looks` left.
pub(super) fn refusal(api: &Api, schema: &Value, given: &Node, looks: &mut Looks) -> Option<Refusal> {
    Walk { api, looks }.value(schema, given, 0)
}

/// How much is still looked at: alternatives of alternatives multiply. Without it nothing more is certain.
#[derive(Debug)]
pub(crate) struct Looks(usize);

impl Default for Looks {
    fn default() -> Self {
        Self(limits::SCHEMA_LOOKS)
    }
}

impl Looks {
    /// `None`: there are not so many left.
    pub(super) fn spend(&mut self, looks: usize) -> Option<()> {
        self.0 = self.0.saturating_sub(looks);
        (self.0 > 0).then_some(())
    }
}

/// Schemas within schemas within references.
const DEPTH: usize = 64;
/// So many words are named in a message.
const NAMED: usize = 8;

struct Walk<'a, 'l> {
    api: &'a Api,
    looks: &'l mut Looks,
}

/// Bytes of a text, or of comparing it, that cost as much as a look.
const BYTES_A_LOOK: usize = 64;

impl<'a> Walk<'a, '_> {
    fn value(&mut self, schema: &'a Value, given: &Node, depth: usize) -> Option<Refusal> {
        self.looks.spend(match &given.value {
            Tree::Text(text) => 1 + text.len() / BYTES_A_LOOK,
            _ => 1,
        })?;
        if depth > DEPTH || is_open(given) {
            return None;
        }
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(false) => return Some(wrong(given, "nothing may stand here".to_owned())),
            _ => return None,
        };
        if let Some(reference) = schema.get("$ref") {
            let target = self.api.target(reference.as_str()?)?;
            // In 3.0 what stands beside a reference does not count.
            if let refused @ Some(_) = self.value(target, given, depth + 1) {
                return refused;
            }
            if self.api.old {
                return None;
            }
        }
        self.kind(schema, given)
            .or_else(|| self.constant(schema, given))
            .or_else(|| bounds(schema, given))
            .or_else(|| self.parts(schema, given, depth))
            .or_else(|| self.combined(schema, given, depth))
    }

    /// Its type.
    fn kind(&self, schema: &Map<String, Value>, given: &Node) -> Option<Refusal> {
        let kinds = kinds(self.api, schema)?;
        let fits = |kind: &str| match &given.value {
            Tree::Null => kind == "null",
            Tree::Bool(_) => kind == "boolean",
            Tree::Text(_) => kind == "string",
            Tree::List(_) => kind == "array",
            Tree::Map(_) => kind == "object",
            // 1.0 is an integer, too.
            Tree::Number(number) => {
                kind == "number" || kind == "integer" && number.as_f64().is_none_or(|number| number.fract() == 0.0)
            }
        };
        if kinds.iter().any(|kind| fits(kind)) {
            return None;
        }
        Some(wrong(given, format!("this is {}, and the service takes {}", given.what(), kinds.join(" or "))))
    }

    /// One of a few values. Only what has no expression in it can be another.
    fn constant(&mut self, schema: &Map<String, Value>, given: &Node) -> Option<Refusal> {
        let among = match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(values)), _) if !values.is_empty() => values.as_slice(),
            (_, Some(value)) if !self.api.old => std::slice::from_ref(value),
            _ => return None,
        };
        self.looks.spend(among.len())?;
        // In 3.0 `nullable` and `enum` are read in two ways.
        if !is_literal(given) || matches!(given.value, Tree::Null) && self.api.old {
            return None;
        }
        let given_value = given.to_json();
        if among.iter().any(|value| equal(value, &given_value)) {
            return None;
        }
        let words: Vec<String> = among.iter().take(NAMED).map(shown).collect();
        let more = if among.len() > NAMED { ", …" } else { "" };
        let message = format!("the service takes one of {}{more} here", words.join(", "));
        let meant = given_value.as_str().map(|given| {
            let known = among.iter().filter_map(Value::as_str).take(limits::DOCUMENT_WORDS).map(str::to_owned);
            (given.to_owned(), known.collect())
        });
        Some(Refusal { meant, ..wrong(given, message) })
    }

    /// Fields and items.
    fn parts(&mut self, schema: &'a Map<String, Value>, given: &Node, depth: usize) -> Option<Refusal> {
        match &given.value {
            Tree::Map(entries) => self.fields(schema, given, entries, depth),
            Tree::List(items) if !schema.contains_key("prefixItems") => {
                let of_each = schema.get("items")?;
                items.iter().find_map(|item| self.value(of_each, item, depth + 1))
            }
            _ => None,
        }
    }

    fn fields(
        &mut self,
        schema: &'a Map<String, Value>,
        given: &Node,
        entries: &[(Key, Node)],
        depth: usize,
    ) -> Option<Refusal> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let property = |name: &str| properties.and_then(|properties| properties.get(name));
        let has = |name: &str| entries.iter().any(|(key, _)| key.name == name);
        let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.looks.spend(required.len().saturating_mul(1 + entries.len() / BYTES_A_LOOK))?;
        for missing in required.iter().filter_map(Value::as_str).filter(|name| !has(name)) {
            // What only the service writes is required of its answers.
            let written_there = property(missing).is_some_and(|property| self.is_read_only(property));
            if !written_there {
                let message = format!("the service requires `{}` here", cut(missing));
                return Some(Refusal { at: given.at, what: What::FieldMissing, message, meant: None });
            }
        }
        let closed = schema.get("additionalProperties");
        for (key, value) in entries {
            let of_value = match property(&key.name) {
                Some(property) => property,
                // Which names a pattern means is not looked at.
                None if schema.contains_key("patternProperties") => continue,
                None => match closed {
                    Some(Value::Bool(false)) => {
                        let known = properties.into_iter().flat_map(Map::keys).take(limits::DOCUMENT_WORDS);
                        let message = format!("the service takes no `{}` here", cut(&key.name));
                        let meant = Some((key.name.clone(), known.cloned().collect()));
                        return Some(Refusal { at: key.at, what: What::FieldUnknown, message, meant });
                    }
                    Some(schema @ Value::Object(_)) => schema,
                    _ => continue,
                },
            };
            if let refused @ Some(_) = self.value(of_value, value, depth + 1) {
                return refused;
            }
        }
        None
    }

    fn is_read_only(&self, property: &Value) -> bool {
        let says = |schema: &Value| schema.get("readOnly") == Some(&Value::Bool(true));
        says(property) || self.api.resolved(property).is_none_or(says)
    }

    /// `allOf`, `anyOf`, `oneOf`. That more than one of `oneOf` fits is not looked at.
    fn combined(&mut self, schema: &'a Map<String, Value>, given: &Node, depth: usize) -> Option<Refusal> {
        let list = |key: &str| schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let refused @ Some(_) = list("allOf").iter().find_map(|schema| self.value(schema, given, depth + 1)) {
            return refused;
        }
        for alternatives in [list("anyOf"), list("oneOf")] {
            let mut refusals = vec![];
            for schema in alternatives {
                match self.value(schema, given, depth + 1) {
                    Some(refusal) => refusals.push(refusal),
                    None => break,
                }
            }
            if alternatives.is_empty() || refusals.len() < alternatives.len() {
                continue;
            }
            // The one that is refused for what is in it, where the others are of another type, is the one that was meant.
            let wrong_as_a_whole = |refusal: &Refusal| refusal.what == What::Value && refusal.at == given.at;
            refusals.retain(|refusal| !wrong_as_a_whole(refusal));
            return Some(match (refusals.pop(), refusals.is_empty()) {
                (Some(meant), true) => meant,
                _ => {
                    let number = alternatives.len();
                    wrong(given, format!("this fits none of the {number} things that the service takes here"))
                }
            });
        }
        None
    }
}

/// The types that a schema allows; `None`: any.
pub(super) fn kinds<'a>(api: &Api, schema: &'a Map<String, Value>) -> Option<Vec<&'a str>> {
    let mut kinds: Vec<&str> = match schema.get("type")? {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) if !api.old => kinds.iter().take(NAMED).filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let known = |kind: &&str| ["null", "boolean", "string", "array", "object", "number", "integer"].contains(kind);
    if kinds.is_empty() || !kinds.iter().all(known) {
        return None;
    }
    if api.old && schema.get("nullable") == Some(&Value::Bool(true)) {
        kinds.push("null");
    }
    Some(kinds)
}

/// Numbers and lengths.
fn bounds(schema: &Map<String, Value>, given: &Node) -> Option<Refusal> {
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let (value, what, least, most) = match &given.value {
        Tree::Number(value) => (value.as_f64()?, "this number", "minimum", "maximum"),
        // JSON Schema counts characters, and in UTF-16 there are no fewer.
        Tree::Text(text) if is_literal(given) => {
            let least = text.chars().map(char::len_utf16).sum::<usize>();
            let most = text.chars().count();
            let too_short = number("minLength").is_some_and(|bound| (least as f64) < bound);
            let too_long = number("maxLength").is_some_and(|bound| bound < most as f64);
            let why = if too_short { "short" } else { "long" };
            return (too_short || too_long).then(|| wrong(given, format!("this text is too {why} for the service")));
        }
        Tree::List(items) => (items.len() as f64, "the number of items", "minItems", "maxItems"),
        _ => return None,
    };
    // `exclusiveMinimum: true` is 3.0, `exclusiveMinimum: 0` is 3.1.
    let below = number(least).is_some_and(|bound| value < bound || value == bound && flag("exclusiveMinimum"))
        || least == "minimum" && number("exclusiveMinimum").is_some_and(|bound| value <= bound);
    let above = number(most).is_some_and(|bound| bound < value || value == bound && flag("exclusiveMaximum"))
        || most == "maximum" && number("exclusiveMaximum").is_some_and(|bound| bound <= value);
    let why = if below { "small" } else { "large" };
    (below || above).then(|| wrong(given, format!("{what} is too {why} for the service")))
}

fn wrong(given: &Node, message: String) -> Refusal {
    Refusal { at: given.at, what: What::Value, message, meant: None }
}

/// Whether it is one expression and nothing beside it, and so of any type.
fn is_open(given: &Node) -> bool {
    // What does not parse has been said where it was read.
    matches!(&given.value, Tree::Text(text) if !matches!(Template::parse_text(text), Ok(Template::Literal(_) | Template::Text(_))))
}

fn is_literal(given: &Node) -> bool {
    match &given.value {
        Tree::Text(text) => !text.contains("${{"),
        Tree::List(items) => items.iter().all(is_literal),
        Tree::Map(entries) => entries.iter().all(|(_, value)| is_literal(value)),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => true,
    }
}

/// 1 and 1.0 are the same number.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(key, value): (&String, &Value)| other.get(key).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

/// A message is read by people.
fn cut(text: &str) -> String {
    const CHARACTERS: usize = 60;
    let mut shown: String = text.chars().take(CHARACTERS).collect();
    if text.chars().nth(CHARACTERS).is_some() {
        shown.push('…');
    }
    shown
}
