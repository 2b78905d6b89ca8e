//! A definition with shorter waits, as a text: what a scenario shortens is a version of its own, so that a server can register it.

use std::{fmt::Write as _, time::Duration};

use serde_json::Value;

use crate::{
    definition::{
        Kind, Step,
        diagnostic::{Findings, Mark},
        node::{self, Key, Node, Tree},
        write_duration,
    },
    ids::StepName,
};

/// Whether there is something about this step that can be shortened.
pub(super) fn waits(step: &Step) -> bool {
    match &step.kind {
        Kind::Wait(_) => true,
        Kind::Call(call) => call.verdict_within.is_some() || call.probe.is_some(),
        Kind::Saga(_) => false,
    }
}

/// The text of a valid definition in which these steps sleep, await, are waited for or take to settle so long; `None`: it has none
/// of these steps, or is no definition. Steps keep their order; a version that the text asks for is left out, since this is
/// another text.
pub fn shortened(source: &str, shorten: &[(StepName, Duration)]) -> Option<String> {
    let (mut root, _) = node::read(source, &mut Findings::default())?;
    let Tree::Map(entries) = &mut root.value else { return None };
    entries.retain(|(key, _)| key.name != "version");
    let (_, steps) = entries.iter_mut().find(|(key, _)| key.name == "steps")?;
    let Tree::Map(steps) = &mut steps.value else { return None };
    let mut changed = false;
    for (name, duration) in shorten {
        if let Some((_, step)) = steps.iter_mut().find(|(key, _)| key.name == name.as_str()) {
            changed = true;
            shorten_step(step, *duration);
        }
    }
    changed.then(|| {
        let mut text = String::new();
        write_node(&root, &mut text);
        text
    })
}

fn shorten_step(step: &mut Node, duration: Duration) {
    let so_long = || text(&write_duration(duration));
    let waits_for_others = step.get("await").is_some() || step.get("async").is_some();
    let Tree::Map(entries) = &mut step.value else { return };
    if waits_for_others {
        return set(entries, "timeout", so_long());
    }
    match entries.iter_mut().find(|(key, _)| key.name == "probe") {
        Some((_, Node { value: Tree::Map(probe), .. })) => set(probe, "settle", so_long()),
        Some((_, probe)) => {
            let call = (key("call"), probe.clone());
            probe.value = Tree::Map(vec![call, (key("settle"), so_long())]);
        }
        None => {
            entries.retain(|(key, _)| key.name != "until");
            set(entries, "sleep", so_long());
        }
    }
}

fn set(entries: &mut Vec<(Key, Node)>, name: &str, value: Node) {
    match entries.iter_mut().find(|(key, _)| key.name == name) {
        Some((_, node)) => *node = value,
        None => entries.push((key(name), value)),
    }
}

const NOWHERE: Mark = Mark { line: 1, column: 1 };

fn key(name: &str) -> Key {
    Key { at: NOWHERE, name: name.to_owned() }
}

fn text(value: &str) -> Node {
    Node { at: NOWHERE, value: Tree::Text(value.to_owned()) }
}

/// As JSON, which is YAML: the keys in their order.
fn write_node(node: &Node, out: &mut String) {
    match &node.value {
        Tree::List(items) => {
            out.push('[');
            for (nth, item) in items.iter().enumerate() {
                out.push_str(if nth > 0 { ", " } else { "" });
                write_node(item, out);
            }
            out.push(']');
        }
        Tree::Map(entries) => {
            out.push('{');
            for (nth, (key, value)) in entries.iter().enumerate() {
                out.push_str(if nth > 0 { ",\n" } else { "" });
                let _ = write!(out, "{}: ", Value::String(key.name.clone()));
                write_node(value, out);
            }
            out.push('}');
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => {
            let _ = write!(out, "{}", node.to_json());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Definition, Wait};

    const SAGA: &str = "saga: s
version: 3
description: 'a \"quoted\" one: {x}'
steps:
  z: { call: x POST /a, body: { text: \"${{ saga.id }}\\n\" }, compensate: { call: x POST /u } }
  w: { await: go, timeout: 1d }
  s: { sleep: 30d }
  u: { until: \"2030-01-01T00:00:00Z\" }
  l: { call: x POST /l, async: true, timeout: 1d, compensate: { call: x POST /ul } }
  p: { call: y POST /p, idempotent: false, probe: y GET /p, compensate: { call: y POST /up } }
  q: { call: y POST /p, idempotent: false, probe: { call: y GET /p, settle: 9s }, compensate: { call: y POST /up } }
";

    #[test]
    fn waits_are_shorter_and_everything_else_is_as_it_was() {
        let second = Duration::from_secs(1);
        let all: Vec<(StepName, Duration)> = ["w", "s", "u", "l", "p", "q"].map(|step| (step.into(), second)).into();
        let text = shortened(SAGA, &all).expect("it has them");
        let (before, after) = (
            Definition::parse(SAGA, None).expect("a definition"),
            Definition::parse(&text, None).unwrap_or_else(|found| panic!("{found:#?}\n{text}")),
        );
        assert_eq!(after.version, None);
        assert_eq!(after.description, before.description);
        let names = |definition: &Definition| definition.steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before));
        for step in &after.steps[1..] {
            let shortened = match &step.kind {
                Kind::Wait(Wait::Sleep(duration)) => *duration,
                Kind::Wait(Wait::Signal(awaited)) => awaited.timeout,
                Kind::Call(call) => {
                    let settle = call.probe.as_ref().and_then(|probe| probe.settle);
                    call.verdict_within.or(settle).expect("one of them")
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(shortened, second, "{}", step.name);
        }
    }

    #[test]
    fn a_definition_without_these_steps_stays_as_it_is() {
        assert_eq!(shortened(SAGA, &[("elsewhere".into(), Duration::from_secs(1))]), None);
    }
}
