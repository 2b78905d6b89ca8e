//! From YAML to a [`FaultPlan`], as strictly as a definition is read, with the same codes and places.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    keys,
    model::{Again, Asked, Attempts, Fault, FaultPlan, Point, Rule},
};
use crate::definition::{
    Diagnostic, Severity, code,
    diagnostic::Findings,
    keys::Keys,
    limits,
    node::{self, Node, Tree},
    reader::{Fields, Reader},
};

/// In one plan: each attempt is held against all of them.
const RULES: usize = 100;
/// Longer ones are no names, and stand in every line that is logged of a fault.
const NAME_CHARS: usize = 80;
/// The longest delay, and the longest time after which a copy comes.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Copies of one attempt.
const COPIES: u32 = 10;

/// Reads a plan.
///
/// # Errors
/// Every mistake with its place.
pub fn parse(source: &str) -> Result<FaultPlan, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let read = node::read(source, &mut findings);
    let (root, scalars) = read.map_or_else(Default::default, |(root, scalars)| (Some(root), scalars));
    let mut reader = Reader { source, services: None, findings, scalars, not_looked_up: BTreeSet::new() };
    let plan = root.and_then(|root| plan(&mut reader, &root));
    let mut found = reader.findings.list;
    found.sort_by_key(|found| (found.line, found.column, found.code));
    match plan {
        Some(plan) if found.iter().all(|found| found.severity == Severity::Warning) => Ok(plan),
        _ => Err(found),
    }
}

fn plan(reader: &mut Reader<'_>, root: &Node) -> Option<FaultPlan> {
    let fields = reader.fields(root, &keys::PLAN)?;
    let seed = fields.get("seed").map_or(Some(0), |node| whole(reader, node, "seed", 0));
    let node = fields.get("rules")?;
    let Tree::List(list) = &node.value else {
        let message = format!("rules is a list, not {}", node.what());
        reader.error(code::WRONG_TYPE, node.at, message, "rules: [ … ]");
        return None;
    };
    if list.is_empty() || list.len() > RULES {
        let message = format!("{} rules", list.len());
        reader.error(
            code::OUT_OF_RANGE,
            node.at,
            message,
            format!("from 1 to {RULES}; to end all faults clear the plan"),
        );
        return None;
    }
    let mut lines: BTreeMap<String, u32> = BTreeMap::new();
    let mut rules = Vec::with_capacity(list.len());
    for (node, nth) in list.iter().zip(1..) {
        let read = rule(reader, node, nth);
        if let Some(rule) = &read
            && let Some(line) = lines.insert(rule.name.clone(), node.at.line)
        {
            let message = format!("two rules are called `{}`; the other stands in line {line}", rule.name);
            reader.error(code::BAD_NAME, node.at, message, "their counts could not be told apart");
        }
        rules.push(read);
    }
    Some(FaultPlan { seed: seed?, rules: rules.into_iter().collect::<Option<_>>()? })
}

fn rule(reader: &mut Reader<'_>, node: &Node, nth: u32) -> Option<Rule> {
    let fields = reader.fields(node, &keys::RULE)?;
    let name = fields.get("name").map_or(Some(format!("rule {nth}")), |node| name(reader, node));
    let mut named = |key: &str, what: &str, dots: bool| -> Option<Option<String>> {
        let Some(node) = fields.get(key) else { return Some(None) };
        let text = reader.text(node, key)?.to_owned();
        reader.name(&text, node.at, what, dots).then_some(Some(text))
    };
    let (service, saga, step) =
        (named("service", "a service", true), named("saga", "a saga", true), named("step", "a step", false));
    let op = match fields.get("op") {
        None => Some(None),
        Some(node) => {
            let ops = [Asked::Action, Asked::Compensate, Asked::Probe].map(|op| (op.as_str(), op));
            word(reader, node, "op", &ops).map(Some)
        }
    };
    let labels = fields.get("label").map_or(Some(Map::new()), |node| labels(reader, node));
    let attempts = match (fields.get("attempt"), fields.get("attempts")) {
        (None, None) => Some(None),
        (Some(node), None) => reader.integer(node, "attempt", 1, limits::ATTEMPTS).map(|one| Some(Attempts::Only(one))),
        (None, Some(node)) => {
            reader.integer(node, "attempts", 1, limits::ATTEMPTS).map(|most| Some(Attempts::First(most)))
        }
        (Some(_), Some(node)) => {
            let hint = "one attempt, or the first ones; for others write more rules";
            reader.error(code::KINDS, node.at, "`attempts` beside `attempt`", hint);
            None
        }
    };
    let probability = fields.get("probability").map_or(Some(1.0), |node| probability(reader, node));
    let count = match fields.get("count") {
        None => Some(None),
        Some(node) => whole(reader, node, "count", 1).map(Some),
    };
    let fault = fault(reader, node, &fields);
    Some(Rule {
        name: name?,
        service: service?.map(|name| name.as_str().into()),
        saga: saga?,
        step: step?.map(|name| name.as_str().into()),
        op: op?,
        labels: labels?,
        attempts: attempts?,
        probability: probability?,
        count: count?,
        fault: fault?,
    })
}

