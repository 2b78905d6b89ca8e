//! Collects the evidence of a scene: journals, ledgers and wire logs, nothing else.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    audit::{
        Evidence, Sum,
        journal::{Event, Saga},
        ledger::{self, Effect},
        reader::Reader,
    },
    town::{Move, OPENING, Scene, Service},
};

/// More than an answer of the database takes on its way.
const NODES_DISAGREE_BY_US: i64 = 100_000;

/// Everything that was written down in it. Journal and ledgers are not of one moment, so nothing may be under way:
/// either everything is at rest, or the orchestrator is dead.
pub(crate) async fn evidence(scene: &Scene, at_rest: bool) -> Result<Evidence> {
    // Nodes take the time from the database and go on by their own clocks; one process has one clock.
    let skew_us = if matches!(scene.journal, Reader::Server(_)) { NODES_DISAGREE_BY_US } else { 0 };
    let mut evidence = Evidence { at_rest, skew_us, copies_meant: scene.plan.allows_faults, ..Evidence::default() };
    for (name, service) in &scene.services {
        for proxy in service.proxies() {
            evidence.wire.extend(proxy.log());
            evidence.unreadable.extend(proxy.unreadable());
        }
        evidence.ledgers.insert((*name).to_owned(), ledger::read(&service.books).await?);
    }
    evidence.wire.sort_by_key(|request| request.arrived_at);
    evidence.sagas = scene.journal.sagas().await?;
    evidence.shapes = scene.journal.shapes().await?;
    if at_rest {
        for (name, binary) in &scene.plan.services {
            let service = scene.service(name);
            match *binary {
                "amends-orders" => evidence.orders = orders(service).await?,
                "amends-payments" => {
                    let found = service.books.accounts().await?.into_iter().collect();
                    evidence.sums.extend(sums(scene, name, found, &evidence));
                }
                "amends-inventory" => {
                    let found = service.books.stock().await?.into_iter().collect();
                    evidence.sums.extend(sums(scene, name, found, &evidence));
                }
                _ => {}
            }
        }
    }
    Ok(evidence)
}

async fn orders(service: &Service) -> Result<BTreeMap<Uuid, String>> {
    let rows = service.books.orders().await?;
    rows.into_iter().map(|(id, status)| Ok((id.parse().context("an order has its saga's id")?, status))).collect()
}

/// What each balance of a service should be, by the ledgers and the inputs in the journal.
fn sums(scene: &Scene, service: &str, found: BTreeMap<String, i64>, evidence: &Evidence) -> Vec<Sum> {
    let mut moved = BTreeMap::<&str, i64>::new();
    let mut nets = BTreeMap::<_, i64>::new();
    for entry in evidence.ledgers.get(service).into_iter().flatten() {
        *nets.entry((entry.saga, entry.call.step.as_str(), entry.call.index)).or_default() += match entry.effect {
            Effect::Applied => 1,
            Effect::Undone => -1,
            Effect::Null => 0,
        };
    }
    for moves in scene.plan.moves.iter().filter(|moves| moves.service == service) {
        for saga in &evidence.sagas {
            for ((_, _, index), net) in nets.iter().filter(|((id, step, _), _)| *id == saga.id && *step == moves.step) {
                if let Some((whose, change)) = change(moves, saga, *index, *net) {
                    *moved.entry(whose).or_default() += change;
                }
            }
        }
    }
    found
        .iter()
        .map(|(whose, found)| Sum {
            what: format!("{service}: {whose}"),
            opening: OPENING,
            moved: moved.get(whose.as_str()).copied().unwrap_or(0),
            found: *found,
        })
        .collect()
}

/// By the input, or by the item, of a step that calls once for each.
fn change<'s>(moves: &Move, saga: &'s Saga, index: Option<u32>, net: i64) -> Option<(&'s str, i64)> {
    let from = saga.journal.iter().find_map(|row| match (&row.event, index) {
        (Event::SagaStarted { input, .. }, None) => Some(input),
        (Event::ItemsListed { step, items }, Some(index)) if step == moves.step => items.get(index as usize),
        _ => None,
    })?;
    let whose = from.get(moves.whose)?.as_str()?;
    let how_much = from.get(moves.how_much).and_then(Value::as_i64)?;
    Some((whose, moves.sign * how_much * net))
}
