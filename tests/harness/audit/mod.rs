//! The checker: SEMANTICS §6 over what was written down. The judgement is pure (`check`), so that hand-made evidence can
//! prove that it notices each kind of lie; gathering the evidence is another matter (`gather`).
//!
//! Sources: the orchestrator's store (journal and summary rows), the wire logs of the proxies, the ledgers and balances in
//! the participants' own files. **What it must never know:** the API under test, and how the orchestrator decides.

#[cfg(test)]
mod controls;
mod effects;
mod epochs;
mod families;
mod intents;
pub mod journal;
pub mod ledger;
mod life;
mod locks;
mod order;
pub mod reader;
mod rest;
mod settle;
pub mod shape;
mod waits;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use uuid::Uuid;

use self::{
    journal::Saga,
    ledger::Entry,
    life::Life,
    shape::{Shape, Step},
};
use crate::{proxy::WireRequest, words::Call};

/// Everything that was written down.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// From the orchestrator's store.
    pub sagas: Vec<Saga>,
    /// Definitions by name and version, as they are stored beside the journals.
    pub shapes: BTreeMap<(String, u32), Shape>,
    /// From the proxies, in order of arrival.
    pub wire: Vec<WireRequest>,
    /// From the proxies: requests that do not follow the contract.
    pub unreadable: Vec<String>,
    /// From the participants, in the order of their commits.
    pub ledgers: BTreeMap<String, Vec<Entry>>,
    /// Balances, if the participants keep any.
    pub sums: Vec<Sum>,
    /// Order books, if a participant keeps one: the order of each saga and the word it stands at.
    pub orders: BTreeMap<Uuid, String>,
    /// So far the clocks of those who wrote may disagree.
    pub skew_us: i64,
    /// Faults are over and everything has had its time.
    pub at_rest: bool,
    /// The orchestrator was told to send copies: an attempt may be several requests. Everything else holds all the same.
    pub copies_meant: bool,
}

/// One balance: what was there, what the ledgers say has moved, what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub what: String,
    pub opening: i64,
    pub moved: i64,
    pub found: i64,
}

/// One thing that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number in SEMANTICS §6.
    pub invariant: u8,
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {}: {}", self.invariant, self.text)
    }
}

/// Violations as they are found.
#[derive(Debug, Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, invariant: u8, text: impl Into<String>) {
        self.0.push(Violation { invariant, text: text.into() });
    }

    /// Adds it unless `holds`.
    fn unless(&mut self, holds: bool, invariant: u8, text: impl FnOnce() -> String) {
        if !holds {
            self.add(invariant, text());
        }
    }
}

/// One saga with all that was written down about it.
struct Case<'e> {
    saga: &'e Saga,
    shape: &'e Shape,
    life: Life,
    /// Entries of its ledgers with the service that wrote them, each service's in the order of its commits.
    entries: Vec<(&'e str, &'e Entry)>,
}

impl Case<'_> {
    /// What the ledgers say of one step or item.
    fn entries_of<'s>(&'s self, call: &'s Call) -> impl Iterator<Item = &'s Entry> {
        self.entries.iter().map(|(_, entry)| *entry).filter(move |entry| entry.is_of(call))
    }

    /// Steps and items that journal or ledger have heard of, as action calls.
    fn actions(&self) -> BTreeSet<Call> {
        let journalled = self.life.calls.keys().cloned();
        let entered = self.entries.iter().map(|(_, entry)| entry.call.clone());
        journalled.chain(entered).map(|call| call.with_op(crate::words::Op::Action)).collect()
    }

    fn step(&self, call: &Call) -> Option<&Step> {
        self.shape.step(&call.step)
    }
}

/// Everything in the evidence that must not be.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Found::default();
    let mut cases = BTreeMap::new();
    let mut entries = entries(evidence);
    for saga in &evidence.sagas {
        let Some(shape) = evidence.shapes.get(&(saga.name.clone(), saga.version)) else {
            found.add(11, format!("saga {}: its definition {} {} is gone", saga.id, saga.name, saga.version));
            continue;
        };
        found.unless(shape.digest == saga.definition, 11, || {
            format!("saga {}: definition {} {} is not the one it started with", saga.id, saga.name, saga.version)
        });
        let life = life::live(saga, shape, &mut found);
        let entries = entries.remove(&saga.id).unwrap_or_default();
        cases.insert(saga.id, Case { saga, shape, life, entries });
    }
    let excused = families::excused(&cases);
    for case in cases.values() {
        life::check_row(case, &mut found);
        effects::check_saga(case, &mut found);
        order::check_saga(case, &mut found);
        epochs::check_saga(case, &mut found);
        if evidence.at_rest {
            let excused = excused.contains(&case.saga.id);
            rest::check_saga(case, excused, evidence.orders.get(&case.saga.id).map(String::as_str), &mut found);
        }
    }
    intents::check(evidence, &cases, &mut found);
    families::check(&cases, evidence.at_rest, &mut found);
    settle::check(evidence, &cases, &mut found);
    locks::check(&cases, evidence.skew_us, &mut found);
    epochs::check_wire(evidence, &cases, &mut found);
    epochs::check_fences(evidence, &mut found);
    if evidence.at_rest {
        rest::check_sums(evidence, &mut found);
    }
    found.0
}

fn entries(evidence: &Evidence) -> BTreeMap<Uuid, Vec<(&str, &Entry)>> {
    let mut entries = BTreeMap::<_, Vec<_>>::new();
    for (service, ledger) in &evidence.ledgers {
        for entry in ledger {
            entries.entry(entry.saga).or_default().push((service.as_str(), entry));
        }
    }
    entries
}
