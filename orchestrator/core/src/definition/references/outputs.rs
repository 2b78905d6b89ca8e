//! `steps.<name>.output`: whether that step has succeeded by then, and has such an output.

use super::{Checker, Place, Spot};
use crate::{
    definition::{diagnostic::code, model::StepIx, node::Tree, reader::did_you_mean},
    expr::{PathUse, Segment},
};

impl Checker<'_, '_, '_> {
    pub(super) fn steps(&mut self, path: &PathUse, names: &[&str], place: Place, at: Spot<'_>) {
        let Some(name) = names.get(1) else {
            return self.unknown(at, "`steps` alone is no value", "steps.<name>.output");
        };
        let Some(ix) = self.entries.iter().position(|(key, _)| key.name == *name) else {
            let near = self.reader.findings.nearest(name, self.entries.iter().map(|(key, _)| key.name.as_str()));
            let hint = did_you_mean(near, || "steps.<name>.output, with the name of a step of this saga".to_owned());
            return self.unknown(at, format!("there is no step `{name}`"), hint);
        };
        if names.get(2) != Some(&"output") {
            return self.unknown(
                at,
                format!("of a step only the output can be read: `steps.{name}.output`"),
                format!("steps.{name}.output"),
            );
        }
        match place {
            Place::Compensation(own) if own == ix && path.guarded => {}
            Place::Compensation(own) if own == ix => {
                let message = format!("after a lost reply `{name}` has no output, and must be undone all the same");
                let hint = "use a value known before the call, e.g. saga.id, or add `| default(…)`";
                self.error(code::OWN_OUTPUT_WITHOUT_DEFAULT, at, message, hint);
            }
            Place::Begin(own) | Place::Action(own) | Place::Compensation(own)
                if !self.order.places[own].ancestors.contains(&ix) =>
            {
                let message = format!("`{name}` need not have succeeded when `{}` starts", self.entries[own].0.name);
                let hint = format!("let it need `{name}`, directly or through others");
                return self.error(code::NOT_SUCCEEDED_BY_THEN, at, message, hint);
            }
            _ if !path.guarded && self.has(ix, "if") => {
                let message = format!("`{name}` has an `if`: skipped, it has no output");
                let hint = "say what to take instead: `| default(…)` right behind it";
                self.error(code::OUTPUT_MAY_BE_SKIPPED, at, message, hint);
            }
            _ => {}
        }
        // Of each item there is an output of its own; only the item's own compensation reads that alone.
        let own = matches!(place, Place::Compensation(own) if own == ix);
        match (self.has(ix, "for_each") && !own, names.get(3), path.segments.get(3)) {
            (false, wanted, _) => self.field(ix, name, wanted.copied(), at),
            (true, None | Some(_), None | Some(Segment::Index(_))) => {
                self.field(ix, name, names.get(4).copied(), at);
            }
            (true, _, Some(Segment::Name(field))) => {
                let message = format!("the output of `{name}` is a list, one for each item");
                let hint = format!("steps.{name}.output, or of one item: steps.{name}.output[0].{field}");
                self.error(code::NO_OUTPUT, at, message, hint);
            }
        }
    }

    /// Whether the step's output has this field.
    fn field(&mut self, ix: StepIx, name: &str, wanted: Option<&str>, at: Spot<'_>) {
        let sleeps = self.has(ix, "sleep") || self.has(ix, "until");
        match (self.entries[ix].1.get("output").map(|output| &output.value), wanted) {
            (None, _) if sleeps => {
                self.error(
                    code::NO_OUTPUT,
                    at,
                    format!("`{name}` only sleeps and has no output"),
                    "what it waited for is known before: refer to that",
                );
            }
            // It is the child's: what that has, its definition says.
            (None, _) if self.has(ix, "saga") => {}
            (None, _) => {
                let from = if self.has(ix, "await") { "signal" } else { "response.body" };
                let hint = format!("give `{name}` an output, e.g. `output: {{ id: \"${{{{ {from}.id }}}}\" }}`");
                self.error(code::NO_OUTPUT, at, format!("step `{name}` has no output"), hint);
            }
            (Some(Tree::Map(fields)), Some(wanted)) if !fields.iter().any(|(key, _)| key.name == wanted) => {
                let near = self.reader.findings.nearest(wanted, fields.iter().map(|(key, _)| key.name.as_str()));
                let hint = did_you_mean(near, || format!("add it to the `output` of `{name}`"));
                self.error(code::NO_OUTPUT, at, format!("the output of `{name}` has no `{wanted}`"), hint);
            }
            (Some(_), _) => {}
        }
    }
}
