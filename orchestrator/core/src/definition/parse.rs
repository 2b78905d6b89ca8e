//! From YAML to a [`Definition`]: the whole, in the order in which a reader would check it.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    calls::Defaults,
    children,
    diagnostic::{Diagnostic, Findings, Severity, code},
    documents, keys, labels, limits, lints, locks,
    model::Definition,
    node::{self, Node, Tree},
    order,
    reader::Reader,
    references,
    schema::{self, InputSchema},
    services::Services,
    steps,
};
use crate::ids::Digest;

/// A definition and what is to be said of it. The definition is there if nothing said is an error.
#[derive(Debug)]
pub struct Checked {
    pub definition: Option<Definition>,
    /// In order of their place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a definition, wholly: every mistake is found in one pass. `services` are the catalogue's; without one a
/// service is only warned about.
pub fn parse(source: &str, services: Option<&Services>) -> Checked {
    let mut findings = Findings::default();
    let read = node::read(source, &mut findings);
    let (root, scalars) = read.map_or_else(Default::default, |(root, scalars)| (Some(root), scalars));
    let mut reader = Reader { source, services, findings, scalars, not_looked_up: BTreeSet::new() };
    let definition = root.and_then(|root| definition(&mut reader, &root));
    let mut diagnostics = reader.findings.list;
    diagnostics.sort_by_key(|found| (found.line, found.column, found.code));
    let refused = diagnostics.iter().any(|found| found.severity == Severity::Error);
    Checked { definition: definition.filter(|_| !refused), diagnostics }
}

impl Definition {
    /// Reads and checks a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it, warnings included.
    pub fn parse(source: &str, services: Option<&Services>) -> Result<Self, Vec<Diagnostic>> {
        let checked = parse(source, services);
        checked.definition.ok_or(checked.diagnostics)
    }
}

fn definition(reader: &mut Reader<'_>, root: &Node) -> Option<Definition> {
    let fields = reader.fields(root, &keys::SAGA)?;
    refuse_secrets(reader, root);
    let name = fields.get("saga").and_then(|node| {
        let name = reader.text(node, "the saga's name")?;
        reader.name(name, node.at, "a saga", true).then(|| Arc::<str>::from(name))
    });
    let version = fields.get("version").and_then(|node| reader.integer(node, "version", 1, i32::MAX as u32));
    let description = fields.get("description").and_then(|node| reader.text(node, "description")).map(str::to_owned);
    let input = fields.get("input").and_then(|node| input_schema(reader, node));
    let deadline = fields.get("deadline").and_then(|node| reader.duration(node, "deadline", limits::DEADLINE));
    let labels = fields.get("labels").map_or_else(Vec::new, |node| labels::read(reader, node));
    let locks = fields.get("locks").map_or_else(Vec::new, |node| locks::read(reader, node));
    let defaults = Defaults::read(reader, fields.get("defaults"));

    let Some(Node { value: Tree::Map(entries), at }) = fields.get("steps") else {
        if let Some(node) = fields.get("steps") {
            let message = format!("steps are a map in source order, not {}", node.what());
            reader.error(
                code::WRONG_TYPE,
                node.at,
                message,
                "steps:\n  reserve:\n    call: inventory POST /reservations",
            );
        }
        return None;
    };
    if entries.is_empty() {
        reader.error(
            code::MISSING_KEY,
            *at,
            "a saga has at least one step",
            "steps:\n  reserve:\n    call: inventory POST /reservations",
        );
    }
    if entries.len() > limits::STEPS {
        reader.error(
            code::TOO_LARGE,
            *at,
            format!("more than {} steps", limits::STEPS),
            "make sub-sagas of parts of it",
        );
        return None;
    }
    let order = order::read(reader, entries);
    let mut steps = Vec::with_capacity(entries.len());
    for (ix, entry) in entries.iter().enumerate() {
        steps.push(steps::read(reader, entry, &order.places[ix], &defaults, deadline.is_some()));
    }
    let output = fields.get("output").and_then(|node| reader.template(node));
    references::check(reader, root, &order, entries);
    documents::check(reader, entries, &steps);
    if let Some(name) = &name {
        children::not_itself(reader, name, entries);
    }

    let steps: Vec<_> = steps.into_iter().collect::<Option<_>>()?;
    let digest = Digest::of(&[reader.source.as_bytes()]);
    let source = reader.source.into();
    let definition =
        Definition { name: name?, version, description, digest, source, input, labels, locks, deadline, steps, output };
    if reader.findings.list.iter().all(|found| found.severity == Severity::Warning) {
        lints::check(reader, root, &definition);
    }
    Some(definition)
}

fn input_schema(reader: &mut Reader<'_>, node: &Node) -> Option<InputSchema> {
    if !matches!(node.value, Tree::Map(_)) {
        reader.error(
            code::WRONG_TYPE,
            node.at,
            format!("input is a JSON Schema, not {}", node.what()),
            "input: { type: object, properties: { … } }",
        );
        return None;
    }
    let weight = match schema::check(node) {
        Ok(weight) => weight,
        Err((at, message, hint)) => {
            reader.error(code::BAD_SCHEMA, at, message, hint);
            return None;
        }
    };
    match InputSchema::compile(node.to_json(), weight) {
        Ok(schema) => Some(schema),
        Err(why) => {
            reader.error(
                code::BAD_SCHEMA,
                node.at,
                format!("input is no JSON Schema: {why}"),
                "JSON Schema, draft 2020-12",
            );
            None
        }
    }
}

/// Words that secrets begin with. A definition is kept for ever and shown to everybody who may read it.
const SECRETS: [&str; 7] = ["sk_live_", "sk_test_", "ghp_", "xoxb-", "AKIA", "-----BEGIN", "eyJhbGciOi"];
/// Words in front of a secret, or of the expression that brings one.
const SCHEMES: [&str; 2] = ["Bearer ", "Basic "];
/// What follows a scheme is a word of prose below this length.
const TOKEN_BYTES: usize = 16;

fn is_secret(text: &str) -> bool {
    let in_url = text.split_once("://").is_some_and(|(_, rest)| {
        rest.split('/').next().is_some_and(|authority| authority.contains('@') && authority.contains(':'))
    });
    let behind_scheme = SCHEMES.iter().filter_map(|scheme| text.split_once(scheme)).any(|(_, rest)| {
        let token = rest.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=._-".contains(c))).next();
        rest.starts_with("${{") || token.is_some_and(|token| token.len() >= TOKEN_BYTES)
    });
    in_url || behind_scheme || SECRETS.iter().any(|secret| text.contains(secret))
}

fn refuse_secrets(reader: &mut Reader<'_>, node: &Node) {
    match &node.value {
        Tree::Text(text) => {
            if is_secret(text) {
                let hint = "credentials belong to the service's entry in the catalogue, by reference";
                reader.error(code::SECRET, node.at, "this looks like a secret", hint);
            }
        }
        Tree::List(items) => items.iter().for_each(|item| refuse_secrets(reader, item)),
        Tree::Map(entries) => entries.iter().for_each(|(_, value)| refuse_secrets(reader, value)),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => {}
    }
}
