//! Steps that run a saga as a child: read alone, and checked against the definitions of the children where those are known.
//!
//! Why apart from [`super::parse`]: a definition says what it is by itself, and what its children are only a store or a folder
//! knows. Who calls the second half: a registration, and `amends check` with the files it was given. What is not known then is
//! looked at once more when the child begins (`family::child_may_begin`).
//!
//! **It must never know** where definitions are kept.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    diagnostic::{Diagnostic, Mark, Severity, code},
    model::{Call, ChildStep, Definition, Each, Kind, Side, Undo, Wait},
    node::{Key, Node},
    reader::{Fields, Reader},
};
use crate::expr::{Expression, PathUse, Piece, Segment, Template};

/// Reads such a step. `None` if anything about it is wrong; what is wrong has been said.
pub(super) fn read(
    reader: &mut Reader<'_>,
    (key, node): (&Key, &Node),
    fields: &Fields<'_>,
    side: Side,
    each: Option<Each>,
) -> Option<ChildStep> {
    let name = reader.text(node, "saga")?;
    let named = reader.name(name, node.at, "a saga", true);
    let input = match fields.get("input") {
        Some(node) => Some(reader.template(node)?),
        None => None,
    };
    let output = match fields.get("output") {
        Some(node) => Some(reader.template(node)?),
        None => None,
    };
    let undo = if side == Side::Before { Undo::Child } else { Undo::Never };
    Some(ChildStep { name: name.into(), at: key.at, input, output, each, undo }).filter(|_| named)
}

/// A definition that calls itself needs no other to be refused.
pub(super) fn not_itself(reader: &mut Reader<'_>, name: &str, entries: &[(Key, Node)]) {
    for (_, step) in entries {
        if let Some(node) = step.get("saga")
            && matches!(&node.value, super::node::Tree::Text(child) if child == name)
        {
            let message = format!("saga `{name}` would be its own child");
            reader.error(code::OWN_DESCENDANT, node.at, message, DESCENDANT_HINT);
        }
    }
}

const DESCENDANT_HINT: &str = "a family has an end: let another saga do what both need";

/// The definitions that a check knows, by name.
pub type Known = BTreeMap<Arc<str>, Arc<Definition>>;

/// Checks a definition against those of its children, and of theirs. `unknown` is how bad it is that one is not known.
pub fn check_children(parent: &Definition, known: &Known, unknown: Severity) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut say = |code, severity, at: Mark, message: String, hint: String| {
        found.push(Diagnostic { code, severity, message, line: at.line, column: at.column, hint: Some(hint) });
    };
    for (step, child) in parent.children() {
        let Some(definition) = known.get(&child.name) else {
            let message = format!("there is no saga `{}` to be the child of `{}`", child.name, step.name);
            let (code, message, hint) = match unknown {
                Severity::Error => (code::UNKNOWN_CHILD, message, "register it before the sagas that run it"),
                Severity::Warning => (
                    code::CHILD_NOT_CHECKED,
                    format!("saga `{}`, the child of `{}`, is not among what is checked", child.name, step.name),
                    "give its file, too; registering checks it against what is registered",
                ),
            };
            say(code, unknown, child.at, message, hint.to_owned());
            continue;
        };
        if let Some(line) = line_to(&parent.name, definition, known) {
            let message = format!("saga `{}` would be its own descendant: {}", parent.name, line.join(" → "));
            say(code::OWN_DESCENDANT, Severity::Error, child.at, message, DESCENDANT_HINT.to_owned());
            continue;
        }
        if step.side == Side::Before && definition.has_pivot() {
            let message = format!("saga `{}` has a pivot, and `{}` comes before this saga's", child.name, step.name);
            let hint = "what is past its pivot cannot be undone: make the step the pivot, or put it behind it";
            say(code::CHILD_WITH_PIVOT, Severity::Error, child.at, message, hint.to_owned());
        }
        if !definition.locks.is_empty() && parent.locks.is_empty() {
            let message = format!("saga `{}` needs locks, and `{}` takes none", child.name, parent.name);
            let hint = "only the first saga of a family takes locks: name in its `locks` all that its children need";
            say(code::CHILD_WITH_LOCKS, Severity::Error, child.at, message, hint.to_owned());
        }
        for (at, message) in unknown_outputs(parent, step.name.as_str(), child, definition) {
            say(code::NO_OUTPUT, Severity::Error, at, message, format!("see the `output` of `{}`", child.name));
        }
    }
    found
}

