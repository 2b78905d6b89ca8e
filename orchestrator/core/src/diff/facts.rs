//! A definition as a list of named facts. Everything is taken apart field by field, so that a new word of the language does not
//! compile before it is told here.

use std::time::Duration;

use serde_json::Value;

use super::Map;
use crate::{
    definition::{
        Await, Call, CallStep, ChildStep, Definition, Each, Kind, Probe, Retry, Side, Step, Undo, Wait, write_duration,
    },
    expr::{Piece, Template},
};

/// What there is to say about a saga or a step.
pub(super) struct Facts {
    /// In one line.
    pub(super) does: String,
    pub(super) all: Map,
}

/// One of them.
pub(super) struct Fact {
    pub(super) text: String,
    /// It matters to a saga after its start, too.
    pub(super) runs: bool,
}

impl Facts {
    fn new(does: String) -> Self {
        Self { does, all: Map::new() }
    }

    fn put(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.all.insert(name.into(), Fact { text: text.into(), runs: true });
    }

    /// It matters to starts alone.
    fn put_of_start(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.all.insert(name.into(), Fact { text: text.into(), runs: false });
    }
}

/// Apart from its steps. Version and text are what is compared, and no difference themselves.
pub(super) fn of_saga(definition: &Definition) -> Facts {
    let Definition {
        name,
        version: _,
        description,
        digest: _,
        source: _,
        input,
        labels,
        locks,
        deadline,
        steps: _,
        output,
    } = definition;
    let mut facts = Facts::new(name.to_string());
    facts.put_of_start("saga", name.to_string());
    if let Some(description) = description {
        facts.put_of_start("description", description.clone());
    }
    if let Some(input) = input {
        facts.put_of_start("input", input.schema.to_string());
    }
    for (label, template) in labels {
        facts.put_of_start(format!("labels.{label}"), template_text(template));
    }
    for (lock, nth) in locks.iter().zip(1..) {
        facts.put_of_start(format!("locks.{nth}"), template_text(lock));
    }
    if let Some(deadline) = deadline {
        facts.put("deadline", write_duration(*deadline));
    }
    if let Some(output) = output {
        templates(&mut facts, "output", output);
    }
    facts
}

