//! A run as a file: what it was started with, what the services are like, and every choice by its word. It replays exactly.

use std::collections::BTreeMap;

use amends_core::{definition::Definition, ids::ServiceName, summary::Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    apply::{apply, start},
    budget::LONGEST,
    choices::{Choice, choices},
    ends,
    findings::{Code, Raised},
    model::{Model, Unfit},
    node::Node,
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
    /// What it shows.
    pub shows: String,
    pub input: Value,
    pub services: BTreeMap<String, Service>,
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
    #[error("choice {nth} of the trace, `{choice}`, is not possible there; possible are: {possible}")]
    Choice { nth: usize, choice: String, possible: String },
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

impl Trace {
    pub(crate) fn of(model: &Model<'_>, setup: &Setup, path: &[Choice], shows: Code) -> Self {
        let services = model.services.iter().map(|one| (one.name.to_string(), setup.service(&one.name).clone()));
        Self {
            trace: FORMAT,
            saga: model.truth.name.to_string(),
            definition: model.truth.digest.to_string(),
            shows: shows.as_str().to_owned(),
            input: Value::clone(&model.begin.input),
            services: services.collect(),
            choices: labels(model, setup, path),
        }
    }

    /// The setup under which it was found.
    pub fn setup(&self) -> Setup {
        let services = self.services.iter().map(|(name, service)| (ServiceName::from(name.as_str()), service.clone()));
        Setup { inputs: vec![self.input.clone()], services: services.collect(), ..Setup::default() }
    }
}

/// The words of a path; some hang on the moment in which they are said, so it is walked once more.
fn labels(model: &Model<'_>, setup: &Setup, path: &[Choice]) -> Vec<String> {
    let Ok(again) = Model::new(model.truth, setup, &model.begin.input, false) else { return vec![] };
    let mut node = start(&again, UNBOUNDED);
    path.iter()
        .map(|choice| {
            let label = choice.label(&again, &node);
            apply(&again, &mut node, *choice);
            label
        })
        .collect()
}

/// Whether the journal of a run folds to where it ended; what the judge says of that.
pub(crate) fn journal_of(model: &Model<'_>, setup: &Setup, path: &[Choice]) -> Vec<Raised> {
    let Ok(again) = Model::new(model.truth, setup, &model.begin.input, true) else { return vec![] };
    let mut node = start(&again, UNBOUNDED);
    for choice in path {
        apply(&again, &mut node, *choice);
    }
    // Everything else has been judged.
    again.raised.borrow_mut().clear();
    ends::folds(&again, &node);
    again.raised.into_inner()
}

/// Tells a trace as a story, to the end of its saga.
///
/// # Errors
/// It is not of this definition, or not of this version.
pub fn replay(definition: &Definition, trace: &Trace) -> Result<Story, CannotReplay> {
    if trace.trace != FORMAT {
        return Err(CannotReplay::Format(trace.trace));
    }
    if trace.definition != definition.digest.to_string() {
        return Err(CannotReplay::OtherDefinition(trace.saga.clone()));
    }
    let model = Model::new(definition, &trace.setup(), &trace.input, true)?;
    let mut node = start(&model, UNBOUNDED);
    let mut faults = 0;
    for (nth, label) in trace.choices.iter().enumerate() {
        let possible = choices(&model, &node);
        let Some((choice, cost)) = possible.iter().find(|(choice, _)| choice.label(&model, &node) == *label) else {
            let words: Vec<String> = possible.iter().map(|(choice, _)| choice.label(&model, &node)).collect();
            return Err(CannotReplay::Choice { nth: nth + 1, choice: label.clone(), possible: words.join(" · ") });
        };
        faults += cost;
        apply(&model, &mut node, *choice);
    }
    node.budget = 0;
    for _ in 0..LONGEST {
        let Some((choice, _)) = choices(&model, &node).first().copied() else { break };
        apply(&model, &mut node, choice);
    }
    ends::judge(&model, &node, faults);
    ends::folds(&model, &node);
    let end = match node.state.status {
        status @ (Status::Completed | Status::Compensated) => status.as_str().to_owned(),
        status => format!("{}, and a person is asked", status.as_str()),
    };
    let ledger = ledger(&model, &node);
    Ok(Story::of(model, end, ledger))
}

/// What the services have done in the end.
fn ledger(model: &Model<'_>, node: &Node) -> Vec<String> {
    let mut units = node.units.clone();
    units.sort_by_key(|(unit, _)| *unit);
    let effects = units.iter().filter(|(unit, _)| model.step(*unit).effect);
    effects
        .map(|(unit, book)| format!("{}: done {}, undone {}", model.words(*unit), book.applied, book.undone))
        .collect()
}
