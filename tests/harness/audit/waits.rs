//! What steps wait for, folded from a journal: sleeps that last, signals that are taken once and in their order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::journal::How;

#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) open: BTreeMap<String, Wait>,
    /// Steps that have what they waited for.
    pub(super) done: BTreeSet<String>,
    /// Signals that came: name, key, payload.
    came: Vec<(String, Option<String>, Value)>,
    /// How many of each name are taken.
    taken: BTreeMap<String, usize>,
}

#[derive(Debug)]
pub(super) struct Wait {
    /// `None`: it sleeps.
    signal: Option<String>,
    /// `None`: that is over, and a person was asked to look.
    pub(super) until: Option<i64>,
}

impl Waits {
    pub(super) fn knows(&self, step: &str) -> bool {
        self.open.contains_key(step) || self.done.contains(step)
    }

    pub(super) fn begin(&mut self, step: &str, signal: Option<&String>, until: i64) {
        self.open.insert(step.to_owned(), Wait { signal: signal.cloned(), until: Some(until) });
    }

    pub(super) fn slept(&mut self, step: &str, at: i64) -> Result<(), String> {
        match self.open.remove(step) {
            Some(Wait { signal: None, until: Some(until) }) if until <= at => {
                self.done.insert(step.to_owned());
                Ok(())
            }
            other => Err(format!("its sleep is not over: {other:?}")),
        }
    }

    pub(super) fn receive(&mut self, signal: &str, key: Option<&str>, payload: &Value) -> Result<(), String> {
        if self.came.iter().any(|(name, before, _)| name == signal && key.is_some() && before.as_deref() == key) {
            return Err("a signal under this key came before".to_owned());
        }
        self.came.push((signal.to_owned(), key.map(str::to_owned), payload.clone()));
        Ok(())
    }

    pub(super) fn take(&mut self, step: &str, signal: &str) -> Result<(), String> {
        match self.open.remove(step) {
            Some(Wait { signal: Some(awaited), .. }) if awaited == signal => {}
            other => return Err(format!("it does not await this: {other:?}")),
        }
        let taken = self.taken.entry(signal.to_owned()).or_default();
        *taken += 1;
        if self.came.iter().filter(|(name, _, _)| name == signal).count() < *taken {
            return Err("more signals are taken than came".to_owned());
        }
        self.done.insert(step.to_owned());
        Ok(())
    }

    pub(super) fn fail(&mut self, step: &str, how: How, at: i64, running: bool) -> Result<(), String> {
        match (self.open.remove(step), how) {
            (Some(Wait { signal: Some(_), until: Some(until) }), How::TimedOut) if until <= at && running => Ok(()),
            (Some(_), How::CutShort) if !running => Ok(()),
            (wait, _) => Err(format!("its wait does not end like this: {wait:?}")),
        }
    }

    /// Past its time, behind the pivot.
    pub(super) fn goes_on(&mut self, step: &str, at: i64) -> Result<(), String> {
        match self.open.get_mut(step) {
            Some(Wait { signal: Some(_), until }) if until.is_some_and(|until| until <= at) => {
                *until = None;
                Ok(())
            }
            other => Err(format!("its time is not over: {other:?}")),
        }
    }
}
