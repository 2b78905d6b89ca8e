//! Every path an expression reads must exist by the time it is read, as far as that can be known from the definition.

mod outputs;

use super::{
    callback::is_async,
    diagnostic::{Mark, code},
    model::StepIx,
    node::{Key, Node, Tree},
    order::Order,
    reader::{Reader, did_you_mean},
};
use crate::expr::{PathUse, Segment, Template, opening};

/// Where an expression stands decides what it may read.
#[derive(Clone, Copy)]
enum Place {
    /// What decides whether and for what a step runs.
    Begin(StepIx),
    /// Body, path or header of a step's action.
    Action(StepIx),
    /// The same of its compensation.
    Compensation(StepIx),
    /// The `output` of a step that calls.
    Response,
    /// The same of one that is called back, which brings a body and no headers.
    Callback,
    /// The `output` of a step that awaits a signal.
    Signal,
    /// The `output` of a step that runs a child.
    Child,
    /// The saga's `output`.
    End,
    /// The saga's `labels`, computed before anything runs.
    Start,
    /// Its `locks`, computed then, too.
    Locks,
}

struct Checker<'r, 's, 'n> {
    reader: &'r mut Reader<'s>,
    order: &'r Order,
    entries: &'n [(Key, Node)],
    input: Option<&'n Node>,
}

/// Where a path stands, for the case that something is to be said of it.
#[derive(Clone, Copy)]
struct Spot<'n> {
    scalar: Mark,
    text: &'n str,
    /// Which expression of the text, from 0, and how far in it.
    nth: usize,
    offset: usize,
}

pub(super) fn check(reader: &mut Reader<'_>, root: &Node, order: &Order, entries: &[(Key, Node)]) {
    let mut checker = Checker { reader, order, entries, input: root.get("input") };
    for (ix, (_, step)) in entries.iter().enumerate() {
        for name in ["if", "until", "for_each"] {
            checker.all(step.get(name), Place::Begin(ix));
        }
        for name in ["call", "body", "headers", "input"] {
            checker.all(step.get(name), Place::Action(ix));
            checker.all(step.get("compensate").and_then(|undo| undo.get(name)), Place::Compensation(ix));
        }
        // What it may use is what the action may.
        checker.all(step.get("probe"), Place::Action(ix));
        let answer = match step.get("await") {
            Some(_) => Place::Signal,
            None if step.get("saga").is_some() => Place::Child,
            None if is_async(step.get("async")) => Place::Callback,
            None => Place::Response,
        };
        checker.all(step.get("output"), answer);
    }
    checker.all(root.get("labels"), Place::Start);
    checker.all(root.get("locks"), Place::Locks);
    checker.all(root.get("output"), Place::End);
}

