//! A run as a file: what it was started with, what the services are like, and every choice by its word. It replays exactly.

use std::collections::BTreeMap;

use amends_core::{
    definition::{Definition, Known},
    faults::{self, FaultPlan},
    ids::ServiceName,
    summary::Status,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    budget::LONGEST,
    family::{Family, Models, Turn, apply, end, folds, start, turns},
    findings::{Code, Raised},
    model::Unfit,
    setup::{Service, Setup},
    story::Story,
};

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Of this format.
    pub trace: u32,
    pub saga: String,
    /// Of the definition's text.
    pub definition: String,
    /// Of those of its children, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub children: BTreeMap<String, String>,
    /// What it shows.
    pub shows: String,
    pub input: Value,
    pub services: BTreeMap<String, Service>,
    /// The plan that was played, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// What happened, in order. What follows the last one is fine weather.
    pub choices: Vec<String>,
}

const FORMAT: u32 = 1;

/// Faults that a replay may spend: as many as it says.
const UNBOUNDED: u8 = 250;

/// A trace that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum CannotReplay {
    #[error("the trace is of format {0}, and this version reads format {FORMAT}")]
    Format(u32),
    #[error("the trace is of another text of `{0}`: its digest differs; explore the definition again")]
    OtherDefinition(String),
    #[error("the plan in the trace is none: {0}")]
    Plan(String),
    #[error("choice {nth} of the trace, `{choice}`, is not possible there; possible are: {possible}")]
    Choice { nth: usize, choice: String, possible: String },
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

impl Trace {
    pub(crate) fn of(models: &Models<'_>, setup: &Setup, path: &[Turn], shows: Code) -> Self {
        let root = models.root();
        let services = models.all().iter().flat_map(|model| &model.services);
        let services = services.map(|one| (one.name.to_string(), setup.service(&one.name).clone()));
        let children = models.all()[1..].iter().map(|model| model.truth);
        Self {
            trace: FORMAT,
            saga: root.truth.name.to_string(),
            definition: root.truth.digest.to_string(),
            children: children.map(|child| (child.name.to_string(), child.digest.to_string())).collect(),
            shows: shows.as_str().to_owned(),
            input: Value::clone(&root.begin.input),
            services: services.collect(),
            plan: setup.plan.as_ref().map(faults::write),
            choices: labels(models, setup, path),
        }
    }

    /// The setup under which it was found.
    pub fn setup(&self) -> Setup {
        let services = self.services.iter().map(|(name, service)| (ServiceName::from(name.as_str()), service.clone()));
        let plan = self.played().ok().flatten();
        Setup { inputs: vec![self.input.clone()], services: services.collect(), plan, ..Setup::default() }
    }

    /// The plan that was played.
    pub(crate) fn played(&self) -> Result<Option<FaultPlan>, CannotReplay> {
        let read = self.plan.as_deref().map(faults::parse).transpose();
        read.map_err(|found| {
            let first = found.first();
            CannotReplay::Plan(first.map(|first| format!("line {}: {}", first.line, first.message)).unwrap_or_default())
        })
    }

    /// It is of these texts.
    fn is_of(&self, models: &Models<'_>) -> Result<(), CannotReplay> {
        for child in models.all()[1..].iter().map(|model| model.truth) {
            if self.children.get(&*child.name) != Some(&child.digest.to_string()) {
                return Err(CannotReplay::OtherDefinition(child.name.to_string()));
            }
        }
        Ok(())
    }
}

/// The words of a path; some hang on the moment in which they are said, so it is walked once more.
fn labels(models: &Models<'_>, setup: &Setup, path: &[Turn]) -> Vec<String> {
    let Ok(again) = models.again(setup, false) else { return vec![] };
    let mut family = start(&again, UNBOUNDED);
    path.iter()
        .map(|turn| {
            let label = turn.label(&again, &family);
            apply(&again, &mut family, *turn);
            label
        })
        .collect()
}

/// Whether the journals of a run fold to where it ended; what the judge says of that.
pub(crate) fn journal_of(models: &Models<'_>, setup: &Setup, path: &[Turn]) -> Vec<(Option<String>, Raised)> {
    let Ok(again) = models.again(setup, true) else { return vec![] };
    let mut family = start(&again, UNBOUNDED);
    for turn in path {
        apply(&again, &mut family, *turn);
    }
    // Everything else has been judged.
    again.take_raised();
    folds(&again, &family);
    again.take_raised()
}

/// Tells a trace as a story, to the end of its saga. `known` are the definitions of its children, and of theirs.
///
/// # Errors
/// It is not of these definitions, or not of this version.
pub fn replay(definition: &Definition, known: &Known, trace: &Trace) -> Result<Story, CannotReplay> {
    let (models, mut family, faults) = retrace(definition, known, trace, true, |_, _, _, _| ())?;
    family.root.budget = 0;
    for _ in 0..LONGEST {
        let Some((turn, _)) = turns(&models, &family).get(0) else { break };
        apply(&models, &mut family, turn);
    }
    end(&models, &family, faults);
    folds(&models, &family);
    let end = match family.root.state.status {
        status @ (Status::Completed | Status::Compensated) => status.as_str().to_owned(),
        status => format!("{}, and a person is asked", status.as_str()),
    };
    let ledger = ledger(&models, &family);
    Ok(Story::of(&models, end, ledger))
}

/// Makes each choice of a trace happen, and shows it with its cost just before. Where it ends, and what it cost.
pub(crate) fn retrace<'d>(
    definition: &'d Definition,
    known: &'d Known,
    trace: &Trace,
    tells: bool,
    mut seen: impl FnMut(&Models<'_>, &Family, Turn, u8),
) -> Result<(Models<'d>, Family, u8), CannotReplay> {
    if trace.trace != FORMAT {
        return Err(CannotReplay::Format(trace.trace));
    }
    if trace.definition != definition.digest.to_string() {
        return Err(CannotReplay::OtherDefinition(trace.saga.clone()));
    }
    trace.played()?;
    let models = Models::new(definition, known, &trace.setup(), &trace.input, tells)?;
    trace.is_of(&models)?;
    let mut family = start(&models, UNBOUNDED);
    let mut faults = 0;
    for (nth, label) in trace.choices.iter().enumerate() {
        let possible = turns(&models, &family);
        let Some((turn, cost)) = possible.iter().find(|(turn, _)| turn.label(&models, &family) == *label) else {
            let words: Vec<String> = possible.iter().map(|(turn, _)| turn.label(&models, &family)).collect();
            return Err(CannotReplay::Choice { nth: nth + 1, choice: label.clone(), possible: words.join(" · ") });
        };
        faults += cost;
        seen(&models, &family, turn, cost);
        apply(&models, &mut family, turn);
    }
    Ok((models, family, faults))
}

/// What the services have done in the end.
fn ledger(models: &Models<'_>, family: &Family) -> Vec<String> {
    let of = |nth: usize| {
        let (model, node) = (family.model(models, nth), family.node(nth));
        let mut units = node.units.clone();
        units.sort_by_key(|(unit, _)| *unit);
        let effects = units.into_iter().filter(|(unit, _)| model.step(*unit).effect);
        let path = family.path(nth);
        let told = effects
            .map(|(unit, book)| format!("{path}{}: done {}, undone {}", model.words(unit), book.applied, book.undone));
        told.collect::<Vec<_>>()
    };
    family.sagas().flat_map(|(nth, _)| of(nth)).collect()
}
