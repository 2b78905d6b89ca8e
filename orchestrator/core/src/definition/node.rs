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
pub(crate) fn read(source: &str, findings: &mut Findings) -> Option<Node> {
    let start = Mark { line: 1, column: 1 };
    if source.len() > limits::SOURCE_BYTES {
        let hint = format!("the limit is {} KiB", limits::SOURCE_BYTES / 1024);
        findings.error(code::TOO_LARGE, start, format!("the definition has {} bytes", source.len()), hint);
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(source, options()) {
        Ok(tree) => {
            let node = placed(tree);
            refuse_tags(source, &node, findings);
            Some(node)
        }
        Err(error) => {
            let at = error.location().map_or(start, mark);
            let message = error.without_snippet().to_string();
            let message = message.lines().next().unwrap_or("not YAML").to_owned();
            findings.error(code::YAML, at, message, "one plain YAML document: no anchors, aliases, tags or merges");
            None
        }
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

/// Core tags (`!!str`) pass the reader but have no place here: what a scalar is should be seen from how it is written.
fn refuse_tags(source: &str, node: &Node, findings: &mut Findings) {
    let begins_with_tag = |at: Mark| {
        let line = source.lines().nth(at.line as usize - 1).unwrap_or_default();
        line.chars().nth(at.column as usize - 1) == Some('!')
    };
    if begins_with_tag(node.at) {
        findings.error(code::YAML, node.at, "a tag", "leave the tag out; quote what should be a text");
    }
    match &node.value {
        Tree::List(items) => items.iter().for_each(|item| refuse_tags(source, item, findings)),
        Tree::Map(entries) => entries.iter().for_each(|(_, value)| refuse_tags(source, value, findings)),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {}
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

/// Where the `nth` (from 0) `${{` at or after `from` ends in the source, as a byte offset. Scalars keep
/// no inner places, but the opening of an expression survives every YAML quoting.
pub(crate) fn expression_place(source: &str, from: Mark, nth: usize) -> Option<usize> {
    let mut line_start = 0;
    for _ in 1..from.line {
        line_start += source[line_start..].find('\n')? + 1;
    }
    let column = source[line_start..].char_indices().nth(from.column as usize - 1).map_or(0, |(at, _)| at);
    let begin = line_start + column;
    let (at, _) = source[begin..].match_indices("${{").nth(nth)?;
    let end = begin + at + 3;
    Some(end)
}

/// The mark of a byte offset.
pub(crate) fn mark_of(source: &str, offset: usize) -> Mark {
    let before = &source[..offset.min(source.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Mark { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}