impl Checker<'_, '_, '_> {
    fn all(&mut self, node: Option<&Node>, place: Place) {
        match node.map(|node| (&node.value, node.at)) {
            Some((Tree::Text(text), at)) => {
                // What does not parse has been said where it was read.
                let Ok(template) = Template::parse_text(text) else { return };
                for (nth, expression) in template.expressions().into_iter().enumerate() {
                    for path in expression.paths() {
                        self.path(path, place, Spot { scalar: at, text, nth, offset: path.offset });
                    }
                }
            }
            Some((Tree::List(items), _)) => items.iter().for_each(|item| self.all(Some(item), place)),
            Some((Tree::Map(entries), _)) => entries.iter().for_each(|(_, value)| self.all(Some(value), place)),
            Some((Tree::Null | Tree::Bool(_) | Tree::Number(_), _)) | None => {}
        }
    }

    fn path(&mut self, path: &PathUse, place: Place, at: Spot<'_>) {
        let names: Vec<&str> = path
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => &**name,
                Segment::Index(_) => "",
            })
            .collect();
        match (names[0], place) {
            ("response", Place::Response) => self.response(&names, at),
            ("response", Place::Callback) => {
                self.response(&names, at);
                self.callback(path, &names, at);
            }
            ("response", _) => {
                let hint = "name what you need under the step's `output`, and refer to `steps.<name>.output.<field>`";
                self.unknown(at, "`response` exists only in a step's `output`", hint);
            }
            ("signal", Place::Signal) => {}
            ("signal", _) => {
                let hint = "`signal` is what a step with `await` computes its `output` from";
                self.unknown(at, "`signal` exists only in the `output` of an `await`", hint);
            }
            ("child", Place::Child) => match names.get(1) {
                Some(&"output") => {}
                Some(&"id") if names.len() == 2 => {}
                _ => self.unknown(at, "a child has no such field", "child.output, child.id"),
            },
            ("child", _) => {
                let hint = "`child` is what a step with `saga` computes its `output` from";
                self.unknown(at, "`child` exists only in the `output` of a step that runs a saga", hint);
            }
            ("input" | "saga" | "steps", Place::Response | Place::Callback | Place::Signal | Place::Child) => {
                let from = match place {
                    Place::Signal => "signal",
                    Place::Child => "child",
                    _ => "response",
                };
                let message = format!("this `output` is computed from `{from}` alone, not from `{}`", names[0]);
                self.unknown(
                    at,
                    message,
                    format!("refer to `{from}` here, and to `{}` where the output is used", names[0]),
                );
            }
            ("item" | "index", Place::Action(ix) | Place::Compensation(ix)) if self.has(ix, "for_each") => {}
            ("item" | "index", _) => {
                let hint = "they are what a step with `for_each` calls for, in its call and its compensation";
                self.unknown(at, format!("there is no `{}` here", names[0]), hint);
            }
            ("steps", Place::Start) => {
                self.unknown(at, "labels are computed before any step has run", "refer to `input` or `saga`")
            }
            ("steps", Place::Locks) => {
                self.unknown(at, "locks are taken before any step has run", "refer to `input` or `saga`")
            }
            ("saga", Place::Start) if names.get(1) == Some(&"labels") => {
                self.unknown(at, "labels cannot refer to labels", "refer to `input`");
            }
            ("input", _) => self.input(path, &names, at),
            ("saga", _) => self.saga(&names, at),
            ("steps", _) => self.steps(path, &names, place, at),
            (other, _) => {
                let known = match place {
                    Place::Response | Place::Callback => &["response"][..],
                    Place::Signal => &["signal"],
                    Place::Child => &["child"],
                    Place::Start | Place::Locks => &["input", "saga"],
                    Place::Begin(_) | Place::Action(_) | Place::Compensation(_) | Place::End => {
                        &["input", "saga", "steps"]
                    }
                };
                let hint = match self.reader.findings.nearest(other, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("here there are: {}", known.join(", ")),
                };
                self.unknown(at, format!("there is nothing called `{other}` here"), hint);
            }
        }
    }

    fn has(&self, ix: StepIx, key: &str) -> bool {
        self.entries[ix].1.get(key).is_some()
    }

    fn error(&mut self, code: &'static str, at: Spot<'_>, message: impl Into<String>, hint: impl Into<String>) {
        let at = self.mark(at);
        self.reader.error(code, at, message, hint);
    }

    fn warn(&mut self, code: &'static str, at: Spot<'_>, message: impl Into<String>, hint: impl Into<String>) {
        if self.reader.findings.warned_enough() {
            return;
        }
        let at = self.mark(at);
        self.reader.findings.warn(code, at, message, hint);
    }

    fn mark(&self, spot: Spot<'_>) -> Mark {
        if self.reader.findings.full() {
            return spot.scalar;
        }
        self.reader.place(spot.scalar, spot.text, opening(spot.text, spot.nth) + spot.offset)
    }

    fn unknown(&mut self, at: Spot<'_>, message: impl Into<String>, hint: impl Into<String>) {
        self.error(code::UNKNOWN_REFERENCE, at, message, hint);
    }

    fn response(&mut self, names: &[&str], at: Spot<'_>) {
        if !matches!(names.get(1), None | Some(&("status" | "headers" | "body"))) {
            let message = format!("a response has no `{}`", names[1]);
            self.unknown(at, message, "response.status, response.headers.<name>, response.body");
        }
    }

    /// The verdict may come in the answer, or by callback.
    fn callback(&mut self, path: &PathUse, names: &[&str], at: Spot<'_>) {
        if names.get(1) == Some(&"headers") && !path.guarded {
            let hint = "take it from `response.body`, or say what to take instead: `| default(…)`";
            self.error(code::NO_HEADERS_IN_CALLBACK, at, "a callback has no headers", hint);
        }
    }

    fn saga(&mut self, names: &[&str], at: Spot<'_>) {
        match (names.get(1), names.len()) {
            (Some(&"labels"), _) | (Some(&("id" | "name" | "version" | "started_at")), 2) => {}
            _ => self.unknown(
                at,
                "a saga has no such field",
                "saga.id, saga.name, saga.version, saga.started_at, saga.labels.<name>",
            ),
        }
    }

    fn input(&mut self, path: &PathUse, names: &[&str], at: Spot<'_>) {
        let (Some(schema), Some(name)) = (self.input, names.get(1)) else { return };
        let Some(Node { value: Tree::Map(properties), .. }) = schema.get("properties") else { return };
        let known = properties.iter().any(|(key, _)| key.name == *name);
        let closed = schema.get("additionalProperties").is_some_and(|node| matches!(node.value, Tree::Bool(false)));
        let near = self.reader.findings.nearest(name, properties.iter().map(|(key, _)| key.name.as_str()));
        let hint = did_you_mean(near, || format!("add `{name}` to the `properties` of `input`"));
        if !known && closed {
            self.error(code::EXCLUDED_INPUT, at, format!("the input schema has no `{name}`"), hint);
        } else if !known {
            let message = format!("the input schema does not mention `{name}`");
            self.warn(code::INPUT_NOT_IN_SCHEMA, at, message, hint);
        } else if !path.guarded && !required(schema, name) {
            let message = format!("`input.{name}` need not be there");
            let hint = format!("add it to `required`, or write `input.{name} | default(…)`");
            self.warn(code::INPUT_MAY_BE_MISSING, at, message, hint);
        }
    }
}

fn required(schema: &Node, name: &str) -> bool {
    match schema.get("required").map(|node| &node.value) {
        Some(Tree::List(items)) => items.iter().any(|item| matches!(&item.value, Tree::Text(text) if text == name)),
        _ => false,
    }
}
