//! Collects the evidence of a town: files and wire logs, nothing else.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    audit::{
        Evidence, Sum,
        journal::{self, Event, Saga},
        ledger::{self, Effect, Entry},
    },
    town::{Move, OPENING, Service, Town},
};

/// Everything that was written down in this town. Journal and ledgers are not of one moment, so nothing may be under way:
/// either everything is at rest, or the orchestrator is dead.
pub(crate) async fn evidence(town: &Town, at_rest: bool) -> Result<Evidence> {
    let mut evidence = Evidence { at_rest, ..Evidence::default() };
    for (name, service) in &town.services {
        evidence.wire.extend(service.proxy.log());
        evidence.unreadable.extend(service.proxy.unreadable());
        evidence.ledgers.insert((*name).to_owned(), ledger::read(&service.database).await?);
    }
    evidence.wire.sort_by_key(|request| request.arrived_at);
    evidence.sagas = town.journal.sagas().await?;
    evidence.shapes = town.journal.shapes().await?;
    if at_rest {
        for (name, binary) in &town.plan.services {
            let service = town.service(name);
            match *binary {
                "amends-orders" => evidence.orders = orders(service).await?,
                "amends-payments" => {
                    let found = balances(service, "select id, balance from account").await?;
                    evidence.sums.extend(sums(town, name, found, &evidence));
                }
                "amends-inventory" => {
                    let found = balances(service, "select sku, quantity from stock").await?;
                    evidence.sums.extend(sums(town, name, found, &evidence));
                }
                _ => {}
            }
        }
    }
    Ok(evidence)
}

async fn orders(service: &Service) -> Result<BTreeMap<Uuid, String>> {
    let pool = journal::open(&service.database);
    let rows: Vec<(String, String)> =
        sqlx::query_as("-- audit_orders\nselect id, status from orders").fetch_all(&pool).await?;
    pool.close().await;
    rows.into_iter().map(|(id, status)| Ok((id.parse().context("an order has its saga's id")?, status))).collect()
}

async fn balances(service: &Service, query: &'static str) -> Result<BTreeMap<String, i64>> {
    let pool = journal::open(&service.database);
    let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(&pool).await?;
    pool.close().await;
    Ok(rows.into_iter().collect())
}

/// What each balance of a service should be, by the ledgers and the inputs in the journal.
fn sums(town: &Town, service: &str, found: BTreeMap<String, i64>, evidence: &Evidence) -> Vec<Sum> {
    let mut moved = BTreeMap::<&str, i64>::new();
    let ledger = evidence.ledgers.get(service).map(Vec::as_slice).unwrap_or_default();
    for moves in town.plan.moves.iter().filter(|moves| moves.service == service) {
        for saga in &evidence.sagas {
            if let Some((whose, change)) = change(moves, saga, ledger) {
                *moved.entry(whose).or_default() += change;
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

fn change<'s>(moves: &Move, saga: &'s Saga, ledger: &[Entry]) -> Option<(&'s str, i64)> {
    let Event::SagaStarted { input, .. } = &saga.journal.first()?.event else { return None };
    let whose = input.get(moves.whose)?.as_str()?;
    let how_much = input.get(moves.how_much).and_then(Value::as_i64)?;
    let net: i64 = ledger
        .iter()
        .filter(|entry| entry.saga == saga.id && entry.call.step == moves.step)
        .map(|entry| match entry.effect {
            Effect::Applied => 1,
            Effect::Undone => -1,
            Effect::Null => 0,
        })
        .sum();
    Some((whose, moves.sign * how_much * net))
}
