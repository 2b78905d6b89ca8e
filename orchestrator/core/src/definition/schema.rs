//! The `input` schema: JSON Schema 2020-12, compiled once, without any reach outside the document.

use std::fmt;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::{
    diagnostic::Mark,
    limits,
    model::InputError,
    node::{Node, Tree},
    pattern,
};

/// What looking by it costs at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// At one value.
    pub(super) value: usize,
    /// At one byte of text: places of patterns whose automata are too large to be kept.
    pub(super) byte: usize,
}

/// A compiled schema.
pub struct InputSchema {
    pub schema: Value,
    weight: Weight,
    validator: Validator,
}

impl InputSchema {
    /// Compiles a schema. Patterns run on an engine without backtracking, so no pattern can hang the server.
    ///
    /// # Errors
    /// What is wrong with it; a reference that leaves the document among it.
    pub(super) fn compile(schema: Value, weight: Weight) -> Result<Self, String> {
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(limits::PATTERN_BYTES))
            .should_validate_formats(true)
            .build(&schema)
            .map_err(|error| error.to_string())?;
        Ok(Self { schema, weight, validator })
    }

    pub(super) fn check(&self, input: &Value) -> Result<(), Vec<InputError>> {
        let work = values(input).saturating_mul(self.weight.value);
        let pattern_work = texts(input).saturating_mul(self.weight.byte);
        if work > limits::INPUT_WORK || pattern_work > limits::PATTERN_WORK {
            let message = "it is too large to be checked against this schema".to_owned();
            return Err(vec![InputError { pointer: String::new(), message }]);
        }
        // Quick, where findings are not: each of them is written out, also those of alternatives.
        if self.validator.is_valid(input) {
            return Ok(());
        }
        if work > FINDINGS_WORK || pattern_work > PATTERN_FINDINGS_WORK {
            let first = self.validator.validate(input).err().map(|error| finding(&error));
            return Err(first.into_iter().collect());
        }
        let errors: Vec<_> =
            self.validator.iter_errors(input).take(limits::INPUT_ERRORS).map(|error| finding(&error)).collect();
        Err(errors)
    }
}

/// Beyond it only the first finding is told.
const FINDINGS_WORK: usize = limits::INPUT_WORK / 100;
const PATTERN_FINDINGS_WORK: usize = limits::PATTERN_WORK / 100;
/// Bytes of a text that count as a value.
const TEXT_BYTES: usize = 64;
/// Places that a pattern counts as.
const PATTERN_PLACES: usize = 16;

fn finding(error: &ValidationError<'_>) -> InputError {
    InputError { pointer: error.instance_path().to_string(), message: error.to_string() }
}

/// How many values there are in one, itself among them.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(entries) => entries.iter().map(|(key, value)| values(value) + key.len() / TEXT_BYTES).sum(),
        Value::String(text) => text.len() / TEXT_BYTES,
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Bytes of all texts in it, names of properties among them.
fn texts(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(entries) => entries.iter().map(|(key, value)| key.len() + texts(value)).sum(),
        Value::String(text) => text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schema.fmt(f)
    }
}

/// The only dialect.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

type Refused = (Mark, String, &'static str);

/// Refuses what could reach outside the document or keep a validator busy without end. A schema that refers to itself, or
/// that multiplies when its references are written out, costs exponentially much for a small input.
/// Answers what looking at one value by it costs at most.
pub(super) fn check(root: &Node) -> Result<Weight, Refused> {
    let mut walk = Walk { root, patterns: Vec::new(), places: 0, within: Vec::new() };
    walk.node(root)?;
    let byte = walk.patterns.iter().map(|pattern| pattern::places(pattern)).fold(0, usize::saturating_add);
    Ok(Weight { value: walk.places + walk.patterns.len() * PATTERN_PLACES, byte })
}

struct Walk<'n> {
    root: &'n Node,
    patterns: Vec<&'n str>,
    places: usize,
    /// The references that led here.
    within: Vec<&'n str>,
}

impl<'n> Walk<'n> {
    fn node(&mut self, node: &'n Node) -> Result<(), Refused> {
        self.places += 1;
        if self.places > limits::SCHEMA_PLACES {
            let message = format!("the schema has more than {} places with its references", limits::SCHEMA_PLACES);
            return Err((node.at, message, "refer to fewer things fewer times"));
        }
        match &node.value {
            Tree::List(items) => items.iter().try_for_each(|item| self.node(item)),
            Tree::Map(entries) => entries.iter().try_for_each(|(key, value)| self.entry(&key.name, value)),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => Ok(()),
        }
    }

    fn entry(&mut self, key: &str, value: &'n Node) -> Result<(), Refused> {
        match (key, &value.value) {
            ("$schema", Tree::Text(draft)) if draft.trim_end_matches('#') != DRAFT => {
                Err((value.at, "a schema of another draft".to_owned(), "leave `$schema` out: it is draft 2020-12"))
            }
            // A property may have such a name; then its value is a schema and no text.
            ("$id" | "$anchor" | "$dynamicAnchor" | "$dynamicRef", Tree::Text(_)) => {
                Err((value.at, format!("`{key}` is not supported in an input schema"), "use `#/$defs/<name>`"))
            }
            ("$ref", Tree::Text(reference)) => self.reference(reference, value),
            ("pattern", Tree::Text(pattern)) => self.patterns([&**pattern], value),
            ("patternProperties", Tree::Map(entries)) => {
                self.patterns(entries.iter().map(|(key, _)| &*key.name), value)?;
                self.node(value)
            }
            _ => self.node(value),
        }
    }

    fn patterns(&mut self, more: impl IntoIterator<Item = &'n str>, at: &Node) -> Result<(), Refused> {
        self.patterns.extend(more);
        if self.patterns.len() > limits::PATTERNS {
            let message = format!("the schema has more than {} patterns", limits::PATTERNS);
            return Err((at.at, message, "let the service that knows the format check it"));
        }
        Ok(())
    }

    fn reference(&mut self, reference: &'n str, node: &'n Node) -> Result<(), Refused> {
        let hint = "a reference is `#/$defs/<name>`, within this schema";
        let Some(pointer) = reference.strip_prefix("#/") else {
            return Err((node.at, format!("`{reference}` does not stay within the schema"), hint));
        };
        if self.within.contains(&reference) {
            return Err((
                node.at,
                format!("`{reference}` leads back to itself"),
                "write out as many levels as are needed",
            ));
        }
        let target = pointer.split('/').try_fold(self.root, |node, segment| {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            match &node.value {
                Tree::List(items) => items.get(segment.parse::<usize>().ok()?),
                _ => node.get(&segment),
            }
        });
        let target = target.ok_or_else(|| (node.at, format!("there is nothing at `{reference}`"), hint))?;
        self.within.push(reference);
        self.node(target)?;
        self.within.pop();
        Ok(())
    }
}
