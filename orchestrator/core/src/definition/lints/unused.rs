//! What is written and never read.

use std::collections::BTreeSet;

use super::{Lints, Use, entries, uses};
use crate::definition::{
    callback::is_async,
    diagnostic::code,
    node::{Node, Tree},
};

/// Keys of a schema by which one property decides about another: being read by an expression is not its only use.
const STEERING: [&str; 8] =
    ["if", "allOf", "anyOf", "oneOf", "not", "dependentRequired", "dependentSchemas", "unevaluatedProperties"];

/// What always has a value.
const ALWAYS: [&str; 4] = ["id", "name", "version", "started_at"];

impl Lints<'_, '_, '_> {
    pub(super) fn unused(&mut self) {
        let read: Vec<Use<'_>> = ["labels", "locks", "steps", "output"]
            .into_iter()
            .filter_map(|key| self.root.get(key))
            .flat_map(uses)
            .collect();
        self.outputs(&read);
        self.inputs(&read);
        self.guards(&read);
        self.defaults();
    }

    fn outputs(&mut self, read: &[Use<'_>]) {
        let hint = "an answer without it makes the step unusable all the same: take it out, or use it, e.g. in the saga's `output`";
        for (key, step) in self.entries {
            let Some(output) = step.get("output") else { continue };
            let of_step: Vec<&Use<'_>> = read.iter().filter(|found| found.is_output_of(&key.name)).collect();
            let whole = of_step.iter().any(|found| found.path.segments.len() == 3);
            match &output.value {
                _ if whole => {}
                Tree::Map(fields) => {
                    let used: BTreeSet<&str> = of_step.iter().filter_map(|found| found.name(3)).collect();
                    for (field, _) in fields.iter().filter(|(field, _)| !used.contains(field.name.as_str())) {
                        let message = format!("the output `{}` of `{}` is never used", field.name, key.name);
                        self.warn(code::OUTPUT_UNUSED, field.at, message, hint);
                    }
                }
                _ if of_step.is_empty() => {
                    let message = format!("the output of `{}` is never used", key.name);
                    self.warn(code::OUTPUT_UNUSED, output.at, message, hint);
                }
                _ => {}
            }
        }
    }

    fn inputs(&mut self, read: &[Use<'_>]) {
        let Some(schema) = self.root.get("input") else { return };
        let of_input: Vec<&Use<'_>> = read.iter().filter(|found| found.name(0) == Some("input")).collect();
        let whole = of_input.iter().any(|found| found.name(1).is_none());
        if whole || STEERING.iter().any(|key| schema.get(key).is_some()) {
            return;
        }
        let used: BTreeSet<&str> = of_input.iter().filter_map(|found| found.name(1)).collect();
        for (key, property) in entries(schema.get("properties")) {
            let deprecated = matches!(property.get("deprecated"), Some(Node { value: Tree::Bool(true), .. }));
            if !deprecated && !used.contains(key.name.as_str()) {
                let message = format!("`input.{}` is never used", key.name);
                let hint = "take it out; or write `deprecated: true` in it while callers still send it";
                self.warn(code::INPUT_UNUSED, key.at, message, hint);
            }
        }
    }

    /// A `default(...)` behind what is always there hides a slip rather than a gap.
    fn guards(&mut self, read: &[Use<'_>]) {
        let required: BTreeSet<String> = match self.root.get("input").and_then(|input| input.get("required")) {
            Some(Node { value: Tree::List(items), .. }) => items
                .iter()
                .filter_map(|item| if let Tree::Text(name) = &item.value { Some(name.clone()) } else { None })
                .collect(),
            _ => BTreeSet::new(),
        };
        for found in read.iter().filter(|found| found.path.guarded && found.path.segments.len() == 2) {
            let always = match (found.name(0), found.name(1)) {
                (Some("input"), Some(name)) => required.contains(name),
                (Some("saga"), Some(name)) => ALWAYS.contains(&name),
                _ => false,
            };
            if always {
                let message = format!("`{}` always has a value: its default is never used", found.path);
                self.warn(code::NEEDLESS_DEFAULT, self.mark(found), message, "take `| default(…)` out");
            }
        }
    }

    /// `defaults` that every action overrides.
    fn defaults(&mut self) {
        let calls: Vec<&Node> =
            self.entries.iter().map(|(_, step)| step).filter(|step| step.get("call").is_some()).collect();
        if calls.is_empty() {
            return;
        }
        for (key, value) in entries(self.root.get("defaults")) {
            let overridden = match key.name.as_str() {
                "timeout" => {
                    // Of an async step it is the wait for the verdict; its attempts have the default.
                    calls.iter().all(|step| step.get("timeout").is_some() && !is_async(step.get("async")))
                }
                "retry" => entries(Some(value)).iter().all(|(field, _)| {
                    calls.iter().all(|step| step.get("retry").is_some_and(|retry| retry.get(&field.name).is_some()))
                }),
                _ => false,
            };
            if overridden {
                let message = format!("every action has its own `{}`: this default is never used", key.name);
                self.warn(code::DEFAULT_UNUSED, key.at, message, "take it out, or take it out of the steps");
            }
        }
    }
}