fn fault(reader: &mut Reader<'_>, node: &Node, fields: &Fields<'_>) -> Option<Fault> {
    let kinds: Vec<&str> = keys::FAULTS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    let [kind] = kinds[..] else {
        let hint = format!("exactly one of: {}", keys::FAULTS.join(", "));
        reader.error(code::KINDS, node.at, format!("a rule with {} faults", kinds.len()), hint);
        return None;
    };
    let at = fields.get(kind)?;
    Some(match kind {
        "delay" => Fault::Delay(reader.duration(at, kind, LONGEST)?),
        "refuse" => only_true(reader, at, kind, Fault::Refuse)?,
        "lose" => word(reader, at, kind, &[("request", Fault::LoseRequest), ("reply", Fault::LoseReply)])?,
        "reject" => Fault::Reject(status(reader, at, kind, 400, 499)?),
        "fail" => Fault::Fail(status(reader, at, kind, 300, 599)?),
        "status" => Fault::Status(status(reader, at, kind, 100, 599)?),
        "body" => Fault::Body(at.to_json()),
        "cut" => only_true(reader, at, kind, Fault::Cut)?,
        "duplicate" => Fault::Duplicate(reader.integer(at, kind, 1, COPIES)?),
        "replay" => match &at.value {
            Tree::Text(text) if text == "compensation" => Fault::Replay(Again::AfterCompensation),
            _ => Fault::Replay(Again::After(reader.duration(at, kind, LONGEST)?)),
        },
        _ => Fault::Abort(word(reader, at, kind, &Point::ALL)?),
    })
}

fn name(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "a rule's name")?;
    let fits = (1..=NAME_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !fits {
        let hint = format!("from 1 to {NAME_CHARS} characters on one line");
        reader.error(code::BAD_NAME, node.at, "this is no name for a rule", hint);
    }
    fits.then(|| text.to_owned())
}

fn labels(reader: &mut Reader<'_>, node: &Node) -> Option<Map<String, Value>> {
    let is_one = |value: &Node| matches!(value.value, Tree::Text(_) | Tree::Number(_) | Tree::Bool(_));
    match &node.value {
        Tree::Map(entries) if (1..=limits::LABELS).contains(&entries.len()) => {
            if let Some((_, wrong)) = entries.iter().find(|(_, value)| !is_one(value)) {
                reader.error(
                    code::WRONG_TYPE,
                    wrong.at,
                    "a label is a text, a number or a boolean",
                    "label: { tier: gold }",
                );
                return None;
            }
            Some(entries.iter().map(|(key, value)| (key.name.to_string(), value.to_json())).collect())
        }
        _ => {
            let hint = format!("from 1 to {} of them, e.g. label: {{ tier: gold }}", limits::LABELS);
            reader.error(code::WRONG_TYPE, node.at, "label is a map of labels and their values", hint);
            None
        }
    }
}

fn whole(reader: &mut Reader<'_>, node: &Node, what: &str, least: u64) -> Option<u64> {
    let number = match &node.value {
        Tree::Number(number) => number.as_u64().filter(|number| *number >= least),
        _ => None,
    };
    if number.is_none() {
        let hint = format!("a whole number from {least} on, without quotes");
        reader.error(code::WRONG_TYPE, node.at, format!("{what} is no such number"), hint);
    }
    number
}

fn probability(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    let number = match &node.value {
        Tree::Number(number) => number.as_f64().filter(|number| (0.0..=1.0).contains(number)),
        _ => None,
    };
    if number.is_none() {
        reader.error(code::OUT_OF_RANGE, node.at, "this is no probability", "a number from 0 to 1, e.g. 0.25");
    }
    number
}

fn status(reader: &mut Reader<'_>, node: &Node, what: &str, least: u32, most: u32) -> Option<u16> {
    reader.integer(node, what, least, most).and_then(|status| u16::try_from(status).ok())
}

/// `false` would be a rule without a fault.
fn only_true(reader: &mut Reader<'_>, node: &Node, what: &str, fault: Fault) -> Option<Fault> {
    if matches!(node.value, Tree::Bool(true)) {
        return Some(fault);
    }
    reader.error(code::WRONG_TYPE, node.at, format!("{what} is `true`, or it is left out"), format!("{what}: true"));
    None
}

fn word<T: Clone>(reader: &mut Reader<'_>, node: &Node, what: &str, known: &[(&str, T)]) -> Option<T> {
    let found = match &node.value {
        Tree::Text(text) => known.iter().find(|(word, _)| word == text).map(|(_, value)| value.clone()),
        _ => None,
    };
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        reader.error(code::WRONG_TYPE, node.at, format!("{what} is one of a few words"), words.join(", "));
    }
    found
}

/// Every table of keys, for the schema and for who must document them.
pub(super) const TABLES: [&Keys; 2] = [&keys::PLAN, &keys::RULE];