pub(super) fn of_step(definition: &Definition, step: &Step) -> Facts {
    let Step { name: _, needs, ancestors: _, side, condition, kind } = step;
    let mut facts = match kind {
        Kind::Call(call) => of_call(call),
        Kind::Wait(wait) => of_wait(wait),
        Kind::Saga(child) => of_child(child),
    };
    let needs: Vec<&str> = needs.iter().map(|need| definition.steps[*need].name.as_str()).collect();
    facts.put("needs", if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") });
    facts.put(
        "side",
        match side {
            Side::Before => "before the point of no return",
            Side::Pivot => "the pivot",
            Side::After => "after the point of no return",
        },
    );
    if let Some(condition) = condition {
        facts.put("if", condition.text());
    }
    facts
}

fn of_wait(wait: &Wait) -> Facts {
    match wait {
        Wait::Sleep(time) => {
            let mut facts = Facts::new(format!("sleep {}", write_duration(*time)));
            facts.put("sleep", write_duration(*time));
            facts
        }
        Wait::Until(template) => {
            let mut facts = Facts::new(format!("until {}", template_text(template)));
            facts.put("until", template_text(template));
            facts
        }
        Wait::Signal(Await { signal, timeout, output }) => {
            let mut facts = Facts::new(format!("await {signal}"));
            facts.put("await", signal.to_string());
            facts.put("timeout", write_duration(*timeout));
            if let Some(output) = output {
                templates(&mut facts, "output", output);
            }
            facts
        }
    }
}

fn of_child(step: &ChildStep) -> Facts {
    let ChildStep { name, at: _, input, output, each, undo: _ } = step;
    let mut facts = Facts::new(format!("saga {name}"));
    facts.put("saga", name.to_string());
    if let Some(input) = input {
        templates(&mut facts, "input", input);
    }
    if let Some(output) = output {
        templates(&mut facts, "output", output);
    }
    put_each(&mut facts, each.as_ref());
    facts
}

fn put_each(facts: &mut Facts, each: Option<&Each>) {
    if let Some(Each { list, concurrency }) = each {
        facts.put("for_each", template_text(list));
        facts.put("concurrency", concurrency.to_string());
    }
}

fn of_call(step: &CallStep) -> Facts {
    let CallStep { action, undo, output, verdict_within, each, idempotent, probe } = step;
    let mut facts = Facts::new(call_line(action));
    call(&mut facts, "call", action);
    match undo {
        Undo::Call(undo) => call(&mut facts, "compensate", undo),
        Undo::Nothing { reason } => facts.put("compensate", format!("none: {reason}")),
        Undo::Child | Undo::Never => {}
    }
    if let Some(output) = output {
        templates(&mut facts, "output", output);
    }
    if let Some(within) = verdict_within {
        facts.put("async", format!("a verdict within {}", write_duration(*within)));
    }
    if !idempotent {
        facts.put("idempotent", "false");
    }
    if let Some(Probe { call: asked, settle }) = probe {
        call(&mut facts, "probe", asked);
        facts.put("probe.settle", settle.map_or_else(|| "twice the timeout".to_owned(), write_duration));
    }
    put_each(&mut facts, each.as_ref());
    facts
}

fn call_line(call: &Call) -> String {
    format!("{} {} {}", call.service, call.method.as_str(), call.path_text)
}

fn call(facts: &mut Facts, at: &str, call: &Call) {
    let Call { service: _, method: _, path_text: _, path: _, headers, body, timeout, retry, success_on, reject_on } =
        call;
    facts.put(at, call_line(call));
    for (name, value) in headers {
        facts.put(format!("{at}.headers.{}", name.to_ascii_lowercase()), template_text(value));
    }
    if let Some(body) = body {
        templates(facts, &format!("{at}.body"), body);
    }
    facts.put(format!("{at}.timeout"), timeout.map_or_else(|| "the service's".to_owned(), write_duration));
    let Retry { attempts, backoff, factor, max_backoff } = retry;
    let attempts = attempts.map_or_else(|| "unlimited".to_owned(), |attempts| attempts.to_string());
    let waits = |time: &Duration| write_duration(*time);
    facts.put(
        format!("{at}.retry"),
        format!("{attempts} attempts, backoff {} × {factor} up to {}", waits(backoff), waits(max_backoff)),
    );
    if !success_on.is_empty() {
        let statuses: Vec<String> = success_on.iter().map(ToString::to_string).collect();
        facts.put(format!("{at}.success_on"), statuses.join(", "));
    }
    if let Some(statuses) = reject_on {
        let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
        facts.put(
            format!("{at}.reject_on"),
            if statuses.is_empty() { "nothing".to_owned() } else { statuses.join(", ") },
        );
    }
}

/// A map field by field, anything else as a whole.
fn templates(facts: &mut Facts, at: &str, template: &Template) {
    match template {
        Template::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                facts.put(format!("{at}.{key}"), template_text(value));
            }
        }
        Template::Literal(Value::Object(entries)) if !entries.is_empty() => {
            for (key, value) in entries {
                facts.put(format!("{at}.{key}"), value.to_string());
            }
        }
        other => facts.put(at, template_text(other)),
    }
}

fn template_text(template: &Template) -> String {
    match as_written(template) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn as_written(template: &Template) -> Value {
    match template {
        Template::Literal(value) => value.clone(),
        Template::Whole(expression) => Value::String(format!("${{{{ {} }}}}", expression.text())),
        Template::Text(pieces) => {
            let piece = |piece: &Piece| match piece {
                Piece::Literal(text) => text.clone(),
                Piece::Value(expression) => format!("${{{{ {} }}}}", expression.text()),
            };
            Value::String(pieces.iter().map(piece).collect())
        }
        Template::List(items) => items.iter().map(as_written).collect(),
        Template::Map(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), as_written(value))).collect())
        }
    }
}