/// The way from `from` down to a saga called `name`, if there is one.
fn line_to(name: &str, from: &Arc<Definition>, known: &Known) -> Option<Vec<String>> {
    let mut seen: BTreeMap<Arc<str>, Option<Arc<str>>> = BTreeMap::from([(from.name.clone(), None)]);
    let mut next = vec![from.clone()];
    while let Some(definition) = next.pop() {
        for (_, child) in definition.children() {
            if *child.name == *name {
                let mut line = vec![name.to_owned()];
                let mut at = Some(definition.name.clone());
                while let Some(above) = at {
                    at = seen.get(&above).cloned().flatten();
                    line.insert(0, above.to_string());
                }
                line.insert(0, name.to_owned());
                return Some(line);
            }
            if !seen.contains_key(&child.name) {
                seen.insert(child.name.clone(), Some(definition.name.clone()));
                next.extend(known.get(&child.name).cloned());
            }
        }
    }
    None
}

/// Fields of the child's output that are read and not there, as far as its `output` is a map that stands there.
fn unknown_outputs(parent: &Definition, step: &str, child: &ChildStep, definition: &Definition) -> Vec<(Mark, String)> {
    let missing = |path: &PathUse, at: usize| match (&definition.output, path.segments.get(at)) {
        _ if path.guarded => None,
        (None, _) => Some(format!("saga `{}` has no output", child.name)),
        (Some(Template::Map(fields)), Some(Segment::Name(field)))
            if !fields.iter().any(|(name, _)| **name == **field) =>
        {
            Some(format!("the output of saga `{}` has no `{field}`", child.name))
        }
        (Some(Template::Literal(serde_json::Value::Object(fields))), Some(Segment::Name(field)))
            if !fields.contains_key(&**field) =>
        {
            Some(format!("the output of saga `{}` has no `{field}`", child.name))
        }
        (Some(_), _) => None,
    };
    let is = |path: &PathUse, names: &[&str]| {
        names
            .iter()
            .enumerate()
            .all(|(at, name)| matches!(path.segments.get(at), Some(Segment::Name(segment)) if &**segment == *name))
    };
    let mut found = Vec::new();
    if let Some(output) = &child.output {
        for expression in output.expressions() {
            let of_child = expression.paths().iter().filter(|path| is(path, &["child", "output"]));
            found.extend(of_child.filter_map(|path| missing(path, 2)));
        }
    } else {
        let below = if child.each.is_some() { 4 } else { 3 };
        for expression in expressions(parent) {
            let of_step = expression.paths().iter().filter(|path| is(path, &["steps", step, "output"]));
            found.extend(of_step.filter_map(|path| missing(path, below)));
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|message| (child.at, message)).collect()
}

/// Every expression that may read the output of a step.
fn expressions(definition: &Definition) -> Vec<&Expression> {
    let mut found: Vec<&Expression> = definition.output.iter().flat_map(Template::expressions).collect();
    for step in &definition.steps {
        found.extend(&step.condition);
        found.extend(step.each().iter().flat_map(|each| each.list.expressions()));
        match &step.kind {
            Kind::Call(call) => {
                let undo = if let Undo::Call(undo) = &call.undo { Some(undo) } else { None };
                let calls = [Some(&call.action), undo, call.probe.as_ref().map(|probe| &probe.call)];
                found.extend(calls.into_iter().flatten().flat_map(of_call));
            }
            Kind::Wait(Wait::Until(time)) => found.extend(time.expressions()),
            Kind::Wait(Wait::Sleep(_) | Wait::Signal(_)) => {}
            Kind::Saga(child) => found.extend(child.input.iter().flat_map(Template::expressions)),
        }
    }
    found
}

fn of_call(call: &Call) -> impl Iterator<Item = &Expression> {
    let path = call.path.iter().filter_map(Piece::expression);
    path.chain(call.headers.iter().flat_map(|(_, value)| value.expressions()))
        .chain(call.body.iter().flat_map(Template::expressions))
}
