//! From YAML to [`Scenarios`], as strictly as a definition is read, with the same codes and places.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    time::Duration,
};

use serde_json::{Map, Value};

use super::{
    input::NOW,
    keys,
    model::{
        After, Asked, CalledBack, Cancelled, Ended, Expect, Fault, Scenario, Scenarios, Signalled, Verdict, Wrong,
    },
    shorten,
};
use crate::{
    definition::{
        Definition, Diagnostic, Known, Severity, Step, code,
        diagnostic::{Findings, Mark},
        keys::Keys,
        limits,
        node::{self, Node, Tree},
        reader::{Fields, Reader, did_you_mean},
    },
    ids::StepName,
};

/// Scenarios of one file.
const SCENARIOS: usize = 200;

/// Reads a file of scenarios for this definition.
///
/// # Errors
/// Every mistake with its place.
pub fn parse(source: &str, definition: &Definition) -> Result<Scenarios, Vec<Diagnostic>> {
    parse_family(source, definition, &Known::new())
}

/// The same for a saga that runs others: steps of those that are known can be named as its own.
///
/// # Errors
/// Every mistake with its place.
pub fn parse_family(source: &str, definition: &Definition, known: &Known) -> Result<Scenarios, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    let read = node::read(source, &mut findings);
    let (root, scalars) = read.map_or_else(Default::default, |(root, scalars)| (Some(root), scalars));
    let mut reader = Reader { source, services: None, findings, scalars, not_looked_up: BTreeSet::new() };
    let family = std::iter::once(definition).chain(known.values().map(|child| &**child));
    let steps: Vec<Named<'_>> = family.flat_map(Named::all).collect();
    let scenarios = root.and_then(|root| file(&mut reader, &root, &steps));
    let mut found = reader.findings.list;
    found.sort_by_key(|found| (found.line, found.column, found.code));
    match scenarios {
        Some(scenarios) if found.iter().all(|found| found.severity == Severity::Warning) => Ok(scenarios),
        _ => Err(found),
    }
}

/// A step that scenarios can name, of the saga or of one that it runs.
struct Named<'d> {
    step: &'d Step,
    /// Those that are done before it begins, of the same saga.
    before: Vec<&'d Step>,
}

impl<'d> Named<'d> {
    fn all(definition: &'d Definition) -> impl Iterator<Item = Self> {
        let before = |step: &Step| step.ancestors.iter().map(|before| &definition.steps[*before]).collect();
        definition.steps.iter().map(move |step| Self { step, before: before(step) })
    }
}

impl Deref for Named<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        self.step
    }
}

type Steps<'d> = [Named<'d>];

fn file(reader: &mut Reader<'_>, root: &Node, steps: &Steps<'_>) -> Option<Scenarios> {
    let fields = reader.fields(root, &keys::FILE)?;
    let replies = fields.get("replies").map_or_else(Vec::new, |node| {
        by_step(reader, node, steps, "replies").into_iter().map(|(step, node)| (step, node.to_json())).collect()
    });
    let list = list(reader, fields.get("scenarios")?, "scenarios")?;
    if list.is_empty() || list.len() > SCENARIOS {
        let message = format!("{} scenarios", list.len());
        reader.error(code::OUT_OF_RANGE, root.at, message, format!("from 1 to {SCENARIOS} in one file"));
        return None;
    }
    let mut names = BTreeSet::new();
    let mut scenarios = Vec::with_capacity(list.len());
    for node in list {
        let read = scenario(reader, node, steps);
        if let Some(scenario) = &read
            && !names.insert(scenario.name.clone())
        {
            let message = format!("two scenarios are called `{}`", scenario.name);
            reader.error(code::BAD_NAME, node.at, message, "say what is different");
        }
        scenarios.push(read);
    }
    Some(Scenarios { replies, scenarios: scenarios.into_iter().collect::<Option<_>>()? })
}

