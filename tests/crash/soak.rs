//! Hundreds of sagas, faults of every kind on the wire, kill -9 of orchestrator and participants at random moments, until
//! everything has ended; then the checker. `AMENDS_SOAK_SAGAS` says how many, `AMENDS_SEED` repeats a run's dice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use amends_client::{Client, Start};
use amends_tests::{
    audit::journal::{Event, Saga},
    dice::{self, Dice},
    proxy::Injected,
    town::{Plan, Town},
    wait::{until, until_true},
};
use anyhow::Result;
use serde_json::Value;
use uuid::Uuid;

const SAGAS: usize = 300;
/// Starts under way at once.
const STARTERS: usize = 8;
/// A start is repeated as long as its server is being killed.
const START_BOUND: Duration = Duration::from_secs(60);
/// Faults are over: the longest backoff of a compensation that was unlucky, and a little.
const REST_BOUND: Duration = Duration::from_secs(90);

fn order(number: usize) -> Value {
    let mut order = Town::order(1, 100);
    match number % 8 {
        5 => order["quantity"] = 2_000_000.into(),
        6 => order["amount"] = 2_000_000.into(),
        7 => order["address"] = "unknown".into(),
        _ => {}
    }
    order
}

/// Starts them all by key, each until it is acknowledged.
async fn start_all(client: Client, start: Start, next: Arc<AtomicUsize>, sagas: usize, ids: Arc<Mutex<Vec<Uuid>>>) {
    loop {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= sagas {
            return;
        }
        let mut start = Start { key: Some(format!("soak-{number}")), ..start.clone() };
        start.request.input = order(number);
        let begun = Instant::now();
        let id = loop {
            match client.start(&start).await {
                Ok(answer) => break answer.saga.id,
                Err(error) if begun.elapsed() > START_BOUND => panic!("start {number} never came through: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        ids.lock().expect("nobody panics under it").push(id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_whenever_every_saga_ends_well() -> Result<()> {
    let sagas = dice::sagas(SAGAS);
    let mut dice = Dice::asked();
    let mut town = Town::start(Plan::orders().patient().hasty_in_places()).await?;
    let faults = town.inject_a_bit_of_everything(dice.seed);

    let (next, ids) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let mut starters = tokio::task::JoinSet::new();
    for _ in 0..STARTERS {
        let start = town.start_of(Value::Null);
        starters.spawn(start_all(town.client()?, start, next.clone(), sagas, ids.clone()));
    }
    let mut kills = 0;
    while kills < 6 || !starters.is_empty() {
        tokio::time::sleep(Duration::from_millis(150 + dice.below(600))).await;
        if kills % 3 == 2 {
            let names: Vec<&str> = town.services.keys().copied().collect();
            let name = names[usize::try_from(dice.below(names.len() as u64))?];
            town.service_mut(name).process.restart().await?;
        } else {
            town.crash().await?;
        }
        kills += 1;
        while let Some(done) = starters.try_join_next() {
            done?;
        }
    }

    town.heal();
    at_rest(&town).await?;
    town.audit().await?;
    let stored = town.sagas().await?;
    let ids = ids.lock().expect("nobody panics under it").clone();
    assert_eq!(ids.len(), sagas, "every start was acknowledged");
    assert_eq!(stored.len(), sagas, "one saga for each key");
    assert!(ids.iter().all(|id| stored.iter().any(|saga| saga.id == *id)), "no acknowledged start was lost");
    assert_worth_it(&stored, &faults, kills);
    Ok(())
}

/// Waits until nothing is under way any more, also no late copy.
async fn at_rest(town: &Town) -> Result<()> {
    until("every saga has ended", REST_BOUND, async || {
        Ok(town.sagas().await?.iter().all(|saga| saga.row.ended_at.is_some()).then_some(()))
    })
    .await?;
    until_true("the last late copy has been answered", REST_BOUND, || {
        town.services.values().all(|service| service.proxy.late() == 0)
    })
    .await
}

/// A run in which nothing happened proves nothing.
fn assert_worth_it(stored: &[Saga], faults: &[Injected], kills: u32) {
    let ended = |word: &str| stored.iter().filter(|saga| saga.row.status == word).count();
    let adoptions = stored.iter().flat_map(|saga| &saga.journal).filter(|row| row.event == Event::Adopted).count();
    let fired: u64 = faults.iter().map(Injected::fired).sum();
    let (completed, compensated) = (ended("completed"), ended("compensated"));
    eprintln!("{completed} completed, {compensated} compensated; {kills} kills, {adoptions} adoptions, {fired} faults");
    assert!(completed * 4 > stored.len() && compensated * 8 > stored.len(), "both ends are frequent");
    assert!(adoptions > 0 && fired > stored.len() as u64 / 4, "faults happened");
}
