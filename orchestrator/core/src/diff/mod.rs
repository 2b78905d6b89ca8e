//! What differs between two versions of a definition, and what follows from it for starts and for sagas that run.
//!
//! Definitions are compared as they were understood, not as they were written: comments, the order of keys and where a default
//! stands do not count. Who calls it: `amends diff` and the API. **It must never know:** a run of either.

mod facts;
mod input;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::facts::Facts;
use crate::definition::{Definition, Side};

/// All that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// In order: the saga itself, then its steps in the order of the later version, those that are gone last.
    pub changes: Vec<Change>,
    /// What starts that were accepted before may meet.
    pub starts: Vec<StartChange>,
    /// The two texts are the same, byte for byte.
    pub same_text: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `deadline`, `steps.charge`, `steps.charge.call.timeout`.
    pub at: String,
    /// As it was; `None`: it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// As it is; `None`: it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// It would matter to a saga that runs already, and does not reach it: a saga finishes as it started (invariant 11).
    pub withheld: bool,
}

/// A place in the input where a start that was accepted before is refused, or may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StartChange {
    /// RFC 6901, into the input.
    pub pointer: String,
    pub message: String,
    /// `false`: it hangs on what is more than this comparison understands.
    pub certain: bool,
}

impl Diff {
    /// Nothing differs but perhaps the way in which it is written.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What sagas that run will not get.
    pub fn withheld(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.withheld)
    }
}

/// Compares an earlier version with a later one.
pub fn diff(from: &Definition, to: &Definition) -> Diff {
    let mut changes = Vec::new();
    compare(&mut changes, "", &facts::of_saga(from), &facts::of_saga(to));
    one(&mut changes, "steps.order", order(from, to), order(to, from), true);
    one(&mut changes, "pivot", pivot(from), pivot(to), true);
    let names = |definition: &Definition| -> Vec<String> {
        definition.steps.iter().map(|step| step.name.to_string()).collect()
    };
    let (before, after) = (names(from), names(to));
    let gone = before.iter().filter(|name| !after.contains(name));
    for name in after.iter().chain(gone) {
        let step = |of: &Definition| {
            of.steps.iter().find(|step| step.name.as_str() == name).map(|step| facts::of_step(of, step))
        };
        let at = format!("steps.{name}");
        match (step(from), step(to)) {
            (Some(before), Some(after)) => compare(&mut changes, &format!("{at}."), &before, &after),
            (before, after) => {
                let does = |facts: Option<Facts>| facts.map(|facts| facts.does);
                one(&mut changes, &at, does(before), does(after), true);
            }
        }
    }
    let starts = input::narrowed(from.input.as_ref(), to.input.as_ref());
    Diff { changes, starts, same_text: from.digest == to.digest }
}

fn compare(changes: &mut Vec<Change>, below: &str, from: &Facts, to: &Facts) {
    let keys: BTreeSet<&String> = from.all.keys().chain(to.all.keys()).collect();
    for key in keys {
        let (before, after) = (from.all.get(key), to.all.get(key));
        let text = |fact: Option<&facts::Fact>| fact.map(|fact| fact.text.clone());
        let withheld = before.or(after).is_some_and(|fact| fact.runs);
        one(changes, &format!("{below}{key}"), text(before), text(after), withheld);
    }
}

fn one(changes: &mut Vec<Change>, at: &str, from: Option<String>, to: Option<String>, withheld: bool) {
    if from != to {
        changes.push(Change { at: at.to_owned(), from, to, withheld });
    }
}

/// The steps that both have, in source order.
fn order(of: &Definition, other: &Definition) -> Option<String> {
    let both = of.steps.iter().filter(|step| other.step(&step.name).is_some());
    let names: Vec<&str> = both.map(|step| step.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" → "))
}

fn pivot(of: &Definition) -> Option<String> {
    of.steps.iter().find(|step| step.side == Side::Pivot).map(|step| step.name.to_string())
}

/// Facts by name.
type Map = BTreeMap<String, facts::Fact>;