fn scenario(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<Scenario> {
    let fields = reader.fields(node, &keys::SCENARIO)?;
    let name = fields.get("name").and_then(|node| reader.text(node, "the name")).map(str::to_owned);
    let input = fields.get("input").map_or_else(|| Value::Object(Map::new()), Node::to_json);
    fields.get("input").map_or(Some(()), |node| times(reader, node))?;
    let mut shorter = Vec::new();
    if let Some(node) = fields.get("shorten") {
        for (step, node) in by_step(reader, node, steps, "shorten") {
            if !steps.iter().any(|known| known.name == step && shorten::waits(known)) {
                let message = format!("`{step}` has no wait that could be shortened");
                let hint = "a step that sleeps, awaits a signal, is `async` or has a `probe`";
                reader.error(code::UNKNOWN_REFERENCE, node.at, message, hint);
                return None;
            }
            shorter.push((step, reader.duration(node, "shorten", limits::WAIT)?));
        }
    }
    let mut faults = Vec::new();
    for node in list(reader, fields.get("faults").unwrap_or(&EMPTY), "faults")? {
        faults.push(fault(reader, node, steps));
    }
    let mut signals = Vec::new();
    for node in list(reader, fields.get("signals").unwrap_or(&EMPTY), "signals")? {
        signals.push(signal(reader, node, steps));
    }
    let mut callbacks = Vec::new();
    for node in list(reader, fields.get("callbacks").unwrap_or(&EMPTY), "callbacks")? {
        callbacks.push(callback(reader, node, steps));
    }
    let cancel = match fields.get("cancel") {
        Some(node) => Some(cancel(reader, node, steps)?),
        None => None,
    };
    let expect = fields.get("expect").and_then(|node| expect(reader, node, steps));
    Some(Scenario {
        name: name?,
        at: node.at,
        input,
        shorten: shorter,
        faults: faults.into_iter().collect::<Option<_>>()?,
        signals: signals.into_iter().collect::<Option<_>>()?,
        callbacks: callbacks.into_iter().collect::<Option<_>>()?,
        cancel,
        expect: expect?,
    })
}

/// Texts that are meant to be times are.
fn times(reader: &mut Reader<'_>, node: &Node) -> Option<()> {
    match &node.value {
        Tree::Text(text) => text.strip_prefix(NOW).map_or(Some(()), |later| {
            let later = Node { at: node.at, value: Tree::Text(later.to_owned()) };
            reader.duration(&later, "a time from now on", limits::WAIT).map(drop)
        }),
        Tree::List(items) => items.iter().try_for_each(|item| times(reader, item)),
        Tree::Map(entries) => entries.iter().try_for_each(|(_, item)| times(reader, item)),
        Tree::Null | Tree::Bool(_) | Tree::Number(_) => Some(()),
    }
}

const EMPTY: Node = Node { at: Mark { line: 1, column: 1 }, value: Tree::List(Vec::new()) };

fn fault(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<Fault> {
    let fields = reader.fields(node, &keys::FAULT)?;
    let at_step = fields.get("step")?;
    let step = step(reader, at_step, steps);
    let of = match fields.get("op") {
        None => Some(Asked::Action),
        Some(node) => word(reader, node, "op", &Asked::ALL.map(|of| (of.as_str(), of))),
    };
    let attempts = match fields.get("attempts") {
        None => Some(1),
        Some(Node { value: Tree::Text(all), .. }) if all == "all" => None,
        Some(node) => Some(reader.integer(node, "attempts", 1, limits::ATTEMPTS)?),
    };
    let kinds: Vec<&str> = keys::FAULT_KINDS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    let [kind] = kinds[..] else {
        let hint = format!("exactly one of: {}", keys::FAULT_KINDS.join(", "));
        reader.error(code::KINDS, node.at, format!("a fault with {} of them", kinds.len()), hint);
        return None;
    };
    let at = fields.get(kind)?;
    let what = match kind {
        "reject" => Wrong::Reject(status(reader, at, "reject", 400, 499)?),
        "fail" => Wrong::Fail(status(reader, at, "fail", 300, 599)?),
        "lose" => word(reader, at, "lose", &LOST)?,
        "duplicate" => Wrong::Duplicate(reader.integer(at, "duplicate", 2, COPIES)?),
        _ => Wrong::Delay(reader.duration(at, "delay", Duration::from_secs(3_600))?),
    };
    let fault = Fault { at: node.at, step: step?, of: of?, attempts, what };
    let can = can_befall(reader, &fault, fields.get("attempts").is_some(), (node.at, at_step.at), steps);
    // Nobody listens until the step has failed.
    let attempts = fault.attempts.filter(|_| what != Wrong::LoseConnection);
    can.then_some(Fault { attempts, ..fault })
}

const LOST: [(&str, Wrong); 3] =
    [("request", Wrong::LoseRequest), ("reply", Wrong::LoseReply), ("connection", Wrong::LoseConnection)];
/// Copies of one request.
const COPIES: u32 = 10;

/// What can be brought about whenever the step is called.
fn can_befall(reader: &mut Reader<'_>, fault: &Fault, counted: bool, at: (Mark, Mark), steps: &Steps<'_>) -> bool {
    let Some(place) = steps.iter().position(|step| step.name == fault.step) else { return false };
    let (step, call) = (&steps[place], steps[place].call());
    if fault.of == Asked::Probe && call.is_none_or(|call| call.probe.is_none()) {
        reader.error(
            code::UNKNOWN_REFERENCE,
            at.1,
            format!("`{}` has no `probe`", fault.step),
            "one of a step that has",
        );
        return false;
    }
    if fault.of == Asked::Probe && matches!(fault.what, Wrong::Duplicate(_)) {
        reader.error(code::KINDS, at.0, "a probe changes nothing, however often it arrives", "another fault");
        return false;
    }
    if fault.what != Wrong::LoseConnection {
        return true;
    }
    if fault.of != Asked::Action || counted {
        let hint = "leave out `op` and `attempts`: nobody listens until the step has failed";
        reader.error(code::KINDS, at.0, "`lose: connection` is about all attempts of an action", hint);
        return false;
    }
    // The door is shut from the start on: nobody may have to pass it before.
    let service = |step: &Step| step.call().map(|call| call.action.service.clone());
    let before = step.before.iter().copied().find(|before| service(before) == service(step));
    if let Some(before) = before {
        let message = format!("`{}` calls the same service before it", before.name);
        reader.error(code::UNKNOWN_REFERENCE, at.1, message, "a step that is the first to call its service");
    }
    before.is_none()
}

fn callback(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<CalledBack> {
    let fields = reader.fields(node, &keys::CALLBACK)?;
    let at = fields.get("step")?;
    let step = step(reader, at, steps)?;
    let later = steps.iter().find(|known| known.name == step).and_then(|known| known.call()?.verdict_within);
    if later.is_none() {
        reader.error(code::UNKNOWN_REFERENCE, at.at, format!("`{step}` is not `async`"), "a step that is");
        return None;
    }
    let after = match fields.get("after")? {
        Node { value: Tree::Text(early), .. } if early == "early" => After::Early,
        Node { value: Tree::Text(never), .. } if never == "never" => After::Never,
        node => After::Later(reader.duration(node, "after", Duration::from_secs(3_600))?),
    };
    let verdict = match (fields.get("body"), fields.get("reject")) {
        (Some(_), Some(_)) => {
            reader.error(code::KINDS, node.at, "it is done and it is refused", "`body` or `reject`");
            return None;
        }
        (None, Some(why)) => Verdict::Rejected(reader.text(why, "reject")?.to_owned()),
        (body, None) => Verdict::Done(body.map_or_else(|| Value::Object(Map::new()), Node::to_json)),
    };
    Some(CalledBack { at: node.at, step, after, verdict })
}

fn status(reader: &mut Reader<'_>, node: &Node, what: &str, least: u32, most: u32) -> Option<u16> {
    reader.integer(node, what, least, most).and_then(|status| u16::try_from(status).ok())
}

fn signal(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<Signalled> {
    let fields = reader.fields(node, &keys::SIGNAL)?;
    let name_node = fields.get("name")?;
    let name = reader.text(name_node, "a signal's name")?;
    let named = reader.name(name, name_node.at, "a signal", false);
    let when = match fields.get("when")? {
        Node { value: Tree::Text(start), .. } if start == "start" => None,
        node => Some(step(reader, node, steps)?),
    };
    let data = fields.get("data").map_or(Value::Null, Node::to_json);
    named.then(|| Signalled { at: node.at, name: name.into(), when, data })
}

fn cancel(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<Cancelled> {
    let fields = reader.fields(node, &keys::CANCEL)?;
    let reason = fields.get("reason").and_then(|node| reader.text(node, "reason")).map(str::to_owned);
    Some(Cancelled { at: node.at, when: step(reader, fields.get("when")?, steps)?, reason })
}

fn expect(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<Expect> {
    let fields = reader.fields(node, &keys::EXPECT)?;
    let status = [Ended::Completed, Ended::Compensated].map(|ended| (ended.as_str(), ended));
    let status = fields.get("status").and_then(|node| word(reader, node, "status", &status));
    let mut attempts = Vec::new();
    let mut places = BTreeMap::new();
    for key in keys::EXPECT.known {
        if fields.get(key.name).is_some() {
            places.insert(key.name.to_owned(), fields.key_at(key.name));
        }
    }
    if let Some(node) = fields.get("attempts") {
        for (key, value) in map(reader, node, "attempts")? {
            places.insert(format!("attempts.{}", key.name), key.at);
            let (name, of) = match key.name.rsplit_once('.') {
                Some((name, "compensate")) => (name, Asked::Compensate),
                Some((name, "probe")) => (name, Asked::Probe),
                _ => (key.name.as_str(), Asked::Action),
            };
            let step = known_step(reader, name, key.at, steps);
            let count = reader.integer(value, "attempts", 0, limits::ATTEMPTS);
            attempts.push((step?, of, count?));
        }
    }
    let mut bodies = Map::new();
    if let Some(node) = fields.get("bodies") {
        for (key, _) in map(reader, node, "bodies")? {
            places.insert(format!("bodies.{}", key.name), key.at);
        }
        for (step, node) in by_step(reader, node, steps, "bodies") {
            bodies.insert(step.as_str().to_owned(), node.to_json());
        }
    }
    Some(Expect {
        status: status?,
        output: fields.get("output").map(Node::to_json),
        done: names(reader, &fields, "done", steps),
        skipped: names(reader, &fields, "skipped", steps),
        undone: groups(reader, &fields, steps),
        nothing: names(reader, &fields, "nothing", steps),
        attempts,
        bodies,
        never: names(reader, &fields, "never", steps).unwrap_or_default(),
        places,
    })
}

fn names(reader: &mut Reader<'_>, fields: &Fields<'_>, key: &str, steps: &Steps<'_>) -> Option<Vec<StepName>> {
    let items = list(reader, fields.get(key)?, key)?;
    Some(items.iter().filter_map(|item| step(reader, item, steps)).collect())
}

fn groups(reader: &mut Reader<'_>, fields: &Fields<'_>, steps: &Steps<'_>) -> Option<Vec<Vec<StepName>>> {
    let items = list(reader, fields.get("undone")?, "undone")?;
    let mut groups = Vec::with_capacity(items.len());
    for item in items {
        let within = if let Tree::List(within) = &item.value { within } else { std::slice::from_ref(item) };
        groups.push(within.iter().filter_map(|item| step(reader, item, steps)).collect());
    }
    Some(groups)
}

fn list<'n>(reader: &mut Reader<'_>, node: &'n Node, what: &str) -> Option<&'n [Node]> {
    match &node.value {
        Tree::List(items) => Some(items),
        _ => {
            let message = format!("{what} is a list, not {}", node.what());
            reader.error(code::WRONG_TYPE, node.at, message, format!("{what}: [ … ]"));
            None
        }
    }
}

fn map<'n>(reader: &mut Reader<'_>, node: &'n Node, what: &str) -> Option<&'n [(node::Key, Node)]> {
    match &node.value {
        Tree::Map(entries) => Some(entries),
        _ => {
            let message = format!("{what} is a map, not {}", node.what());
            reader.error(code::WRONG_TYPE, node.at, message, format!("{what}: {{ <step>: … }}"));
            None
        }
    }
}

fn by_step<'n>(reader: &mut Reader<'_>, node: &'n Node, steps: &Steps<'_>, what: &str) -> Vec<(StepName, &'n Node)> {
    let entries = map(reader, node, what).unwrap_or_default();
    entries.iter().filter_map(|(key, value)| Some((known_step(reader, &key.name, key.at, steps)?, value))).collect()
}

fn step(reader: &mut Reader<'_>, node: &Node, steps: &Steps<'_>) -> Option<StepName> {
    let name = reader.text(node, "a step")?;
    known_step(reader, name, node.at, steps)
}

fn known_step(reader: &mut Reader<'_>, name: &str, at: Mark, steps: &Steps<'_>) -> Option<StepName> {
    let found = steps.iter().map(|step| &step.name).find(|step| step.as_str() == name).cloned();
    if found.is_none() {
        let near = reader.findings.nearest(name, steps.iter().map(|step| step.name.as_str()));
        let hint = did_you_mean(near, || "the name of a step of the definition".to_owned());
        reader.error(code::UNKNOWN_REFERENCE, at, format!("there is no step `{name}`"), hint);
    }
    found
}

fn word<T: Copy>(reader: &mut Reader<'_>, node: &Node, what: &str, known: &[(&str, T)]) -> Option<T> {
    let found = match &node.value {
        Tree::Text(text) => known.iter().find(|(word, _)| word == text).map(|(_, value)| *value),
        _ => None,
    };
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        reader.error(code::WRONG_TYPE, node.at, format!("{what} is one of a few words"), words.join(", "));
    }
    found
}

/// Every table of keys, for the schema and for who must document them.
pub(super) const TABLES: [&Keys; 7] =
    [&keys::FILE, &keys::SCENARIO, &keys::FAULT, &keys::SIGNAL, &keys::CALLBACK, &keys::CANCEL, &keys::EXPECT];
