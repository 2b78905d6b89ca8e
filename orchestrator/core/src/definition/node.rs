//! YAML as a tree that remembers where everything stands.
//!
//! Why not plain serde structs: one look at a definition should show *all* its mistakes, each at its place, and serde
//! stops at the first. **It must never know** what a key means.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

use super::{
    diagnostic::{Findings, Mark, code},
    limits,
    strict::{self, Scalars},
};

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) value: Tree,
}

#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In source order; keys are unique.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) at: Mark,
    pub(crate) name: String,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Tree::Null => "nothing",
            Tree::Bool(_) => "a boolean",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "a text",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// The value under a key, if it is a map.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Tree::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The same without places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.value {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Number(value) => Value::Number(value.clone()),
            Tree::Text(value) => Value::String(value.clone()),
            Tree::List(items) => items.iter().map(Self::to_json).collect(),
            Tree::Map(entries) => Value::Object(
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }
}

/// Reads one YAML document, strictly: no anchors, aliases, tags, merges or second document, and within the limits.
pub(crate) fn read(source: &str, findings: &mut Findings) -> Option<(Node, Scalars)> {
    let start = Mark { line: 1, column: 1 };
    if source.len() > limits::SOURCE_BYTES {
        let hint = format!("the limit is {} KiB", limits::SOURCE_BYTES / 1024);
        findings.error(code::TOO_LARGE, start, format!("the definition has {} bytes", source.len()), hint);
        return None;
    }
    let scalars = strict::check(source, findings)?;
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(source, options()) {
        Ok(tree) => Some((placed(tree), scalars)),
        Err(error) => {
            let at = error.location().map_or(start, mark);
            let (message, hint) = refused(error.without_snippet());
            findings.error(code::YAML, at, message, hint);
            None
        }
    }
}

/// Why a source that is YAML is still none here, in our words.
fn refused(error: &serde_saphyr::Error) -> (String, &'static str) {
    use serde_saphyr::Error;
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("`{key}` stands here twice"), "a map has each key once; take one of them out")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            ("a key stands here twice".to_owned(), "a map has each key once; take one of them out")
        }
        Error::NonFiniteFloat { value, .. } => {
            (format!("`{value}` is no number here"), "put it in quotes if it is a text")
        }
        Error::Eof { .. } => ("there is nothing in it".to_owned(), "a definition begins with `saga: <name>`"),
        _ => (
            "this value cannot be read".to_owned(),
            "keys are texts; values are texts, numbers, `true`, `false`, `null`, lists and maps",
        ),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(limits::SOURCE_BYTES),
            flow_nesting_limit: limits::DEPTH,
            max_depth: limits::DEPTH,
            max_nodes: limits::NODES,
            max_events: limits::NODES * 4,
            max_anchors: 0,
            max_aliases: 0,
            max_documents: 1,
            max_merge_keys: 0,
            max_inclusion_depth: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn placed(tree: Spanned<Tree>) -> Node {
    Node { at: mark(tree.referenced), value: tree.value }
}

fn mark(location: serde_saphyr::Location) -> Mark {
    let number = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    Mark { line: number(location.line()), column: number(location.column()) }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        Number::from_f64(value).map(Tree::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0).min(64));
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(placed(item));
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map: Vec<(Key, Node)> = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value::<Spanned<Tree>>()?;
            map.push((Key { at: mark(key.referenced), name: key.value }, placed(value)));
        }
        Ok(Tree::Map(map))
    }
}
