//! What came of a scenario, as whoever carried it out has seen it: virtual time, the runner against real services, tests over real
//! processes.

use serde_json::Value;

use super::model::Asked;
use crate::{
    definition::{Definition, Mark},
    ids::StepName,
    state::{Life, Phase, State, StepState},
};

/// What came of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    /// Of the saga itself, as in the API.
    pub status: String,
    /// Why it is undone, or why it has not ended, in words; empty: there is nothing to say.
    pub why: String,
    pub output: Value,
    /// Of the saga itself, in source order.
    pub done: Vec<String>,
    pub skipped: Vec<String>,
    /// Effects of the family that were undone, in order.
    pub undone: Vec<String>,
    /// Steps that were compensated although nothing had happened.
    pub nothing: Vec<String>,
    /// Requests of the family, in order. What never left is none.
    pub requests: Vec<Sent>,
    /// Of each fault: how often it befell somebody.
    pub befell: Vec<u64>,
    /// Of each callback: whether there was a call to be called back.
    pub accepted: Vec<bool>,
    /// What could not be done as it is written, and why.
    pub could_not: Vec<(Mark, String)>,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub step: String,
    pub of: Asked,
    /// `null`, if it has none.
    pub body: Value,
}

impl Ran {
    /// Steps of the saga that have succeeded and were left so, and those that were skipped.
    pub fn steps_of(definition: &Definition, state: &State) -> (Vec<String>, Vec<String>) {
        let of = |fits: fn(&StepState) -> bool| {
            let steps = definition.steps.iter().filter(|step| state.step(&step.name).is_some_and(fits));
            steps.map(|step| step.name.to_string()).collect()
        };
        (of(is_done), of(|step| matches!(step, StepState::Skipped)))
    }

    /// Whether somebody who looks finds this step waiting: for a signal, a time, a callback, a child or a person.
    pub fn is_waiting(state: &State, step: &StepName) -> bool {
        let waits = |phase: &Phase| matches!(phase, Phase::Accepted { .. } | Phase::Child);
        match state.step(step) {
            Some(StepState::Waiting(_) | StepState::Refused) => true,
            Some(StepState::Calling(call)) => waits(&call.phase),
            Some(StepState::Each(each)) => {
                let mut under_way = each.lives.iter().flatten().filter_map(Life::under_way).peekable();
                under_way.peek().is_some() && under_way.all(|(_, call)| waits(&call.phase))
            }
            _ => false,
        }
    }

    pub(super) fn sent(&self, step: &str, of: Asked) -> usize {
        self.requests.iter().filter(|sent| sent.step == step && sent.of == of).count()
    }
}

fn is_done(step: &StepState) -> bool {
    match step {
        StepState::Succeeded { .. } => true,
        StepState::Each(each) => each.lives.iter().all(|life| matches!(life, Some(Life::Succeeded { .. }))),
        _ => false,
    }
}
